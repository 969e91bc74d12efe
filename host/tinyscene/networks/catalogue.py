"""The networks that `networks.kinds` lists: the DCASE 2022 baseline, the residual teacher and student, a Vision
Transformer, and those of `networks.compact`; all put out logits.

Every convolution but the Transformer's has a bias and is followed by batch normalisation. Softmax is left to the reader
of the logits: INT8 logits keep far more of a confident prediction than INT8 probabilities do.
"""

from collections.abc import Callable

from tinyscene.errors import ConfigError
from tinyscene.networks import compact, distribution
from tinyscene.networks.backend import keras
from tinyscene.networks.kinds import ACTIVATIONS, NETWORKS, PATCH, check_options
from tinyscene.networks.layers import Tensor, classify, conv, dense, residual

STUDENT_CHANNELS = 32
TEACHER_STAGES = (128, 256, 512)
TRANSFORMER_WIDTH, TRANSFORMER_LAYERS, TRANSFORMER_HEADS = 32, 4, 4
TRANSFORMER_DENSE = (40, 20)


def build(
    name: str,
    input_shape: tuple[int, int, int] = (80, 51, 1),
    classes: int = 10,
    activation: str = "relu",
    width: float = 1.0,
    **options: float | None,
) -> keras.Model:
    """Build a network, with freshly initialised weights (`keras.utils.set_random_seed` fixes them).

    Args:
        name: key of `NETWORKS`.
        input_shape: (n_mels, frames, 1) of the standardised log-mel image.
        classes: number of outputs.
        activation: "relu", "elu" or "swish"; INT8 conversion keeps only "relu" in integers.
        width: factor on the channels of every layer but the last ones, which follow the number of classes.
        options: options of this network, see `NETWORKS`; None: the network's default. `dropout`: rate; `depth`: number
            of blocks, of each stage if the network has stages; `expansion`: factor on the channels inside an inverted
            residual; `stem_stride`: 2 or 4, by which the first convolutions shrink the image, the baseline's only along
            time.

    Returns:
        A model from float32 [batch, n_mels, frames, 1] to logits [batch, classes]. At width 1 and the reference
        image it has 46,246 (baseline, 40x51), 3,980,960 (teacher) or 57,856 (student, 80x51) parameters.

    Raises:
        ConfigError: an unknown network or activation, an impossible width, an option that the network does not have, or
            an image too small for the pooling.
    """
    distribution.devices()
    if name not in NETWORKS:
        raise ConfigError(f"no network {name!r}; networks are {', '.join(NETWORKS)}")
    if activation not in ACTIVATIONS:
        raise ConfigError(f"no activation {activation!r}; activations are {', '.join(ACTIVATIONS)}")
    if not 0 < width <= 4:
        raise ConfigError(f"width {width} is out of range; choose one above 0 and up to 4")
    check_options(name, options)
    network = NETWORKS[name]
    if input_shape[0] < network.smallest[0] or input_shape[1] < network.smallest[1]:
        raise ConfigError(
            f"a {input_shape[0]}x{input_shape[1]} image is too small for the {name}, which pools to nothing below "
            f"{network.smallest[0]}x{network.smallest[1]}; choose a front end with more bands or frames"
        )
    image = keras.Input(input_shape, name="image")
    chosen = {**network.options, **{option: value for option, value in options.items() if value is not None}}
    logits = _BODIES[name](image, classes, activation, lambda channels: max(1, round(channels * width)), **chosen)
    return keras.Model(image, logits, name=name)


