"""Scores of a classifier on a list of clips: the JSON that `evaluate` and `device evaluate` share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from tinyscene.errors import TinysceneError


def losses(probabilities: NDArray[np.floating], truth: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return each clip's log loss in nats, [N]; their mean is `score`'s, as probabilities are clipped as it does.

    Args:
        probabilities: [N, classes].
        truth: class numbers [N].
    """
    smallest = np.finfo(np.float64).eps  # scikit-learn's `log_loss`
    chosen = np.asarray(probabilities, np.float64)[np.arange(len(truth)), truth]
    return -np.log(np.clip(chosen, smallest, 1 - smallest))


def score(
    labels: Sequence[str], probabilities: NDArray[np.floating], devices: Sequence[str], classes: Sequence[str]
) -> dict[str, Any]:
    """Score class probabilities against the true scenes.

    Args:
        labels: true scenes of the N clips.
        probabilities: [N, len(classes)]; rows sum to 1, columns are in the order of `classes`.
        devices: recording devices of the N clips.
        classes: scene names.

    Returns:
        `clips, accuracy, log_loss, per_scene{}, per_device{}, confusion[][], classes[]`. Log loss is multiclass
        cross-entropy in nats (scikit-learn's `log_loss`); rows of `confusion` are true scenes, columns predictions.

    Raises:
        ValueError: no clips, or a label that is not among `classes`.
        TinysceneError: a probability is no number.
    """
    classes = list(classes)
    if not len(labels):
        raise ValueError("no clips to score")
    index = {scene: position for position, scene in enumerate(classes)}
    truth = np.array([index[label] for label in labels])
    probabilities = np.asarray(probabilities, np.float64)
    if not np.isfinite(probabilities).all():
        raise TinysceneError(
            "the network's answers are no numbers, so that they have no scores; train again with a lower learning_rate"
        )
    device_of = np.asarray(devices)

    def summary(chosen: NDArray[np.bool_]) -> dict[str, Any]:
        return {
            "clips": int(chosen.sum()),
            "accuracy": float(accuracy_score(truth[chosen], probabilities[chosen].argmax(axis=1))),
            "log_loss": float(log_loss(truth[chosen], probabilities[chosen], labels=np.arange(len(classes)))),
        }

    everything = np.ones(len(truth), bool)
    return {
        **summary(everything),
        "per_scene": {classes[k]: summary(truth == k) for k in sorted(set(truth))},
        "per_device": {str(d): summary(device_of == d) for d in sorted(set(devices))},
        "confusion": confusion_matrix(truth, probabilities.argmax(axis=1), labels=np.arange(len(classes))).tolist(),
        "classes": classes,
    }
