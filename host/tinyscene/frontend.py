"""The log-mel front end as librosa computes it: its configuration, the named presets, and the reference transform."""

import dataclasses
import functools
import hashlib
import json
import math
import warnings
from typing import Any, Literal, get_args, get_origin

import librosa
import numpy as np
from numpy.typing import NDArray

from tinyscene.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrontendConfig:
    """Every choice of a log-mel front end; immutable, hashable, written into the bundle.

    Attributes:
        sample_rate: Hz.
        clip_samples: length of one clip, in samples at `sample_rate`.
        n_fft: points of the FFT; `win_length` is centred in it and zero-padded (as librosa.stft does).
        win_length: samples of the window.
        hop_length: samples from one frame to the next.
        window: periodic window, as `scipy.signal.get_window` names it.
        center: frames centred on their sample, the clip padded by n_fft // 2 on both sides with `pad_mode`.
        pad_mode: "reflect" or "constant" (zeros).
        power: exponent of the magnitude spectrum, 1 or 2.
        n_mels, fmin, fmax: mel bands between fmin and fmax Hz (None: half the rate).
        htk: HTK mel scale, else Slaney's.
        norm: "slaney" (unit-area filters) or None.
        log: "db" is librosa.power_to_db(S, ref=1, amin=eps, top_db) (amplitude_to_db when power is 1);
            "ln" and "log10" are log(S + eps).
        eps: see `log`; linear units of the mel spectrogram.
        top_db: with "db", floor this many dB below the clip's maximum; None: no floor.
        peak_normalise: divide the finished image by its own maximum absolute value.

    Raises:
        ConfigError: a field has an impossible value; names the field, the value and what would be right.
    """

    sample_rate: int = 44100
    clip_samples: int = 44100
    n_fft: int = 1764
    win_length: int = 1764
    hop_length: int = 882
    window: Literal["hann", "hamming"] = "hann"
    center: bool = True
    pad_mode: Literal["reflect", "constant"] = "reflect"
    power: int = 2
    n_mels: int = 80
    fmin: float = 0.0
    fmax: float | None = None
    htk: bool = False
    norm: Literal["slaney"] | None = "slaney"
    log: Literal["ln", "log10", "db"] = "db"
    eps: float = 1e-10
    top_db: float | None = None
    peak_normalise: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field.name, field.type, getattr(self, field.name)))
        for name in ("sample_rate", "clip_samples", "hop_length", "n_mels"):
            self._require(getattr(self, name) > 0, name, "must be positive")
        self._require(self.n_fft >= 2 and self.n_fft % 2 == 0, "n_fft", "must be even and at least 2")
        self._require(1 <= self.win_length <= self.n_fft, "win_length", f"must be 1 to n_fft, which is {self.n_fft}")
        self._require(self.power in (1, 2), "power", "must be 1 (magnitude) or 2 (power)")
        self._require(self.fmin >= 0, "fmin", "must not be negative")
        top = self.sample_rate / 2
        self._require(self.fmax is None or self.fmax <= top, "fmax", f"must not exceed half the rate, {top:g} Hz")
        self._require(self.fmin < (top if self.fmax is None else self.fmax), "fmin", "must be less than fmax")
        self._require(self.eps >= _SMALLEST_EPS, "eps", f"must be at least {_SMALLEST_EPS}, a normal float32")
        self._require(self.top_db is None or self.top_db >= 0, "top_db", "must not be negative")
        self._require(self.top_db is None or self.log == "db", "top_db", 'only has a meaning with log = "db"')
        shortest = self.n_fft // 2 + 1 if self.center else self.n_fft
        self._require(self.clip_samples >= shortest, "clip_samples", f"must be at least {shortest} with this n_fft")

    def _require(self, holds: bool, name: str, rule: str) -> None:
        if not holds:
            raise ConfigError(f"front end: {name} = {getattr(self, name)!r} {rule}")

    @property
    def frames(self) -> int:
        """Frames of one clip."""
        padded = self.clip_samples + (self.n_fft if self.center else 0)
        return 1 + (padded - self.n_fft) // self.hop_length

    @property
    def shape(self) -> tuple[int, int]:
        """(n_mels, frames): the image that the network sees."""
        return self.n_mels, self.frames

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set (None is left out, for TOML)."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "FrontendConfig":
        """Build from `to_dict`'s output.

        Raises:
            ConfigError: a field that does not exist or has an impossible value, naming it.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(fields) - known):
            raise ConfigError(f"the front end has no field {unknown[0]!r}; fields are {', '.join(sorted(known))}")
        optional = {"fmax": None, "norm": None, "top_db": None}
        return cls(**{**optional, **fields})

    @property
    def digest(self) -> str:
        """16 hex digits that name this configuration (cache folders, generated C)."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()[:16]


