"""Augmentation of waveforms, against plain sums and known sounds; and the microphones of MicIRP where they are."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.augment import waveform
from tinyscene.augment.waveform import EIGHT_MICROPHONES, Microphone, PitchShift, TimeStretch
from tinyscene.errors import ConfigError

RATE = 44100


def sine(frequency: float, amplitude: float = 0.1, samples: int = RATE) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(samples) / RATE)).astype(np.float32)


def frequency(signal: np.ndarray) -> float:
    """The strongest frequency, Hz."""
    return float(np.abs(np.fft.rfft(signal * np.hanning(len(signal)))).argmax()) * RATE / len(signal)


def test_convolution_is_the_sum_of_delayed_copies_without_the_delay_of_the_peak() -> None:
    signal = np.random.default_rng(0).normal(size=200)
    response = np.array([0.1, -0.2, 1.0, 0.5, 0.25])
    expected = np.convolve(signal, response)[2:202]
    assert waveform.convolve(signal, response) == pytest.approx(expected, abs=1e-12)
    assert waveform.convolve(signal, np.array([0.0, 0.0, 2.0])) == pytest.approx(2 * signal, abs=1e-12)


def test_compression_divides_the_excess_over_the_mean_level() -> None:
    """Half a second of a quiet tone, half of one 20 dB louder: the loud part keeps a quarter of its excess, in dB."""
    quiet, loud = sine(1000, 0.01, RATE // 2), sine(1000, 0.1, RATE // 2)
    signal = np.concatenate([quiet, loud])
    changed = waveform.compress(signal, ratio=4)
    assert changed[RATE // 10 : RATE // 2 - 100] == pytest.approx(signal[RATE // 10 : RATE // 2 - 100], abs=1e-6)
    end = slice(-RATE // 4, None)
    mean, level = np.mean(signal**2), np.mean(loud**2)
    excess = 10 * np.log10(level / mean)
    decibels = 10 * np.log10(np.mean(changed[end] ** 2) / np.mean(signal[end] ** 2))
    assert decibels == pytest.approx(-0.75 * excess, abs=0.05)
    assert waveform.compress(10 * signal, ratio=4) == pytest.approx(10 * changed), "whatever the gain"
    assert not waveform.compress(np.zeros(100)).any()


def test_a_microphone_colours_the_sound_and_keeps_its_level() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, RATE).astype(np.float32)
    heard = Microphone("dull", (0.25, 0.5, 0.25)).apply(noise)
    assert heard.dtype == np.float32
    assert heard.shape == noise.shape
    assert np.mean(heard**2) == pytest.approx(np.mean(noise**2), rel=1e-3)
    before, after = (np.abs(np.fft.rfft(signal)) ** 2 for signal in (noise, heard))
    high = slice(16000, 22000)
    assert after[high].sum() / after.sum() < 0.2 * before[high].sum() / before.sum()
    assert not Microphone("dull", (1.0,)).apply(np.zeros(RATE, np.float32)).any()


def test_a_stretch_keeps_the_pitch_and_the_length_and_moves_what_happens() -> None:
    click = np.concatenate([sine(1000, 0.01, RATE // 2), sine(1000, 0.2, RATE // 2)])
    for rate in (0.9, 1.1):
        stretched = TimeStretch(rate).apply(click)
        assert stretched.shape == click.shape
        assert frequency(stretched) == pytest.approx(1000, abs=5)
        rise = np.flatnonzero(np.abs(stretched) > 0.1)[0]
        assert rise == pytest.approx(RATE / 2 / rate, abs=RATE / 50)


def test_a_shift_keeps_the_tempo_and_moves_the_pitch() -> None:
    for semitones in (-2.0, 1.0):
        shifted = PitchShift(semitones).apply(sine(1000))
        assert shifted.shape == (RATE,)
        assert frequency(shifted) == pytest.approx(1000 * 2 ** (semitones / 12), rel=0.01)


def test_every_variant_has_an_identity_of_its_own() -> None:
    dull = Microphone("dull", (0.25, 0.5, 0.25))
    variants = [dull, dataclasses.replace(dull, response=(0.25, 0.5)), TimeStretch(0.9), TimeStretch(1.1)]
    variants += [PitchShift(0.9), PitchShift(1.1)]
    assert len({variant.identity for variant in variants}) == len(variants)
    assert dataclasses.replace(dull, name="the same file, renamed").identity == dull.identity


def test_impulse_responses_are_read_at_the_rate_of_the_clips(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", [0.5, 0.25], RATE, "PCM_24")
    soundfile.write(tmp_path / "two.wav", np.r_[1.0, np.zeros(479)] * 0.9, 48000, "PCM_24")
    (tmp_path / "notes.txt").write_text("not a microphone")
    one, two = waveform.microphones(tmp_path, "all")
    assert (one.name, one.response) == ("one", pytest.approx((0.5, 0.25)))
    assert len(two.response) == 441


@pytest.mark.parametrize(
    ("samples", "which", "said"),
    [
        (None, "all", "has no impulse responses; name a folder of WAV files"),
        (np.zeros(10), "all", r"x\.wav is not a mono impulse response"),
        (np.ones((10, 2)), "all", r"x\.wav is not a mono impulse response"),
        (np.ones(10), "eight", r"IR_AKGD12\.wav cannot be read as an impulse response; restore it"),
    ],
)
def test_unfit_impulse_responses_are_named(tmp_path: Path, samples: np.ndarray | None, which: str, said: str) -> None:
    if samples is not None:
        soundfile.write(tmp_path / "x.wav", samples, RATE)
    with pytest.raises(ConfigError, match=said):
        waveform.microphones(tmp_path, which)


def test_the_eight_microphones_are_in_micirp(shared_data: Path) -> None:
    eight = waveform.microphones(shared_data / "micirp", "eight")
    assert tuple(microphone.name for microphone in eight) == EIGHT_MICROPHONES
    noise = np.random.default_rng(0).normal(0, 0.05, RATE).astype(np.float32)
    spectra = [np.abs(np.fft.rfft(microphone.apply(noise))) for microphone in eight]
    assert all(np.isfinite(spectrum).all() for spectrum in spectra)
