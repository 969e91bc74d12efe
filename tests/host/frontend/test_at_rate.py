"""A front end moved to another sampling rate: same image of the same sound, same levels, copies above its reach."""

import dataclasses

import librosa
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tinyscene.data.resampling import PASSBAND, resample
from tinyscene.errors import ConfigError
from tinyscene.frontend import config as frontend_config, fft_plan
from tinyscene.frontend.config import PRESETS, RATES, FrontendConfig, preset

COMMON = (48000, 44100, 41667, 32000, 22050, 16000, 8000)
DIGESTS = {
    "base": "dedd896795942161",
    "p1": "0355dcec47cf4244",
    "p2": "c2d4863a7bdaa126",
    "p3": "ee3e2dc4799d4b8c",
    "p4": "01cdfd81f79b3d91",
    "dcase2022": "52dae0688de14b4c",
}
# bands of p1 below 98 % of half the rate, by the frequencies where they cross it
COVERED = {48000: 80, 41667: 79, 32000: 74, 22050: 66, 16000: 60, 8000: 47}

every_preset = pytest.mark.parametrize("name", PRESETS)
every_rate = pytest.mark.parametrize("rate", COMMON)


def top(config: FrontendConfig) -> float:
    return config.sample_rate / 2 if config.fmax is None else config.fmax


def covered(config: FrontendConfig) -> int:
    return config.n_mels - config.held_mels


def assert_moved(original: FrontendConfig, moved: FrontendConfig, rate: int) -> None:
    assert moved.sample_rate == rate
    assert moved.shape == original.shape
    ratio = rate / original.sample_rate
    for field in ("clip_samples", "win_length"):
        assert abs(getattr(moved, field) - ratio * getattr(original, field)) <= 0.5
    assert abs(moved.hop_length - ratio * original.hop_length) < 1
    assert moved.n_fft >= ratio * original.n_fft - 1
    fft_plan.plan(moved.n_fft)
    assert (moved.fmin, top(moved)) == (original.fmin, top(original))
    assert FrontendConfig.from_dict(moved.to_dict()) == moved


@every_preset
@every_rate
def test_everything_lasts_as_long_and_lies_at_the_same_frequency(name: str, rate: int) -> None:
    original = preset(name)
    moved = original.at_rate(rate)
    assert_moved(original, moved, rate)
    centres = librosa.mel_frequencies(original.n_mels + 2, fmin=original.fmin, fmax=top(original))[1:-1]
    for config in (original, moved):
        bin_width = config.sample_rate / config.n_fft
        peaks = frontend_config.mel_filters(config)[: covered(moved)].argmax(axis=1) * bin_width
        assert np.abs(peaks - centres[: covered(moved)]).max() <= bin_width


@every_preset
@settings(max_examples=40, deadline=None, derandomize=True)
@given(rate=st.integers(*RATES))
def test_every_preset_can_have_any_rate(name: str, rate: int) -> None:
    moved = preset(name).at_rate(rate)
    assert_moved(preset(name), moved, rate)
    filters = frontend_config.mel_filters(moved)
    assert (filters.sum(axis=1) > 0).all()
    assert (filters[covered(moved) :] == filters[covered(moved) - 1]).all()


def test_41667_hz_as_worked_out_by_hand() -> None:
    moved = preset("p1").at_rate(41667)
    found = (moved.clip_samples, moved.n_fft, moved.win_length, moved.hop_length, moved.frames, moved.fmax)
    assert found == (41667, 1680, 1667, 833, 51, 22050.0)


@pytest.mark.parametrize("rate", COVERED)
def test_bands_are_covered_while_half_their_area_is_in_the_passband(rate: int) -> None:
    moved = preset("p1").at_rate(rate)
    assert covered(moved) == COVERED[rate]
    if rate > 44100:
        assert moved.covered_mels is None
        return
    fine = dataclasses.replace(preset("p1"), n_fft=44100, win_length=1764)  # filters in steps of 1 Hz
    filters = frontend_config.mel_filters(fine).astype(np.float64)
    below = filters[:, : int(PASSBAND * rate / 2)].sum(axis=1) / filters.sum(axis=1)
    assert below[COVERED[rate] - 1] >= 0.5
    assert (below[COVERED[rate] :] < 0.5).all()


