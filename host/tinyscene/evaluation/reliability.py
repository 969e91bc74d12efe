"""How far a classifier's confidence, the probability of its prediction, is from the share of right predictions.

The table is the reliability diagram of Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

BINS = 10  # bins of equal width; a bin includes its upper end, not its lower one


def reliability(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> dict[str, Any]:
    """Sort predictions by confidence into bins.

    Args:
        truth: class numbers [n], n > 0.
        probabilities: [n, classes]; rows sum to 1.

    Returns:
        `ece`, the expected calibration error: the mean over all clips of |confidence - accuracy| of their bin, 0 to 1;
        `bins`: `above` (lower end), `clips`, mean `confidence`, `accuracy` of each bin that has clips, ascending.
    """
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == truth).astype(int)
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS)
    edges = np.linspace(0, 1, BINS + 1)
    clips = np.bincount(np.searchsorted(edges[1:-1], confidence), minlength=BINS)
    filled = np.flatnonzero(clips)
    return {
        "ece": float(np.abs(accuracy - mean) @ clips[filled] / len(truth)),
        "bins": [
            {"above": k / BINS, "clips": int(clips[k]), "confidence": float(confident), "accuracy": float(share)}
            for k, confident, share in zip(filled, mean, accuracy, strict=True)
        ],
    }
