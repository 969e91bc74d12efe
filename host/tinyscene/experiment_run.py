"""Running rows of the thesis's tables, and printing them with the thesis's figures beside ours."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from rich.table import Table

from tinyscene import (
    augmented_lists,
    evaluation,
    experiment,
    experiment_scale,
    features,
    files,
    fitting,
    metrics,
    part_training,
    provenance,
    recordings,
    run_folder,
)
from tinyscene.augment_waveform import EIGHT, EIGHT_MICROPHONES, Microphone, microphones
from tinyscene.augmented_lists import Recording
from tinyscene.config import RunConfig
from tinyscene.console import console
from tinyscene.dataset import SCENES, Dataset
from tinyscene.errors import ConfigError, TinysceneError
from tinyscene.experiment import INT8, Row
from tinyscene.experiment_scale import Scale
from tinyscene.fitting import Examples
from tinyscene.part_training import Part

RESULT, SCALE = "result.json", "scale.json"
OFFICIAL_CLIPS = 139_620  # of the official training list


def report(
    name: str, data: Path, impulse_responses: Path | None, out: Path, budget: float | None, as_json: Path | None
) -> None:
    """Run a row or a whole table, and print it; rows that are done are not run again.

    Args:
        name: "table" or "table/row".
        data: data set in the TAU layout.
        impulse_responses: folder of the MicIRP project's WAV files; needed by rows with a split 2 or 3.
        out: folder of the runs.
        budget: minutes that a row's training may take, by shrinking it; None: as in the thesis.
        as_json: file to write the results to.

    Raises:
        ConfigError: no such experiment, or impulse responses are missing.
        TinysceneError: as `training.run`.
    """
    rows = experiment.find(name)
    heard = _microphones(rows, impulse_responses)
    dataset = Dataset(data)
    results = []
    for position, row in enumerate(rows, 1):
        console.print(f"{row.table}/{row.name}: {row.title} ({position} of {len(rows)})", highlight=False)
        results.append(run(row, dataset, heard, out / row.table / row.name, None if budget is None else 60 * budget))
    console.print(table(rows, results))
    clips = max(result["training_clips"] for result in results)
    if clips < OFFICIAL_CLIPS:
        console.print(
            f"{dataset.root.name}: {clips:,} training examples. The thesis had {OFFICIAL_CLIPS:,} and more: compare "
            "the order of the rows, not their figures.",
            highlight=False,
        )
    if as_json:
        files.write_json(as_json, results)


def _microphones(rows: list[Row], folder: Path | None) -> list[Microphone]:
    if not any(row.split in (2, 3) for row in rows):
        return []
    if folder is None:
        raise ConfigError(
            "this experiment hears clips through other microphones; name the folder of the MicIRP project's WAV files "
            "with --impulse-responses"
        )
    return microphones(folder, EIGHT)


def run(row: Row, dataset: Dataset, heard: list[Microphone], folder: Path, budget: float | None) -> dict[str, Any]:
    """Train and score one row, or read its result if it is done.

    Returns:
        table, row, title, scored, log_loss, accuracy, intervals, test_clips, training_clips, scale, seconds,
        thesis_log_loss, thesis_accuracy.
    """
    settings = row.settings
    origin = provenance.describe(
        dataset, experiment.FOLDER / row.table / f"{row.name}.toml", folder, settings.seed, None
    )
    run_folder.claim(folder, settings, origin["data_fingerprint"])
    if (folder / RESULT).exists():
        return _read(folder / RESULT)
    started = time.monotonic()
    part, shown, watched = _part(row, dataset, folder)
    scale = _scale(folder, settings, len(part.training), budget)
    settings = scale.apply(settings)
    images, watching = (recordings.extract(dataset, each, settings.frontend, heard) for each in (shown, watched))
    learnt, validation = part_training.examples_of(part, settings, images, watching)
    model = part_training.train_networks(part, settings, dataset, learnt, validation, live=True)
    tested = features.extract(dataset, part.test, settings.frontend).images
    if row.scored == INT8:
        bundle = part_training.convert(model, learnt, settings, origin)
        probabilities = bundle.probabilities(evaluation.run(bundle, tested))
    else:
        probabilities = metrics.softmax(
            fitting.predict(model, Examples(tested, part_training.labels_of(part.test), learnt.normalisation))
        )
    scenes, devices = [str(clip.scene) for clip in part.test], [clip.device for clip in part.test]
    scores = metrics.score(scenes, probabilities, devices, SCENES)
    result = {
        "table": row.table,
        "row": row.name,
        "title": row.title,
        "scored": row.scored,
        "log_loss": scores["log_loss"],
        "accuracy": scores["accuracy"],
        "intervals": evaluation.confidence_intervals(part.test, probabilities, SCENES),
        "test_clips": len(part.test),
        "training_clips": len(part.training),
        "scale": scale.describe(row.settings),
        "seconds": round(time.monotonic() - started, 1),
        "thesis_log_loss": row.thesis_log_loss,
        "thesis_accuracy": row.thesis_accuracy,
    }
    files.write_json(folder / RESULT, result)
    return result


def _part(row: Row, dataset: Dataset, folder: Path) -> tuple[Part, list[Recording], list[Recording]]:
    """Return the row's lists, and what it trains on and watches as recordings."""
    fold = part_training.fold(folder, row.settings, dataset, int(row.settings.data.folds))
    if row.split is None:
        shown, watched = ([Recording(clip) for clip in clips] for clips in (fold.training, fold.validation))
    else:
        originals = list(dataset.split(int(row.settings.data.folds), "train"))
        subset = augmented_lists.balanced_subset(originals, row.settings.seed)
        copies = augmented_lists.through(subset, EIGHT_MICROPHONES)
        shown, watched = augmented_lists.split(row.split, originals, copies, row.settings.seed)
    training, validation = ([recording.clip for recording in each] for each in (shown, watched))
    return dataclasses.replace(fold, title=row.title, training=training, validation=validation), shown, watched


def _scale(folder: Path, settings: RunConfig, clips: int, budget: float | None) -> Scale:
    """Return the row's scale: that of the call that began it, so that a row which was stopped goes on as it began."""
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


def table(rows: list[Row], results: list[dict[str, Any]]) -> Table:
    """Return the rows with the thesis's figures beside ours."""
    drawn = Table("row", title=rows[0].table_title)
    for name in ("thesis", "here", "95 %", "accuracy"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("scale")
    for row, result in zip(rows, results, strict=True):
        low, high = result["intervals"]["log_loss"]
        drawn.add_row(
            row.title,
            "" if row.thesis_log_loss is None else f"{row.thesis_log_loss:.3f}",
            f"{result['log_loss']:.3f}",
            f"{low:.2f} to {high:.2f}",
            f"{100 * result['accuracy']:.1f} %",
            result["scale"],
        )
    return drawn