def mean_energy(config: FrontendConfig, density: float) -> np.ndarray:
    """Return the mean of |spectrum|^power in every band, of Gaussian noise with a density in 1 / Hz."""
    window = librosa.filters.get_window(config.window, config.win_length, fftbins=True)
    bins = np.square(window).sum() * density * config.sample_rate
    return frontend_config.mel_filters(config).astype(np.float64).sum(axis=1) * bins ** (config.power / 2)


@every_preset
@every_rate
def test_noise_has_the_same_level_in_every_covered_band(name: str, rate: int) -> None:
    original, moved = preset(name), preset(name).at_rate(rate)
    levels = [mean_energy(config, 1e-6)[: covered(moved)] for config in (original, moved)]
    np.testing.assert_allclose(levels[1], levels[0], rtol=1e-5)


@pytest.mark.parametrize("name", ["p1", "p4", "dcase2022"])
@pytest.mark.parametrize("rate", [48000, 41667, 16000])
def test_real_noise_has_the_same_level_too(name: str, rate: int) -> None:
    """Three seconds of noise of one density at both rates; a band's mean over 150 frames and more varies by 0.3 dB."""
    means = []
    for config in (preset(name), preset(name).at_rate(rate)):
        config = dataclasses.replace(config, log="ln", eps=1e-20, peak_normalise=False)
        random = np.random.default_rng(1)
        deviation = np.sqrt(1e-6 * config.sample_rate)
        images = [frontend_config.log_mel(random.normal(0, deviation, config.clip_samples), config) for _ in range(3)]
        means.append(10 * np.log10(np.exp(np.stack(images).astype(float)).mean(axis=(0, 2))) * 2 / config.power)
    difference = (means[1] - means[0])[: covered(preset(name).at_rate(rate))]
    assert np.abs(difference.mean()) < 0.1
    assert np.abs(difference).max() < 1.5


def sound() -> np.ndarray:
    """A second at 44.1 kHz with something in every band: noise that falls with frequency, and steady tones."""
    random = np.random.default_rng(3)
    spectrum = np.fft.rfft(random.normal(size=44100)) / np.sqrt(1 + np.arange(22051))
    tones = sum(np.sin(2 * np.pi * f * np.arange(44100) / 44100) for f in (220, 1760, 7040))
    return 0.1 * np.fft.irfft(spectrum) / np.std(np.fft.irfft(spectrum)) + 0.01 * tones


@every_preset
@pytest.mark.parametrize("rate", [41667, 32000, 16000])
def test_the_same_sound_has_the_same_image(name: str, rate: int) -> None:
    original, moved = preset(name), preset(name).at_rate(rate)
    images = []
    for config in (original, moved):
        config = dataclasses.replace(config, log="db", peak_normalise=False)
        samples = resample(sound(), 44100, config.sample_rate) if config.sample_rate != 44100 else sound()
        images.append(frontend_config.log_mel(samples, config)[: covered(moved)].astype(float))
    difference = images[1] - images[0]
    # narrow bands are a bin or two of the FFT, and the bins of the two rates are not the same
    assert np.sqrt(np.square(difference).mean()) < 1.0
    assert np.abs(difference.mean()) < 0.05


@pytest.mark.parametrize("rate", [41667, 16000])
def test_held_bands_are_copies(rate: int) -> None:
    moved = preset("p1").at_rate(rate)
    image = frontend_config.log_mel(np.random.default_rng(1).normal(0, 0.1, moved.clip_samples), moved)
    assert moved.held_mels == {41667: 1, 16000: 20}[rate]
    assert (image[moved.covered_mels :] == image[moved.covered_mels - 1]).all()
    assert (image[moved.covered_mels - 2] != image[moved.covered_mels - 1]).any()


