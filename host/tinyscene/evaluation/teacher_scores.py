"""Scores of a run's teachers on the clips that its folds test, each by itself and all together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene.data import SCENES, Clip
from tinyscene.evaluation import metrics, scoring

KEY = "teachers"  # key in a run's scores


def score(folds: Sequence[Mapping[str, NDArray[np.float64]]], clips: Sequence[Clip]) -> dict[str, Any]:
    """Score the teachers' predictions, pooled over the folds, as trained.

    Args:
        folds: for each fold, teacher's name -> class probabilities [clips of the fold, classes].
        clips: clips of all folds, fold by fold.

    Returns:
        {"each": {teacher's name: {"accuracy", "log_loss", "intervals"}}}, and, if there are several teachers,
        {"together": ...} of the mean of their probabilities.
    """
    pooled = {name: np.concatenate([fold[name] for fold in folds]) for name in folds[0]}
    found: dict[str, Any] = {"each": {name: _score(clips, each) for name, each in pooled.items()}}
    if len(pooled) > 1:
        found["together"] = _score(clips, np.mean(list(pooled.values()), axis=0))
    return found


def _score(clips: Sequence[Clip], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    scores = metrics.score([str(clip.scene) for clip in clips], probabilities, [clip.device for clip in clips], SCENES)
    return {
        **{key: scores[key] for key in ("accuracy", "log_loss")},
        "intervals": scoring.confidence_intervals(clips, probabilities, SCENES),
    }


def rows(scores: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the rows (title, score) of a table: each teacher, all together, the student; none without teachers.

    Args:
        scores: scores of a run, as `training.run.pool` returns them.
    """
    if KEY not in scores:
        return []
    teachers = scores[KEY]
    together = [("teachers together", teachers["together"])] if "together" in teachers else []
    each = [(name if name == "teacher" else f"teacher {name}", found) for name, found in teachers["each"].items()]
    return [*each, *together, ("student", scores["float"])]
