"""The FFT in C against numpy's in float64, and the plans that it follows."""

import ctypes
import math

import numpy as np
import pytest
from frontend_cases import smooth_sizes

from tinyscene.errors import ConfigError
from tinyscene.frontend import fft_plan, host as frontend_host
from tinyscene.toolchain import native

PASSES_MAX = 16


class Fft(ctypes.Structure):
    """struct frontend_fft of frontend_fft.h."""

    _fields_ = (
        ("n", ctypes.c_uint16),
        ("passes", ctypes.c_uint8),
        ("radix", ctypes.c_uint8 * PASSES_MAX),
        ("twiddles", ctypes.c_void_p),
        ("roots", ctypes.c_void_p),
        ("roots_low", ctypes.c_void_p),
    )


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return native.build_library("frontend-fft", [frontend_host.LIBRARY / "frontend_fft.c"], [frontend_host.LIBRARY])


def transform(library: ctypes.CDLL, plan: fft_plan.FftPlan, samples: np.ndarray) -> np.ndarray:
    """Return the spectrum [n / 2 + 1] that the C code computes."""
    plan_c = Fft(
        plan.n,
        len(plan.radices),
        (ctypes.c_uint8 * PASSES_MAX)(*plan.radices),
        plan.twiddles.ctypes.data,
        plan.roots.ctypes.data,
        plan.roots_low.ctypes.data,
    )
    guard = np.float32(12345)
    signal = np.append(samples.astype(np.float32), guard)
    spectrum = np.full(plan.n + 1, guard)
    library.frontend_fft(
        ctypes.byref(plan_c), ctypes.c_void_p(signal.ctypes.data), ctypes.c_void_p(spectrum.ctypes.data)
    )
    assert signal[-1] == spectrum[-1] == guard
    packed = spectrum[:-1].astype(np.float64)
    middle = packed[2::2] + 1j * packed[3::2]
    return np.concatenate([[packed[0]], middle, [packed[1]]])


@pytest.mark.parametrize(
    "n", [*smooth_sizes(300), 1024, 1764, 2048, 4096, 4410, 6860, 16384, 39366, 57624, 65536 - 2**10]
)
def test_transform_is_that_of_numpy(library, n):
    plan = fft_plan.plan(n)
    assert math.prod(plan.radices) == n // 2
    samples = np.random.default_rng(n).normal(size=n).astype(np.float32)
    expected = np.fft.rfft(samples.astype(np.float64))
    error = np.abs(transform(library, plan, samples) - expected)
    rms = np.sqrt(np.mean(np.abs(expected) ** 2))
    assert np.sqrt(np.mean(error**2)) < 2.5e-7 * rms
    assert error.max() < 2e-6 * rms


@pytest.mark.parametrize("n", [1764, 1024, 960])
def test_an_impulse_anywhere_turns_as_it_should(library, n):
    plan = fft_plan.plan(n)
    for place in (0, 1, 2, n // 2, n - 1):
        samples = np.zeros(n)
        samples[place] = 1
        np.testing.assert_allclose(transform(library, plan, samples), np.fft.rfft(samples), atol=5e-7)


@pytest.mark.parametrize(("n", "better"), [(1766, 1764), (22, 20), (3, 2), (0, 2), (2 * 121, 240)])
def test_a_size_with_another_factor_is_refused_with_the_nearest(n, better):
    with pytest.raises(ConfigError, match=rf"no FFT of n_fft = {n} points; .* such as {better}$"):
        fft_plan.plan(n)
