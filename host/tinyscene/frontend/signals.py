"""Clips that are computed and need no recording, among them those at the limits of PCM16."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyscene.frontend.config import FrontendConfig

# Noise softer than one bit, such as -120 dB, is silence once it is rounded to PCM16.
EDGES = ("silence", "square", "impulse", "DC", "one bit", "clipped")


def _noise(count: int) -> NDArray[np.int64]:
    """Noise that falls by some 3 dB an octave: independent integers that are held for 1, 2, 4, ... samples, summed."""
    random = np.random.default_rng(1)
    held = [random.integers(-2000, 2001, (count >> octave) + 1).repeat(1 << octave)[:count] for octave in range(12)]
    return np.sum(held, axis=0)


def _wave(phase: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a wave whose halves are parabolas, of amplitude 32764; 65536 is a period of the phase."""
    half = phase % 32768
    return np.where(phase % 65536 < 32768, 1, -1) * (half * (32768 - half) // 8193)


# Integers computed from the number of samples: the same on every machine.
_SIGNALS: dict[str, Callable[[int], NDArray[np.int64]]] = {
    "noise": _noise,
    "chirp": lambda count: _wave(16384 * (np.arange(count) % 1000) ** 2 // 1000),  # to half the rate in 1000 samples
    "impulse": lambda count: np.where(np.arange(count) == count // 3, 32767, 0),
    "square": lambda count: np.where(np.arange(count) // 50 % 2, 32767, -32768),
    "clipped": lambda count: np.clip(3 * _wave(323 * np.arange(count)), -32768, 32767),
    "DC": lambda count: np.full(count, 32767),
    "one bit": lambda count: np.random.default_rng(2).integers(-1, 2, count),
    "silence": lambda count: np.zeros(count, np.int64),
}


def clips(config: FrontendConfig) -> dict[str, NDArray[np.int16]]:
    """Return a clip [config.clip_samples] of every signal, by name."""
    return {name: signal(config.clip_samples).astype(np.int16) for name, signal in _SIGNALS.items()}
