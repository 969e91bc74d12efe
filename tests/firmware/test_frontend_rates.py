"""The C front end moved to another sampling rate, against librosa, and its held bands against each other."""

from pathlib import Path

import numpy as np
import pytest
from frontend_cases import noise_clip, real_clips

from tinyscene.bench import frontend_check
from tinyscene.frontend import config as frontend_config
from tinyscene.frontend.config import FrontendConfig
from tinyscene.frontend.host import HostFrontend


def assert_agrees(clips: np.ndarray, config: FrontendConfig) -> None:
    agreement, *_ = frontend_check.check(clips, config)
    assert agreement.relative_error < 1e-3
    assert agreement.snr_db > 110
    assert agreement.equal >= 0.999
    assert agreement.largest_step <= 1


@pytest.mark.parametrize("name", ["p1", "p4", "dcase2022"])
@pytest.mark.parametrize("rate", [48000, 41667, 16000, 8000])
def test_c_agrees_with_librosa_on_noise(name: str, rate: int) -> None:
    config = frontend_config.preset(name).at_rate(rate)
    clips = np.stack([noise_clip(config, seed, deviation) for seed, deviation in enumerate((30, 3000, 30000))])
    assert_agrees(clips, config)


@pytest.mark.parametrize("rate", [41667, 16000])
def test_c_agrees_with_librosa_on_real_clips(tau_mini: Path, rate: int) -> None:
    config = frontend_config.preset("p1").at_rate(rate)
    assert_agrees(real_clips(tau_mini, config, 60), config)


@pytest.mark.parametrize("rate", [41667, 16000])
def test_held_bands_are_copies_bit_for_bit(rate: int) -> None:
    config = frontend_config.preset("p1").at_rate(rate)
    image = HostFrontend(config).log_mel(noise_clip(config))
    assert config.held_mels > 0
    assert (image[config.covered_mels :] == image[config.covered_mels - 1]).all()