_SMALLEST_EPS = 1.2e-38


def _checked(name: str, kind: Any, value: Any) -> Any:
    """Return `value` as the field's type (2 becomes 2.0 for a float), so that equal configurations hash equally."""
    kinds = (kind,) if get_origin(kind) is Literal else get_args(kind) or (kind,)
    for option in kinds:
        if get_origin(option) is Literal:
            if any(value is choice or (type(value) is type(choice) and value == choice) for choice in get_args(option)):
                return value
        elif option is float and isinstance(value, int | float) and not isinstance(value, bool):
            if math.isfinite(value):
                return float(value)
        elif isinstance(value, option) and (option is bool or not isinstance(value, bool)):
            return value
    choices = [repr(choice) for option in kinds for choice in get_args(option)]
    wanted = f"one of {', '.join(choices)}" if choices else " or ".join(_NAMES[k] for k in kinds if k in _NAMES)
    raise ConfigError(f"front end: {name} = {value!r} must be {wanted}")


_NAMES = {int: "a whole number", float: "a finite number", bool: "true or false"}

PRESETS: dict[str, FrontendConfig] = {
    "base": FrontendConfig(n_mels=40),
    "p1": FrontendConfig(),
    "p2": FrontendConfig(sample_rate=22050, clip_samples=22050, n_fft=1024, win_length=1024, hop_length=512, n_mels=40),
    "p3": FrontendConfig(n_fft=1024, win_length=1024, hop_length=512, n_mels=40),
    "p4": FrontendConfig(n_fft=1024, win_length=1024, hop_length=512),
    "dcase2022": FrontendConfig(
        n_fft=2048,
        n_mels=40,
        power=1,
        norm=None,
        log="ln",
        eps=float(np.spacing(1.0)),
        peak_normalise=True,
    ),
}


def preset(name: str) -> FrontendConfig:
    """Return a named preset.

    Raises:
        ConfigError: there is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError(f"no front-end preset {name!r}; presets are {', '.join(PRESETS)}")
    return PRESETS[name]


@functools.lru_cache(maxsize=16)
def mel_filters(config: FrontendConfig) -> NDArray[np.float32]:
    """Return librosa's mel filters, [n_mels, n_fft // 2 + 1]; read only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters detected")  # a legitimate choice of n_mels and n_fft
        filters = librosa.filters.mel(
            sr=config.sample_rate,
            n_fft=config.n_fft,
            n_mels=config.n_mels,
            fmin=config.fmin,
            fmax=config.fmax,
            htk=config.htk,
            norm=config.norm,
        )
    filters.flags.writeable = False
    return filters


def log_mel(samples: NDArray[np.floating], config: FrontendConfig) -> NDArray[np.float32]:
    """Compute the log-mel image of one clip with librosa, in float64 whatever the samples' type.

    It is librosa.feature.melspectrogram, then power_to_db, amplitude_to_db or a logarithm, with the mel filters made
    once and not for every clip.

    Args:
        samples: [config.clip_samples] mono, full scale 1.0, at config.sample_rate.
        config: the front end.

    Returns:
        [n_mels, frames] float32, in the units of `config.log`.
    """
    spectrum = librosa.stft(
        np.asarray(samples, np.float64),
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        win_length=config.win_length,
        window=config.window,
        center=config.center,
        pad_mode=config.pad_mode,
    )
    mel = mel_filters(config) @ np.abs(spectrum) ** config.power
    if config.log == "db":
        convert = librosa.power_to_db if config.power == 2 else librosa.amplitude_to_db
        image = convert(mel, ref=1.0, amin=config.eps, top_db=config.top_db)
    else:
        image = (np.log if config.log == "ln" else np.log10)(mel + config.eps)
    if config.peak_normalise and (peak := np.max(np.abs(image))) > 0:
        image = image / peak
    return image.astype(np.float32)
