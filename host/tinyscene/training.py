"""A training run from a configuration to a bundle: folds, teachers, student, INT8 conversion, scores.

Every step leaves its result in the run's folder and is skipped when it is there, so that the command that was stopped
is the command that goes on.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from tinyscene import (
    calibration,
    comparison,
    complexity,
    distribution,
    duration,
    evaluation,
    features,
    files,
    fitting,
    fold_predictions,
    metrics,
    model_card,
    out_of_fold,
    part_training,
    provenance,
    reliability,
    run_folder,
    teacher_scores,
    teachers,
    variants,
    workers,
)
from tinyscene import config as configuration
from tinyscene.bundle import DESCRIPTION_FILE, Bundle
from tinyscene.config import ALL, CROSS_VALIDATE, RunConfig
from tinyscene.console import console
from tinyscene.dataset import SCENES, Clip, Dataset
from tinyscene.duration import Plan
from tinyscene.errors import DatasetError, TinysceneError
from tinyscene.fold_predictions import FLOAT, INT8, PREDICTIONS
from tinyscene.part_training import Part
from tinyscene.paths import REPOSITORY
from tinyscene.score_table import render_scores

EVALUATION = "evaluation.json"
CALIBRATED = "calibrated"


def run(config: Path, data: Path, out: Path, run: Path | None = None, fold: int | None = None) -> None:
    """Train as a configuration says, and write the bundle; goes on where an earlier call was stopped.

    Args:
        config: TOML file, see `tinyscene.config`.
        data: data set in the TAU layout.
        out: folder of the bundle.
        run: folder of the run; default: runs/NAME in the repository, NAME being that of `out`.
        fold: train on this fold only, whatever the configuration says.

    Raises:
        ConfigError: the configuration is wrong, or the run's folder belongs to another configuration or data set.
        DatasetError: the data set cannot be used.
        TinysceneError: a file cannot be written.
    """
    settings = configuration.load(config)
    if fold is not None:
        settings = dataclasses.replace(settings, data=dataclasses.replace(settings.data, folds=fold))
    dataset = Dataset(data)
    folder = Path(run) if run is not None else REPOSITORY / "runs" / Path(out).resolve().name
    origin = provenance.describe(dataset, config, out, settings, fold)
    run_folder.claim(folder, settings, origin["data_fingerprint"])
    parts = parts_of(folder, settings, dataset)
    train_parts(parts, settings, dataset, origin)
    scores = pool(folder, parts, settings)
    last = _bundle(parts[-1], settings, dataset, origin, temperature=scores.get(CALIBRATED, {}).get("temperature"))
    bundle = dataclasses.replace(last, metrics=scores, provenance={**origin, **last.provenance})
    bundle.save(out, model_card.write(bundle))
    if CALIBRATED in scores:
        answers = fold_predictions.of_run(folder, dataset)
        out_of_fold.write(out, answers.clips, answers.predictions[INT8])
    else:
        (out / out_of_fold.LIST).unlink(missing_ok=True)  # of an earlier bundle
    files.write_json(parts[-1].folder / "complexity.json", complexity.measure(bundle.model).to_json())
    for place in {folder, parts[-1].folder}:
        files.write_text(place / "bundle.txt", f"{_relative(out)}\n")
    _show(bundle)
    console.print(f"bundle: {out}   run: {folder}", highlight=False)


def _relative(path: Path) -> str:
    resolved = Path(path).resolve()
    return str(resolved.relative_to(REPOSITORY) if resolved.is_relative_to(REPOSITORY) else resolved)


def parts_of(folder: Path, settings: RunConfig, dataset: Dataset) -> list[Part]:
    """Return what a run trains: its fold, or every fold and, last, the final weights from all clips, or only these.

    Raises:
        DatasetError: the data set has no folds, or no such fold.
    """
    folds = settings.data.folds
    if folds != CROSS_VALIDATE:
        return [_part(folder, settings, dataset, folds)]
    numbers = dataset.folds()
    if not numbers:
        raise DatasetError(f"{dataset.root} has no folds in evaluation_setup; add them, or set data.folds to 'all'")
    parts = [_part(folder / f"fold{number}", settings, dataset, number) for number in numbers]
    return [*parts, _part(folder / "final", settings, dataset, ALL)]


def _part(folder: Path, settings: RunConfig, dataset: Dataset, number: int | str) -> Part:
    """Return the part that is a fold, by its number, or the final weights, by ALL."""
    if number == ALL:
        return Part(folder, ALL, "all clips", list(dataset.clips()), [], [], "")
    return part_training.fold(folder, settings, dataset, int(number))


def train_parts(parts: Sequence[Part], settings: RunConfig, dataset: Dataset, origin: dict[str, Any]) -> None:
    """Do all parts, several side by side, a process each: a training itself uses one core (see `backend`).

    With several devices, which one training uses wholly, a part follows the other.

    Raises:
        ConfigError: impulse responses cannot be read.
        TinysceneError: a file cannot be written, or is damaged.
    """
    processes = 1 if distribution.devices() > 1 else min(os.cpu_count() or 1, len(parts))
    plan = duration.plan((part_training.planned(part, settings) for part in parts), processes)
    parts = [dataclasses.replace(part, plan=plan) for part in parts]
    if processes == 1:
        for part in parts:
            _train_part(part, settings, dataset, origin, live=True)
        return
    clips = list(dataset.clips())
    for frontend, augment in settings.images():
        features.extract(dataset, clips, frontend)
        variants.extract(dataset, clips, frontend, augment)
    parallel = joblib.Parallel(n_jobs=processes, batch_size=1)
    me = os.getpid()
    answers = parallel(
        joblib.delayed(_train_in_worker)(part.folder, part.number, plan, settings, dataset.root, origin, me)
        for part in parts
    )
    for answer in answers:
        if answer is not None:
            raise TinysceneError(answer)


def _train_in_worker(
    folder: Path, number: int | str, plan: Plan, settings: RunConfig, data: Path, origin: dict[str, Any], parent: int
) -> str | None:
    """Do one part in a worker; a user's mistake comes back as its message.

    The worker reads the part's lists itself: they, and what a `Dataset` keeps, are large to send.
    """
    workers.end_with(parent)
    try:
        dataset = Dataset(data)
        part = dataclasses.replace(_part(folder, settings, dataset, number), plan=plan)
        _train_part(part, settings, dataset, origin, live=False)
    except TinysceneError as error:
        return str(error)
    return None


def _train_part(part: Part, settings: RunConfig, dataset: Dataset, origin: dict[str, Any], live: bool) -> None:
    """Train a part's networks, convert the student and score it; the final weights wait for the folds' temperature."""
    if not part.test:
        if not (_bundle_folder(part) / DESCRIPTION_FILE).exists():
            part_training.train_networks(
                part, settings, dataset, *part_training.examples(part, settings.frontend, dataset), live
            )
        return
    bundle = _bundle(part, settings, dataset, origin, live=live)
    if not ((part.folder / EVALUATION).exists() and (part.folder / PREDICTIONS).exists()):
        _score(part, bundle, settings, dataset, live)
    if settings.teachers:
        part_training.store_teachers_answers(part, settings, dataset, bundle.normalisation)


def _bundle_folder(part: Part) -> Path:
    return part.folder / "bundle"


def _bundle(
    part: Part,
    settings: RunConfig,
    dataset: Dataset,
    origin: dict[str, Any],
    *,
    temperature: float | None = None,
    live: bool = True,
) -> Bundle:
    """Return a part's bundle, made if it is not there; its logits are divided by the temperature, if there is one."""
    folder = _bundle_folder(part)
    if (folder / DESCRIPTION_FILE).exists():
        return Bundle.load(folder)
    training, validation = part_training.examples(part, settings.frontend, dataset)
    model = part_training.train_networks(part, settings, dataset, training, validation, live)
    if temperature is not None:
        calibration.divide_logits(model, temperature)
        origin = {**origin, "temperature": temperature}
    bundle = part_training.convert(model, training, settings, origin)
    bundle.save(folder, model_card.write(bundle))
    files.write_text(part.folder / "bundle.txt", f"{_relative(folder)}\n")
    return bundle


