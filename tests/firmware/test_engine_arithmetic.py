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
