"""The log-mel front end as librosa computes it: its configuration, the named presets, and the reference transform."""

import dataclasses
import functools
import hashlib
import json
import math
import warnings
from typing import Any, Literal, get_args, get_origin

import numpy as np
from numpy.typing import NDArray

from tinyscene.data import PASSBAND
from tinyscene.errors import ConfigError
from tinyscene.frontend import fft_plan

RATES = (8_000, 192_000)  # Hz, lowest and highest rate of `at_rate`


# Marks a field that is younger than digests in use: while it is unset, digests do not include it.
_YOUNGER = {"younger": True}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrontendConfig:
    """Every choice of a log-mel front end; immutable, hashable, written into the bundle.

    Attributes:
        sample_rate: sampling rate, Hz.
        clip_samples: length of one clip, in samples at `sample_rate`.
        n_fft: points of the FFT; `win_length` is centred in it and zero-padded (as librosa.stft does).
        win_length: length of the window, in samples.
        hop_length: samples from one frame to the next.
        window: periodic window, as `scipy.signal.get_window` names it.
        center: frames centred on their sample, the clip padded by n_fft // 2 on both sides with `pad_mode`.
        pad_mode: "reflect" or "constant" (zeros).
        power: exponent of the magnitude spectrum, 1 or 2.
        n_mels, fmin, fmax: number of mel bands, which lie between fmin and fmax Hz (None: half the rate).
        covered_mels: number of bands, from the lowest, that the rate covers; those above have the filter of the highest
            covered band, so that their values are copies of its values. None: all, and fmax must not exceed half the
            rate. See `at_rate`.
        mel_gains: n_mels factors that the mel filters are multiplied by; None: no gains.
        htk: HTK mel scale, else Slaney's.
        norm: "slaney" (unit-area filters) or None.
        log: "db" is librosa.power_to_db(S, ref=1, amin=eps, top_db) (amplitude_to_db when power is 1);
            "ln" and "log10" are log(S + eps).
        eps: see `log`; linear units of the mel spectrogram.
        top_db: with "db", depth of the floor, in dB below the clip's maximum; None: no floor.
        peak_normalise: whether the finished image is divided by its own maximum absolute value.

    Raises:
        ConfigError: a field has an impossible value; the message names the field, the value and what would be right.
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
    covered_mels: int | None = dataclasses.field(default=None, metadata=_YOUNGER)
    mel_gains: tuple[float, ...] | None = dataclasses.field(default=None, metadata=_YOUNGER)
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
        covered = self.covered_mels
        within = self.fmax is None or self.fmax <= top or covered is not None
        self._require(within, "fmax", f"must not exceed half the rate, {top:g} Hz, without covered_mels")
        self._require(self.fmin < (top if self.fmax is None else self.fmax), "fmin", "must be less than fmax")
        self._require(self.fmin < top, "fmin", f"must be less than half the rate, {top:g} Hz")
        self._require(covered is None or 1 <= covered <= self.n_mels, "covered_mels", f"must be 1 to {self.n_mels}")
        gains = self.mel_gains
        self._require(gains is None or len(gains) == self.n_mels, "mel_gains", f"must have {self.n_mels} values")
        self._require(gains is None or (min(gains) >= 0 and max(gains) <= 1e6), "mel_gains", "must be 0 to 1e6 each")
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

    @property
    def held_mels(self) -> int:
        """Number of mel bands, the highest ones, that are copies of the highest covered band."""
        return 0 if self.covered_mels is None else self.n_mels - self.covered_mels

    @property
    def decibel(self) -> float:
        """What a gain of one dB adds to the image, above `eps`; not valid with `peak_normalise`."""
        magnitudes = {"db": 1.0, "log10": self.power / 20, "ln": self.power / 20 * math.log(10)}
        return magnitudes[self.log]

    def at_rate(self, rate: int) -> "FrontendConfig":
        """Return the front end that makes the same image of the same sound sampled at another rate.

        Window, hop and clip have the same durations, the mel bands lie at the same frequencies, there are as many
        frames, and noise has the same level in every band; the FFT is the smallest that holds the window and that the C
        front end has. A band is not covered if less than half of its area lies in the resampler's `PASSBAND`: a
        recording at the rate holds little of what lies above.

        Args:
            rate: sampling rate, Hz.

        Raises:
            ConfigError: no such rate, one that gives another image, or this front end has already lost bands.
        """
        lowest, highest = RATES
        if not isinstance(rate, int) or isinstance(rate, bool) or not lowest <= rate <= highest:
            raise ConfigError(f"a front end at {rate!r} Hz: choose a whole number from {lowest} to {highest}")
        if rate == self.sample_rate:
            return self
        if self.held_mels:
            raise ConfigError("this front end was already moved to a rate that lacks bands; start from the original")
        ratio = rate / self.sample_rate
        fmax = self.sample_rate / 2 if self.fmax is None else self.fmax
        win_length = max(1, round(ratio * self.win_length))
        moved = dataclasses.replace(
            self,
            sample_rate=rate,
            clip_samples=round(ratio * self.clip_samples),
            n_fft=fft_plan.at_least(max(win_length, round(ratio * self.n_fft))),
            win_length=win_length,
            fmax=fmax,
            covered_mels=_covered(self, PASSBAND * rate / 2) if fmax > rate / 2 else None,
            mel_gains=None,
        )
        hop = ratio * self.hop_length
        for hop_length in sorted({max(1, math.floor(hop)), math.ceil(hop)}, key=lambda near: abs(near - hop)):
            moved = dataclasses.replace(moved, hop_length=hop_length)
            if moved.frames == self.frames:
                return dataclasses.replace(moved, mel_gains=_levelling(self, moved))
        raise ConfigError(
            f"at {rate} Hz a clip has {moved.frames} frames, at {self.sample_rate} Hz {self.frames}; choose a rate at "
            f"which {self.hop_length} / {self.sample_rate} s is nearly a whole number of samples"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set; TOML has no None."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "FrontendConfig":
        """Build from `to_dict`'s output.

        Raises:
            ConfigError: a field does not exist or has an impossible value; the message names it.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(fields) - known):
            raise ConfigError(f"the front end has no field {unknown[0]!r}; fields are {', '.join(sorted(known))}")
        unset = {field.name: None for field in dataclasses.fields(cls) if type(None) in get_args(field.type)}
        return cls(**{**unset, **fields})

    @property
    def digest(self) -> str:
        """16 hex digits that name this configuration (cache folders, generated C)."""
        values = dataclasses.asdict(self)
        fields = {
            field.name: values[field.name]
            for field in dataclasses.fields(self)
            if "younger" not in field.metadata or values[field.name] is not None
        }
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


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
        elif get_origin(option) is tuple:
            if isinstance(value, tuple | list):
                return tuple(_checked(name, get_args(option)[0], item) for item in value)
        elif isinstance(value, option) and (option is bool or not isinstance(value, bool)):
            return value
    choices = [repr(choice) for option in kinds if get_origin(option) is Literal for choice in get_args(option)]
    wanted = f"one of {', '.join(choices)}" if choices else " or ".join(_NAMES[k] for k in kinds if k in _NAMES)
    raise ConfigError(f"front end: {name} = {value!r} must be {wanted}")


