"""The names of what a run leaves in its folder: everything that writes there, or reads it, takes them from here.

A run's folder holds one part or, cross-validated, a folder a part: fold1, fold2, ..., and `final`. A part's folder
holds a folder a network, its own bundle and its scores.
"""

from collections.abc import Iterator
from pathlib import Path

# of a run, and of each of its parts
EVALUATION = "evaluation.json"  # scores, pooled over the folds in a run's folder
COMPLEXITY = "complexity.json"
BUNDLE_PATH = "bundle.txt"  # where the bundle was written, as text

# of a run only
CONFIG = "config.toml"  # as it was resolved
REPORT = "report.html"
FIGURES = "figures"

# of a part only
FINAL = "final"  # folder of the part whose weights are the bundle's
BUNDLE = "bundle"  # folder of the part's own bundle
PREDICTIONS = "predictions.npz"  # class probabilities of its test clips
TEACHER_LOGITS = "teacher_logits.npz"  # of its training clips
TEACHER_TEST_LOGITS = "teacher_test_logits.npz"

# of a network
CHECKPOINT = "checkpoint.npz"
HISTORY = "history.jsonl"
ROUNDED = "-int8"  # ends the name of the folder in which the student is trained further with INT8 rounding

# scores of boards, and of the host on the same clips, beside a run: device.json, device_audio.json, host.json
BOARD_SCORES, HOST_SCORES = "device", "host"

_FOLD = "fold"


def fold(run: Path, number: int) -> Path:
    """Return the folder of one fold of a cross-validated run."""
    return run / f"{_FOLD}{number}"


def folds(run: Path) -> list[Path]:
    """Return the folders of the folds that are there, by their numbers."""
    numbers = [path.name.removeprefix(_FOLD) for path in run.glob(f"{_FOLD}*") if path.is_dir()]
    return [fold(run, number) for number in sorted(int(number) for number in numbers if number.isdigit())]


def histories(part: Path) -> dict[str, Path]:
    """Return name of a network's folder -> its history, of the networks whose training has begun."""
    return {path.parent.name: path for path in part.glob(f"*/{HISTORY}")}


def scores(run: Path, kind: str) -> Iterator[tuple[str, Path]]:
    """Yield (what the name says after the kind, path) of the scores of BOARD_SCORES or HOST_SCORES: ("audio", ...)."""
    for path in run.glob(f"{kind}*.json"):
        yield ", ".join(path.stem.split("_")[1:]), path
