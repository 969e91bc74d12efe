"""The verbs that take long, in miniature: a command line each, and what it must have made in the end."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fake_board import FakeBoard, info_of
from pack_maker import pins_text, write_unpacked
from tinyscene.bundle.bundle import Bundle
from tinyscene.data import synth
from tinyscene.data.dataset import Dataset
from tinyscene.frontend import features
from tinyscene.frontend.config import preset
from tinyscene.paths import REPOSITORY

SEVERAL_NETWORKS = """
name = "miniature"
[data]
folds = 1
[teacher]
network = "student"
width = 0.25
epochs = 2
[student]
network = "student"
width = 0.25
epochs = 2
[quantisation]
epochs = 1
"""
SEARCH = """
title = "miniature"
[run]
seed = 1
[run.data]
folds = 1
[run.student]
learning_rate = 1e-3
[reference]
student = { network = "student", width = 0.25 }
[[space]]
student = { network = "student", width = [0.1, 0.2] }
[limits]
instructions = 25_000_000
ram_bytes = 24_000
[[rounds]]
epochs = 1
keep = 1
[[rounds]]
epochs = 2
"""
OTHER_PINS = (
    "import sys; from pathlib import Path; from tinyscene.tflm.packs import pins; pins.PINS = Path(sys.argv.pop(1));"
    "from tinyscene.cli import main; sys.argv[0] = 'tinyscene'; main()"
)
TIMES = {"seconds", "microseconds", "frontend_microseconds", "boards", "model_us", "frontend_us", "port"}


@dataclasses.dataclass(frozen=True)
class Verb:
    """A verb.

    Attributes:
        name: its name.
        words: from the folder in which it works, and the port of a board, to its command line.
        prepare: makes what it needs in that folder.
        result: what it has made there, without how long it took.
        board: the board that it asks, from the folder; None: none.
    """

    name: str
    words: Callable[[Path, str], list[str]]
    prepare: Callable[[Path], None]
    result: Callable[[Path], Any]
    board: Callable[[Path], FakeBoard] | None = None

    def start(self, folder: Path, port: str = "") -> "subprocess.Popen[str]":
        """Start it; cache and temporary files are in the folder, too."""
        (folder / "tmp").mkdir(exist_ok=True)
        places = {"TINYSCENE_CACHE": str(folder / "cache"), "TMPDIR": str(folder / "tmp")}
        return subprocess.Popen(
            [sys.executable, *self.words(folder, port)],
            cwd=folder,
            env=os.environ | places,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def tinyscene(*words: object) -> list[str]:
    """Return a command line."""
    return ["-m", "tinyscene", *map(str, words)]


def clips(folder: Path) -> None:
    """Make a data set of 60 clips."""
    synth.write_dataset(folder / "data", clips_per_scene=6, seed=1)


def with_file(name: str, text: str) -> Callable[[Path], None]:
    """Return what makes a data set and a file."""

    def prepare(folder: Path) -> None:
        clips(folder)
        (folder / name).write_text(text)

    return prepare


def timeless(value: Any) -> Any:
    """A JSON value without times."""
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key not in TIMES}
    return [timeless(each) for each in value] if isinstance(value, list) else value


def in_json(name: str) -> Callable[[Path], Any]:
    """Return what reads a JSON file without times."""
    return lambda folder: timeless(json.loads((folder / name).read_text()))


def tree(folder: Path) -> dict[str, str]:
    """Return path -> digest of all files, whatever the folder around it is called."""
    here = str(folder.parent).encode()
    contents = {path: path.read_bytes().replace(here, b"") for path in sorted(folder.rglob("*")) if path.is_file()}
    return {str(path.relative_to(folder)): hashlib.sha256(data).hexdigest() for path, data in contents.items()}


def cached_images(folder: Path) -> str:
    """Return a digest of the features in the cache, which must be complete."""
    before, os.environ["TINYSCENE_CACHE"] = os.environ.get("TINYSCENE_CACHE"), str(folder / "cache")
    try:
        dataset = Dataset(folder / "data")
        found = features.extract(dataset, list(dataset.clips()), preset("p1"), engine="c")
    finally:
        del os.environ["TINYSCENE_CACHE"]
        if before is not None:
            os.environ["TINYSCENE_CACHE"] = before
    assert found.computed == 0, "the cache is not complete"
    return hashlib.sha256(np.stack([np.asarray(image) for image in found.images]).tobytes()).hexdigest()


def trained(folder: Path) -> Any:
    """Return what training made: the model, its scores and probabilities."""
    with np.load(folder / "run" / "predictions.npz") as arrays:
        predictions = {name: arrays[name].tolist() for name in arrays.files}
    return tree(folder / "bundle")["model.tflite"], in_json("run/evaluation.json")(folder), predictions


def bundle(folder: Path) -> Bundle:
    """Make a bundle of all scenes."""
    made = Bundle.load(REPOSITORY / "models" / "student")
    if not (folder / "bundle").exists():
        made.save(folder / "bundle", "# Card\n")
    return made


def carrying(folder: Path) -> FakeBoard:
    """Return a board that carries that bundle."""
    return FakeBoard(info_of(bundle(folder)))


def clips_and_bundle(folder: Path) -> None:
    """Make a data set whose scenes the bundle knows, and the bundle."""
    clips(folder)
    bundle(folder)


def packs(folder: Path) -> None:
    """Make packs, and the file that pins them."""
    write_unpacked(folder / "unpacked")
    (folder / "packs.toml").write_text(pins_text())


def installed(folder: Path) -> dict[str, str]:
    """Return the installed packs."""
    return {name: digest for name, digest in tree(folder / "cache").items() if "lock" not in name}


VERBS = (
    Verb("features", lambda f, _: tinyscene("features", f / "data", "--workers", 2), clips, cached_images),
    Verb(
        "train",
        lambda f, _: tinyscene(
            "train", f / "run.toml", "--data", f / "data", "--out", f / "bundle", "--run", f / "run"
        ),
        with_file("run.toml", SEVERAL_NETWORKS),
        trained,
    ),
    Verb(
        "device evaluate",
        lambda f, port: tinyscene(
            *("device", "evaluate", "--port", port, f / "bundle", "--data", f / "data"),
            *("--split", "fold1_evaluate.csv", "--journal", f / "journal.jsonl", "--json", f / "device.json"),
        ),
        clips_and_bundle,
        in_json("device.json"),
        carrying,
    ),
    Verb(
        "experiment run",
        lambda f, _: tinyscene(
            *("experiment", "run", "final/baseline", "--data", f / "data", "--out", f / "rows"),
            *("--budget", 0.1, "--json", f / "rows.json"),
        ),
        clips,
        in_json("rows.json"),
    ),
    Verb(
        "search",
        lambda f, _: tinyscene(
            "search", f / "search.toml", "--data", f / "data", "--out", f / "runs", "--json", f / "found.json"
        ),
        with_file("search.toml", SEARCH),
        in_json("found.json"),
    ),
    Verb(
        "export",
        lambda f, _: tinyscene("export", f / "bundle", "--out", f / "c"),
        lambda folder: bundle(folder) and None,
        lambda folder: tree(folder / "c"),
    ),
    Verb(
        "packs install",
        lambda f, _: ["-c", OTHER_PINS, str(f / "packs.toml"), "packs", "install", "--from", str(f / "unpacked")],
        packs,
        installed,
    ),
)
