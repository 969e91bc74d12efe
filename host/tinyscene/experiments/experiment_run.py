"""Run rows of the tables, and print them."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from tinyscene import files
from tinyscene.augment import (
    EIGHT,
    EIGHT_MICROPHONES,
    AugmentConfig,
    Microphone,
    Recording,
    lists as augmented_lists,
    microphones,
    recordings,
)
from tinyscene.bundle import softmax
from tinyscene.console import console
from tinyscene.data import SCENES, Dataset
from tinyscene.errors import ConfigError, TinysceneError
from tinyscene.evaluation import INT8, comparison, metrics, scoring
from tinyscene.experiments import rows as experiment, scale as experiment_scale, table as experiment_table
from tinyscene.experiments.rows import Row
from tinyscene.experiments.scale import Scale
from tinyscene.training import (
    CALIBRATED,
    CROSS_VALIDATE,
    Part,
    Run,
    RunConfig,
    duration,
    fit as fitting,
    fold_predictions,
    part as training_part,
    parts as training_parts,
    provenance,
    run as training_run,
    run_folder,
    scores as training_scores,
)

RESULT, SCALE = "result.json", "scale.json"
OFFICIAL_CLIPS = 139_620  # clips of the official training list


def report(
    name: str, data: Path, impulse_responses: Path | None, out: Path, budget: float | None, as_json: Path | None
) -> None:
    """Run a row or a whole table, and print it; finished rows are not run again.

    Args:
        name: "table" or "table/row".
        data: data set in the TAU layout.
        impulse_responses: folder of the MicIRP project's WAV files; needed by rows with a split 2 or 3, and used by
            rows with `augment.impulse_responses` instead of the folder that they name.
        out: folder of the runs.
        budget: minutes that a row's training may take, which shrinks it if necessary; None: as in the thesis.
        as_json: file to write the results to, with the table's title and the data set; `ablation` reads it.

    Raises:
        ConfigError: no such experiment, or impulse responses are missing.
        TinysceneError: as for `training.run.run`.
    """
    rows = [_hearing(row, impulse_responses) for row in experiment.find(name)]
    heard = _microphones(rows, impulse_responses)
    dataset = Dataset(data)
    results = []
    for position, row in enumerate(rows, 1):
        console.print(f"{row.table}/{row.name}: {row.title} ({position} of {len(rows)})")
        results.append(run(row, dataset, heard, out / row.table / row.name, None if budget is None else 60 * budget))
    if rows[0].reference is not None:
        results = [_compared(row, result, out / row.table, dataset) for row, result in zip(rows, results, strict=True)]
    console.print(experiment_table.draw(rows, results))
    clips = max(result["training_clips"] for result in results)
    if clips < OFFICIAL_CLIPS and any(row.thesis_log_loss is not None for row in rows):
        console.print(
            f"{dataset.root.name}: {clips:,} training examples. The thesis had {OFFICIAL_CLIPS:,} and more: compare "
            "the order of the rows, not their figures.",
        )
    if as_json:
        of = {"data_set": dataset.root.resolve().name, "data_fingerprint": provenance.fingerprint(dataset)}
        files.write_json(
            as_json,
            [{**result, "table_title": row.table_title, **of} for row, result in zip(rows, results, strict=True)],
        )


def _hearing(row: Row, folder: Path | None) -> Row:
    """Return the row with this folder instead of its own impulse responses; checks that they are there."""

    def replaced(augment: AugmentConfig) -> AugmentConfig:
        if augment.impulse_responses is None or folder is None:
            return augment
        return dataclasses.replace(augment, impulse_responses=str(folder))

    settings = row.settings
    teachers = tuple(
        each if each.augment is None else dataclasses.replace(each, augment=replaced(each.augment))
        for each in settings.teachers
    )
    settings = dataclasses.replace(settings, augment=replaced(settings.augment), teachers=teachers)
    for _, augment in settings.images():
        if augment.impulse_responses is not None:
            try:
                microphones(Path(augment.impulse_responses), augment.microphones)
            except ConfigError as error:
                raise ConfigError(f"{row.table}/{row.name}: {error}, or with --impulse-responses") from error
    return dataclasses.replace(row, settings=settings)


def _microphones(rows: list[Row], folder: Path | None) -> list[Microphone]:
    if not any(row.split in (2, 3) for row in rows):
        return []
    if folder is None:
        raise ConfigError(
            "this experiment needs impulse responses of microphones; name the folder of the MicIRP project's WAV files "
            "with --impulse-responses"
        )
    return microphones(folder, EIGHT)


def _compared(row: Row, result: dict[str, Any], folder: Path, dataset: Dataset) -> dict[str, Any]:
    """Return a row's result with its differences from the reference row, None for that row and until it is finished."""
    reference = folder / str(row.reference)
    compared = None
    if row.name != row.reference and (reference / RESULT).exists():
        a, b = (fold_predictions.of_run(each, dataset) for each in (reference, folder / row.name))
        compared = comparison.compare(a.clips, a.predictions[row.scored], b.predictions[row.scored]).to_json()
    return {**result, "reference": row.reference, "compared": compared}


