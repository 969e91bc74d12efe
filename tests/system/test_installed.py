"""The wheel, installed without the checkout: every verb, from an empty folder; nothing is written into the package."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
import zlib
from pathlib import Path

import pytest

from tinyscene.paths import REPOSITORY

SOURCES = ["configs", "docs", "experiments", "firmware", "host", "models", "tests/golden"]
FILES = ["LICENSE", "MANIFEST.in", "README.md", "platformio.ini", "pyproject.toml", "setup.py"]
CONFIG = """
name = "mini"
[data]
folds = 1
[student]
network = "separable"
epochs = 1
"""
# Walks the tree of verbs in one process, with what each needs to do something, else with nothing; prints what came.
WALK = """\
import contextlib, io, json, sys, traceback
import click, typer
from tinyscene.cli import app, main
known = json.loads(sys.argv[1])
outcomes = {}
def verbs(command, path=()):
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from verbs(inner, (*path, name))
    else:
        yield path
place = {verb: number for number, verb in enumerate(known)}
every = sorted(verbs(typer.main.get_command(app)), key=lambda path: place.get(" ".join(path), len(place)))
for path in every:
    for words in known.get(" ".join(path), [["nowhere"]]):
        sys.argv = ["tinyscene", *path, *words]
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                main()
            code = 0
        except SystemExit as leaving:
            code = leaving.code or 0
        except BaseException:
            code, _ = "traceback", said.write(traceback.format_exc())
        outcomes[" ".join([*path, *words])] = [code, said.getvalue()]
print("\\n" + json.dumps(outcomes))
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with the wheel in it; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    for name in SOURCES:
        ignore = shutil.ignore_patterns("generated*", "__pycache__", "*.egg-info")
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignore)
    for name in FILES:
        shutil.copy(REPOSITORY / name, source / name)
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    pip = [sys.executable, "-m", "pip", "--quiet", "--no-input"]
    offline = ["--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "wheel", "--no-build-isolation", *offline, "-w", folder, source], check=True, env=clean, cwd=folder
    )
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    packages = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
    wheel = next(folder.glob("*.whl"))
    subprocess.run([*pip, "install", *offline, "--target", packages, wheel], check=True, env=clean, cwd=folder)
    theirs = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "theirs.pth").write_text(f"{theirs}\n")
    for path in sorted((packages / "tinyscene").rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return python


def run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python there, without this checkout."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "CC")}
    environment |= {"TINYSCENE_CACHE": str(folder.parent / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {"PLATFORMIO_CORE_DIR": str(folder.parent / "platformio"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [python, *words], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def models(installed: Path) -> Path:
    """The bundles that the wheel carries."""
    return next(installed.parents[1].glob("lib/python*/site-packages/tinyscene/_checkout/models"))


def test_the_wheel_is_what_is_imported(installed: Path, tmp_path: Path) -> None:
    found = run(installed, tmp_path, "-c", "import tinyscene; print(tinyscene.__file__)").stdout
    assert found.startswith(str(installed.parents[1]))


@pytest.fixture(scope="module")
def outcomes(installed: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """What came of each verb: its exit code or "traceback", and what it said."""
    folder = tmp_path_factory.mktemp("user") / "empty"
    folder.mkdir()
    compact = str(models / "compact")
    known = {
        "data synth": [["clips", "--clips-per-scene", "10"]],
        "data check": [["clips"]],
        "compile": [[compact, "--out", "c"]],
        "export": [[compact]],
        "features": [["clips"]],
        "verify": [[compact, "--vectors", "2"]],
        "complexity": [[compact]],
        "card": [["mine"]],
        "experiment list": [[]],
        "doctor": [[]],
        "size": [[]],
        "packs list": [[]],
        "bench": [["--nowhere"]],
        "results": [["--nowhere"]],
        "search": [["--nowhere"]],
        "experiment augmentations": [["--nowhere"]],
        "packs install": [["--nowhere"]],
        "frontend bench": [["--nowhere"]],
        "frontend golden": [["--nowhere"]],
        "evaluate": [[compact, "--data", "clips", "--split", "fold1_evaluate.csv"]],
        "train": [["mini.toml", "--data", "clips", "--out", "trained"]],
        "report": [["runs/trained"]],
        "cycles": [["--nowhere"]],
    }
    (folder / "mini.toml").write_text(CONFIG)
    shutil.copytree(models / "compact", folder / "mine")
    for path in (folder / "mine", *(folder / "mine").iterdir()):
        path.chmod(0o755)
    result = run(installed, folder, "-c", WALK, json.dumps(known))
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_no_verb_ends_in_a_traceback(outcomes: dict[str, list]) -> None:
    wrong = {verb: said[-1500:] for verb, (code, said) in outcomes.items() if code == "traceback"}
    assert len(outcomes) > 30
    assert not wrong, "\n".join(f"{verb}: {said}" for verb, said in wrong.items())


@pytest.mark.parametrize(
    ("verb", "says"),
    [
        ("data check", "no defects"),
        ("compile", ""),
        ("export", "firmware/generated: bundle compact"),
        ("verify", "0 mismatches"),
        ("complexity", ""),
        ("experiment list", "ablation"),
        ("card", ""),
        ("evaluate", "accuracy"),
        ("train", "INT8: log loss"),
        ("report", "runs/trained/report.html"),
    ],
)
def test_what_needs_no_long_work_is_done(outcomes: dict[str, list], verb: str, says: str) -> None:
    code, said = next(outcome for words, outcome in outcomes.items() if words.startswith(verb))
    assert code == 0, said
    assert says in " ".join(said.split())


@pytest.mark.usefixtures("outcomes")
def test_nothing_is_written_into_the_package(installed: Path, models: Path) -> None:
    """What lies there is what the wheel has brought, as root may write what is read-only."""
    package = models.parents[1]
    with zipfile.ZipFile(next(installed.parents[2].glob("*.whl"))) as wheel:
        brought = {entry.filename: entry.CRC for entry in wheel.infolist() if entry.filename.startswith("tinyscene/")}
    found = {
        path.relative_to(package.parent).as_posix(): zlib.crc32(path.read_bytes())
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert found == brought


def test_firmware_is_built_in_the_users_folder(installed: Path, models: Path, tmp_path: Path) -> None:
    """`tinyscene export` has written the project."""
    folder = tmp_path / "mine"
    folder.mkdir()
    exported = run(installed, folder, "-m", "tinyscene", "export", str(models / "compact"))
    assert exported.returncode == 0, exported.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["firmware", "platformio.ini"]
    built = run(installed, folder, "-m", "platformio", "run", "-e", "mps2")
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    assert "Bundle: compact" in built.stdout
    sizes = run(installed, folder, "-m", "tinyscene", "size", "mps2")
    assert sizes.returncode == 0, sizes.stderr
