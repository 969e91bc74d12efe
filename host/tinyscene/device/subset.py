"""A subset of a list instead of all its clips, and how far its scores may be from those of the whole list."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tinyscene.data import Clip
from tinyscene.evaluation import metrics

CONFIDENCE = 0.95


def stratified(clips: Sequence[Clip], count: int, seed: int) -> list[Clip]:
    """Choose clips so that every scene, and within it every device and location, gets its share if possible.

    A systematic sample of the list in the order of scene, device and location, random within a location (Cochran,
    "Sampling Techniques", 3rd edition, 1977, chapter 8): of a scene with the share n of `count`, floor(n) or ceil(n)
    clips are taken, and likewise for each device of a scene and each location of a device.

    Args:
        clips: the whole list.
        count: number of clips to choose; all if there are no more.
        seed: seed of the choice; the same seed chooses the same clips.

    Returns:
        The clips, in the order of the list.
    """
    if count >= len(clips):
        return list(clips)
    chance = random.Random(seed)
    order = sorted(
        range(len(clips)),
        key=lambda k: (str(clips[k].scene), clips[k].device, clips[k].identifier, chance.random()),
    )
    start = chance.random()
    chosen = sorted(order[int((start + step) * len(clips) / count)] for step in range(count))
    return [clips[k] for k in chosen]


def intervals(
    clips: Sequence[Clip], probabilities: NDArray[np.floating], classes: Sequence[str]
) -> dict[str, list[float]]:
    """Return 95 % intervals for the accuracy and the log loss of the whole list, from those of a subset.

    Wilson's interval for the accuracy, the normal one for the log loss, which is a mean. Both assume that the clips are
    drawn at random from an endless list; drawn by strata from a finite list they vary less. The intervals do not show
    how well the classifier does elsewhere: that depends on the locations (`evaluation.scoring.confidence_intervals`).

    Args:
        clips: labelled clips of the subset, two or more.
        probabilities: [len(clips), len(classes)].
        classes: scene names.

    Returns:
        {"accuracy": [low, high], "log_loss": [low, high]}.
    """
    truth = np.array([list(classes).index(str(clip.scene)) for clip in clips])
    hits = int((probabilities.argmax(axis=1) == truth).sum())
    losses = metrics.losses(probabilities, truth)
    accuracy = stats.binomtest(hits, len(clips)).proportion_ci(CONFIDENCE, method="wilson")
    half = stats.norm.ppf(0.5 + CONFIDENCE / 2) * losses.std(ddof=1) / np.sqrt(len(clips))
    return {
        "accuracy": [float(accuracy.low), float(accuracy.high)],
        "log_loss": [float(losses.mean() - half), float(losses.mean() + half)],
    }


def render(scores: dict[str, Any], whole: int) -> str:
    """Return one line on what the scores of a subset imply for a list of `whole` clips."""
    accuracy, loss = scores["intervals"]["accuracy"], scores["intervals"]["log_loss"]
    return (
        f"of all {whole:,} clips, with 95 % confidence: accuracy {accuracy[0]:.1%} to {accuracy[1]:.1%}, "
        f"log loss {loss[0]:.3f} to {loss[1]:.3f}"
    )
