"""Small alternatives to the thesis's student: inverted residuals, separable convolutions, a limited receptive field.

All halve the image in a strided stem and end as the student does. Channels are multiples of four, the number that the
engine's kernels compute at once. TensorFlow Lite has all their layers in integers; activations are ReLU.
"""

from collections.abc import Callable

from tinyscene.networks.backend import keras
from tinyscene.networks.layers import Tensor, classify, conv, depthwise, drop, residual

MOBILE_STAGES = ((24, 1), (40, 2), (64, 1))  # channels, stride
SEPARABLE_CHANNELS = 64
LIMITED_STAGES = ((32, (3, 3)), (48, (3, 1)), (64, (1, 1)))  # channels, kernels of a residual pair


def _quads(channels: float) -> int:
    """Return the nearest multiple of four, at least four."""
    return max(4, 4 * round(channels / 4))


def _stem(x: Tensor, channels: int, activation: str, stride: int) -> Tensor:
    """3x3 convolutions that halve the image until `stride` is reached; few channels while the image is large."""
    while stride > 2:
        x = keras.layers.Activation(activation)(conv(x, _quads(channels / 4), (3, 3), 2))
        stride //= 2
    return keras.layers.Activation(activation)(conv(x, channels, (3, 3), 2))


def _inverted(x: Tensor, channels: int, activation: str, expansion: float, stride: int) -> Tensor:
    """Expand 1x1, filter each channel, project 1x1; the input is added if it has the output's shape."""
    y = keras.layers.Activation(activation)(conv(x, _quads(expansion * x.shape[-1]), (1, 1)))
    y = keras.layers.Activation(activation)(depthwise(y, stride))
    y = conv(y, channels, (1, 1))
    if stride == 1 and x.shape[-1] == channels:
        y = keras.layers.Add()([y, x])
    return keras.layers.Activation(activation)(y)


def mobile(
    x: Tensor,
    classes: int,
    activation: str,
    channels: Callable[[int], int],
    *,
    dropout: float,
    depth: int,
    expansion: float,
    stem_stride: int,
) -> Tensor:
    """Inverted residuals after CP-Mobile: three stages of `depth` blocks, the image halved in the second.

    Schmid et al., "Distilling the Knowledge of Transformers and CNNs with CP-Mobile", DCASE 2023, without its global
    response normalisation and the pooled shortcut of its strided blocks.
    """
    x = _stem(x, _quads(channels(MOBILE_STAGES[0][0])), activation, stem_stride)
    for filters, stride in MOBILE_STAGES:
        for block in range(depth):
            x = _inverted(x, _quads(channels(filters)), activation, expansion, 1 if block else stride)
        x = drop(x, dropout)
    return classify(x, classes)


def separable(
    x: Tensor,
    classes: int,
    activation: str,
    channels: Callable[[int], int],
    *,
    dropout: float,
    depth: int,
    stem_stride: int,
) -> Tensor:
    """`depth` blocks of a depthwise and a 1x1 convolution at one width, after DS-CNN.

    Zhang et al., "Hello Edge: Keyword Spotting on Microcontrollers", 2017.
    """
    filters = _quads(channels(SEPARABLE_CHANNELS))
    x = _stem(x, filters, activation, stem_stride)
    for _ in range(depth):
        x = keras.layers.Activation(activation)(depthwise(x))
        x = drop(keras.layers.Activation(activation)(conv(x, filters, (1, 1))), dropout)
    return classify(x, classes)


def limited(
    x: Tensor,
    classes: int,
    activation: str,
    channels: Callable[[int], int],
    *,
    dropout: float,
    depth: int,
    stem_stride: int,
) -> Tensor:
    """Three stages of `depth` residual pairs whose receptive field stays small: later kernels are 1x1.

    Koutini et al., "The Receptive Field as a Regularizer in Deep Convolutional Neural Networks for Acoustic Scene
    Classification", 2019 (CP-ResNet).
    """
    x = _stem(x, _quads(channels(LIMITED_STAGES[0][0])), activation, stem_stride)
    for stage, (filters, kernels) in enumerate(LIMITED_STAGES):
        width = _quads(channels(filters))
        x = keras.layers.MaxPooling2D((2, 2))(x) if stage == 1 else x
        for _ in range(depth):
            x = residual(x, width, kernels, activation, project=x.shape[-1] != width, dropout=dropout)
    return classify(x, classes)
