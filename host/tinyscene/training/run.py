"""A training run from a configuration to a bundle: its parts, one fold each and the final weights, and their scores.

Every step leaves its result in the run's folder and is skipped if the result is there, so that the same command resumes
an interrupted run.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import joblib

from tinyscene import files, workers
from tinyscene.augment import variants
from tinyscene.bundle import Bundle, out_of_fold
from tinyscene.compiler import complexity
from tinyscene.console import console
from tinyscene.data import Dataset, doubts
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import FLOAT, INT8, render_scores
from tinyscene.frontend import features
from tinyscene.networks import distribution
from tinyscene.paths import PROJECT, relative_to_repository
from tinyscene.training import (
    config as configuration,
    duration,
    fold_predictions,
    model_card,
    part as training_part,
    parts as training_parts,
    provenance,
    run_files,
    run_folder,
    scores,
)
from tinyscene.training.duration import Plan
from tinyscene.training.parts import Part, Run
from tinyscene.training.scores import CALIBRATED


def run(config: Path, data: Path, out: Path, run: Path | None = None, fold: int | None = None) -> None:
    """Train according to a configuration, and write the bundle; resumes where an earlier call was stopped.

    Args:
        config: TOML file, see `training.config`.
        data: data set in the TAU layout.
        out: folder of the bundle.
        run: folder of the run; default: runs/NAME in the repository, NAME being the name of `out`.
        fold: the only fold to train, whatever the configuration says; None: those of the configuration.

    Raises:
        ConfigError: the configuration is wrong, or the run's folder belongs to another configuration or data set.
        DatasetError: the data set cannot be used.
        TinysceneError: a file cannot be written.
    """
    settings = configuration.load(config)
    if fold is not None:
        settings = dataclasses.replace(settings, data=dataclasses.replace(settings.data, folds=fold))
    dataset = Dataset(data)
    folder = Path(run) if run is not None else PROJECT / "runs" / Path(out).resolve().name
    this = Run(folder, settings, dataset, provenance.describe(dataset, config, out, settings, fold))
    run_folder.claim(folder, settings, this.origin["data_fingerprint"])
    parts = training_parts.of_run(this)
    for part in parts:
        doubts.say(part.title, [*doubts.of_training(part.training, this.classes), *doubts.of_test(part.test)])
    train_parts(parts)
    pooled = scores.pool(this, parts)
    last = training_part.bundle(parts[-1], temperature=pooled.get(CALIBRATED, {}).get("temperature"))
    bundle = dataclasses.replace(last, metrics=pooled, provenance={**this.origin, **last.provenance})
    bundle.save(out, model_card.write(bundle))
    if CALIBRATED in pooled:
        answers = fold_predictions.of_run(folder, dataset)
        out_of_fold.write(out, answers.clips, answers.predictions[INT8])
    else:
        (out / out_of_fold.LIST).unlink(missing_ok=True)  # from an earlier bundle
    files.write_json(parts[-1].folder / run_files.COMPLEXITY, complexity.measure(bundle.model).to_json())
    for place in {folder, parts[-1].folder}:
        files.write_text(place / run_files.BUNDLE_PATH, f"{relative_to_repository(out)}\n")
    _show(bundle)
    console.print(f"bundle: {out}   run: {folder}")


def train_parts(parts: Sequence[Part]) -> None:
    """Train all parts of a run, several at the same time, one process each: a training uses one core (see `backend`).

    With several devices, which one training uses completely, the parts follow one another.

    Raises:
        ConfigError: impulse responses cannot be read.
        TinysceneError: a file cannot be written, or is damaged.
    """
    processes = 1 if distribution.devices() > 1 else min(os.cpu_count() or 1, len(parts))
    plan = duration.plan((training_part.planned(part) for part in parts), processes)
    if processes == 1:
        for part in parts:
            training_part.train(dataclasses.replace(part, plan=plan))
        return
    this = parts[0].run
    clips = list(this.dataset.clips())
    for frontend, augment in this.settings.images():
        features.extract(this.dataset, clips, frontend)
        variants.extract(this.dataset, clips, frontend, augment)
    parallel = joblib.Parallel(n_jobs=processes, batch_size=1)
    quiet, me = dataclasses.replace(this, live=False), os.getpid()
    answers = parallel(joblib.delayed(_train_in_worker)(quiet, part.folder, part.number, plan, me) for part in parts)
    for answer in answers:
        if answer is not None:
            raise TinysceneError(answer)


def _train_in_worker(this: Run, folder: Path, number: int | str, plan: Plan, parent: int) -> str | None:
    """Train one part in a worker; a user's mistake is returned as its message.

    The worker reads the part's lists itself: they are too large to send.
    """
    workers.end_with(parent)
    try:
        training_part.train(dataclasses.replace(training_parts.of_number(this, folder, number), plan=plan))
    except TinysceneError as error:
        return str(error)
    return None


def _show(bundle: Bundle) -> None:
    found = bundle.metrics
    if not found:
        return
    console.print(render_scores(found[INT8], f"{bundle.name} (INT8) on {found['split']}"))
    for title, shown in (("", found), (f"{CALIBRATED} ", found.get(CALIBRATED, {}))):
        for kind, name in ((FLOAT, "float"), (INT8, "INT8")):
            if kind in shown:
                low, high = shown[kind]["intervals"]["log_loss"]
                console.print(
                    f"{title}{name}: log loss {shown[kind]['log_loss']:.3f} (95 % {low:.3f} to {high:.3f}), "
                    f"accuracy {100 * shown[kind]['accuracy']:.1f} %",
                )
