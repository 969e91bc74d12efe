"""Augmentation of waveforms: other microphones, tempo and pitch. Each is a variant of all clips, cached like the clips.

A variant takes [samples] float32 at 44,100 Hz and returns as many, at the same level where it can.
"""

import dataclasses
import hashlib
import importlib.metadata
import math
from pathlib import Path

import librosa
import numpy as np
import scipy.signal
import soundfile
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.augment.settings import EIGHT
from tinyscene.data import NATIVE_RATE, resample
from tinyscene.errors import ConfigError
from tinyscene.frontend import Signal

# Microphones of the MicIRP project, by file name: AKG D12, Altec 639, American R331, Astatic 77, Beyer M260, Foster
# Dynamic DF1, Oktava MK18 Silver, Sony C37 Fet.
EIGHT_MICROPHONES = (
    "IR_AKGD12",
    "Altec_639",
    "American_R331",
    "IR_Astatic77",
    "Beyer_M260",
    "IR_FosterDynamicDF1",
    "IR_OktavaMK18Silver",
    "Sony_C37Fet",
)
RATIO = 4.0  # ratio of the compressor: this many dB over the threshold become one
DETECTOR_SECONDS = 0.01
QUIETEST = 1e-10  # mean square, -100 dB; below it a signal counts as silence
_VERSION = 1  # version of this module's arithmetic: part of the identity of cached features


@dataclasses.dataclass(frozen=True)
class Microphone:
    """A recording by another microphone whose automatic gain compresses the dynamic range.

    Attributes:
        name: name of the microphone.
        response: its impulse response at 44,100 Hz.
    """

    name: str
    response: tuple[float, ...]

    @property
    def title(self) -> str:
        """See `Variant`."""
        return self.name

    @property
    def identity(self) -> str:
        """See `Variant`."""
        return _identity("microphone", np.asarray(self.response).tobytes().hex())

    def apply(self, signal: Signal) -> Signal:
        """Return `compress(convolve(signal))` at the signal's level."""
        return _at_level_of(signal, compress(convolve(signal, np.asarray(self.response))))


@dataclasses.dataclass(frozen=True)
class TimeStretch:
    """The clip played `rate` times as fast at the same pitch, repeated or cut to its length."""

    rate: float

    @property
    def title(self) -> str:
        """See `Variant`."""
        return f"{self.rate:g} x tempo"

    @property
    def identity(self) -> str:
        """See `Variant`."""
        return _identity("stretch", str(self.rate), importlib.metadata.version("librosa"))

    def apply(self, signal: Signal) -> Signal:
        """Return librosa.effects.time_stretch, repeated from its beginning if it has become too short."""
        return np.resize(librosa.effects.time_stretch(signal, rate=self.rate), len(signal)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class PitchShift:
    """The clip `semitones` higher, at the same tempo."""

    semitones: float

    @property
    def title(self) -> str:
        """See `Variant`."""
        return f"{self.semitones:+g} semitones"

    @property
    def identity(self) -> str:
        """See `Variant`."""
        return _identity("pitch", str(self.semitones), importlib.metadata.version("librosa"))

    def apply(self, signal: Signal) -> Signal:
        """Return librosa.effects.pitch_shift."""
        shifted = librosa.effects.pitch_shift(signal, sr=NATIVE_RATE, n_steps=self.semitones)
        return np.asarray(shifted, np.float32)


def convolve(signal: NDArray[np.floating], response: NDArray[np.floating]) -> NDArray[np.float64]:
    """Convolve a signal with an impulse response; the result is as long, and the response's peak does not delay it."""
    delay = int(np.abs(response).argmax())
    wet = scipy.signal.fftconvolve(np.asarray(signal, np.float64), response)
    return wet[delay : delay + len(signal)]


def compress(signal: NDArray[np.floating], ratio: float = RATIO) -> NDArray[np.float64]:
    """Compress the dynamic range: what is louder than the whole signal's mean level keeps 1/ratio of its excess.

    A feed-forward compressor with a hard knee and a mean-square detector: Giannoulis, Massberg, Reiss, "Digital Dynamic
    Range Compressor Design", 2012, equation 4. Its threshold is the signal's own level, so that quiet clips are
    compressed like loud ones.

    Args:
        signal: [samples] at 44,100 Hz.
        ratio: ratio of the compression; above 1 compresses.
    """
    power = np.asarray(signal, np.float64) ** 2
    mean = power.mean()
    if mean < QUIETEST:
        return np.asarray(signal, np.float64)
    decay = math.exp(-1 / (DETECTOR_SECONDS * NATIVE_RATE))
    level, _ = scipy.signal.lfilter([1 - decay], [1, -decay], power, zi=[decay * mean])
    return signal * np.maximum(level / mean, 1.0) ** ((1 / ratio - 1) / 2)


def _at_level_of(original: Signal, changed: NDArray[np.float64]) -> Signal:
    """Give a changed signal the mean square of the original; silence stays silence."""
    wanted, found = (float(np.mean(np.square(each, dtype=np.float64))) for each in (original, changed))
    gain = math.sqrt(wanted / found) if found > 0 else 1.0
    return (gain * changed).astype(np.float32)


def microphones(folder: Path, which: str) -> list[Microphone]:
    """Read impulse responses.

    Args:
        folder: folder of WAV files; other files in it are ignored.
        which: "all", or "eight" for `EIGHT_MICROPHONES`.

    Raises:
        ConfigError: no such folder, no such file, or a file that cannot be read or is not mono; the message names it.
    """
    folder = Path(folder)
    paths = impulse_responses(folder)
    names = EIGHT_MICROPHONES if which == EIGHT else sorted(paths)
    if not names:
        raise ConfigError(f"{folder} has no impulse responses; name a folder of WAV files with them")
    return [_microphone(paths.get(name, folder / f"{name}.wav")) for name in names]


def impulse_responses(folder: Path) -> dict[str, Path]:
    """Return the WAV files of a folder by name; hidden ones, as macOS makes, are none."""
    return {path.stem: path for path in sorted(Path(folder).glob("[!.]*")) if path.suffix.lower() == ".wav"}


def _microphone(path: Path) -> Microphone:
    try:
        files.require_regular(path)
        response, rate = soundfile.read(path, dtype="float64")
    except (soundfile.SoundFileError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as an impulse response; restore it or set microphones") from error
    if response.ndim != 1 or not np.isfinite(response).all() or not np.abs(response).max(initial=0) > 0:
        raise ConfigError(f"{path} is not a mono impulse response; mix it down, or remove it")
    if rate != NATIVE_RATE:
        response = resample(response, rate, NATIVE_RATE)
    return Microphone(path.stem, tuple(response.tolist()))


def _identity(*words: str) -> str:
    return hashlib.sha256(" ".join([str(_VERSION), *words]).encode()).hexdigest()[:16]
