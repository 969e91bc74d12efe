"""The networks: the DCASE 2022 baseline, the residual teacher and student, a Vision Transformer; all with logits out.

Every convolution but the Transformer's has a bias and is followed by batch normalisation. Softmax is left to whoever
reads the logits: INT8 logits keep far more of a confident answer than INT8 probabilities do.
"""

from collections.abc import Callable
from typing import Any

from tinyscene.backend import keras
from tinyscene.errors import ConfigError

ACTIVATIONS = ("relu", "elu", "swish")
BN_MOMENTUM = 0.9  # small data sets have few steps: 0.99 would still remember the initial statistics at the end
STUDENT_CHANNELS = 32
TEACHER_STAGES = (128, 256, 512)
PATCH = (4, 3)  # mels, frames
TRANSFORMER_WIDTH, TRANSFORMER_LAYERS, TRANSFORMER_HEADS = 32, 4, 4
TRANSFORMER_DENSE = (40, 20)

Tensor = Any  # a KerasTensor, whatever the back end


def build(
    name: str,
    input_shape: tuple[int, int, int] = (80, 51, 1),
    classes: int = 10,
    activation: str = "relu",
    width: float = 1.0,
    dropout: float | None = None,
) -> keras.Model:
    """Build a network, with freshly initialised weights (`keras.utils.set_random_seed` fixes them).

    Args:
        name: "baseline", "teacher", "student" or "transformer".
        input_shape: (n_mels, frames, 1) of the standardised log-mel image.
        classes: outputs.
        activation: "relu", "elu" or "swish"; INT8 conversion keeps only "relu" in integers.
        width: multiplies the channels of every layer but the last ones, which follow the number of classes.
        dropout: rate; None is the network's own: 0.3 for the baseline, 0.1 for the teacher and the
            transformer, 0 for the student.

    Returns:
        A model from float32 [batch, n_mels, frames, 1] to logits [batch, classes]. At width 1 and the reference
        image it has 46,246 (baseline, 40x51), 3,980,960 (teacher) or 57,856 (student, 80x51) parameters.

    Raises:
        ConfigError: an unknown network or activation, an impossible width, or an image too small for the pooling.
    """
    if name not in NETWORKS:
        raise ConfigError(f"no network {name!r}; networks are {', '.join(NETWORKS)}")
    if activation not in ACTIVATIONS:
        raise ConfigError(f"no activation {activation!r}; activations are {', '.join(ACTIVATIONS)}")
    if not 0 < width <= 4:
        raise ConfigError(f"width {width} is out of range; choose one above 0 and up to 4")
    body, smallest, own_dropout = NETWORKS[name]
    if input_shape[0] < smallest[0] or input_shape[1] < smallest[1]:
        raise ConfigError(
            f"a {input_shape[0]}x{input_shape[1]} image is too small for the {name}, which pools to nothing below "
            f"{smallest[0]}x{smallest[1]}; choose a front end with more bands or frames"
        )
    image = keras.Input(input_shape, name="image")
    rate = own_dropout if dropout is None else dropout
    logits = body(image, classes, activation, lambda channels: max(1, round(channels * width)), rate)
    return keras.Model(image, logits, name=name)


def _conv(x: Tensor, channels: int, kernel: tuple[int, int]) -> Tensor:
    """Convolution with bias, SAME padding, then batch normalisation."""
    convolution = keras.layers.Conv2D(channels, kernel, padding="same")(x)
    return keras.layers.BatchNormalization(momentum=BN_MOMENTUM)(convolution)


def _dense(x: Tensor, units: int, activation: str | None = None) -> Tensor:
    """Dense layer whose biases start off zero: the INT8 converter leaves an all-zero bias out of an untrained model."""
    bias = keras.initializers.RandomUniform(-0.01, 0.01)
    return keras.layers.Dense(units, activation=activation, bias_initializer=bias)(x)


