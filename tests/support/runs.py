"""Made-up run folders and bundles for tests: the files of a run without the hours."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.bundle.bundle import Bundle
from tinyscene.bundle.probabilities import softmax
from tinyscene.data.dataset import SCENES, Dataset
from tinyscene.evaluation import metrics, reliability
from tinyscene.frontend.config import preset
from tinyscene.frontend.scaling import Normalisation, Quantisation
from tinyscene.paths import REPOSITORY
from tinyscene.training import parts, provenance
from tinyscene.training.config import RunConfig
from tinyscene.training.parts import Part, Run

DEVICES = ("a", "b", "c", "s1")


def parts_of(folder: Path, settings: RunConfig, dataset: Dataset) -> list[Part]:
    """The parts of a run whose provenance nobody asks for."""
    return parts.of_run(Run(folder, settings, dataset))


def bundle(name: str = "student", model: bytes = b"TFL3" + bytes(range(64))) -> Bundle:
    """A consistent bundle whose model is not a model unless it is given: enough for all that does not run it."""
    frontend = preset("p1")
    return Bundle(
        name=name,
        classes=SCENES,
        frontend=frontend,
        normalisation=Normalisation((-30.0,) * frontend.n_mels, (12.5,) * frontend.n_mels),
        input=Quantisation(0.03125, -5),
        output=Quantisation(0.125, 3),
        output_kind="logits",
        model=model,
        provenance={"dataset": "made up", "seed": 1, "commit": "0123abc", "command": "tinyscene train configs/x.toml"},
        metrics={"float": {"accuracy": 0.5}},
    )


def answers(seed: int, clips: int = 200, skill: float = 1.5) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """True classes, and made-up probabilities that are right more often the higher `skill` is."""
    random = np.random.default_rng(seed)
    truth = np.arange(clips) % len(SCENES)
    logits = random.normal(size=(clips, len(SCENES)))
    logits[np.arange(clips), truth] += skill
    return truth, softmax(logits)


def score(seed: int, clips: int = 200, skill: float = 1.5) -> dict[str, Any]:
    """What `metrics.score` returns for `answers`."""
    truth, probabilities = answers(seed, clips, skill)
    labels = [SCENES[k] for k in truth]
    devices = [DEVICES[k % len(DEVICES)] for k in range(clips)]
    return metrics.score(labels, probabilities, devices, SCENES)


def cross_validated(folder: Path, dataset: Dataset, seed: int, skill: float = 1.5) -> Path:
    """A run folder with made-up predictions of every fold, float and INT8, overconfident by a factor of 2."""
    random = np.random.default_rng(seed)
    settings = {"data": {"folds": "cross-validate"}, "data_fingerprint": provenance.fingerprint(dataset)}
    files.write_text(folder / "config.toml", tomli_w.dumps(settings))
    for number in dataset.folds():
        truth = [SCENES.index(str(clip.scene)) for clip in dataset.split(number, "evaluate")]
        logits = random.normal(size=(len(truth), len(SCENES)))
        logits[np.arange(len(truth)), truth] += skill
        rounded = np.round(logits, 1)
        answers = {"float": softmax(2 * logits), "int8": softmax(2 * rounded)}
        files.write_arrays(folder / f"fold{number}" / "predictions.npz", answers)
    return folder


def history(epochs: int, seed: int = 0) -> list[dict[str, float]]:
    """Lines of history.jsonl that fall as such curves do."""
    random = np.random.default_rng(seed)
    return [
        {
            "epoch": epoch,
            "learning_rate": 1e-3 / (1 + np.exp(epoch - 0.6 * epochs)),
            "loss": 0.4 + 1.9 * np.exp(-epoch / 4) + 0.02 * random.normal(),
            "val_log_loss": 1.2 + 1.1 * np.exp(-epoch / 3) + 0.05 * random.normal(),
            "val_accuracy": 0.55 - 0.4 * np.exp(-epoch / 3) + 0.01 * random.normal(),
            "seconds": 3.1,
        }
        for epoch in range(1, epochs + 1)
    ]


COMPLEXITY = {
    "parameters": 56820,
    "macs": 26078244,
    "nessi_parameters": 57660,
    "nessi_macs": 26116388,
    "within_limits": True,
    "keras_parameters": 57856,
    "layers": [
        {"index": 0, "kind": "CONV_2D", "output": "1x80x51x32", "parameters": 992, "macs": 3916800},
        {"index": 1, "kind": "MAX_POOL_2D", "output": "1x40x25x32", "parameters": 0, "macs": 0},
    ],
}


def write_run(folder: Path, *, seed: int = 1, networks: tuple[str, ...] = ("teacher", "student")) -> Path:
    """Write all files of a finished run but the board's."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('name = "student"\nseed = 1\n')
    for network in networks:
        (folder / network).mkdir()
        lines = [json.dumps(epoch) for epoch in history(12, seed)]
        (folder / network / "history.jsonl").write_text("\n".join(lines) + "\n")
    intervals = {"accuracy": [0.412, 0.577], "log_loss": [1.31, 1.79]}
    evaluation = {
        "split": "fold1_evaluate.csv",
        "float": {**score(seed), "intervals": intervals},
        "int8": {
            **score(seed + 100, skill=1.4),
            "intervals": intervals,
            "reliability": reliability.reliability(*answers(seed + 100, skill=1.4)),
        },
    }
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    (folder / "complexity.json").write_text(json.dumps(COMPLEXITY))
    real = (REPOSITORY / "models" / "student" / "model.tflite").read_bytes()
    bundle(model=real).save(folder / "bundle", "# Card\n")
    write_misheard(folder)
    (folder / "bundle.txt").write_text(f"{(folder / 'bundle').resolve()}\n")
    return folder


def write_misheard(folder: Path, clips: int = 3, seconds: float = 0.1) -> None:
    """Write the clips that the INT8 model is wrong about; without sound if it lasts 0 s."""
    random, shape = np.random.default_rng(clips), preset("p1").shape
    arrays = {
        "filename": np.array([f"audio/bus-{number}.wav" for number in range(clips)], np.str_),
        "true": np.array(["bus"] * clips, np.str_),
        "given": np.array(["metro_station"] * clips, np.str_),
        "probability": np.linspace(0.9, 0.5, clips),
        "images": random.integers(-128, 128, (clips, *shape)).astype(np.int8),
        "samples": random.integers(-999, 999, (clips, round(44100 * seconds))).astype(np.int16),
    }
    files.write_arrays(folder / "misheard.npz", arrays)


def write_board(folder: Path, emulated: bool = False, ports: int = 1) -> None:
    """Add what `device evaluate --json` writes."""
    board = {
        **score(101, skill=1.4),
        "mode": "features",
        "board": "mps2",
        "clock_hz": 25_000_000,
        "emulated": emulated,
        "microseconds": 48211,
        "frontend_microseconds": None,
        "boards": {f"/dev/ttyACM{number}": {"clips": 100, "microseconds": 48211} for number in range(ports)},
    }
    (folder / "device.json").write_text(json.dumps(board))
    (folder / "host.json").write_text(json.dumps(score(101, skill=1.4)))
