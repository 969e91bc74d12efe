"""The front end's configuration, and its reference transform against librosa's own functions."""

import dataclasses
import math

import librosa
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinyscene.errors import ConfigError
from tinyscene.frontend import config as frontend_config
from tinyscene.frontend.config import FrontendConfig

# reference/README.md of the thesis: rate, window, hop, mels, frames
THESIS = {
    "base": (44100, 1764, 882, 40, 51),
    "p1": (44100, 1764, 882, 80, 51),
    "p2": (22050, 1024, 512, 40, 44),
    "p3": (44100, 1024, 512, 40, 87),
    "p4": (44100, 1024, 512, 80, 87),
    "dcase2022": (44100, 1764, 882, 40, 51),
}


def noise(config: FrontendConfig, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, config.clip_samples)


@pytest.mark.parametrize("name", frontend_config.PRESETS)
def test_presets_are_those_of_the_thesis(name):
    config = frontend_config.preset(name)
    found = (config.sample_rate, config.win_length, config.hop_length, config.n_mels, config.frames)
    assert found == THESIS[name]
    assert config.n_fft == (2048 if name == "dcase2022" else config.win_length)
    assert config.clip_samples == config.sample_rate
    assert frontend_config.log_mel(noise(config), config).shape == config.shape


def test_an_unknown_preset_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match="no front-end preset 'p9'; presets are base, p1"):
        frontend_config.preset("p9")


