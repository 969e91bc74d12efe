"""Golden vectors: what librosa makes, in float64, of clips that are computed and need no recording.

A vector is a clip and librosa's results: every stage, up to the log-mel column, of the frame around a third of it,
and for some clips the whole log-mel image and the network's INT8 input. The same code makes them for any bundle
(`tinyscene device verify`). `tinyscene frontend golden` writes those of every preset and of some unusual
front ends to tests/golden, with which the tests compare librosa, the C on this machine and the C on the emulated board.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.errors import TinysceneError
from tinyscene.frontend import config as frontend, scaling, signals, tables
from tinyscene.frontend.config import FrontendConfig
from tinyscene.frontend.scaling import Normalisation, Quantisation
from tinyscene.frontend.stage import Stage
from tinyscene.paths import REPOSITORY

FOLDER = REPOSITORY / "tests" / "golden"
WHOLE = ("noise", "one bit")  # clips whose whole image is compared: a loud one and the softest
SNR_DB = 100.0  # what every stage must reach; docs/FRONTEND.md says why
FEATURES_EQUAL = 0.99  # share of INT8 features that must equal librosa's; none may differ by more than 1
_FULL_SCALE = 32768

_SMALL = FrontendConfig(sample_rate=8000, clip_samples=4000, n_fft=256, win_length=256, hop_length=100, n_mels=12)
CONFIGS: dict[str, FrontendConfig] = {
    **frontend.PRESETS,
    "short_window": dataclasses.replace(_SMALL, n_fft=294, win_length=201, eps=1e-5),
    "no_centring": dataclasses.replace(_SMALL, n_fft=250, win_length=250, center=False, fmin=50.0, fmax=3000.0),
    "constant_htk": dataclasses.replace(_SMALL, pad_mode="constant", htk=True),
    "hamming_log10": dataclasses.replace(_SMALL, window="hamming", log="log10", norm=None),
    "top_db": dataclasses.replace(_SMALL, n_fft=210, win_length=210, power=1, top_db=30.0),
    "peak": dataclasses.replace(_SMALL, n_fft=180, win_length=128, power=1, log="ln", peak_normalise=True),
}

Samples = NDArray[np.int16]
Stages = dict[Stage, NDArray[np.inexact]]


def cut(clip: Samples, config: FrontendConfig) -> Samples:
    """Return the frame [config.win_length] around a third of the clip, where the impulse is."""
    centred = len(clip) // 3 - config.win_length // 2
    start = max(0, min(centred, len(clip) - config.win_length))
    samples = clip[start : start + config.win_length]
    return np.pad(samples, (0, config.win_length - len(samples)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame, and each stage of it from librosa, full scale 1.0.

    Attributes:
        config: the front end.
        samples: int16 [win_length].
        stages: float64 arrays: windowed [n_fft], spectrum [n_fft // 2 + 1] (complex), power [n_fft // 2 + 1],
            mel [n_mels], and the log-mel column [n_mels] without what happens at a clip's end, rounded to float32.
    """

    config: FrontendConfig
    samples: Samples
    stages: Stages

    def in_c_units(self) -> Stages:
        """Return librosa's stages as the C front end's values, which frontend.h describes; all real.

        The C code shifts soft frames up, emphasises high frequencies before its FFT, and has another unit; its mel
        filters undo all of that.
        """
        weight = tables.UNIT * 2.0 ** tables.headroom(self.samples)
        weights = weight * tables.emphasis(self.config)
        spectrum = self.stages[Stage.SPECTRUM] * weights
        packed = np.stack([spectrum.real, spectrum.imag], axis=1)[:-1].ravel()
        packed[1] = spectrum.real[-1]
        return {
            **self.stages,
            Stage.WINDOWED: np.fft.irfft(np.fft.rfft(self.stages[Stage.WINDOWED]) * weights, self.config.n_fft),
            Stage.SPECTRUM: packed,
            Stage.POWER: self.stages[Stage.POWER] * np.abs(weights) ** self.config.power,
        }

    def snr_db(self, stage: Stage, computed: NDArray[np.floating]) -> float:
        """Return the energy of a stage's values over that of the differences, in dB: inf if they are equal.

        A log-mel column is compared as the mel energies whose logarithms it holds. Each counts for at least what it
        would be if the frame's power were spread over all bins: bands far below the others (for DC: all that do not
        begin at 0 Hz) hold the FFT's rounding errors, in any float32 arithmetic.

        Args:
            stage: stage that the values belong to.
            computed: values of the C front end; with a NaN among them the result is -inf.
        """
        golden, values = self.in_c_units()[stage], np.asarray(computed, np.float64)
        with np.errstate(all="ignore"):  # silence, and whatever a broken board may send
            if stage is Stage.LOG:
                decibels = 10 if self.config.power == 2 else 20
                unit = {"ln": 1.0, "log10": math.log(10), "db": math.log(10) / decibels}[self.config.log]
                golden, values = np.exp(unit * golden), np.exp(unit * values)
            energy, error = np.square(golden).sum(), np.square(values - golden).sum()
            if stage in (Stage.MEL, Stage.LOG):
                spread = frontend.mel_filters(self.config).sum(axis=1) * self.stages[Stage.POWER].mean()
                energy = max(energy, np.square(spread).sum())
            snr = 10 * (np.log10(energy) - np.log10(error)) if error else math.inf
        return -math.inf if np.isnan(snr) else float(snr)