def _score(part: Part, bundle: Bundle, settings: RunConfig, dataset: Dataset, live: bool) -> None:
    """Score the float and the INT8 student on the part's test list, and keep the class probabilities of both."""
    test = part_training.tested(part, settings.frontend, dataset, bundle.normalisation)
    model = part_training.load_student(part, settings)
    outputs = evaluation.run(bundle, test.images, live=live)
    predictions = {FLOAT: metrics.softmax(fitting.predict(model, test)), INT8: bundle.probabilities(outputs)}
    files.write_arrays(part.folder / PREDICTIONS, predictions)
    files.write_json(part.folder / EVALUATION, _evaluation(part.split, part.test, predictions))


def _scores(clips: Sequence[Clip], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    return metrics.score([str(clip.scene) for clip in clips], probabilities, [clip.device for clip in clips], SCENES)


def _evaluation(split: str, clips: Sequence[Clip], predictions: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    scores = {
        kind: {
            **_scores(clips, probabilities),
            "intervals": evaluation.confidence_intervals(clips, probabilities, SCENES),
            "reliability": reliability.reliability(part_training.labels_of(clips), probabilities),
        }
        for kind, probabilities in predictions.items()
    }
    paired = comparison.compare(clips, predictions[FLOAT], predictions[INT8])
    difference = {**paired.difference, "intervals": paired.intervals}
    return {"split": split, **scores, comparison.INT8_MINUS_FLOAT: difference}


def pool(folder: Path, parts: Sequence[Part], settings: RunConfig) -> dict[str, Any]:
    """Score all tested clips together, and the teachers, write it to the run's folder, and return it for the bundle.

    Of several folds, there are scores with calibration too: a fold's logits, float and INT8, are divided by the
    temperature that the other folds' float logits ask for. That of all folds is for the final weights.
    """
    tested = [part for part in parts if part.test]
    if not tested:
        return {}
    predictions = [fold_predictions.read(part.folder) for part in tested]
    together = fold_predictions.together(predictions)
    split = tested[0].split if len(tested) == 1 else f"{len(tested)} folds pooled"
    clips = [clip for part in tested for clip in part.test]
    pooled = _evaluation(split, clips, together)
    if settings.teachers:
        answers = [teachers.answers(part.folder, settings, part.test) for part in tested]
        pooled[teacher_scores.KEY] = teacher_scores.score(answers, clips)
    folds = [_summary(part, each) for part, each in zip(tested, predictions, strict=True)]
    if len(tested) > 1:
        truths = [part_training.labels_of(part.test) for part in tested]
        outside, tempered = fold_predictions.calibrated(predictions, truths)
        pooled[CALIBRATED] = {
            "temperature": calibration.fit_temperature(together[FLOAT], np.concatenate(truths)),
            **_evaluation(split, clips, fold_predictions.together(tempered)),
        }
        for part, fold, temperature, each in zip(tested, folds, outside, tempered, strict=True):
            fold[CALIBRATED] = {"temperature": temperature, **_summary(part, each)}
    files.write_json(folder / EVALUATION, pooled)
    return {**pooled, "folds": folds}


def _summary(part: Part, predictions: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return what a table says of one fold."""
    scores = {kind: _scores(part.test, predictions[kind]) for kind in (FLOAT, INT8)}
    summary = {kind: {key: score[key] for key in ("accuracy", "log_loss")} for kind, score in scores.items()}
    return {"split": part.split, "clips": len(part.test), **summary}


def _show(bundle: Bundle) -> None:
    scores = bundle.metrics
    if not scores:
        return
    console.print(render_scores(scores[INT8], f"{bundle.name} (INT8) on {scores['split']}"))
    for title, shown in (("", scores), (f"{CALIBRATED} ", scores.get(CALIBRATED, {}))):
        for kind, name in ((FLOAT, "float"), (INT8, "INT8")):
            if kind in shown:
                low, high = shown[kind]["intervals"]["log_loss"]
                console.print(
                    f"{title}{name}: log loss {shown[kind]['log_loss']:.3f} (95 % {low:.3f} to {high:.3f}), "
                    f"accuracy {100 * shown[kind]['accuracy']:.1f} %",
                    highlight=False,
                )
