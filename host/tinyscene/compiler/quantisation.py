"""TensorFlow Lite's fixed-point arithmetic, in exact Python: multipliers, activation ranges and SOFTMAX.

All of it follows the reference kernels (tensorflow/lite/kernels/internal) and gemmlowp's fixedpoint.h; the C twins
are in firmware/lib/engine/requantise.h.
"""

import math

import numpy as np

from tinyscene.compiler.graph import INT8_MAX, INT8_MIN, Activation

INT32_MAX = 2**31 - 1
MAX_FACTOR = 2.0**31  # larger ones shift int32 by more than its bits, which TensorFlow Lite leaves undefined
QUICK_SHIFTS = range(-22, 0)  # shifts of the factors that the engine's shorter requantisation can apply
DENSE_FRACTION_BITS = range(4, 31)  # with fewer, too many products lie near a half
SOFTMAX_INTEGER_BITS = 5  # Q5.26: range below the maximum in which exp is distinguished from zero
SOFTMAX_SUM_INTEGER_BITS = 12

# exp(-2^k) for k = -2..4 in Q0.31, gemmlowp's barrel shifter
EXP_OF_POWERS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535, 3: 720401, 4: 242}
EXP_MINUS_EIGHTH = 1895147668
ONE_THIRD = 715827883


class FactorError(ValueError):
    """A factor that is too large."""


def quantise_multiplier(real: float) -> tuple[int, int]:
    """Split a factor into (Q0.31 multiplier in [2^30, 2^31), left shift up to 31), as QuantizeMultiplier does.

    Raises:
        FactorError: the factor is MAX_FACTOR or more, infinite or NaN.
    """
    if not real < MAX_FACTOR - 0.5:
        raise FactorError(f"its scales are {real:g} apart, not below {MAX_FACTOR:.0f}; quantise the model again")
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    multiplier = math.floor(fraction * 2**31 + 0.5)  # positive: half away from zero is half up
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def wrap32(value: int) -> int:
    """Return a value wrapped to a two's complement int32."""
    return (value + 2**31) % 2**32 - 2**31


def rounding_doubling_high(a: int, b: int) -> int:
    """Return round(a * b / 2^31), halves up, saturated: SaturatingRoundingDoublingHighMul."""
    return min((a * b + (1 << 30)) >> 31, INT32_MAX)


def rounding_divide_by_power(value: int, exponent: int) -> int:
    """Return value / 2^exponent rounded half away from zero: RoundingDivideByPOT."""
    if exponent == 0:
        return value
    return (value + (1 << (exponent - 1)) - (value < 0)) >> exponent


def multiply(value: int, multiplier: int, shift: int) -> int:
    """Return value * multiplier * 2^(shift - 31) with TensorFlow Lite's double rounding."""
    shifted = wrap32(value << max(shift, 0))
    return rounding_divide_by_power(rounding_doubling_high(shifted, multiplier), max(-shift, 0))


def quick_factor(multiplier: int, shift: int, zero_point: int) -> tuple[int, int, int]:
    """Return the members of `struct engine_quick_factor` for a shift of QUICK_SHIFTS."""
    right = -shift
    return wrap32(2 * multiplier), (1 << (right - 1)) + (zero_point << right), right


def dense_factor(scale: float) -> tuple[int, int]:
    """Return multiplier and fraction bits of `struct engine_dense_output`; (0, 0) if doubles are needed."""
    fraction, exponent = math.frexp(scale)
    bits = -1 - exponent
    return (math.floor(fraction * 2**31), bits) if bits in DENSE_FRACTION_BITS else (0, 0)


def saturate(value: int, low: int = INT8_MIN, high: int = INT8_MAX) -> int:
    """Clamp to int8, or to an activation's range."""
    return min(max(value, low), high)


def activation_range(activation: Activation, scale: float, zero_point: int) -> tuple[int, int]:
    """Return the int8 values between which a fused activation clamps: CalculateActivationRangeQuantized.

    Raises:
        FactorError: one of them does not fit int32.
    """

    def quantise(real: float) -> int:
        quotient = float(np.float32(real) / np.float32(scale))
        if not abs(quotient) < MAX_FACTOR:
            raise FactorError(f"its scale of {scale:g} is too small for {activation}; TensorFlow Lite refuses it too")
        return zero_point + int(math.copysign(math.floor(abs(quotient) + 0.5), quotient))

    low, high = {
        "NONE": (None, None),
        "RELU": (0.0, None),
        "RELU_N1_TO_1": (-1.0, 1.0),
        "RELU6": (0.0, 6.0),
    }[activation]
    return (
        INT8_MIN if low is None else max(INT8_MIN, quantise(low)),
        INT8_MAX if high is None else min(INT8_MAX, quantise(high)),
    )


def input_radius(integer_bits: int, left_shift: int) -> int:
    """Return the largest input difference that stays inside Q(integer_bits) after scaling: CalculateInputRadius."""
    return math.floor((2**integer_bits - 1) * 2.0 ** (31 - integer_bits - left_shift))


def _saturating_shift_left(value: int, bits: int) -> int:
    return min(max(value << bits, -(2**31)), INT32_MAX)


def exp_on_negative(raw: int, integer_bits: int) -> int:
    """Return exp(x) in Q0.31 for x <= 0 given in Q(integer_bits), as gemmlowp's exp_on_negative_values."""
    if raw == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    modulo = (raw & (quarter - 1)) - quarter
    x = _saturating_shift_left(modulo, integer_bits) + (1 << 28)  # around -1/8, Q0.31
    x2 = rounding_doubling_high(x, x)
    x3 = rounding_doubling_high(x2, x)
    x4 = rounding_doubling_high(x2, x2)
    quartic = rounding_divide_by_power(x4, 2)
    polynomial = rounding_divide_by_power(rounding_doubling_high(quartic + x3, ONE_THIRD) + x2, 1)
    result = EXP_MINUS_EIGHTH + rounding_doubling_high(EXP_MINUS_EIGHTH, x + polynomial)
    remainder = modulo - raw
    for exponent, factor in EXP_OF_POWERS.items():
        if exponent < integer_bits and remainder & (1 << (fraction_bits + exponent)):
            result = rounding_doubling_high(result, factor)
    return result


def softmax_table(beta: float, input_scale: float) -> list[int]:
    """Return exp(-beta * scale * d) in Q0.31 for d = 0..255, 0 where SOFTMAX ignores the difference."""
    real = min(beta * input_scale * 2.0 ** (31 - SOFTMAX_INTEGER_BITS), 2.0**31 - 1)
    multiplier, shift = quantise_multiplier(real)
    radius = input_radius(SOFTMAX_INTEGER_BITS, shift)
    return [
        exp_on_negative(rounding_doubling_high(-difference << shift, multiplier), SOFTMAX_INTEGER_BITS)
        if difference <= radius
        else 0
        for difference in range(256)
    ]
