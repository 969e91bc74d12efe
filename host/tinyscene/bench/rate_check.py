"""Compare a bundle with itself at other sampling rates; `tinyscene frontend rates DATA` prints two tables.

The first table has the differences of the features; the second the predictions of TensorFlow Lite's reference kernels,
with each way to fill the mel bands that a rate lacks, of which the first is the one in use.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene.bundle import Bundle
from tinyscene.data import Clip, Dataset
from tinyscene.evaluation import metrics, scoring
from tinyscene.frontend import Normalisation, features
from tinyscene.paths import REPOSITORY

RATES = (41667, 16000)  # Hz; 41,667 is the rate of the nRF52840's microphone
COLUMNS = ("rate Hz", "bands", "bias dB", "largest bias of a band dB", "RMS dB", "99 % within dB", "largest dB")
DECISIONS = ("rate Hz", "held bands are filled with", "equal decisions %", "accuracy %", "log loss")
HOLD, RAW, MEAN = "the standardised value below", "the value below", "their mean"
Row = tuple[str, ...]

_NOTHING_BUT_THE_MEAN = 1e30  # a deviation so large that every standardised feature is the mean


@dataclasses.dataclass(frozen=True)
class Error:
    """How far features of some bands are from those at the original rate; all in dB, or in the front end's unit.

    Attributes:
        bias: mean difference.
        band_bias: largest mean difference of a band.
        rms: RMS of all differences.
        within: bound below which 99 % of the differences lie.
        largest: largest difference.
    """

    bias: float
    band_bias: float
    rms: float
    within: float
    largest: float


def compare(
    original: Bundle, expected: NDArray[np.float32], bundle: Bundle, images: NDArray[np.float32]
) -> list[Error]:
    """Compare log-mel images [clips, n_mels, frames] as the network sees them, in the original's units.

    Args:
        original, expected: a bundle, and its front end's images.
        bundle, images: a result of `original.at_rate`, and its front end's images of the same clips.

    Returns:
        The error of the bands that the rate covers; then the error of the others, if there are any.
    """
    difference = bundle.normalisation.apply(images) - original.normalisation.apply(expected)
    difference = difference * np.asarray(original.normalisation.std, np.float32)[:, None]
    covered = bundle.frontend.n_mels - bundle.frontend.held_mels
    return [_error(part) for part in (difference[:, :covered], difference[:, covered:]) if part.size]


def _error(difference: NDArray[np.float32]) -> Error:
    size = np.abs(difference)
    return Error(
        bias=float(difference.mean(dtype=np.float64)),
        band_bias=float(np.abs(difference.mean(axis=(0, 2), dtype=np.float64)).max()),
        rms=float(np.sqrt(np.square(difference, dtype=np.float64).mean())),
        within=float(np.percentile(size, 99)),
        largest=float(size.max()),
    )


def fillings(original: Bundle, bundle: Bundle) -> dict[str, Bundle]:
    """Return the bundle at another rate with each way to fill the bands that the rate lacks."""
    held, mean, std = bundle.frontend.held_mels, bundle.normalisation.mean, bundle.normalisation.std
    never = Normalisation(mean, std[: len(std) - held] + (_NOTHING_BUT_THE_MEAN,) * held)
    choices = {HOLD: bundle.normalisation, RAW: original.normalisation, MEAN: never}
    return {name: dataclasses.replace(bundle, normalisation=choice) for name, choice in choices.items()}


def probabilities(bundle: Bundle, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the INT8 model's class probabilities [clips, classes] for log-mel images [clips, n_mels, frames]."""
    return bundle.probabilities(scoring.run(bundle, images))


def agreement(wanted: NDArray[np.float64], answers: NDArray[np.float64]) -> float:
    """Return the share of clips whose most probable class is the same in both arrays [clips, classes]."""
    return float((wanted.argmax(axis=1) == answers.argmax(axis=1)).mean())


def tables(original: Bundle, dataset: Dataset, clips: Sequence[Clip]) -> tuple[list[Row], list[Row]]:
    """Return the rows of both tables."""
    labels, devices = [str(clip.scene) for clip in clips], [clip.device for clip in clips]
    expected = np.asarray(features.extract(dataset, clips, original.frontend).images)
    wanted = probabilities(original, expected)

    def decisions(rate: int, filling: str, answers: NDArray[np.float64]) -> Row:
        scores = metrics.score(labels, answers, devices, original.classes)
        equal, right = 100 * agreement(wanted, answers), 100 * scores["accuracy"]
        return f"{rate:,}", filling, f"{equal:.2f}", f"{right:.2f}", f"{scores['log_loss']:.3f}"

    errors, answers = [], [decisions(original.frontend.sample_rate, "none are held", wanted)]
    for rate in RATES:
        bundle = original.at_rate(rate)
        images = np.asarray(features.extract(dataset, clips, bundle.frontend).images)
        held = bundle.frontend.held_mels
        names = (f"the lower {bundle.frontend.n_mels - held}", f"the upper {held}, held")
        for name, error in zip(names, compare(original, expected, bundle, images), strict=False):
            sizes = (f"{value:.3f}" for value in dataclasses.astuple(error)[1:])
            errors.append((f"{rate:,}", name, f"{error.bias:+.3f}", *sizes))
        for name, filled in fillings(original, bundle).items():
            answers.append(decisions(rate, name, probabilities(filled, images)))
    return errors, answers


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows))


def report(data: Path, folder: Path | None, split: str | None) -> None:
    """Print the tables, in Markdown: the command `tinyscene frontend rates`.

    Args:
        data: data set in the TAU layout.
        folder: folder of the bundle; None: the shipped student's.
        split: list of the data set; None: all clips.
    """
    dataset, bundle = Dataset(data), Bundle.load(folder or REPOSITORY / "models" / "student")
    clips = list(dataset.list(split) if split else dataset.clips())
    errors, decisions = tables(bundle, dataset, clips)
    print(f"{bundle.name}, {len(clips)} clips\n\n{_table(COLUMNS, errors)}\n\n{_table(DECISIONS, decisions)}")
