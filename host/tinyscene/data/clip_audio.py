"""The audio of one clip: checked by its header, read, resampled, and turned into PCM for a board."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.data.defects import DefectError, Kind
from tinyscene.data.resampling import resample

NATIVE_RATE = 44100  # Hz, the rate of every clip on disk
_FLOATS = ("FLOAT", "DOUBLE")  # subtypes of libsndfile whose samples may have any value


def probe_clip(path: Path, samples: int = NATIVE_RATE) -> None:
    """Check that a clip is mono, 44,100 Hz and `samples` long; the header alone suffices for PCM in WAV.

    Raises:
        DefectError: the first thing that is wrong (a DatasetError).
    """
    path = files.as_on_disk(path)
    try:
        files.require_regular(path)
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError) as error:
        raise _unreadable(path, error) from error
    _check_format(path, info.channels, info.samplerate, info.frames, samples)
    if not (info.format in ("WAV", "WAVEX") and info.subtype.startswith("PCM")):
        read_clip(path, clip_samples=samples)


def read_clip(path: Path, sample_rate: int = NATIVE_RATE, clip_samples: int = NATIVE_RATE) -> NDArray[np.float32]:
    """Read one clip.

    Args:
        path: mono audio of 44,100 Hz in any format of libsndfile.
        sample_rate: Hz wanted; resampled by `resampling.resample` where it is not 44,100.
        clip_samples: samples wanted, at `sample_rate`; the file must have that length.

    Returns:
        [clip_samples] float32; integer formats lie in [-1, 1), before resampling.

    Raises:
        DefectError: the clip is missing, unreadable, of another rate, not mono, truncated, too long, or has samples
            that are not finite or beyond full scale (a DatasetError).
    """
    samples = round(clip_samples * NATIVE_RATE / sample_rate)
    path = files.as_on_disk(path)
    try:
        files.require_regular(path)
        with soundfile.SoundFile(str(path)) as stream:
            _check_format(path, stream.channels, stream.samplerate, stream.frames, samples)
            signal = stream.read(dtype="float32")
            subtype = stream.subtype
    except (soundfile.SoundFileError, OSError) as error:
        raise _unreadable(path, error) from error
    _check_format(path, 1, NATIVE_RATE, len(signal), samples)
    check_samples(path, signal, subtype)
    return at_rate(signal, sample_rate, clip_samples)


def check_samples(path: Path, signal: NDArray[np.float32], subtype: str) -> None:
    """Refuse samples that no recording has; decoders of lossy formats may overshoot, which saturates as elsewhere.

    Raises:
        DefectError: a sample is NaN or infinite, or beyond full scale in a file whose `subtype` is of floats.
    """
    if not np.isfinite(signal).all():
        raise DefectError(Kind.UNREADABLE, path, None, "has samples that are not finite", "restore it")
    if subtype in _FLOATS and (peak := float(np.abs(signal).max(initial=0))) > 1:
        problem = f"has samples beyond full scale, up to {peak:.5g}"
        raise DefectError(Kind.BEYOND_FULL_SCALE, path, None, problem, "scale them to lie between -1 and 1")


def at_rate(signal: NDArray[np.float32], sample_rate: int, clip_samples: int) -> NDArray[np.float32]:
    """Resample a clip of 44,100 Hz to `sample_rate`, `clip_samples` long; see `resampling.resample`."""
    if sample_rate == NATIVE_RATE:
        return signal
    resampled = resample(signal, NATIVE_RATE, sample_rate)[:clip_samples].astype(np.float32)
    return np.pad(resampled, (0, clip_samples - len(resampled)))


def _check_format(path: Path, channels: int, rate: int, frames: int, samples: int) -> None:
    if channels != 1:
        raise DefectError(Kind.NOT_MONO, path, None, f"has {channels} channels, not 1", "mix it down to mono")
    if rate != NATIVE_RATE:
        raise DefectError(Kind.WRONG_RATE, path, None, f"has {rate} Hz, not {NATIVE_RATE}", "resample it")
    if frames < samples:
        raise DefectError(Kind.TRUNCATED, path, None, f"has {frames} samples, not {samples}", "restore it")
    if frames > samples:
        raise DefectError(Kind.TOO_LONG, path, None, f"has {frames} samples, not {samples}", "cut it into clips")


def _unreadable(path: Path, error: Exception) -> DefectError:
    """Say why a file cannot be opened; libsndfile itself only says "System error"."""
    try:
        with files.open_regular(path):
            reason = str(getattr(error, "error_string", error)).rstrip(".")
    except FileNotFoundError:
        return DefectError(Kind.MISSING_FILE, path, None, "does not exist", "restore it or remove its rows")
    except OSError as denied:
        reason = str(denied.strerror)
    return DefectError(Kind.UNREADABLE, path, None, f"cannot be read ({reason})", "restore it or remove its rows")


def pcm16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """Turn samples of full scale 1.0 into 16-bit PCM: round half to even, saturate; what is sent to a board."""
    return np.clip(np.rint(np.asarray(samples, np.float64) * 32768), -32768, 32767).astype(np.int16)
