"""Change of the sampling rate by FFT: flat to 98 % of half the lower rate, nothing above it, no delay.

It stands for a recording made at the other rate, and a classifier listens up to the last mel band that the rate has.
soxr's best quality (VHQ) loses 0.5 dB at 94 % of half the rate and 3 dB at 95 %, in the middle of that band at
41,667 Hz.
"""

import math

import numpy as np
import scipy.signal
from numpy.typing import NDArray

PASSBAND = 0.98  # of half the lower rate: flat up to here, then half a period of a cosine down to nothing at 1
GUARD = 4000  # periods of the lower rate, after which the filter's impulse response is 120 dB down
BLOCK = 10.0  # s of a long signal that are transformed at a time


def resample(samples: NDArray[np.floating], rate: int, wanted: int) -> NDArray[np.float64]:
    """Resample a signal; beyond both ends it is taken as mirrored, so that it does not ring there.

    Every block goes through scipy.signal.resample, with a window in the frequency domain, together with a neighbourhood
    in which that function's wrapping around fades away.

    Args:
        samples: [n].
        rate: of the samples, Hz.
        wanted: Hz.

    Returns:
        [round(n * wanted / rate)]: sample k lies at the time k / wanted.
    """
    if not len(samples):
        return np.zeros(0)
    shared = math.gcd(rate, wanted)
    step = rate // shared  # samples that become a whole number of samples
    guard, block = _multiple(GUARD * rate / min(rate, wanted), step), _multiple(min(BLOCK * rate, len(samples)), step)
    starts = range(0, _multiple(len(samples), block), block)
    beyond = len(starts) * block - len(samples) + guard
    padded = np.pad(np.asarray(samples, np.float64), (guard, beyond), mode="reflect")
    cut = guard // step * (wanted // shared)
    pieces = [_transform(padded[start : start + guard + block + guard], rate, wanted)[cut:-cut] for start in starts]
    return np.concatenate(pieces)[: round(len(samples) * wanted / rate)]


def _multiple(least: float, step: int) -> int:
    """Return the smallest positive multiple of `step` that is not below `least`."""
    return max(1, math.ceil(least / step)) * step


def _transform(samples: NDArray[np.float64], rate: int, wanted: int) -> NDArray[np.float64]:
    """Resample one period of a periodic signal whose length at the wanted rate is whole."""

    def gain(cycles: NDArray[np.float64]) -> NDArray[np.float64]:
        place = np.abs(cycles) * (2 * rate / min(rate, wanted))  # cycles a sample; 1 becomes half the lower rate
        return np.cos(np.pi / 2 * np.clip((place - PASSBAND) / (1 - PASSBAND), 0, 1)) ** 2

    return scipy.signal.resample(samples, len(samples) * wanted // rate, window=gain)
