"""Some clips of a list in the place of all of them, and how far their score may be from the whole list's."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tinyscene.data import Clip

CONFIDENCE = 0.95


def stratified(clips: Sequence[Clip], count: int, seed: int) -> list[Clip]:
    """Choose clips so that every scene, and within it every device and location, has its share as far as possible.

    A systematic sample of the list in the order of scene, device and location, at random within one location (Cochran,
    "Sampling Techniques", 3rd edition, 1977, chapter 8): of a scene with the share n of `count`, floor(n) or ceil(n)
    clips are taken, and the same goes for each device of a scene and each location of a device.

    Args:
        clips: the whole list.
        count: how many to choose; all of them when there are no more.
        seed: the same seed chooses the same clips.

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

    Wilson's interval for the accuracy, the normal one for the log loss, a mean. Both take the clips as drawn at random
    from an endless list; drawn by strata from a finite one they vary less. How well the classifier does elsewhere they
    do not tell: that depends on the locations (`evaluation.scoring.confidence_intervals`).

    Args:
        clips: the subset, labelled; two or more.
        probabilities: [len(clips), len(classes)].
        classes: scene names.

    Returns:
        {"accuracy": [low, high], "log_loss": [low, high]}.
    """
    truth = np.array([list(classes).index(str(clip.scene)) for clip in clips])
    hits = int((probabilities.argmax(axis=1) == truth).sum())
    of_truth = probabilities[np.arange(len(clips)), truth]
    losses = -np.log(np.maximum(of_truth, np.finfo(np.float64).eps))  # clipped as scikit-learn's log_loss does
    accuracy = stats.binomtest(hits, len(clips)).proportion_ci(CONFIDENCE, method="wilson")
    half = stats.norm.ppf(0.5 + CONFIDENCE / 2) * losses.std(ddof=1) / np.sqrt(len(clips))
    return {
        "accuracy": [float(accuracy.low), float(accuracy.high)],
        "log_loss": [float(losses.mean() - half), float(losses.mean() + half)],
    }


def render(scores: dict[str, Any], whole: int) -> str:
    """Return one line: what the scores of a subset say of a list of `whole` clips."""
    accuracy, loss = scores["intervals"]["accuracy"], scores["intervals"]["log_loss"]
    return (
        f"of all {whole:,} clips, with 95 % confidence: accuracy {accuracy[0]:.1%} to {accuracy[1]:.1%}, "
        f"log loss {loss[0]:.3f} to {loss[1]:.3f}"
    )