def _baseline(
    x: Tensor, classes: int, activation: str, channels: Callable[[int], int], dropout: float, stem_stride: int
) -> Tensor:
    """DCASE 2022 Task 1 baseline: three 7x7 convolutions and two dense layers; `stem_stride` thins only frames."""
    x = keras.layers.Activation(activation)(conv(x, channels(16), (7, 7), (1, stem_stride)))
    for filters, pool in ((16, (5, 5)), (32, (4, 10 // stem_stride))):
        x = keras.layers.Activation(activation)(conv(x, channels(filters), (7, 7)))
        x = keras.layers.Dropout(dropout)(keras.layers.MaxPooling2D(pool)(x))
    x = dense(keras.layers.Flatten()(x), channels(100), activation)
    return dense(keras.layers.Dropout(dropout)(x), classes)


def _student(x: Tensor, classes: int, activation: str, channels: Callable[[int], int], dropout: float) -> Tensor:
    """Three residual pairs of 3x3 convolutions at one width."""
    filters = channels(STUDENT_CHANNELS)
    x = keras.layers.Activation(activation)(conv(x, filters, (6, 5)))
    x = residual(keras.layers.MaxPooling2D((2, 2))(x), filters, (3, 3), activation, dropout=dropout)
    x = residual(keras.layers.MaxPooling2D((5, 2))(x), filters, (3, 3), activation, dropout=dropout)
    x = residual(x, filters, (3, 3), activation, dropout=dropout)
    return classify(x, classes)


def _teacher(x: Tensor, classes: int, activation: str, channels: Callable[[int], int], dropout: float) -> Tensor:
    """Three stages of four residual blocks whose receptive field stays small: 1x1 kernels from block 3.2 on."""
    first, second, third = (channels(filters) for filters in TEACHER_STAGES)
    x = keras.layers.Activation(activation)(conv(x, first, (5, 5)))
    x = residual(x, first, (3, 1), activation, dropout=dropout)
    x = keras.layers.MaxPooling2D((2, 2))(x)
    for _ in range(3):
        x = residual(x, first, (3, 3), activation, dropout=dropout)
    for filters, kernels in ((second, (3, 1)), (third, (1, 1))):
        x = residual(x, filters, kernels, activation, project=True, dropout=dropout)
        for _ in range(3):
            x = residual(x, filters, (1, 1), activation, dropout=dropout)
    return classify(x, classes)


def _transformer(x: Tensor, classes: int, activation: str, channels: Callable[[int], int], dropout: float) -> Tensor:
    """Vision Transformer: embedded patches, four encoder layers of four heads, a mean over patches, two dense layers.

    Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021. The thesis (section 4.7) names layers, heads and the last
    dense layers; patches and width are ours, within the limit on parameters and, as in the thesis, above that on MACs.
    """
    width = channels(TRANSFORMER_WIDTH)
    x = keras.layers.Conv2D(width, PATCH, strides=PATCH)(x)
    x = keras.layers.Reshape((x.shape[1] * x.shape[2], width))(x)
    x = _PositionEmbedding()(x)
    for _ in range(TRANSFORMER_LAYERS):
        y = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        x = keras.layers.Add()([keras.layers.MultiHeadAttention(TRANSFORMER_HEADS, width)(y, y), x])
        y = keras.layers.LayerNormalization(epsilon=1e-6)(x)
        y = dense(dense(y, 2 * width, activation), width)
        x = keras.layers.Add()([keras.layers.Dropout(dropout)(y), x])
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization(epsilon=1e-6)(x))
    for units in TRANSFORMER_DENSE:
        x = keras.layers.Dropout(dropout)(dense(x, units, activation))
    return dense(x, classes)


@keras.saving.register_keras_serializable("tinyscene")
class _PositionEmbedding(keras.layers.Layer):
    """Adds a learnt vector for each position: without it, patches would have no order."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.positions = self.add_weight(shape=input_shape[1:], initializer="random_normal", name="positions")

    def call(self, x: Tensor) -> Tensor:
        return x + self.positions


_BODIES: dict[str, Callable[..., Tensor]] = {  # the layers from an image to logits
    "baseline": _baseline,
    "teacher": _teacher,
    "student": _student,
    "transformer": _transformer,
    "mobile": compact.mobile,
    "separable": compact.separable,
    "limited": compact.limited,
}
assert _BODIES.keys() == NETWORKS.keys()
