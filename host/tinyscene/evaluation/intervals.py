"""Intervals of scores over recording locations.

Clips of one location are alike, so an interval over clips would be far too narrow: whole locations are resampled.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tinyscene.data import Clip
from tinyscene.evaluation import metrics

ROUNDS = 1000
CONFIDENCE = 0.95

Values = dict[str, NDArray[np.float64]]


def of_clips(clips: Sequence[Clip], probabilities: NDArray[np.floating], classes: Sequence[str]) -> Values:
    """Return each clip's contributions to the scores, whose means are the scores.

    Args:
        clips: labelled clips.
        probabilities: [len(clips), len(classes)].
        classes: scene names.

    Returns:
        {"accuracy": 1 where the prediction is right, "log_loss": nats}, [len(clips)] each.
    """
    truth = np.array([list(classes).index(str(clip.scene)) for clip in clips])
    return {
        "accuracy": (probabilities.argmax(axis=1) == truth).astype(np.float64),
        "log_loss": metrics.losses(probabilities, truth),
    }


def over_locations(
    clips: Sequence[Clip], values: Mapping[str, NDArray[np.float64]], seed: int = 1
) -> dict[str, list[float]]:
    """Return 95 % intervals of the means of values, by resampling whole locations.

    Percentile bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Args:
        clips: one or more clips.
        values: values by name, [len(clips)] each; all are resampled alike.
        seed: seed of the resampling.

    Returns:
        Name -> [low, high], which hold the mean, also where there is one location.
    """
    _, place = np.unique([repr(clip.location) for clip in clips], return_inverse=True)
    sums = np.stack([np.bincount(place), *(np.bincount(place, each) for each in values.values())])
    drawn = np.random.default_rng(seed).integers(sums.shape[1], size=(ROUNDS, sums.shape[1]))
    counts, *totals = sums[:, drawn].sum(axis=2)
    tails = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
    found = {}
    for name, total in zip(values, totals, strict=True):
        low, high = np.percentile(total / counts, tails)
        mean = values[name].mean()
        found[name] = [float(min(low, mean)), float(max(high, mean))]
    return found
