"""Weight averaging: the running mean, and batch normalisation's statistics estimated anew."""

import numpy as np
import pytest

from tinyscene.networks.backend import keras
from tinyscene.training import averaging


def model(dropout: float = 0.5) -> keras.Model:
    image = keras.Input((6, 5, 1))
    x = keras.layers.BatchNormalization(epsilon=1e-6)(keras.layers.Conv2D(2, 3)(keras.layers.Dropout(dropout)(image)))
    return keras.Model(image, keras.layers.BatchNormalization(epsilon=1e-6)(keras.layers.Conv2D(3, 2)(x)))


def batches() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(shift, 2, size=(64, 6, 5, 1)).astype(np.float32) for shift in (0, 1, 3)]


def values(network: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in network.trainable_weights]


def test_the_mean_is_that_of_all_models_given() -> None:
    mean, networks = averaging.WeightMean(), [model() for _ in range(4)]
    before = [values(network) for network in networks]
    for network in networks:
        mean.add(network)
    mean.assign_to(networks[0])
    for position, mixed in enumerate(values(networks[0])):
        assert mixed == pytest.approx(np.mean([each[position] for each in before], axis=0), abs=1e-6)
    assert mean.count == 4


def test_statistics_are_the_average_over_the_batches_without_dropout() -> None:
    network = model()
    kernels = values(network)
    averaging.estimate_statistics(network, iter(batches()))
    _, dropout, convolution, first, other, second = network.layers
    assert dropout.rate == 0.5
    assert first.momentum == second.momentum == 0.99
    assert all(np.array_equal(before, after) for before, after in zip(kernels, values(network), strict=True))
    outputs = [keras.ops.convert_to_numpy(convolution(batch)) for batch in batches()]
    means, variances = ([getattr(x, kind)(axis=(0, 1, 2)) for x in outputs] for kind in ("mean", "var"))
    assert keras.ops.convert_to_numpy(first.moving_mean) == pytest.approx(np.mean(means, axis=0), abs=1e-5)
    assert keras.ops.convert_to_numpy(first.moving_variance) == pytest.approx(np.mean(variances, axis=0), rel=1e-5)
    # what the second sees are batches normalised by their own statistics, as in training
    normalised = [
        (x - mean) / np.sqrt(variance + 1e-6) for x, mean, variance in zip(outputs, means, variances, strict=True)
    ]
    seen = [keras.ops.convert_to_numpy(other(x)) for x in normalised]
    expected = np.mean([x.mean(axis=(0, 1, 2)) for x in seen], axis=0)
    assert keras.ops.convert_to_numpy(second.moving_mean) == pytest.approx(expected, abs=1e-4)
