"""Functions of one int8 value as tables of 256: the reference kernels' results for -128..127.

The reference int8 kernels differ: some go through single precision (TANH, ELU), others have their own fixed-point
arithmetic (HARD_SWISH, LEAKY_RELU, the ReLUs). C++ leaves the conversion of a value outside int32 undefined there; here
it saturates, and NaN gives the zero point, as in the engine.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler import floats
from tinyscene.compiler.graph import INT8_MAX, INT8_MIN, Activation, LeakyReluOptions, Options, Tensor
from tinyscene.compiler.quantisation import (
    activation_range,
    multiply,
    quantise_multiplier,
    rounding_divide_by_power,
    saturate,
)

INT8_VALUES = range(INT8_MIN, INT8_MAX + 1)
INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1
HIRES_BITS = 7  # additional bits that HARD_SWISH computes with

Table = list[int]


def dequantise(scale: float, zero_point: int, values: range = INT8_VALUES) -> floats.Values:
    """Return DEQUANTIZE of the values."""
    return np.float32(scale) * (np.array(values) - zero_point).astype(np.float32)


def quantise(values: floats.Values, scale: float, zero_point: int) -> NDArray[np.int64]:
    """Return QUANTIZE of floats: divided by the scale, rounded half away from zero, clamped to int8."""
    with np.errstate(all="ignore"):
        return _to_int8(values / np.float32(scale), zero_point)


def _to_int8(scaled: floats.Values, zero_point: int) -> NDArray[np.int64]:
    size = np.abs(scaled.astype(np.float64))
    rounded = np.copysign(np.floor(np.nan_to_num(size, nan=0.0, posinf=1e9) + 0.5), scaled)
    return np.clip(np.nan_to_num(rounded) + zero_point, INT8_MIN, INT8_MAX).astype(np.int64)


def looked_up(function: Callable[[floats.Values], floats.Values]) -> Callable[..., Table]:
    """Return the int8 kernel that fills a table with a float function: it multiplies with 1/scale instead."""

    def table(source: Tensor, output: Tensor, _: Options | None) -> Table:
        with np.errstate(all="ignore"):
            real = function(dequantise(source.scale, source.zero_point))
            return _to_int8(real * (np.float32(1) / np.float32(output.scale)), output.zero_point).tolist()

    return table


def requantise(source_scale: float, source_zero: int, scale: float, zero: int, values: range = INT8_VALUES) -> Table:
    """Return QUANTIZE between integers, not clamped."""
    factor = quantise_multiplier(source_scale / scale)
    return [multiply(q - source_zero, *factor) + zero for q in values]


def relu(activation: Activation) -> Callable[..., Table]:
    """Return the int8 kernel of a ReLU."""

    def table(source: Tensor, output: Tensor, _: Options | None) -> Table:
        limits = activation_range(activation, output.scale, output.zero_point)
        ratio = float(np.float32(source.scale) / np.float32(output.scale))
        values = requantise(ratio, source.zero_point, 1.0, output.zero_point)
        return [saturate(value, *limits) for value in values]

    return table


def leaky_relu(source: Tensor, output: Tensor, options: Options | None) -> Table:
    """LEAKY_RELU: one factor for each sign."""
    assert isinstance(options, LeakyReluOptions)
    scale = np.float32(source.scale)
    positive = quantise_multiplier(float(scale / np.float32(output.scale)))
    negative = _signed_multiplier(float(scale * np.float32(options.alpha) / np.float32(output.scale)))
    centred = (q - source.zero_point for q in INT8_VALUES)
    return [saturate(multiply(x, *(positive if x >= 0 else negative)) + output.zero_point) for x in centred]


def _signed_multiplier(real: float) -> tuple[int, int]:
    multiplier, shift = quantise_multiplier(abs(real))
    return (-multiplier if real < 0 else multiplier), shift


def hard_swish(source: Tensor, output: Tensor, _: Options | None) -> Table:
    """HARD_SWISH in int16: x on the output's scale, times relu6(x + 3) / 6 as Q0.15."""
    fine = np.float32(source.scale) * np.float32(1 / 128)
    scaling, scaling_shift = _int16_multiplier(float(fine / np.float32(output.scale)))
    gate, gate_shift = _int16_multiplier(float(fine / np.float32(3 / 32768)))

    def one(q: int) -> int:
        x = (q - source.zero_point) << HIRES_BITS
        g = _saturate16(x << max(gate_shift - 1, 0))
        g = _rounding_high16(g, gate)
        g = _saturate16(g << 1) if gate_shift > 0 else rounding_divide_by_power(g, -gate_shift)
        g = (g + 2**15) >> 1
        product = _truncating_high16(g, _rounding_high16(x, scaling))
        result = rounding_divide_by_power(product, -scaling_shift) + output.zero_point
        return saturate((result - INT16_MIN) % 2**16 + INT16_MIN)

    return [one(q) for q in INT8_VALUES]


def hard_swish_fits(source: Tensor, output: Tensor) -> bool:
    """Return whether the factor to the output's scale is at most 1, as the reference requires."""
    fine = np.float32(source.scale) * np.float32(1 / 128)
    return quantise_multiplier(float(fine / np.float32(output.scale)))[1] <= 0


def _int16_multiplier(real: float) -> tuple[int, int]:
    multiplier, shift = quantise_multiplier(real)
    return min((multiplier + 2**15) >> 16, INT16_MAX), shift


def _saturate16(value: int) -> int:
    return saturate(value, INT16_MIN, INT16_MAX)


def _rounding_high16(a: int, b: int) -> int:
    """Return a * b / 2^15, halves away from zero as gemmlowp's nudge and C's division make them."""
    product = a * b
    nudged = product + (2**14 if product >= 0 else 1 - 2**14)
    return _saturate16(math.trunc(nudged / 2**15))


def _truncating_high16(a: int, b: int) -> int:
    return _saturate16(math.trunc(a * b / 2**15))


def absolute(source: Tensor, output: Tensor, _: Options | None) -> Table:
    """ABS."""
    ratio = float(np.float32(source.scale) / np.float32(output.scale))
    factor = quantise_multiplier(ratio)
    sizes = (abs(q - source.zero_point) for q in INT8_VALUES)
    return [saturate(multiply(size, *factor) + output.zero_point) for size in sizes]


def gelu(source: Tensor, output: Tensor, options: Options | None) -> Table:
    """GELU."""
    return looked_up(lambda x: floats.gelu(x, options))(source, output, options)


# The int8 kernels by operator: (source, output, options) to 256 bytes. Both tensors have one scale and zero point.
FUNCTIONS: dict[str, Callable[[Tensor, Tensor, Options | None], Table]] = {
    "ABS": absolute,
    "ELU": looked_up(floats.elu),
    "EXP": looked_up(floats.exp),
    "GELU": gelu,
    "HARD_SWISH": hard_swish,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": looked_up(floats.plain_logistic),
    "RELU": relu("RELU"),
    "RELU6": relu("RELU6"),
    "RELU_N1_TO_1": relu("RELU_N1_TO_1"),
    "TANH": looked_up(floats.tanh),
}
