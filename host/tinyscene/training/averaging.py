"""Stochastic weight averaging: the mean of a network's weights at the ends of its last epochs.

Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, "Averaging Weights Leads to Wider Optima and Better Generalization",
2018: a plain running mean, then new statistics for batch normalisation, as those of no single epoch fit the mean.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from tinyscene.networks import keras


@dataclasses.dataclass
class WeightMean:
    """Running mean of trainable weights.

    Attributes:
        count: number of epochs in the mean.
        weights: mean weights, in the order of the model's `trainable_weights`; empty if `count` is 0.
    """

    count: int = 0
    weights: list[NDArray[np.float32]] = dataclasses.field(default_factory=list)

    def add(self, model: keras.Model) -> None:
        """Add the model's weights to the mean."""
        values = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_weights]
        self.count += 1
        if self.count == 1:
            self.weights = values
        self.weights = [mean + (value - mean) / self.count for mean, value in zip(self.weights, values, strict=True)]

    def assign_to(self, model: keras.Model) -> None:
        """Assign the mean to the model, without statistics of batch normalisation; see `estimate_statistics`."""
        for variable, mean in zip(model.trainable_weights, self.weights, strict=True):
            variable.assign(mean)


def estimate_statistics(model: keras.Model, batches: Iterable[NDArray[np.float32]]) -> None:
    """Set the means and variances of batch normalisation to their averages over batches, without dropout.

    Args:
        model: model to change; its weights stay as they are.
        batches: batches [batch, n_mels, frames, 1] of about the same size.
    """
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    with _no_dropout(model), _momentum_kept(layers):
        for count, inputs in enumerate(batches):
            for layer in layers:
                layer.momentum = count / (count + 1)  # makes the moving average a plain mean of all batches so far
            model(inputs, training=True)


@contextmanager
def _no_dropout(model: keras.Model) -> Iterator[None]:
    """Turn dropout off in training mode: it would raise the variances, and nothing is dropped when predicting."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    rates = [layer.rate for layer in layers]
    for layer in layers:
        layer.rate = 0
    try:
        yield
    finally:
        for layer, rate in zip(layers, rates, strict=True):
            layer.rate = rate


@contextmanager
def _momentum_kept(layers: list[keras.layers.BatchNormalization]) -> Iterator[None]:
    momenta = [layer.momentum for layer in layers]
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
