"""Networks that hypothesis draws: any shapes, strides, paddings, quantisations and branches of what is supported."""

import math
from collections.abc import Callable
from unittest import mock

from hypothesis import HealthCheck, Phase, assume, given, settings, strategies as st
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from tflite_models import ModelBuilder, Ref

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
INT8_FUNCTIONS = ("LEAKY_RELU", "HARD_SWISH", "RELU", "RELU6", "RELU_N1_TO_1", "ABS", "TANH", "LOGISTIC", "GELU")
FLOAT_FUNCTIONS = ("LEAKY_RELU", "HARD_SWISH", "RELU6", "ABS", "TANH", "LOGISTIC", "NEG", "SQUARE")
MAX_CHANNELS = 130
MAX_SIDE = 21
MIN_SCALE, MAX_SCALE = 1e-8, 1e6
MAX_VALUES = 4000  # of a tensor
MAX_WEIGHTS = 12_000
MAX_PRODUCTS = 120_000  # of a layer: the emulator does some hundred million instructions a second


class DrawnBuilder(ModelBuilder):
    """A builder whose choices are hypothesis's; only the values of constants come from a seed."""

    def __init__(self, draw: Callable) -> None:
        super().__init__(draw(st.integers(0, 2**32 - 1)))
        self.draw = draw
        self.bias_spread = draw(st.sampled_from([0.0, 3e3, 3e5, 5e8]))

    def zero_point(self) -> int:
        """Any int8."""
        return self.draw(st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127)))

    def scale(self) -> float:
        """From a millionth to a thousand."""
        return 10 ** self.draw(st.floats(-6, 3))

    def activation(self, shape: tuple[int, ...], scale: float, zero_point: int) -> Ref:
        """Keep scales where TensorFlow Lite does not refuse them: after some layers they would be anything."""
        return super().activation(shape, min(max(scale, MIN_SCALE), MAX_SCALE), zero_point)

    def pick(self, *choices: object) -> object:
        """One of the choices."""
        return self.draw(st.sampled_from(choices))

    def whole(self, low: int, high: int) -> int:
        """An integer between two, inclusive."""
        return self.draw(st.integers(low, high))

    def is_so(self) -> bool:
        """Yes or no."""
        return self.draw(st.booleans())