SMALL = {"sample_rate": 8000, "clip_samples": 4000, "n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 20}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"window": "hamming"},
        {"center": False},
        {"pad_mode": "constant"},
        {"power": 1},
        {"fmin": 300, "fmax": 3000},
        {"htk": True},
        {"norm": None},
        {"top_db": 20.0},
        {"power": 1, "top_db": 20.0, "eps": 1e-5},
        {"n_mels": 300},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Empty filters")
def test_log_mel_is_librosas(options):
    config = FrontendConfig(**{**SMALL, **options})
    samples = noise(config)
    names = ("n_fft", "hop_length", "win_length", "window", "center", "pad_mode", "power", "n_mels", "fmin", "fmax")
    chosen = {name: getattr(config, name) for name in (*names, "htk", "norm")}
    mel = librosa.feature.melspectrogram(y=samples, sr=config.sample_rate, **chosen)
    convert = librosa.amplitude_to_db if config.power == 1 else librosa.power_to_db
    expected = convert(mel, ref=1.0, amin=config.eps, top_db=config.top_db)
    np.testing.assert_allclose(frontend_config.log_mel(samples, config), expected, rtol=2e-7)


@pytest.mark.parametrize(("log", "function"), [("ln", np.log), ("log10", np.log10)])
def test_logarithms_other_than_decibels_add_eps(log, function):
    config = FrontendConfig(**SMALL, log=log, eps=1e-6)
    power = 10 ** (frontend_config.log_mel(noise(config), dataclasses.replace(config, log="db")).astype(float) / 10)
    np.testing.assert_allclose(frontend_config.log_mel(noise(config), config), function(power + 1e-6), rtol=1e-5)


def test_dcase2022_divides_by_the_clips_greatest_value():
    config = frontend_config.preset("dcase2022")
    image = frontend_config.log_mel(noise(config), config)
    whole = frontend_config.log_mel(noise(config), dataclasses.replace(config, peak_normalise=False))
    assert np.abs(image).max() == 1
    np.testing.assert_allclose(image, whole / np.abs(whole).max(), rtol=1e-6)


def test_the_samples_type_does_not_change_the_features():
    config = FrontendConfig(**SMALL)
    samples = noise(config).astype(np.float32)
    np.testing.assert_array_equal(
        frontend_config.log_mel(samples, config), frontend_config.log_mel(samples.astype(float), config)
    )


@pytest.mark.filterwarnings("ignore:n_fft=")
@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    half=st.integers(1, 300), center=st.booleans(), hop=st.integers(1, 700), extra=st.integers(0, 2000), data=st.data()
)
def test_frames_are_librosas(half, center, hop, extra, data):
    config = FrontendConfig(
        n_fft=2 * half,
        win_length=data.draw(st.integers(1, 2 * half)),
        hop_length=hop,
        center=center,
        clip_samples=(half + 1 if center else 2 * half) + extra,
        n_mels=2,
    )
    spectrum = librosa.stft(
        np.zeros(config.clip_samples),
        n_fft=config.n_fft,
        hop_length=hop,
        center=center,
        pad_mode="reflect",
    )
    assert spectrum.shape[1] == config.frames


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_fft": 1765}, "n_fft = 1765 must be even"),
        ({"n_fft": 0}, "n_fft = 0 must be even and at least 2"),
        ({"n_fft": 1024.0}, "n_fft = 1024.0 must be a whole number"),
        ({"n_fft": True}, "n_fft = True must be a whole number"),
        ({"win_length": 1765}, "win_length = 1765 must be 1 to n_fft, which is 1764"),
        ({"win_length": 0}, "win_length = 0 must be 1 to n_fft"),
        ({"hop_length": 0}, "hop_length = 0 must be positive"),
        ({"sample_rate": -1}, "sample_rate = -1 must be positive"),
        ({"n_mels": 0}, "n_mels = 0 must be positive"),
        ({"power": 3}, "power = 3 must be 1 .magnitude. or 2 .power."),
        ({"fmin": -1.0}, "fmin = -1.0 must not be negative"),
        ({"fmax": 22051.0}, "fmax = 22051.0 must not exceed half the rate, 22050 Hz"),
        ({"fmin": 4000.0, "fmax": 4000.0}, "fmin = 4000.0 must be less than fmax"),
        ({"fmin": 22050.0}, "fmin = 22050.0 must be less than fmax"),
        ({"eps": 0.0}, "eps = 0.0 must be at least 1.2e-38"),
        ({"eps": math.nan}, "eps = nan must be a finite number"),
        ({"eps": "small"}, "eps = 'small' must be a finite number"),
        ({"top_db": -1.0}, "top_db = -1.0 must not be negative"),
        ({"top_db": 80.0, "log": "ln"}, 'top_db = 80.0 only has a meaning with log = "db"'),
        ({"window": "blackman"}, "window = 'blackman' must be one of 'hann', 'hamming'"),
        ({"pad_mode": "edge"}, "pad_mode = 'edge' must be one of 'reflect', 'constant'"),
        ({"norm": "l1"}, "norm = 'l1' must be one of 'slaney'"),
        ({"log": "log2"}, "log = 'log2' must be one of 'ln', 'log10', 'db'"),
        ({"center": 1}, "center = 1 must be true or false"),
        ({"clip_samples": 882}, "clip_samples = 882 must be at least 883"),
        ({"clip_samples": 1763, "center": False}, "clip_samples = 1763 must be at least 1764"),
    ],
    ids=str,
)
def test_an_impossible_value_is_refused_by_name(fields, message):
    with pytest.raises(ConfigError, match=message):
        FrontendConfig(**fields)


def test_fields_round_trip_and_equal_configurations_have_equal_digests():
    config = FrontendConfig(fmin=20, fmax=8000, top_db=80, norm=None)
    assert FrontendConfig.from_dict(config.to_dict()) == config
    assert config.digest == FrontendConfig(fmin=20.0, fmax=8000.0, top_db=80.0, norm=None).digest
    assert len({preset.digest for preset in frontend_config.PRESETS.values()}) == len(frontend_config.PRESETS)


def test_an_unknown_field_is_named():
    with pytest.raises(ConfigError, match="no field 'mels'; fields are center, clip_samples"):
        FrontendConfig.from_dict({"mels": 40})


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("log", ["db", "log10", "ln"])
def test_a_gain_of_one_db_adds_a_decibel_to_the_image(log: str, power: int) -> None:
    config = dataclasses.replace(frontend_config.preset("p1"), log=log, power=power)
    samples = np.random.default_rng(0).normal(0, 0.1, config.clip_samples)
    louder = frontend_config.log_mel(samples * 10 ** (1 / 20), config) - frontend_config.log_mel(samples, config)
    assert louder == pytest.approx(np.full(config.shape, config.decibel), abs=1e-3)