def run(row: Row, dataset: Dataset, heard: list[Microphone], folder: Path, budget: float | None) -> dict[str, Any]:
    """Train and score one row, or read its result if it is finished.

    A row of all folds keeps its predictions, and its scores are those of `training.run.pool`, calibrated if there are
    two folds or more; its folder is a run that `comparison` reads.

    Returns:
        Table, row, title, scored, log_loss, accuracy, intervals, test_clips, training_clips (of the largest fold),
        scale, seconds, thesis_log_loss, thesis_accuracy.
    """
    settings = row.settings
    origin = provenance.describe(dataset, experiment.FOLDER / row.table / f"{row.name}.toml", folder, settings, None)
    run_folder.claim(folder, settings, origin["data_fingerprint"])
    if (folder / RESULT).exists():
        return _read(folder / RESULT)
    started = time.monotonic()
    if settings.data.folds == CROSS_VALIDATE:
        found = _all_folds(row, dataset, folder, budget, origin)
    else:
        found = _one_fold(row, dataset, heard, folder, budget, origin)
    result = {
        "table": row.table,
        "row": row.name,
        "title": row.title,
        "scored": row.scored,
        **found,
        "seconds": round(time.monotonic() - started, 1),
        "thesis_log_loss": row.thesis_log_loss,
        "thesis_accuracy": row.thesis_accuracy,
    }
    files.write_json(folder / RESULT, result)
    return result


def _all_folds(
    row: Row, dataset: Dataset, folder: Path, budget: float | None, origin: dict[str, Any]
) -> dict[str, Any]:
    this = Run(folder, row.settings, dataset, origin)
    clips = sum(len(part.training) for part in _folds(this))
    scale = _scale(folder, row.settings, clips, budget)
    scaled = dataclasses.replace(this, settings=scale.apply(row.settings))
    folds = _folds(scaled)
    training_run.train_parts(folds)
    pooled = training_scores.pool(scaled, folds)
    return _found(row, folds, pooled.get(CALIBRATED, pooled)[row.scored], scale)


def _folds(this: Run) -> list[Part]:
    """Return the parts of a run that a table shows: all but the last, which makes the final weights."""
    return training_parts.of_run(this)[:-1]


def _one_fold(
    row: Row,
    dataset: Dataset,
    heard: list[Microphone],
    folder: Path,
    budget: float | None,
    origin: dict[str, Any],
) -> dict[str, Any]:
    part, shown, watched = _part(row, Run(folder, row.settings, dataset, origin))
    scale = _scale(folder, row.settings, len(part.training), budget)
    part = dataclasses.replace(part, run=dataclasses.replace(part.run, settings=scale.apply(row.settings)))
    part = dataclasses.replace(part, plan=duration.plan([training_part.planned(part)]))
    frontend = part.settings.frontend
    images, watching = (recordings.extract(dataset, each, frontend, heard) for each in (shown, watched))
    learnt, validation = training_parts.seen_of(part, frontend, images, watching)
    model = training_part.train_networks(part, learnt, validation)
    tested = training_parts.tested(part, frontend, learnt.normalisation)
    if row.scored == INT8:
        bundle = training_part.convert(part, model, learnt)
        probabilities = bundle.probabilities(scoring.run(bundle, tested.images))
    else:
        probabilities = softmax(fitting.predict(model, tested))
    scenes, devices = [str(clip.scene) for clip in part.test], [clip.device for clip in part.test]
    scores = {
        **metrics.score(scenes, probabilities, devices, SCENES),
        "intervals": scoring.confidence_intervals(part.test, probabilities, SCENES),
    }
    return _found(row, [part], scores, scale)


def _found(row: Row, parts: list[Part], scores: dict[str, Any], scale: Scale) -> dict[str, Any]:
    """Return the entries of a result for the scores of a row's folds."""
    return {
        **{key: scores[key] for key in ("log_loss", "accuracy", "intervals")},
        "test_clips": sum(len(part.test) for part in parts),
        "training_clips": max(len(part.training) for part in parts),
        "scale": scale.describe(row.settings),
    }


def _part(row: Row, this: Run) -> tuple[Part, list[Recording], list[Recording]]:
    """Return the row's lists, and the recordings that it trains on and watches."""
    fold = training_parts.fold(this, this.folder, int(row.settings.data.folds))
    if row.split is None:
        shown, watched = ([Recording(clip) for clip in clips] for clips in (fold.training, fold.validation))
    else:
        originals = list(this.dataset.split(int(row.settings.data.folds), "train"))
        subset = augmented_lists.balanced_subset(originals, row.settings.seed)
        copies = augmented_lists.through(subset, EIGHT_MICROPHONES)
        shown, watched = augmented_lists.split(row.split, originals, copies, row.settings.seed)
    training, validation = ([recording.clip for recording in each] for each in (shown, watched))
    return dataclasses.replace(fold, title=row.title, training=training, validation=validation), shown, watched


def _scale(folder: Path, settings: RunConfig, clips: int, budget: float | None) -> Scale:
    """Return the row's scale: that of the call that began it, so that an interrupted row resumes at the same scale."""
    path = folder / SCALE
    if path.exists():
        return Scale(**_read(path))
    scale = experiment_scale.within(settings, clips, budget)
    files.write_json(path, dataclasses.asdict(scale))
    return scale


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise TinysceneError(f"{path} is damaged ({error}); delete {path.parent} to run the row again") from error
