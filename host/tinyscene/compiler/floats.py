"""Single-precision functions as TensorFlow Lite's kernels compute them, operation by operation.

Where the kernels call the C library, so does this module, because its float functions are not correctly rounded:
NumPy's, or double precision rounded afterwards, give another last bit for every fifth tanh.
"""

import ctypes
import ctypes.util
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler.graph import Activation, ElementwiseOptions, GeluOptions, LeakyReluOptions, Options
from tinyscene.errors import ToolError

Values = NDArray[np.float32]

# LOGISTIC is 1 above the first bound and exp(x) below the second, as in the reference kernel
LOGISTIC_ONE_ABOVE = np.float32(16.619047164916992188)
LOGISTIC_EXP_BELOW = np.float32(-9)
ROOT_HALF = np.float32(math.sqrt(0.5))
ROOT_TWO_OVER_PI = np.float32(math.sqrt(2 / math.pi))


@functools.cache
def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("m")
    try:
        return ctypes.CDLL(name)  # None: the program itself, which has them on some systems
    except OSError as error:
        raise ToolError(f"the C library's mathematics cannot be loaded ({error}); install it") from error


def c_function(name: str) -> Callable[[Values], Values]:
    """Return a function of the C library from float to float, such as tanhf, for arrays."""

    def apply(values: Values) -> Values:
        function = _library()[name]
        function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
        return np.array([function(value) for value in values.reshape(-1).tolist()], np.float32).reshape(values.shape)

    return apply


exp = c_function("expf")
tanh = c_function("tanhf")


def logistic(x: Values) -> Values:
    """LOGISTIC of float tensors; `plain_logistic` fills tables."""
    near = np.float32(1) / (np.float32(1) + exp(-x))
    return np.where(x > LOGISTIC_ONE_ABOVE, np.float32(1), np.where(x < LOGISTIC_EXP_BELOW, exp(x), near))


def plain_logistic(x: Values) -> Values:
    """LOGISTIC of int8 tensors."""
    return np.float32(1) / (np.float32(1) + exp(-x))


def elu(x: Values) -> Values:
    """ELU."""
    return np.where(x < 0, c_function("expm1f")(x), x)


def hard_swish(x: Values) -> Values:
    """HARD_SWISH: x * relu6(x + 3) / 6, in this order."""
    return x * np.minimum(np.float32(6), np.maximum(np.float32(0), x + np.float32(3))) / np.float32(6)


def gelu(x: Values, options: Options | None) -> Values:
    """GELU of int8 tensors, exact or by tanh."""
    half = np.float32(0.5) * x
    if isinstance(options, GeluOptions) and options.approximate:
        cube = np.float32(0.044715) * x * x * x
        return half * (np.float32(1) + tanh(ROOT_TWO_OVER_PI * (x + cube)))
    return half * c_function("erfcf")(x * -ROOT_HALF)


def leaky_relu(x: Values, options: Options | None) -> Values:
    """LEAKY_RELU."""
    assert isinstance(options, LeakyReluOptions)
    return np.where(x > 0, x, x * np.float32(options.alpha))


LIMITS: dict[Activation, tuple[float, float]] = {
    "NONE": (-np.inf, np.inf),
    "RELU": (0.0, np.inf),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
}


def clamp(x: Values, activation: Activation) -> Values:
    """Apply a fused activation."""
    low, high = LIMITS[activation]
    return np.minimum(np.maximum(x, np.float32(low)), np.float32(high))


def _fused(operation: Callable[[Values, Values], Values]) -> Callable[..., Values]:
    def apply(first: Values, second: Values, options: Options | None) -> Values:
        assert isinstance(options, ElementwiseOptions)
        return clamp(operation(first, second), options.activation)

    return apply


def _plain(operation: Callable[..., Values]) -> Callable[..., Values]:
    return lambda *arguments: operation(*arguments[:-1])


# By operator: its number of operands, and the function of them and of its options. Not GELU: the float reference takes
# it from Eigen, whose erfc and tanh depend on the machine's vector unit.
FUNCTIONS: dict[str, tuple[int, Callable[..., Values]]] = {
    "ABS": (1, _plain(np.abs)),
    "ELU": (1, _plain(elu)),
    "EXP": (1, _plain(exp)),
    "HARD_SWISH": (1, _plain(hard_swish)),
    "LEAKY_RELU": (1, leaky_relu),
    "LOGISTIC": (1, _plain(logistic)),
    "NEG": (1, _plain(np.negative)),
    "RELU": (1, lambda x, _: clamp(x, "RELU")),
    "RELU6": (1, lambda x, _: clamp(x, "RELU6")),
    "RELU_N1_TO_1": (1, lambda x, _: clamp(x, "RELU_N1_TO_1")),
    "SQUARE": (1, _plain(np.square)),
    "SQRT": (1, _plain(np.sqrt)),
    "TANH": (1, _plain(tanh)),
    "ADD": (2, _fused(np.add)),
    "DIV": (2, _fused(np.divide)),
    "MAXIMUM": (2, _plain(np.maximum)),
    "MINIMUM": (2, _plain(np.minimum)),
    "MUL": (2, _fused(np.multiply)),
    "SUB": (2, _fused(np.subtract)),
}


def apply(kind: str, operands: Sequence[Values], options: Options | None) -> Values:
    """Return the result of a float operator of FUNCTIONS; overflow gives infinity, as it does in C."""
    with np.errstate(all="ignore"):
        return np.asarray(FUNCTIONS[kind][1](*operands, options), np.float32)
