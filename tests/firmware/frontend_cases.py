"""Clips and configurations for the tests of the C front end, on the host and on the emulated board."""

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene.data import evenly_spread
from tinyscene.data.dataset import Dataset, pcm16, read_clip
from tinyscene.frontend.config import FrontendConfig

SMALL = {"sample_rate": 8000, "clip_samples": 4000, "n_fft": 256, "win_length": 256, "hop_length": 100, "n_mels": 12}


def noise_clip(config: FrontendConfig, seed: int = 1, deviation: float = 3000) -> NDArray[np.int16]:
    samples = np.random.default_rng(seed).normal(0, deviation, config.clip_samples)
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def real_clips(folder: Path, config: FrontendConfig, count: int) -> NDArray[np.int16]:
    """Return [count, clip_samples], evenly spread over a data set."""
    return _read(folder, config.sample_rate, config.clip_samples, count)


@functools.cache
def _read(folder: Path, sample_rate: int, clip_samples: int, count: int) -> NDArray[np.int16]:
    dataset = Dataset(folder)
    clips = evenly_spread(list(dataset.clips()), count)
    return np.stack([pcm16(read_clip(dataset.path(clip), sample_rate, clip_samples)) for clip in clips])


def smooth_sizes(limit: int) -> list[int]:
    """Return FFT sizes up to `limit`: even, and half of each without a prime factor above 7."""
    sizes = {2 * 2**a * 3**b * 5**c * 7**d for a in range(12) for b in range(8) for c in range(6) for d in range(5)}
    return sorted(size for size in sizes if size <= limit)
