"""The C front end on the emulated Cortex-M4: the bits of this machine's, and nothing linked that is not used."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from frontend_cases import edge_clips, noise_clip, real_clips

from tinyscene import frontend, frontend_board
from tinyscene.bundle import Normalisation, Quantisation
from tinyscene.frontend import FrontendConfig
from tinyscene.frontend_c import HostFrontend


def tables(config: FrontendConfig) -> tuple[Normalisation, Quantisation]:
    if config.peak_normalise:
        return Normalisation((-0.3,) * config.n_mels, (0.2,) * config.n_mels), Quantisation(0.02, 11)
    return Normalisation((-40.0,) * config.n_mels, (13.0,) * config.n_mels), Quantisation(0.04, -7)


@pytest.fixture(scope="module", params=frontend.PRESETS)
def built(request, tmp_path_factory) -> tuple[FrontendConfig, Path]:
    """A preset, and its image."""
    config = frontend.preset(request.param)
    return config, frontend_board.build(config, *tables(config), tmp_path_factory.mktemp(request.param))


def assert_same_bits(built: tuple[FrontendConfig, Path], pcm: np.ndarray) -> None:
    config, image = built
    board = frontend_board.run(image, config, pcm)
    host = HostFrontend(config, *tables(config))
    for i, clip in enumerate(pcm):
        np.testing.assert_array_equal(board.log_mel[i].view(np.uint32), host.log_mel(clip).view(np.uint32))
        np.testing.assert_array_equal(board.features[i], host.features(clip))
    assert np.ptp(board.features.astype(int)) > 100  # not one saturated value


def test_board_has_the_hosts_bits_on_noise_and_edge_signals(built):
    config = built[0]
    assert_same_bits(built, np.stack([noise_clip(config), *edge_clips(config).values()]))


def test_board_has_the_hosts_bits_on_real_clips(built, tau_mini):
    assert_same_bits(built, real_clips(tau_mini, built[0], 4))


def test_only_what_is_used_is_linked(built):
    _, image = built
    symbols = subprocess.run(["arm-none-eabi-nm", str(image)], capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1] for line in symbols.splitlines()}
    assert not names & {"malloc", "_malloc_r", "_sbrk", "logf", "log2f", "log10f"}
