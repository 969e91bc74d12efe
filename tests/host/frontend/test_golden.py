"""The golden vectors in tests/golden are what this code, this librosa and this numpy make."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tinyscene.errors import TinysceneError
from tinyscene.frontend import config as frontend_config, golden, signals, tables as frontend_tables
from tinyscene.frontend.stage import Stage

SIZE_LIMIT = 1_500_000  # bytes of all files


def test_there_is_a_small_file_for_every_front_end() -> None:
    files = list(golden.FOLDER.iterdir())
    assert {file.name for file in files} == {f"{name}.npz" for name in golden.CONFIGS}
    assert sum(file.stat().st_size for file in files) < SIZE_LIMIT


@pytest.mark.parametrize("name", golden.CONFIGS)
def test_librosa_and_the_clips_are_as_they_were(name: str) -> None:
    """What differs by more than the last bits of float64 has changed; then so have all shipped models' features."""
    saved, made = golden.load(golden.FOLDER / f"{name}.npz"), golden.make(golden.CONFIGS[name])
    assert saved.config == made.config
    for clip in made.clips:
        for stage in Stage:
            old, new = saved.frames[clip].stages[stage], made.frames[clip].stages[stage]
            assert old.dtype == new.dtype
            np.testing.assert_allclose(
                new, old, rtol=1e-6 if stage is Stage.LOG else 1e-9, atol=1e-12 * np.ptp(old.real)
            )
    np.testing.assert_allclose(made.normalisation.mean, saved.normalisation.mean, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(made.quantisation.scale, saved.quantisation.scale, rtol=1e-5)
    for clip in golden.WHOLE:
        np.testing.assert_allclose(made.log_mel[clip], saved.log_mel[clip], rtol=1e-6, atol=1e-6)
        equal, largest = golden.equal_and_largest(saved.features[clip], made.features[clip])
        assert (equal > 0.999, largest <= 1) == (True, True)


@pytest.mark.parametrize("name", ["p1", "dcase2022", "no_centring"])
def test_the_frame_has_the_column_of_a_clip(name: str) -> None:
    """The stages are those of a frame that librosa finds in a longer clip."""
    config = golden.CONFIGS[name]
    clip = signals.clips(config)["noise"]
    samples = golden.cut(clip, config)
    (begin,) = np.flatnonzero((np.lib.stride_tricks.sliding_window_view(clip, len(samples)) == samples).all(axis=1))
    rest = clip[begin - (config.n_fft - config.win_length) // 2 :]
    alone = dataclasses.replace(config, clip_samples=len(rest), center=False, top_db=None, peak_normalise=False)
    column = frontend_config.log_mel(rest / 32768, alone)[:, 0]
    np.testing.assert_allclose(golden.frame(samples, config).stages[Stage.LOG], column, rtol=1e-6)


def frame_of(signal: str, config: frontend_config.FrontendConfig) -> golden.Frame:
    return golden.frame(golden.cut(signals.clips(config)[signal], config), config)


@pytest.mark.parametrize("name", golden.CONFIGS)
def test_stages_follow_from_each_other_in_the_units_of_c(name: str) -> None:
    config = golden.CONFIGS[name]
    values = frame_of("noise", config).in_c_units()
    spectrum = np.fft.rfft(values[Stage.WINDOWED])
    expected = np.concatenate([[spectrum[0].real, spectrum[-1].real], spectrum[1:-1].view(np.float64)])
    scale = np.abs(spectrum).max()
    np.testing.assert_allclose(values[Stage.SPECTRUM], expected, atol=1e-13 * scale)
    power = np.abs(spectrum) ** config.power
    np.testing.assert_allclose(values[Stage.POWER], power, atol=1e-12 * scale**config.power)


def test_emphasis_is_that_of_a_difference_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 1 - a W^k, the windowed frame is d[n] = z[n] - a z[n-1], circularly; and soft frames are shifted."""
    config = golden.CONFIGS["short_window"]
    turns = np.exp(-2j * np.pi * np.arange(config.n_fft // 2 + 1) / config.n_fft)
    monkeypatch.setattr(frontend_tables, "emphasis", lambda _: 1 - 0.9 * turns)
    monkeypatch.setattr(frontend_tables, "UNIT", 1000.0)
    for signal, shift in (("chirp", 0), ("one bit", 14)):
        frame = frame_of(signal, config)
        plain = frame.stages[Stage.WINDOWED].real
        expected = 1000 * 2.0**shift * (plain - 0.9 * np.roll(plain, 1))
        np.testing.assert_allclose(frame.in_c_units()[Stage.WINDOWED], expected, atol=1e-9)


def test_clips_reach_the_ends_of_pcm16() -> None:
    clips = signals.clips(frontend_config.preset("p1"))
    reached = {name: (clip.min(), clip.max()) for name, clip in clips.items()}
    assert reached["square"] == reached["clipped"] == (-32768, 32767)
    assert reached["DC"] == (32767, 32767)
    assert reached["silence"] == (0, 0)
    assert reached["one bit"] == (-1, 1)
    assert -32768 < reached["noise"][0] < -12000  # loud, not clipped
    assert 12000 < reached["noise"][1] < 32767


def test_the_frame_has_the_impulse_where_the_window_is_high() -> None:
    for name, config in golden.CONFIGS.items():
        samples = golden.cut(signals.clips(config)["impulse"], config)
        assert len(samples) == config.win_length
        assert np.abs(np.argmax(samples) - config.win_length / 2) < config.win_length / 4, name


def test_a_clip_shorter_than_the_window_is_filled_with_silence() -> None:
    config = dataclasses.replace(golden.CONFIGS["constant_htk"], clip_samples=200)
    samples = golden.cut(signals.clips(config)["DC"], config)
    assert (len(samples), samples[:200].min(), samples[200:].max()) == (256, 32767, 0)


def test_vectors_of_other_clips_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(signals._SIGNALS, "silence", lambda count: np.ones(count, np.int64))
    with pytest.raises(TinysceneError, match=r"p2\.npz was made from other clips .* tinyscene frontend golden"):
        golden.load(golden.FOLDER / "p2.npz")


@pytest.mark.parametrize("name", ["p1", "top_db", "peak", "hamming_log10"])
def test_a_column_is_compared_as_energies(name: str) -> None:
    """A tenth of a percent is 60 dB, whatever the logarithm."""
    config = golden.CONFIGS[name]
    frame = frame_of("noise", config)
    unit = {"ln": 1.0, "log10": 1 / np.log(10), "db": (20 if config.power == 1 else 10) / np.log(10)}[config.log]
    computed = frame.stages[Stage.LOG].real + unit * np.log(1.001)
    assert frame.snr_db(Stage.LOG, computed) == pytest.approx(60, abs=0.5)
    assert frame.snr_db(Stage.MEL, 1.001 * frame.stages[Stage.MEL].real) == pytest.approx(60, abs=0.5)


def test_equal_values_are_infinitely_near_and_silence_is_not_near_to_anything_else() -> None:
    silence = frame_of("silence", golden.CONFIGS["p1"])
    assert silence.snr_db(Stage.MEL, np.zeros(80)) == np.inf
    assert silence.snr_db(Stage.MEL, np.full(80, 1e-20)) == -np.inf
    assert silence.snr_db(Stage.MEL, np.full(80, np.nan)) == -np.inf


def test_vectors_are_written_as_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "CONFIGS", {"peak": golden.CONFIGS["peak"]})
    golden.write(tmp_path)
    saved, made = golden.load(tmp_path / "peak.npz"), golden.make(golden.CONFIGS["peak"])
    assert (saved.config, saved.normalisation, saved.quantisation) == (
        made.config,
        made.normalisation,
        made.quantisation,
    )
    for clip, expected in made.frames.items():
        np.testing.assert_array_equal(saved.frames[clip].samples, expected.samples)
        for stage in Stage:
            np.testing.assert_array_equal(saved.frames[clip].stages[stage], expected.stages[stage])
    for clip in golden.WHOLE:
        np.testing.assert_array_equal(saved.log_mel[clip], made.log_mel[clip])
        np.testing.assert_array_equal(saved.features[clip], made.features[clip])
