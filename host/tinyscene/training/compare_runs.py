"""Compare two runs on the clips that their folds were tested on: the command `tinyscene compare`."""

from pathlib import Path

from tinyscene import files
from tinyscene.console import console
from tinyscene.data import Dataset
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import FLOAT, INT8, SCORES, comparison
from tinyscene.training import fold_predictions


def report(
    run_a: Path, run_b: Path, data: Path, kind: str = INT8, as_json: Path | None = None, *, calibrate: bool = True
) -> None:
    """Compare two runs on the clips that their folds test, and print and write what was found.

    Args:
        run_a, run_b: folders of the runs.
        data: data set of both.
        kind: INT8 or FLOAT.
        as_json: JSON file to write; None: no file.
        calibrate: whether to divide each fold's logits by the temperature of the others.

    Raises:
        TinysceneError: predictions are missing or damaged, or the runs were tested on different clips.
    """
    if kind not in (FLOAT, INT8):
        raise TinysceneError(f"there is no kind {kind!r} of predictions; choose int8 or float")
    dataset = Dataset(data)
    a, b = (fold_predictions.of_run(run, dataset, calibrate) for run in (run_a, run_b))
    if a.clips != b.clips:
        raise TinysceneError(
            f"{run_a} was tested on {len(a.clips)} clips, {run_b} on {len(b.clips)} others; compare runs of the same "
            "folds"
        )
    found = comparison.compare(a.clips, a.predictions[kind], b.predictions[kind])
    if as_json is not None:
        files.write_json(as_json, {"kind": kind, "calibrated": a.calibrated, **found.to_json()})
    console.print(f"A: {run_a}\nB: {run_b}", soft_wrap=True)
    console.print(comparison.table(found, how(kind, a.calibrated)))
    for score in SCORES:
        console.print(found.in_words(score), soft_wrap=True)


def how(kind: str, calibrated: bool) -> str:
    """Return a phrase for the predictions that are compared."""
    return f"{'INT8' if kind == INT8 else 'float'}, {'calibrated' if calibrated else 'not calibrated'}"
