"""The C front end on the emulated Cortex-M4: the bits of this machine's, and nothing linked that is not used."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from frontend_cases import noise_clip, real_clips

from tinyscene.frontend import config as frontend_config, golden, mps2 as frontend_mps2
from tinyscene.frontend.host import HostFrontend

Built = tuple[golden.Vectors, Path]


@pytest.fixture(scope="module", params=golden.CONFIGS)
def built(request, tmp_path_factory) -> Built:
    """The golden vectors of a front end, and its image."""
    vectors = golden.load(golden.FOLDER / f"{request.param}.npz")
    folder = tmp_path_factory.mktemp(request.param)
    return vectors, frontend_mps2.build(vectors.config, vectors.normalisation, vectors.quantisation, folder)


def assert_same_bits(built: Built, pcm: np.ndarray) -> None:
    vectors, image = built
    board = frontend_mps2.run(image, vectors.config, pcm)
    host = HostFrontend(vectors.config, vectors.normalisation, vectors.quantisation)
    for i, clip in enumerate(pcm):
        np.testing.assert_array_equal(board.log_mel[i].view(np.uint32), host.log_mel(clip).view(np.uint32))
        np.testing.assert_array_equal(board.features[i], host.features(clip))
    assert np.ptp(board.features.astype(int)) > 100  # not one saturated value


def test_board_has_the_hosts_bits_on_noise_and_golden_clips(built):
    vectors, _ = built
    assert_same_bits(built, np.stack([noise_clip(vectors.config), *vectors.clips.values()]))


@pytest.mark.parametrize("built", frontend_config.PRESETS, indirect=True)
def test_board_has_the_hosts_bits_on_real_clips(built, tau_mini):
    assert_same_bits(built, real_clips(tau_mini, built[0].config, 4))


def test_board_is_near_the_golden_vectors_at_every_stage_and_has_the_hosts_bits(built):
    vectors, image = built
    config = vectors.config
    host = HostFrontend(config, vectors.normalisation, vectors.quantisation)
    frames = np.stack([frame.samples for frame in vectors.frames.values()])
    clips = np.stack([vectors.clips[name] for name in golden.WHOLE])
    board = frontend_mps2.run(image, config, clips, frames)
    for (name, frame), computed in zip(vectors.frames.items(), board.stages, strict=True):
        for stage, values in computed.items():
            assert frame.snr_db(stage, values) >= golden.SNR_DB, (name, stage)
            np.testing.assert_array_equal(values.view(np.uint32), host.stage(frame.samples, stage).view(np.uint32))
    for name, features in zip(golden.WHOLE, board.features, strict=True):
        equal, largest = golden.equal_and_largest(vectors.features[name], features)
        assert equal >= golden.FEATURES_EQUAL
        assert largest <= 1


def test_only_what_is_used_is_linked(built):
    _, image = built
    symbols = subprocess.run(["arm-none-eabi-nm", str(image)], capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1] for line in symbols.splitlines()}
    assert not names & {"malloc", "_malloc_r", "_sbrk", "logf", "log2f", "log10f"}
