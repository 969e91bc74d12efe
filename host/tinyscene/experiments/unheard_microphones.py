"""How a run does on recordings by microphones that its training did not hear: its test clips convolved with theirs."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from tinyscene import files
from tinyscene.augment import ALL, EIGHT_MICROPHONES, Microphone, Recording, impulse_responses, recordings, waveform
from tinyscene.bundle import Bundle
from tinyscene.console import console
from tinyscene.data import Dataset
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import INT8, SCORES, Comparison, calibration, comparison, scoring
from tinyscene.training import TestedFold, compare_runs, fold_predictions

CLEAN, HEARD = "the clips as they are", "the clips through microphones"


@dataclasses.dataclass(frozen=True)
class Hearing:
    """Scores of clips as they are (A) and through microphones (B).

    Attributes:
        pooled: comparison of all clips.
        by_microphone: comparison of the clips through each microphone.
        left_out: names of the microphones that were excluded.
        calibrated: as in `fold_predictions.RunPredictions`.
    """

    pooled: Comparison
    by_microphone: dict[str, Comparison]
    left_out: list[str]
    calibrated: bool


def heard_in_training(run: Path) -> set[str]:
    """Return the names of the microphones that the networks of a run may have heard, its teachers included.

    Raises:
        TinysceneError: the folder is not that of a run, or the run used all of a folder that is missing here.
    """
    settings = fold_predictions.settings(run)
    sections = [settings, *settings.get("teachers", [])]
    names: set[str] = set()
    for augment in (section["augment"] for section in sections if "augment" in section):
        if "impulse_responses" not in augment:
            continue
        if augment.get("microphones", ALL) != ALL:
            names |= set(EIGHT_MICROPHONES)
            continue
        folder = Path(augment["impulse_responses"])
        found = set(impulse_responses(folder))
        if not found:
            raise TinysceneError(
                f"{run} was trained with all microphones of {folder}, which has none here: restore it, or run this "
                "where the training ran"
            )
        names |= found
    return names


def draw(run: Path, folder: Path, count: int, rng: np.random.Generator) -> tuple[list[Microphone], list[str]]:
    """Draw microphones of a folder that a run was not trained with.

    The thesis's eight are never drawn, so that runs without and with them are tested through the same microphones.

    Returns:
        (microphones, `count` of them or all that there are; names of those that were excluded).

    Raises:
        ConfigError: as for `augment.waveform.microphones`.
        TinysceneError: as for `heard_in_training`, or none is left.
    """
    known = heard_in_training(run) | set(EIGHT_MICROPHONES)
    every = waveform.microphones(folder, ALL)
    left = [each for each in every if each.name not in known]
    if not left:
        raise TinysceneError(
            f"all {len(every)} microphones of {folder} are the thesis's eight or were heard in the training of {run}; "
            "name a folder with others"
        )
    drawn = rng.permutation(len(left))[:count]
    return [left[place] for place in sorted(drawn)], [each.name for each in every if each.name in known]


def listen(run: Path, dataset: Dataset, folder: Path, count: int = 8, seed: int = 1) -> Hearing:
    """Score the test clips of all folds of a run, each through one microphone that its training did not hear.

    Each fold's INT8 model classifies its own test clips, and its logits are divided by the fold's temperature, which
    was fitted on the clips without microphones.

    Args:
        run: folder of a run on this data set.
        dataset: data set of the clips.
        folder: folder of impulse responses.
        count: number of microphones, among which the clips are divided evenly.
        seed: seed of the draw of microphones and of the division of the clips.

    Raises:
        TinysceneError: as for `fold_predictions.of_run` and `draw`.
        BundleError: the bundle of a fold cannot be read.
        DatasetError, ToolError: as for `features.extract`.
    """
    answers = fold_predictions.of_run(run, dataset)
    rng = np.random.default_rng(seed)
    microphones, left_out = draw(run, folder, count, rng)
    hears = rng.permutation(np.arange(len(answers.clips)) % len(microphones))
    ends = np.cumsum([len(fold.clips) for fold in answers.folds])
    heard = np.concatenate(
        [
            _answers(fold, dataset, microphones, of_fold)
            for fold, of_fold in zip(answers.folds, np.split(hears, ends[:-1]), strict=True)
        ]
    )
    clean = answers.predictions[INT8]

    def compare(rows: NDArray[np.int64]) -> Comparison:
        return comparison.compare([answers.clips[row] for row in rows], clean[rows], heard[rows])

    by_microphone = {
        microphone.name: compare(rows)
        for number, microphone in enumerate(microphones)
        if len(rows := np.flatnonzero(hears == number))
    }
    return Hearing(compare(np.arange(len(clean))), by_microphone, left_out, answers.calibrated)


def _answers(
    fold: TestedFold, dataset: Dataset, microphones: Sequence[Microphone], hears: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the class probabilities [clips, classes] of a fold's test clips, each through microphones[hears]."""
    bundle = Bundle.load(fold.folder / "bundle")
    copies = [Recording(clip, microphones[number].name) for clip, number in zip(fold.clips, hears, strict=True)]
    images = recordings.extract(dataset, copies, bundle.frontend, microphones)
    outputs = scoring.run(bundle, images)
    return calibration.tempered(bundle.probabilities(outputs), fold.temperature)


def report(run: Path, data: Path, folder: Path, count: int = 8, seed: int = 1, as_json: Path | None = None) -> None:
    """Call `listen`, and print and write the result.

    Args:
        run, folder, count, seed: see `listen`.
        data: data set of the run.
        as_json: JSON file to write; None: no file.

    Raises:
        TinysceneError: as for `listen`.
    """
    found = listen(run, Dataset(data), folder, count, seed)
    if as_json is not None:
        files.write_json(
            as_json,
            {
                "calibrated": found.calibrated,
                "seed": seed,
                "left_out": found.left_out,
                **found.pooled.to_json(),
                "microphones": {name: each.to_json() for name, each in found.by_microphone.items()},
            },
        )
    title = compare_runs.how(INT8, found.calibrated)
    console.print(comparison.table(found.pooled, title, "clean", "microphones", "difference"))
    console.print(_by_microphone(found))
    names = ", ".join(found.left_out) or "none"
    console.print(f"excluded, heard in training or of the thesis's eight: {names}", soft_wrap=True)
    for score in SCORES:
        console.print(found.pooled.in_words(score, CLEAN, HEARD), soft_wrap=True)


def _by_microphone(found: Hearing) -> Table:
    """Return a row for each microphone; few clips went through each, so that only the JSON has their intervals."""
    rows = Table("microphone", title="the clips of each microphone, as they are and through it")
    rows.add_column("clips", justify="right")
    for name in SCORES.values():
        rows.add_column(name, justify="right")
        rows.add_column("through it", justify="right")
    for name, each in found.by_microphone.items():
        scores = [comparison.shown(score, side[score]) for score in SCORES for side in (each.a, each.b)]
        rows.add_row(name, str(each.clips), *scores)
    return rows
