"""The names of the files and folders in a run's folder, for all code that writes or reads them.

A run's folder holds one part or, if cross-validated, one folder for each part: fold1, fold2, ..., and `final`. A part's
folder holds one folder for each network, its own bundle and its scores.
"""

from collections.abc import Iterator
from pathlib import Path

# files of a run, and of each of its parts
EVALUATION = "evaluation.json"  # scores, pooled over the folds in a run's folder
COMPLEXITY = "complexity.json"
BUNDLE_PATH = "bundle.txt"  # where the bundle was written, as text

# files of a run only
CONFIG = "config.toml"  # the resolved configuration
REPORT = "report.html"
FIGURES = "figures"

# files and folders of a part only
FINAL = "final"  # folder of the part whose weights are the bundle's
BUNDLE = "bundle"  # folder of the part's own bundle
PREDICTIONS = "predictions.npz"  # class probabilities of its test clips
MISHEARD = "misheard.npz"  # test clips with wrong predictions, for the report
TEACHER_LOGITS = "teacher_logits.npz"  # teachers' logits for its training clips
TEACHER_TEST_LOGITS = "teacher_test_logits.npz"

# files and folders of a network
CHECKPOINT = "checkpoint.npz"
HISTORY = "history.jsonl"
ROUNDED = "-int8"  # suffix of the folder in which the student is trained further with INT8 rounding

# scores of boards, and of the host on the same clips, in a run's folder: device.json, device_audio.json, host.json
BOARD_SCORES, HOST_SCORES = "device", "host"

_FOLD = "fold"


def fold(run: Path, number: int) -> Path:
    """Return the folder of one fold of a cross-validated run."""
    return run / f"{_FOLD}{number}"


def folds(run: Path) -> list[Path]:
    """Return the folders of the existing folds, in the order of their numbers."""
    numbers = [path.name.removeprefix(_FOLD) for path in run.glob(f"{_FOLD}*") if path.is_dir()]
    return [fold(run, number) for number in sorted(int(number) for number in numbers if number.isdigit())]


def histories(part: Path) -> dict[str, Path]:
    """Return name of a network's folder -> its history, for the networks whose training has begun."""
    return {path.parent.name: path for path in part.glob(f"*/{HISTORY}")}


def scores(run: Path, kind: str) -> Iterator[tuple[str, Path]]:
    """Yield (part of the name after the kind, path) of the scores of BOARD_SCORES or HOST_SCORES: ("audio", ...)."""
    for path in run.glob(f"{kind}*.json"):
        yield ", ".join(path.stem.split("_")[1:]), path
