"""An endless stream through the C front end: the columns of one long clip, however it is cut."""

import dataclasses

import numpy as np
import pytest
from frontend_cases import SMALL, noise_clip

from tinyscene.frontend import config as frontend_config
from tinyscene.frontend.config import FrontendConfig
from tinyscene.frontend.host import HostFrontend
from tinyscene.frontend.scaling import Normalisation, Quantisation

CONFIGS = {
    **{name: frontend_config.preset(name) for name in ("base", "p1", "p4")},
    "constant": FrontendConfig(**SMALL, pad_mode="constant"),
    "no centring": FrontendConfig(**SMALL, center=False),
    "short window": FrontendConfig(**SMALL | {"win_length": 150}),
    "sparse": FrontendConfig(**SMALL | {"hop_length": 500}),
    "dense": FrontendConfig(**SMALL | {"hop_length": 33}),
}


def host(config: FrontendConfig) -> HostFrontend:
    zero, one = (0.0,) * config.n_mels, (1.0,) * config.n_mels
    return HostFrontend(config, Normalisation(zero, one), Quantisation(0.1, 0))


def cuts(length: int, largest: int, seed: int) -> list[int]:
    sizes = np.random.default_rng(seed).integers(1, largest, length)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), length)]
    return [*sizes.tolist(), length - int(sizes.sum())]


@pytest.mark.parametrize("name", CONFIGS)
def test_columns_are_those_of_one_long_clip(name):
    config = CONFIGS[name]
    long = dataclasses.replace(config, clip_samples=3 * config.clip_samples + 777)
    samples = noise_clip(long)
    columns = host(long).features(samples)
    padding = config.n_fft // 2 if config.center else 0
    for length in (config.clip_samples, 2 * config.clip_samples + 5, long.clip_samples):
        # columns whose window, and the padding before it, lie within so many samples
        offset = (config.n_fft - config.win_length) // 2 - padding
        ends = np.arange(columns.shape[1]) * config.hop_length + offset + config.win_length
        seen = int(
            (np.maximum(ends, config.win_length - ends + 1 if config.pad_mode == "reflect" else 0) <= length).sum()
        )
        image = host(config).follow(samples[:length], cuts(length, 700, seed=length))
        kept = min(seen, config.shape[1])
        np.testing.assert_array_equal(image[:, -kept:], columns[:, seen - kept : seen])


def test_a_stream_may_outlast_every_counter():
    """An hour of it, against its last second alone: nothing accumulates."""
    config = FrontendConfig(**SMALL)
    last = noise_clip(config)
    before = np.tile(noise_clip(config, 2), 2000)
    stream = np.concatenate([before, last])
    whole = host(dataclasses.replace(config, clip_samples=3 * config.clip_samples)).features(stream[-3 * len(last) :])
    image = host(config).follow(stream, cuts(len(stream), 5000, 3))
    assert len(before) % config.hop_length == 0
    steady = whole.shape[1] - 2  # the last two reach beyond the clip, into padding
    np.testing.assert_array_equal(image, whole[:, steady - config.shape[1] : steady])


@pytest.mark.parametrize("change", [{"log": "db", "top_db": 80.0}, {"peak_normalise": True}, {"clip_samples": 257}])
def test_what_needs_whole_clips_is_refused(change):
    config = FrontendConfig(**SMALL | change)
    with pytest.raises(ValueError, match="works with clips only"):
        host(config).follow(np.zeros(1000, np.int16), [1000])
