"""Class probabilities for a run's test clips: read, pooled over the folds, each fold calibrated by the others."""

import dataclasses
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.data import SCENES, Clip, Dataset
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import FLOAT, INT8, calibration
from tinyscene.training import provenance, run_files
from tinyscene.training.config import CROSS_VALIDATE
from tinyscene.training.examples import labels_of

Predictions = dict[str, NDArray[np.float64]]
"""FLOAT and INT8 -> class probabilities [clips, classes]."""


@dataclasses.dataclass(frozen=True)
class TestedFold:
    """A fold of a run.

    Attributes:
        folder: folder of its bundle and its predictions.
        clips: clips of its test list.
        temperature: divisor of its logits.
    """

    folder: Path
    clips: list[Clip]
    temperature: float


@dataclasses.dataclass(frozen=True)
class RunPredictions:
    """A run's predictions for all clips that it was tested on.

    Attributes:
        folds: the folds, in order.
        clips: clips of the folds' test lists, fold by fold.
        predictions: predictions for these clips.
        calibrated: whether a fold's logits are divided by the temperature of the others; a single fold's never are.
    """

    folds: list[TestedFold]
    clips: list[Clip]
    predictions: Predictions
    calibrated: bool


def read(folder: Path) -> Predictions:
    """Read the predictions of one fold.

    Raises:
        TinysceneError: they are missing or damaged.
    """
    path = folder / run_files.PREDICTIONS
    try:
        with np.load(path) as arrays:
            return {kind: arrays[kind] for kind in (FLOAT, INT8)}
    except FileNotFoundError as error:
        raise TinysceneError(f"{path} is missing; let the command that trains this run finish first") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TinysceneError(f"{path} is damaged ({error}); delete it and run the training command again") from error


def together(folds: Sequence[Predictions]) -> Predictions:
    """Return the predictions of all folds as one."""
    return {kind: np.concatenate([fold[kind] for fold in folds]) for kind in (FLOAT, INT8)}


def calibrated(
    folds: Sequence[Predictions], truths: Sequence[NDArray[np.int64]]
) -> tuple[list[float], list[Predictions]]:
    """Divide each fold's logits, float and INT8, by the temperature fitted on the other folds' float logits.

    Args:
        folds: predictions of two or more folds.
        truths: class numbers of their clips.

    Returns:
        (temperatures, predictions) of the folds.
    """
    outside = calibration.temperatures_of_others([(p[FLOAT], truth) for p, truth in zip(folds, truths, strict=True)])
    return outside, [
        {kind: calibration.tempered(fold[kind], temperature) for kind in (FLOAT, INT8)}
        for fold, temperature in zip(folds, outside, strict=True)
    ]


def settings(run: Path) -> dict[str, Any]:
    """Return the contents of a run's config.toml; at least `data.folds` and `data_fingerprint`.

    Raises:
        TinysceneError: the folder is not that of a run.
    """
    path = run / run_files.CONFIG
    try:
        table = files.read_toml(path)
        _ = table["data"]["folds"], table["data_fingerprint"]
    except FileNotFoundError as error:
        raise TinysceneError(f"{run} holds no run: {path.name} is missing; name the folder of a training") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TinysceneError(f"{path} cannot be read ({files.reason(error)}); restore it or train again") from error
    return table


def folders(run: Path, dataset: Dataset) -> dict[int, Path]:
    """Return the folders of the folds that a run tests, by the numbers of the folds.

    Args:
        run: folder of a run on this data set.
        dataset: data set, which must be the one in the run's configuration.

    Raises:
        TinysceneError: the folder is not that of a run, or the run has other clips or tests none.
    """
    table = settings(run)
    wanted, found = table["data"]["folds"], table["data_fingerprint"]
    if found != provenance.fingerprint(dataset):
        raise TinysceneError(f"{run} was trained on other clips than {dataset.root} has; name its data set with --data")
    if wanted == CROSS_VALIDATE:
        return {number: run_files.fold(run, number) for number in dataset.folds()}
    if isinstance(wanted, int):
        return {wanted: run}
    raise TinysceneError(f"{run} tests no clips (data.folds is {wanted!r}); name a cross-validated run")


def of_run(run: Path, dataset: Dataset, calibrate: bool = True) -> RunPredictions:
    """Read the predictions of all folds of a run; with `calibrate` and two or more folds, calibrated.

    Raises:
        TinysceneError: as for `folders` and `read`, or predictions for other clips than the lists name.
        DatasetError: a list of the data set is bad.
    """
    places = folders(run, dataset)
    tests = [list(dataset.split(number, "evaluate")) for number in places]
    folds = [read(place) for place in places.values()]
    for place, test, fold in zip(places.values(), tests, folds, strict=True):
        if any(len(each) != len(test) for each in fold.values()):
            raise TinysceneError(
                f"{place / run_files.PREDICTIONS} has {len(fold[INT8])} clips, its test list {len(test)}; restore the "
                "list or train again"
            )
    wanted, temperatures = calibrate and len(folds) > 1, [1.0] * len(folds)
    if wanted:
        temperatures, folds = calibrated(folds, [labels_of(test, SCENES) for test in tests])
    tested = [TestedFold(*fold) for fold in zip(places.values(), tests, temperatures, strict=True)]
    return RunPredictions(tested, [clip for test in tests for clip in test], together(folds), wanted)