_NAMES = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    tuple[float, ...]: "a list of finite numbers",
}

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
    """Return librosa's mel filters with `mel_gains` and held bands, [n_mels, n_fft // 2 + 1]; read only."""
    import librosa  # takes a second: not before an image is wanted

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
    if config.mel_gains is not None:
        filters *= np.asarray(config.mel_gains, np.float32)[:, None]
    if config.covered_mels is not None:
        filters[config.covered_mels :] = filters[config.covered_mels - 1]
    filters.flags.writeable = False
    return filters


def _covered(config: FrontendConfig, top: float) -> int:
    """Return how many mel bands, from the lowest, have at least half of their area below `top` Hz; at least one."""
    import librosa  # takes a second: not before an image is wanted

    fmax = config.sample_rate / 2 if config.fmax is None else config.fmax
    edges = librosa.mel_frequencies(config.n_mels + 2, fmin=config.fmin, fmax=fmax, htk=config.htk)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    end = np.clip(top, low, high)
    rising, falling = (np.minimum(end, peak) - low) ** 2 / (peak - low), (high - np.maximum(end, peak)) ** 2
    below = (rising + (high - peak) - falling / (high - peak)) / (high - low)
    if not (count := int(np.count_nonzero(below >= 0.5))):
        raise ConfigError(f"no mel band above fmin = {config.fmin:g} lies below {top:g} Hz; choose a higher rate")
    return count


def _levelling(old: FrontendConfig, new: FrontendConfig) -> tuple[float, ...]:
    """Return the mel gains with which noise has the same level in every band of `new` as in `old`.

    A bin's mean energy is the noise's density x rate x the sum of the squared window, which grows with its length; a
    band's mean energy is that, to half the power, x the sum of its weights. Both sums depend on the numbers of samples
    and of bins; where a band is as narrow as a bin, the second also depends on where its few bins lie in it.
    """
    were, are = (
        mel_filters(config).sum(axis=1, dtype=np.float64)
        * (config.win_length * config.sample_rate) ** (config.power / 2)
        for config in (old, new)
    )
    covered = new.n_mels - new.held_mels
    were, are = were[:covered], are[:covered]
    if missing := np.flatnonzero((are == 0) & (were > 0)).tolist():
        raise ConfigError(
            f"at {new.sample_rate} Hz, mel band {missing[0] + 1} lies between two bins of the FFT; choose another rate"
        )
    gains = [float(f"{gain:.6g}") for gain in were / np.where(are > 0, are, 1)]
    return tuple(gains + gains[-1:] * new.held_mels)


def log_mel(samples: NDArray[np.floating], config: FrontendConfig) -> NDArray[np.float32]:
    """Compute the log-mel image of one clip with librosa, in float64 whatever the samples' type.

    It is librosa.feature.melspectrogram, then power_to_db, amplitude_to_db or a logarithm; the mel filters are made
    once rather than for every clip.

    Args:
        samples: [config.clip_samples] mono, full scale 1.0, at config.sample_rate.
        config: the front end.

    Returns:
        [n_mels, frames] float32, in the units of `config.log`.
    """
    import librosa  # takes a second: not before an image is wanted

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