def _residual(
    x: Tensor,
    channels: int,
    kernels: tuple[int, int],
    activation: str,
    *,
    project: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    """He et al.'s block: conv-BN-activation, conv-BN, add (through a 1x1 conv-BN when `project`), activation."""
    shortcut = _conv(x, channels, (1, 1)) if project else x
    y = keras.layers.Activation(activation)(_conv(x, channels, (kernels[0], kernels[0])))
    y = keras.layers.Add()([_conv(y, channels, (kernels[1], kernels[1])), shortcut])
    y = keras.layers.Activation(activation)(y)
    return keras.layers.SpatialDropout2D(dropout)(y) if dropout else y


def _classify(x: Tensor, classes: int) -> Tensor:
    """Conv `classes` 1x1, BN, global average pool (MEAN in TensorFlow Lite), dense."""
    x = keras.layers.GlobalAveragePooling2D()(_conv(x, classes, (1, 1)))
    return _dense(x, classes)


def _baseline(x: Tensor, classes: int, activation: str, channels: Callable[[int], int], dropout: float) -> Tensor:
    """DCASE 2022 Task 1 baseline: three 7x7 convolutions and two dense layers."""
    x = keras.layers.Activation(activation)(_conv(x, channels(16), (7, 7)))
    for filters, pool in ((16, (5, 5)), (32, (4, 10))):
        x = keras.layers.Activation(activation)(_conv(x, channels(filters), (7, 7)))
        x = keras.layers.Dropout(dropout)(keras.layers.MaxPooling2D(pool)(x))
    x = _dense(keras.layers.Flatten()(x), channels(100), activation)
    return _dense(keras.layers.Dropout(dropout)(x), classes)


def _student(x: Tensor, classes: int, activation: str, channels: Callable[[int], int], dropout: float) -> Tensor:
    """Three residual pairs of 3x3 convolutions at one width."""
    filters = channels(STUDENT_CHANNELS)
    x = keras.layers.Activation(activation)(_conv(x, filters, (6, 5)))
    x = _residual(keras.layers.MaxPooling2D((2, 2))(x), filters, (3, 3), activation, dropout=dropout)
    x = _residual(keras.layers.MaxPooling2D((5, 2))(x), filters, (3, 3), activation, dropout=dropout)
    x = _residual(x, filters, (3, 3), activation, dropout=dropout)
    return _classify(x, classes)


def _teacher(x: Tensor, classes: int, activation: str, channels: Callable[[int], int], dropout: float) -> Tensor:
    """Three stages of four residual blocks whose receptive field stays small: 1x1 kernels from block 3.2 on."""
    first, second, third = (channels(filters) for filters in TEACHER_STAGES)
    x = keras.layers.Activation(activation)(_conv(x, first, (5, 5)))
    x = _residual(x, first, (3, 1), activation, dropout=dropout)
    x = keras.layers.MaxPooling2D((2, 2))(x)
    for _ in range(3):
        x = _residual(x, first, (3, 3), activation, dropout=dropout)
    for filters, kernels in ((second, (3, 1)), (third, (1, 1))):
        x = _residual(x, filters, kernels, activation, project=True, dropout=dropout)
        for _ in range(3):
            x = _residual(x, filters, (1, 1), activation, dropout=dropout)
    return _classify(x, classes)


def _transformer(x: Tensor, classes: int, activation: str, channels: Callable[[int], int], dropout: float) -> Tensor:
    """Vision Transformer: embedded patches, four encoder layers of four heads, a mean over patches, two dense layers.

    Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021. The thesis (section 4.7) names layers, heads and the last
    dense layers; patches and width are ours, within the limit of parameters and, as there, beyond that of MACs.
    """
    width = channels(TRANSFORMER_WIDTH)
    x = keras.layers.Conv2D(width, PATCH, strides=PATCH)(x)
    x = keras.layers.Reshape((x.shape[1] * x.shape[2], width))(x)
    x = _PositionEmbedding()(x)
    for _ in range(TRANSFORMER_LAYERS):
        y = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        x = keras.layers.Add()([keras.layers.MultiHeadAttention(TRANSFORMER_HEADS, width)(y, y), x])
        y = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        y = _dense(_dense(y, 2 * width, activation), width)
        x = keras.layers.Add()([keras.layers.Dropout(dropout)(y), x])
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization(epsilon=1e-6)(x))
    for units in TRANSFORMER_DENSE:
        x = keras.layers.Dropout(dropout)(_dense(x, units, activation))
    return _dense(x, classes)


@keras.saving.register_keras_serializable("tinyscene")
class _PositionEmbedding(keras.layers.Layer):
    """Adds a learnt vector for each position: without it, patches would have no order."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.positions = self.add_weight(shape=input_shape[1:], initializer="random_normal", name="positions")

    def call(self, x: Tensor) -> Tensor:
        return x + self.positions


# name: (body, smallest image, dropout)
NETWORKS: dict[str, tuple[Callable[..., Tensor], tuple[int, int], float]] = {
    "baseline": (_baseline, (20, 50), 0.3),
    "teacher": (_teacher, (2, 2), 0.1),
    "student": (_student, (10, 4), 0.0),
    "transformer": (_transformer, PATCH, 0.1),
}
