"""Networks of other fields to measure the engine on: the four of MLPerf Tiny 0.5 to 1.2, with random weights.

Source: Banbury et al., "MLPerf Tiny Benchmark", NeurIPS 2021 (datasets and benchmarks), and its reference models: image
classification, keyword spotting, visual wake words, anomaly detection; without softmax, as our networks.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyscene.networks import convert, keras

CALIBRATION = 4  # random images, which suffice to set the ranges with random weights

Tensor = Any  # a KerasTensor, whatever the back end


def _convolution(x: Tensor, channels: int, size: int | tuple[int, int], strides: int = 1) -> Tensor:
    """Convolve and normalise."""
    # keeps the level from layer to layer; with Keras's default it would fade out
    convolved = keras.layers.Conv2D(channels, size, strides, "same", kernel_initializer="he_normal")(x)
    return keras.layers.BatchNormalization()(convolved)


def _separable(x: Tensor, channels: int, strides: int = 1) -> Tensor:
    """Depthwise 3x3, pointwise, each normalised and rectified."""
    depthwise = keras.layers.DepthwiseConv2D(3, strides, "same", depthwise_initializer="he_normal")(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(depthwise))
    return keras.layers.ReLU()(_convolution(x, channels, 1))


def _classes(x: Tensor, count: int) -> Tensor:
    """Average over the image, and one dense layer."""
    averages = keras.layers.AveragePooling2D(x.shape[1:3])(x)
    return keras.layers.Dense(count)(keras.layers.Flatten()(averages))


def _resnet8(image: Tensor) -> Tensor:
    x = keras.layers.ReLU()(_convolution(image, 16, 3))
    for channels, strides in ((16, 1), (32, 2), (64, 2)):
        branch = keras.layers.ReLU()(_convolution(x, channels, 3, strides))
        branch = _convolution(branch, channels, 3)
        if strides > 1:
            x = keras.layers.Conv2D(channels, 1, strides, "same", kernel_initializer="he_normal")(x)
        x = keras.layers.ReLU()(keras.layers.Add()([x, branch]))
    return _classes(x, 10)


def _ds_cnn(image: Tensor) -> Tensor:
    x = keras.layers.ReLU()(_convolution(image, 64, (10, 4), 2))
    for _ in range(4):
        x = _separable(x, 64)
    return _classes(x, 12)


def _mobilenet(image: Tensor) -> Tensor:
    x = keras.layers.ReLU()(_convolution(image, 8, 3, 2))
    for channels, strides in (
        (16, 1),
        (32, 2),
        (32, 1),
        (64, 2),
        (64, 1),
        (128, 2),
        *[(128, 1)] * 5,
        (256, 2),
        (256, 1),
    ):
        x = _separable(x, channels, strides)
    return _classes(x, 2)


def _autoencoder(image: Tensor) -> Tensor:
    x = image
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = keras.layers.Dense(units, kernel_initializer="he_normal")(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.layers.Dense(640)(x)


# Input shape and layers, by name
NETWORKS: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor]]] = {
    "ResNet-8": ((32, 32, 3), _resnet8),
    "DS-CNN": ((49, 10, 1), _ds_cnn),
    "MobileNetV1 0.25": ((96, 96, 3), _mobilenet),
    "autoencoder": ((640,), _autoencoder),
}


def converted(name: str) -> bytes:
    """Return one of `NETWORKS` as an INT8 .tflite file; the same bytes every time."""
    shape, layers = NETWORKS[name]
    keras.utils.set_random_seed(1)
    image = keras.Input(shape)
    generator = np.random.default_rng(1)
    images = (generator.normal(size=shape).astype(np.float32) for _ in range(CALIBRATION))
    return convert(keras.Model(image, layers(image), name="network"), images)