def _image(net: DrawnBuilder) -> Ref:
    height, width = net.whole(1, MAX_SIDE), net.whole(1, MAX_SIDE)
    shape = (1, height, width, net.whole(1, min(MAX_CHANNELS, MAX_VALUES // (height * width))))
    return net.float_input(shape) if net.is_so() else net.input(shape)


def _conv(net: DrawnBuilder, x: Ref) -> Ref:
    return _any_conv(net, x)


def _depthwise(net: DrawnBuilder, x: Ref) -> Ref:
    return _any_conv(net, x, multiplier=net.pick(1, 1, 2, 3) if x.shape[3] <= MAX_CHANNELS // 3 else 1)


def _any_conv(net: DrawnBuilder, x: Ref, *, multiplier: int = 0, channels: int = 0) -> Ref:
    same_size = channels > 0
    depth = x.shape[3]
    kernel = [net.whole(1, 7), net.whole(1, 7)]
    dilation = [net.pick(1, 1, 2, 3), net.pick(1, 1, 2, 3)]
    stride = [1, 1] if same_size else [net.pick(1, 1, 2, 3), net.pick(1, 1, 2, 5)]
    fits = all((k - 1) * d < size for k, d, size in zip(kernel, dilation, x.shape[1:3], strict=True))
    valid = fits and not same_size and net.is_so()
    taps = math.prod(kernel) * (1 if multiplier else depth)
    pixels = math.prod(-(-size // step) for size, step in zip(x.shape[1:3], stride, strict=True))
    most = min(MAX_CHANNELS, MAX_WEIGHTS // taps, MAX_PRODUCTS // (taps * pixels), MAX_VALUES // pixels)
    if multiplier:
        channels = multiplier * depth
        if channels > most:
            return _pool(net, x)
    elif same_size:
        if channels > most:
            kernel = [1, 1]
    else:
        channels = net.whole(1, max(most, 1))
    return net.conv(
        x,
        channels,
        (kernel[0], kernel[1]),
        stride=(stride[0], stride[1]),
        dilation=(dilation[0], dilation[1]),
        padding="VALID" if valid else "SAME",
        activation=net.pick(*ACTIVATIONS),
        per_channel=net.is_so(),
        bias=not multiplier or net.is_so(),  # the reference demands one of CONV_2D
        depthwise=multiplier,
        spread=10 ** net.draw(st.floats(-4, 5)) if net.is_so() else 2.0,
    )


def _pool(net: DrawnBuilder, x: Ref) -> Ref:
    window = [net.whole(1, min(size, 5)) for size in x.shape[1:3]]
    stride = [size if net.is_so() else net.whole(1, 4) for size in window]
    kind = net.pick("MAX_POOL_2D", "AVERAGE_POOL_2D")
    padding, activation = net.pick("SAME", "VALID"), net.pick(*ACTIVATIONS)
    return net.pool(x, kind, (window[0], window[1]), (stride[0], stride[1]), padding, activation)


def _residual(net: DrawnBuilder, x: Ref) -> Ref:
    y = _any_conv(net, x, channels=x.shape[3])
    pair = (x, y) if net.is_so() else (y, x)
    return net.combine(net.pick("ADD", "ADD", "MUL"), *pair, net.pick(*ACTIVATIONS))


def _gate(net: DrawnBuilder, x: Ref) -> Ref:
    gate = net.logistic(net.conv(net.mean(x, (1, 2), keep=True), x.shape[3], (1, 1)))
    return net.combine("MUL", x, gate)


def _inception(net: DrawnBuilder, x: Ref) -> Ref:
    if 2 * math.prod(x.shape) > MAX_VALUES or 2 * x.shape[3] > MAX_CHANNELS:
        return _pool(net, x)
    y = _any_conv(net, x, channels=net.whole(1, x.shape[3]))
    return net.concatenate([x, net.quantize(y, x.scale, x.zero_point)], net.pick(3, -1))


def _pad(net: DrawnBuilder, x: Ref) -> Ref:
    if 9 * math.prod(x.shape) > MAX_VALUES:
        return x
    return net.pad(x, [(0, 0), (net.whole(0, 2), net.whole(0, 2)), (net.whole(0, 2), net.whole(0, 2)), (0, 0)])


def _function(net: DrawnBuilder, x: Ref) -> Ref:
    near = net.quantize(x, x.scale * 10 ** net.draw(st.floats(-2, 2)), net.zero_point())
    return net.function(net.pick(*INT8_FUNCTIONS), near, alpha=net.draw(st.floats(-2, 2, width=32)))


def _folded(net: DrawnBuilder, x: Ref) -> Ref:
    """Floats between two INT8 tensors, within what QUANTIZE can take: beyond 32 bits, TensorFlow Lite is undefined."""
    y = real = net.dequantize(x)
    first = largest = 255 * x.scale
    for _ in range(net.whole(1, 3)):
        function = net.pick(*FLOAT_FUNCTIONS)
        y = net.function(function, y, alpha=0.2)
        largest = max(6.0, largest**2 if function == "SQUARE" else largest)
    if net.is_so():
        operation = net.pick("ADD", "SUB", "MUL", "MAXIMUM")
        y = net.float_operation(operation, real, y)
        largest = first * largest if operation == "MUL" else first + largest
    scale = max(max(x.scale, 1e-4) * 10 ** net.draw(st.floats(-0.5, 3)), largest / 2**30)
    assume(scale <= MAX_SCALE)
    return net.quantize(y, scale, net.zero_point())


def _mean(net: DrawnBuilder, x: Ref) -> Ref:
    return net.mean(x, net.pick((1,), (2,), (1, 2)), keep=True)


LAYERS = (
    _conv,
    _conv,
    _conv,
    _depthwise,
    _depthwise,
    _pool,
    _residual,
    _gate,
    _inception,
    _pad,
    _function,
    _folded,
    _mean,
)


def _average(net: DrawnBuilder, x: Ref) -> Ref:
    """Of the whole image."""
    if net.is_so():
        return net.mean(x, (1, 2), keep=net.is_so())
    size = (x.shape[1], x.shape[2])
    return net.pool(x, "AVERAGE_POOL_2D", size, net.pick((1, 1), size), "VALID", net.pick(*ACTIVATIONS))


def _head(net: DrawnBuilder, x: Ref) -> Ref:
    """Make the image an answer, or leave it."""
    x = _average(net, x) if net.is_so() else x
    if net.is_so() and math.prod(x.shape) * 8 <= MAX_WEIGHTS:
        x = net.reshape(x, (1, math.prod(x.shape)), by_options=net.is_so())
        x = net.dense(x, net.whole(1, 8), activation=net.pick(*ACTIVATIONS), per_channel=net.is_so(), bias=net.is_so())
        x = net.softmax(net.quantize(x, 0.05, net.zero_point())) if net.is_so() else x
    return net.dequantize(x) if net.is_so() else x


@st.composite
def networks(draw: Callable) -> bytes:
    """Draw a network of one to five layers, as a .tflite file."""
    net = DrawnBuilder(draw)
    x = _image(net)
    for layer in draw(st.lists(st.sampled_from(LAYERS), min_size=1, max_size=5)):
        x = layer(net, x)
    x = _head(net, x)
    return net.finish(x if net.graph.operators else _conv(net, x))


def draw_networks(count: int) -> list[bytes]:
    """Return so many networks, the same ones each time.

    Hypothesis would mix in constants of whatever modules of ours are loaded, other ones in each worker: it gets none.
    """
    models: list[bytes] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(networks())
    def collect(model: bytes) -> None:
        models.append(model)

    with mock.patch.object(providers, "_get_local_constants", Constants):
        collect()
    return models
