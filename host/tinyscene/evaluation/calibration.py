"""Temperature scaling: one number, fitted on clips that the network was not trained on, that divides its logits.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017: the predicted class stays the same, and
its probability becomes the share of such predictions that are right. Softmax ignores an offset common to all logits, so
the logarithms of probabilities serve as logits.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from tinyscene.bundle import softmax
from tinyscene.networks import keras

LOWEST, HIGHEST = 0.05, 20.0
SMALLEST = np.finfo(np.float64).tiny  # smallest probability

Probabilities = NDArray[np.float64]


def tempered(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Return the class probabilities [n, classes] of the same logits divided by a temperature."""
    return softmax(np.log(np.maximum(probabilities, SMALLEST)) / temperature)


def fit_temperature(probabilities: Probabilities, truth: NDArray[np.int64]) -> float:
    """Return the temperature, 0.05 to 20, that gives the least log loss.

    Args:
        probabilities: [n, classes], at temperature 1, for clips that were not trained on.
        truth: class numbers [n].
    """
    rows = np.arange(len(truth))

    def log_loss(logarithm: float) -> float:
        chosen = tempered(probabilities, math.exp(logarithm))[rows, truth]
        return float(-np.log(np.maximum(chosen, SMALLEST)).mean())

    best = minimize_scalar(
        log_loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded", options={"xatol": 1e-6}
    )
    return math.exp(best.x)


def temperatures_of_others(folds: Sequence[tuple[Probabilities, NDArray[np.int64]]]) -> list[float]:
    """Return the temperature of each fold, fitted on all other folds, so not on the clips that the fold is scored on.

    Args:
        folds: two or more pairs (probabilities, truth), as for `fit_temperature`.
    """
    others = [[fold for j, fold in enumerate(folds) if j != k] for k in range(len(folds))]
    return [fit_temperature(*(np.concatenate(values) for values in zip(*each, strict=True))) for each in others]


def divide_logits(model: keras.Model, temperature: float) -> None:
    """Divide the weights of the last layer, a dense one without activation, so that its logits are calibrated."""
    layer = model.layers[-1]
    layer.set_weights([weights / np.float32(temperature) for weights in layer.get_weights()])
