"""The engine's rounding in C against its Python twin, ties and extremes included."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from tinyscene.compiler import quantisation
from tinyscene.paths import FIRMWARE_LIB
from tinyscene.toolchain import native

EXTREMES = (-(2**31) + 1, -(2**30), -3, -2, -1, 0, 1, 2, 3, 2**30, 2**31 - 1)


@pytest.fixture(scope="module")
def engine() -> ctypes.CDLL:
    folder = FIRMWARE_LIB / "engine"
    sources = [
        Path(__file__).with_name("engine_arithmetic.c"),
        folder / "engine_quick_add.c",
        folder / "engine_dense.c",
        folder / "engine_dense_sums.c",
    ]
    return native.build_library("engine-arithmetic", sources, [folder])


def test_shift_right_rounds_ties_away_from_zero(engine: ctypes.CDLL) -> None:
    generator = np.random.default_rng(1)
    for exponent in range(32):
        ties = [sign * (2 * odd + 1) * 2**exponent // 2 for sign in (1, -1) for odd in range(4)]
        values = [*EXTREMES, *ties, *generator.integers(-(2**31) + 1, 2**31, 50).tolist()]
        for value in values:
            if abs(value) < 2**31:
                expected = quantisation.rounding_divide_by_power(value, exponent)
                assert engine.exported_shift_right(value, exponent) == expected, (value, exponent)


def test_scale_rounds_twice(engine: ctypes.CDLL) -> None:
    generator = np.random.default_rng(2)
    for shift in range(-31, 31):
        for multiplier in (0, 2**30, 2**31 - 1, int(generator.integers(2**30, 2**31))):
            for value in (*EXTREMES, *generator.integers(-(2**20), 2**20, 20).tolist()):
                expected = quantisation.multiply(value, multiplier, shift)
                assert engine.exported_scale(value, multiplier, shift) == expected, (value, multiplier, shift)


def near_ties(multiplier: int, shift: int, count: int) -> list[int]:
    """Return accumulators whose product lies at, or one beside, the border between two results."""
    per_result = 2 ** (31 - shift) // multiplier
    borders = [per_result * (2 * result + 1) // 2 for result in range(-count, count)]
    return [border + step for border in borders for step in (-1, 0, 1) if abs(border) < 2**31 - 1]


@pytest.mark.parametrize("zero_point", [-128, -1, 0, 5, 127])
def test_quick_requantisation_is_both_roundings_and_saturation(engine: ctypes.CDLL, zero_point: int) -> None:
    generator = np.random.default_rng(3)
    for shift in quantisation.QUICK_SHIFTS:
        for multiplier in (2**30, 2**30 + 1, 2**31 - 1, int(generator.integers(2**30, 2**31))):
            factor = quantisation.quick_factor(multiplier, shift, zero_point)
            spread = min(2**31 - 1, 300 << -shift)
            values = [*EXTREMES, -(2**31), *near_ties(multiplier, shift, 20)]
            for value in (*values, *generator.integers(-spread, spread, 40).tolist()):
                expected = quantisation.saturate(quantisation.multiply(value, multiplier, shift) + zero_point)
                assert engine.exported_quick(value, *factor) == expected, (value, multiplier, shift)


class Rows(ctypes.Structure):
    """`struct engine_rows`."""

    _fields_ = [("base", ctypes.c_void_p), *((name, ctypes.c_int32) for name in ("height", "capacity", "row_bytes"))]


@pytest.mark.parametrize(
    ("multiplier", "shift"),
    [(2**30, -1), (2**30, -19), (2**30, -25), (2**31 - 1, -1), (1431655765, -2), (1518500250, -30)],
)
@pytest.mark.parametrize("down", [(2**30, -18), (2**30 + 12345, -19), (2**31 - 1, -20)])
def test_quick_addition_of_all_values(engine: ctypes.CDLL, multiplier: int, shift: int, down: tuple[int, int]) -> None:
    """Powers of two make sums that lie halfway between two results."""
    zeros = (-5, 17, 3)
    first = np.repeat(np.arange(-128, 128, 5, dtype=np.int8), 256)
    second = np.tile(np.arange(-128, 128, dtype=np.int8), len(first) // 256)
    output = np.empty_like(first)
    up = quantisation.quick_factor(multiplier, shift, 0)
    members = (len(first), *zeros[:2], *up, *quantisation.quick_factor(*down, zeros[2]), zeros[2], -100, 120)
    layer = (ctypes.c_int32 * len(members))(*members)
    sources = (Rows * 2)(*(Rows(values.ctypes.data, 1, 1, len(values)) for values in (first, second)))
    engine.engine_quick_add(layer, sources, 0, ctypes.c_void_p(output.ctypes.data), None)
    small = {b: quantisation.multiply((b - zeros[1]) << 20, multiplier, shift) for b in range(-128, 128)}
    expected = [
        quantisation.saturate(quantisation.multiply(((a - zeros[0]) << 19) + small[b], *down) + zeros[2], -100, 120)
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]
    assert output.tolist() == expected


class DenseOutput(ctypes.Structure):
    """`struct engine_dense_output`."""

    _fields_ = [
        ("scale", ctypes.c_double),
        *((name, ctypes.c_int32) for name in ("multiplier", "fraction_bits", "bias")),
    ]


class Dense(ctypes.Structure):
    """`struct engine_dense`."""

    _fields_ = [
        ("weights", ctypes.c_void_p),
        ("channels", ctypes.POINTER(DenseOutput)),
        *((name, ctypes.c_int32) for name in ("rows", "depth", "outputs", "zero_point", "minimum", "maximum")),
    ]


@pytest.mark.parametrize("scale", [2.0**-5, 3 * 2.0**-8, 0.0009765625, 0.00123, 1 / 3000, 7.3e-7, 2.0**-31, 0.3, 5.0])
def test_dense_layers_round_as_doubles_do(engine: ctypes.CDLL, scale: float) -> None:
    """Sums at, and beside, the border between two results, as biases of outputs without weights."""
    borders = [int((result + 0.5) / scale) + step for result in range(-130, 130) for step in range(-3, 4)]
    sums = [value for value in (*EXTREMES, -(2**31), *borders) if -(2**31) <= value < 2**31]
    outputs = (DenseOutput * len(sums))(*(DenseOutput(scale, *quantisation.dense_factor(scale), s) for s in sums))
    weights, scratch = np.zeros(4 * (len(sums) + 4), np.int8), np.zeros(8, np.int8)
    layer = Dense(weights.ctypes.data, outputs, 1, 1, len(sums), 0, -128, 127)
    result = np.empty(len(sums), np.int8)
    pointers = (weights.ctypes.data, result.ctypes.data, scratch.ctypes.data)
    engine.engine_dense(ctypes.byref(layer), *map(ctypes.c_void_p, pointers))
    products = np.array(sums) * scale
    rounded = np.copysign(np.floor(np.abs(products) + 0.5), products)
    overflows = np.abs(products) >= 2**31 - 1
    assert result.tolist() == np.where(overflows, -128, np.clip(rounded, -128, 127)).astype(int).tolist()
