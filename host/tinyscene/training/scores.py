"""Scores of a run: on one list with intervals and reliability, and on all folds together, calibrated or not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.data import Clip
from tinyscene.evaluation import FLOAT, INT8, calibration, comparison, metrics, reliability, scoring, teacher_scores
from tinyscene.training import fold_predictions, run_files, teachers
from tinyscene.training.examples import labels_of
from tinyscene.training.parts import Part, Run

CALIBRATED = "calibrated"


def evaluation(
    split: str, clips: Sequence[Clip], predictions: dict[str, NDArray[np.float64]], classes: Sequence[str]
) -> dict[str, Any]:
    """Return the contents of evaluation.json for a list of clips.

    Args:
        split: name of the list.
        clips: labelled clips.
        predictions: FLOAT and INT8 -> class probabilities [clips, classes].
        classes: the classes' names, in the order of the probabilities.
    """
    scores = {
        kind: {
            **_scores(clips, probabilities, classes),
            "intervals": scoring.confidence_intervals(clips, probabilities, classes),
            "reliability": reliability.reliability(labels_of(clips, classes), probabilities),
        }
        for kind, probabilities in predictions.items()
    }
    paired = comparison.compare(clips, predictions[FLOAT], predictions[INT8], classes)
    difference = {**paired.difference, "intervals": paired.intervals}
    return {"split": split, **scores, comparison.INT8_MINUS_FLOAT: difference}


def _scores(clips: Sequence[Clip], probabilities: NDArray[np.float64], classes: Sequence[str]) -> dict[str, Any]:
    return metrics.score([str(clip.scene) for clip in clips], probabilities, [clip.device for clip in clips], classes)


def pool(run: Run, parts: Sequence[Part]) -> dict[str, Any]:
    """Score all tested clips together, and the teachers; write the scores to the run's folder, and return them.

    Several folds are also scored with calibration: a fold's logits, float and INT8, are divided by the temperature
    fitted on the other folds' float logits. The temperature fitted on all folds is for the final weights.
    """
    tested = [part for part in parts if part.test]
    if not tested:
        return {}
    predictions = [fold_predictions.read(part.folder) for part in tested]
    together = fold_predictions.together(predictions)
    split = tested[0].split if len(tested) == 1 else f"{len(tested)} folds pooled"
    clips = [clip for part in tested for clip in part.test]
    pooled = evaluation(split, clips, together, run.classes)
    if run.settings.teachers:
        answers = [teachers.answers(part) for part in tested]
        pooled[teacher_scores.KEY] = teacher_scores.score(answers, clips)
    folds = [_summary(part, each) for part, each in zip(tested, predictions, strict=True)]
    if len(tested) > 1:
        truths = [part.labels_of(part.test) for part in tested]
        outside, tempered = fold_predictions.calibrated(predictions, truths)
        pooled[CALIBRATED] = {
            "temperature": calibration.fit_temperature(together[FLOAT], np.concatenate(truths)),
            **evaluation(split, clips, fold_predictions.together(tempered), run.classes),
        }
        for part, fold, temperature, each in zip(tested, folds, outside, tempered, strict=True):
            fold[CALIBRATED] = {"temperature": temperature, **_summary(part, each)}
    files.write_json(run.folder / run_files.EVALUATION, pooled)
    return {**pooled, "folds": folds}


def _summary(part: Part, predictions: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return one fold's scores for a table."""
    scores = {kind: _scores(part.test, predictions[kind], part.run.classes) for kind in (FLOAT, INT8)}
    summary = {kind: {key: score[key] for key in ("accuracy", "log_loss")} for kind, score in scores.items()}
    return {"split": part.split, "clips": len(part.test), **summary}