def frame(samples: Samples, config: FrontendConfig) -> Frame:
    """Compute the stages of a frame [config.win_length] with librosa."""
    padded = librosa.util.pad_center(samples / _FULL_SCALE, size=config.n_fft)
    window = librosa.filters.get_window(config.window, config.win_length, fftbins=True)
    spectrum = librosa.stft(
        padded,
        n_fft=config.n_fft,
        hop_length=config.n_fft,
        win_length=config.win_length,
        window=config.window,
        center=False,
    )[:, 0]
    power = np.abs(spectrum) ** config.power
    alone = dataclasses.replace(
        config, clip_samples=config.n_fft, hop_length=config.n_fft, center=False, top_db=None, peak_normalise=False
    )
    stages: Stages = {
        Stage.WINDOWED: librosa.util.pad_center(window, size=config.n_fft) * padded,
        Stage.SPECTRUM: spectrum,
        Stage.POWER: power,
        Stage.MEL: frontend.mel_filters(config) @ power,
        Stage.LOG: frontend.log_mel(padded, alone)[:, 0].astype(np.float64),
    }
    return Frame(config=config, samples=samples, stages=stages)


def equal_and_largest(expected: NDArray[np.int8], computed: NDArray[np.int8]) -> tuple[float, int]:
    """Return the share of equal values and the largest difference."""
    steps = np.abs(computed.astype(int) - expected)
    return float((steps == 0).mean()), int(steps.max())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vectors:
    """The golden vectors of one front end.

    Attributes:
        config, normalisation, quantisation: the front end, and how its image becomes the network's input.
        clips: every clip [clip_samples] by name.
        frames: the frame that is `cut` from each clip.
        log_mel: images [n_mels, frames] of the clips of `WHOLE`.
        features: INT8 input [n_mels, frames] for the same clips.
    """

    config: FrontendConfig
    normalisation: Normalisation
    quantisation: Quantisation
    clips: dict[str, Samples]
    frames: dict[str, Frame]
    log_mel: dict[str, NDArray[np.float32]]
    features: dict[str, NDArray[np.int8]]

    def save(self, path: Path) -> None:
        """Write a compressed .npz without the clips, but with their SHA-256.

        Raises:
            TinysceneError: the file cannot be written.
        """
        arrays: dict[str, Any] = {
            "config": np.array(json.dumps(self.config.to_dict())),
            "pcm_sha256": np.array(_fingerprint(self.clips)),
            "mean": np.array(self.normalisation.mean),
            "std": np.array(self.normalisation.std),
            "scale": np.array(self.quantisation.scale),
            "zero_point": np.array(self.quantisation.zero_point),
            "log_mel": np.stack([self.log_mel[name] for name in WHOLE]),
            "features": np.stack([self.features[name] for name in WHOLE]),
        }
        arrays |= {f"stage_{stage}": np.stack([one.stages[stage] for one in self.frames.values()]) for stage in Stage}
        with files.replacing(path) as temporary:
            np.savez_compressed(temporary, **arrays)


def make(
    config: FrontendConfig, normalisation: Normalisation | None = None, quantisation: Quantisation | None = None
) -> Vectors:
    """Compute the golden vectors of a front end.

    Args:
        config: the front end.
        normalisation, quantisation: those of a bundle; default: measured on the clips of `WHOLE`.
    """
    pcm = signals.clips(config)
    images = {name: frontend.log_mel(pcm[name] / _FULL_SCALE, config) for name in WHOLE}
    if normalisation is None or quantisation is None:
        normalisation, quantisation = scaling.measured(np.stack(list(images.values())))
    return Vectors(
        config=config,
        normalisation=normalisation,
        quantisation=quantisation,
        clips=pcm,
        frames={name: frame(cut(clip, config), config) for name, clip in pcm.items()},
        log_mel=images,
        features={name: quantisation.quantise(normalisation.apply(image)) for name, image in images.items()},
    )


def load(path: Path) -> Vectors:
    """Read what `Vectors.save` wrote, and compute the clips again.

    Raises:
        TinysceneError: the clips are not those of the file.
    """
    with np.load(path) as saved:
        arrays = dict(saved)
    config = FrontendConfig.from_dict(json.loads(str(arrays["config"])))
    pcm = signals.clips(config)
    if _fingerprint(pcm) != str(arrays["pcm_sha256"]):
        raise TinysceneError(
            f"{path} was made from other clips than this code makes; mend the code, or write the file again with: "
            "tinyscene frontend golden"
        )
    return Vectors(
        config=config,
        normalisation=Normalisation(tuple(arrays["mean"].tolist()), tuple(arrays["std"].tolist())),
        quantisation=Quantisation(float(arrays["scale"]), int(arrays["zero_point"])),
        clips=pcm,
        frames={
            name: Frame(
                config=config,
                samples=cut(clip, config),
                stages={stage: arrays[f"stage_{stage}"][i] for stage in Stage},
            )
            for i, (name, clip) in enumerate(pcm.items())
        },
        log_mel=dict(zip(WHOLE, arrays["log_mel"], strict=True)),
        features=dict(zip(WHOLE, arrays["features"], strict=True)),
    )


def _fingerprint(pcm: Mapping[str, Samples]) -> str:
    return hashlib.sha256(b"".join(clip.astype("<i2").tobytes() for clip in pcm.values())).hexdigest()


def write(folder: Path | None = None) -> None:
    """Write the vectors of all `CONFIGS`, one file each, and print their sizes."""
    for name, config in CONFIGS.items():
        path = (folder or FOLDER) / f"{name}.npz"
        make(config).save(path)
        print(f"{path}: {path.stat().st_size:,} bytes", flush=True)
