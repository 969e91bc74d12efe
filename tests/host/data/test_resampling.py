"""The resampler: tones keep their level and their time, nothing folds back, and ends and blocks leave no trace."""

import numpy as np
import pytest
import scipy.signal

from tinyscene.data import resampling
from tinyscene.data.resampling import PASSBAND, resample

RATES = [(44100, 41667), (44100, 16000), (44100, 48000), (22051, 41667), (48000, 44100), (8000, 44100)]


def tone(frequency: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate + 0.3)


@pytest.mark.parametrize(("rate", "wanted"), RATES)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, PASSBAND - 0.003])
def test_a_tone_of_the_passband_stays_as_it_is(rate: int, wanted: int, share: float) -> None:
    frequency = share * min(rate, wanted) / 2
    inner = slice(wanted // 4, -wanted // 4)
    np.testing.assert_allclose(
        resample(tone(frequency, rate), rate, wanted)[inner], tone(frequency, wanted)[inner], atol=2e-5
    )


@pytest.mark.parametrize("wanted", [41667, 16000, 32000])
@pytest.mark.parametrize("share", [1.003, 1.05, 1.3])
def test_what_the_lower_rate_cannot_carry_is_gone(wanted: int, share: float) -> None:
    left = resample(tone(min(share * wanted / 2, 22000), 44100), 44100, wanted)
    assert np.abs(left[wanted // 4 : -wanted // 4]).max() < 1e-5


@pytest.mark.parametrize("wanted", [41667, 16000, 48000])
def test_the_ends_do_not_ring(wanted: int) -> None:
    np.testing.assert_allclose(resample(np.ones(44100), 44100, wanted), 1, atol=1e-12)
    slow = resample(np.cos(2 * np.pi * 3 * np.arange(44100) / 44100), 44100, wanted)
    np.testing.assert_allclose(slow, np.cos(2 * np.pi * 3 * np.arange(wanted) / wanted), atol=1e-5)


def test_it_is_scipys_sinc_interpolation_of_a_periodic_signal() -> None:
    """A signal without anything above the passband that is a whole number of its periods, mirrored at both ends."""
    time = np.arange(44100) / 44100
    signal = sum(np.cos(2 * np.pi * f * time) for f in (50, 900, 12000, 20000))
    there_and_back = np.concatenate([signal, [signal[0]], signal[:0:-1]])
    expected = scipy.signal.resample(there_and_back, 2 * 41667)[:41667]
    np.testing.assert_allclose(resample(signal, 44100, 41667)[:40000], expected[:40000], atol=1e-4)


@pytest.mark.parametrize(("rate", "wanted"), RATES)
def test_blocks_leave_no_seam(rate: int, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).normal(size=3 * rate + 17)
    whole = resample(noise, rate, wanted)
    monkeypatch.setattr(resampling, "BLOCK", 0.7)
    np.testing.assert_allclose(resample(noise, rate, wanted), whole, atol=4e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 44099, 44101])
@pytest.mark.parametrize("kind", [np.float32, np.int16])
def test_any_length_and_type(count: int, kind: type) -> None:
    found = resample(np.ones(count, kind), 44100, 41667)
    assert found.shape == (round(count * 41667 / 44100),)
    np.testing.assert_allclose(found, 1, atol=1e-6)