def test_its_own_rate_changes_nothing_and_there_and_back_is_nearly_nothing() -> None:
    for config in PRESETS.values():
        assert config.at_rate(config.sample_rate) is config
    back = preset("p1").at_rate(48000).at_rate(44100)
    assert dataclasses.replace(back, mel_gains=None, fmax=None) == preset("p1")
    np.testing.assert_allclose(back.mel_gains, 1, atol=1e-5)


def test_a_band_that_was_empty_stays_empty() -> None:
    narrow = FrontendConfig(n_fft=512, win_length=512, hop_length=256, n_mels=120)
    empty = frontend_config.mel_filters(narrow).sum(axis=1) == 0
    assert empty.any()
    moved = narrow.at_rate(88200)
    assert ((frontend_config.mel_filters(moved).sum(axis=1) == 0) == empty).all()


def test_old_configurations_keep_their_names() -> None:
    assert {name: config.digest for name, config in PRESETS.items()} == DIGESTS
    for config in PRESETS.values():
        assert not {"covered_mels", "mel_gains"} & set(config.to_dict())
    p1 = preset("p1")
    moved = {p1.at_rate(41667), dataclasses.replace(p1, covered_mels=79), dataclasses.replace(p1, mel_gains=(1,) * 80)}
    assert len({config.digest for config in (p1, *moved)}) == 4


@pytest.mark.parametrize("rate", [0, -44100, 7, 7999, 192001, 10**12, 44100.0, "44100", None, True], ids=repr)
def test_an_impossible_rate_is_refused(rate: object) -> None:
    with pytest.raises(ConfigError, match=r"a front end at .* Hz: choose a whole number from 8000 to 192000"):
        preset("p1").at_rate(rate)  # type: ignore[arg-type]


def test_what_cannot_be_moved_is_refused() -> None:
    with pytest.raises(ConfigError, match="already moved to a rate that lacks bands; start from the original"):
        preset("p1").at_rate(16000).at_rate(44100)
    with pytest.raises(ConfigError, match=r"at 41667 Hz a clip has 41668 frames, at 44100 Hz 44101; choose a rate"):
        FrontendConfig(hop_length=1).at_rate(41667)
    with pytest.raises(ConfigError, match=r"no mel band above fmin = 5000 lies below 3920 Hz; choose a higher rate"):
        FrontendConfig(fmin=5000).at_rate(8000)
    with pytest.raises(ConfigError, match=r"at 41667 Hz, mel band 10 lies between two bins of the FFT; choose another"):
        FrontendConfig(n_mels=180, fmax=1000).at_rate(41667)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"covered_mels": 0}, "covered_mels = 0 must be 1 to 80"),
        ({"covered_mels": 81}, "covered_mels = 81 must be 1 to 80"),
        ({"covered_mels": 79.0}, "covered_mels = 79.0 must be a whole number"),
        ({"covered_mels": 60, "fmin": 22050, "fmax": 30000}, "fmin = 22050.0 must be less than half the rate, 22050"),
        ({"fmax": 30000}, "fmax = 30000.0 must not exceed half the rate, 22050 Hz, without covered_mels"),
        ({"mel_gains": 2.0}, "mel_gains = 2.0 must be a list of finite numbers"),
        ({"mel_gains": "x" * 80}, "mel_gains = 'x*' must be a list of finite numbers"),
        ({"mel_gains": []}, r"mel_gains = \(\) must have 80 values"),
        ({"mel_gains": [1.0] * 79 + [float("nan")]}, "mel_gains = nan must be a finite number"),
        ({"mel_gains": [1.0] * 79 + [-1]}, "mel_gains = .* must be 0 to 1e6 each"),
        ({"mel_gains": [1e300] * 80}, "mel_gains = .* must be 0 to 1e6 each"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_impossible_field_is_refused_by_name(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FrontendConfig(**fields)
