"""The engine's rounding in C against its Python twin, ties and extremes included."""

import ctypes
from pathlib import Path

import numpy as np
import pytest

from tinyscene import native
from tinyscene.compiler import quantisation
from tinyscene.paths import FIRMWARE_LIB

EXTREMES = (-(2**31) + 1, -(2**30), -3, -2, -1, 0, 1, 2, 3, 2**30, 2**31 - 1)


@pytest.fixture(scope="module")
def engine() -> ctypes.CDLL:
    source = Path(__file__).with_name("engine_arithmetic.c")
    return native.build_library("engine-arithmetic", [source], [FIRMWARE_LIB / "engine"])


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
