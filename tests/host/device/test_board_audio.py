"""What is sent to a board as audio: any rate and number of channels, and nothing that is not sound."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.device.monitor import read_audio
from tinyscene.errors import DatasetError


def written(path: Path, samples: np.ndarray, rate: int = 16_000, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def test_channels_are_averaged_and_the_rate_is_the_boards(tmp_path: Path) -> None:
    stereo = np.stack([np.full(16_000, 0.5), np.full(16_000, -0.25)], axis=1)
    samples = read_audio(written(tmp_path / "x.wav", stereo), 8_000, 8_000)
    assert (samples.dtype, len(samples)) == (np.int16, 8_000)
    assert np.abs(samples[1_000:-1_000] - 0.125 * 32768).max() <= 2


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    samples = np.zeros(16_000)
    samples[123] = value
    with pytest.raises(DatasetError, match=r"x\.wav has samples that are not finite; restore it"):
        read_audio(written(tmp_path / "x.wav", samples), 16_000, 16_000)


def test_samples_beyond_full_scale_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has samples beyond full scale, up to 9830; scale them"):
        read_audio(written(tmp_path / "x.wav", np.full(16_000, 9830.0)), 16_000, 16_000)


def test_what_is_no_audio_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nofile\.wav cannot be read as audio \(it does not exist\); name a WAV"):
        read_audio(tmp_path / "nofile.wav", 16_000, 16_000)
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(DatasetError, match=r"pipe\.wav cannot be read as audio \(it is a pipe, not a file\)"):
        read_audio(tmp_path / "pipe.wav", 16_000, 16_000)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(DatasetError, match=r"text\.wav cannot be read as audio \(Format not recognised.?\); name"):
        read_audio(tmp_path / "text.wav", 16_000, 16_000)
