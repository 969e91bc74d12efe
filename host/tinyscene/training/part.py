"""One part of a run, from its examples to its scores: teachers, student, INT8 rounding, conversion, bundle.

Every step leaves its result in the part's folder and is skipped if the result is there, so that the same command
resumes an interrupted run.
"""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.bundle import DESCRIPTION_FILE, Bundle, softmax
from tinyscene.evaluation import FLOAT, INT8, calibration, misheard, scoring
from tinyscene.networks import conversion, keras
from tinyscene.paths import relative_to_repository
from tinyscene.training import (
    duration,
    fit,
    model_card,
    parts,
    provenance,
    quantisation_aware,
    run_files,
    schedule,
    scores,
    teachers,
)
from tinyscene.training.duration import Planned
from tinyscene.training.examples import Examples
from tinyscene.training.fit import Task
from tinyscene.training.parts import Part

CALIBRATION_CLIPS = 500
TEACHER_SIZED = "student"  # name of the folder of a student whose network is of the teacher's kind


def train(part: Part) -> None:
    """Train a part's networks, convert the student and score it; final weights are bundled after the folds."""
    if not part.test:
        if not (_bundle_folder(part) / DESCRIPTION_FILE).exists():
            train_networks(part, *parts.seen(part, part.settings.frontend))
        return
    made = bundle(part)
    if not ((part.folder / run_files.EVALUATION).exists() and (part.folder / run_files.PREDICTIONS).exists()):
        _score(part, made)
    if part.settings.teachers:
        teachers.store_answers(part, made.normalisation)


def train_networks(part: Part, training: Examples, validation: Examples) -> keras.Model:
    """Train the teachers, if there are any, then the student; each resumes from its last checkpoint."""
    settings, soft = part.settings, None
    if settings.distillation is not None:
        soft = teachers.soft_targets(teachers.logits(part, training, validation), settings.distillation)
    training = parts.varied(part, training, settings.frontend, settings.augment)
    training = dataclasses.replace(training, soft_targets=soft)
    student = fit.train(student_task(part), training, validation, distillation=settings.distillation)
    if not settings.quantisation.epochs:
        return student
    plain, rounded = quantisation_aware.plain(student), quantisation_aware.rounded(student)
    quantisation_aware.take_ranges(rounded, conversion.convert(plain, _calibration(training)))
    fit.train(_fine_tuning(part), training, validation, distillation=settings.distillation, start=rounded)
    quantisation_aware.copy_weights(rounded, plain)
    return plain


def load_student(part: Part) -> keras.Model:
    """Return the trained float network that was converted."""
    shape = part.settings.frontend.shape
    student = fit.load(student_task(part), shape)
    if not part.settings.quantisation.epochs:
        return student
    plain, rounded = quantisation_aware.plain(student), quantisation_aware.rounded(student)
    fit.load(_fine_tuning(part), shape, rounded)
    quantisation_aware.copy_weights(rounded, plain)
    return plain


def student_task(part: Part) -> Task:
    """Return the task for `fit` to train or load a part's student."""
    settings = part.settings
    network = settings.student.network
    folder = TEACHER_SIZED if network == "teacher" else network
    return part.task(folder, settings.student, settings.augment, settings.seed)


def _fine_tuning(part: Part) -> Task:
    """Return the student's task for the epochs with INT8 rounding."""
    settings, wanted = part.settings, part.settings.quantisation
    config = dataclasses.replace(
        settings.student,
        epochs=wanted.epochs,
        learning_rate=wanted.learning_rate,
        final_learning_rate=wanted.final_learning_rate,
        schedule=schedule.WARMUP_COSINE,
        warmup=0,
        average_from=None,
    )
    folder = f"{student_task(part).folder.name}{run_files.ROUNDED}"
    return part.task(folder, config, settings.augment, settings.seed)


def planned(part: Part) -> tuple[Planned, ...]:
    """Return the networks that `train_networks` trains, in its order."""
    settings, clips = part.settings, len(part.training)
    share = teachers.share_of_clips(settings)
    networks = []
    for teacher in settings.teachers:
        work = share * clips * duration.work_of_a_clip(teacher, (teacher.frontend or settings.frontend).shape)
        for name in teachers.folders(teacher, settings):
            networks.append(Planned(part.folder / name, teacher.name, work, teacher.epochs))
    tasks = [student_task(part), *([_fine_tuning(part)] if settings.quantisation.epochs else [])]
    work = clips * duration.work_of_a_clip(settings.student, settings.frontend.shape)
    return (*networks, *(Planned(task.folder, task.folder.name, work, task.config.epochs) for task in tasks))


def convert(part: Part, model: keras.Model, training: Examples) -> Bundle:
    """Convert a trained student to INT8; the training examples set the ranges of its activations."""
    tflite = conversion.convert(model, _calibration(training))
    source, sink = conversion.quantisation(tflite)
    return Bundle(
        name=part.settings.name,
        classes=part.run.classes,
        frontend=part.settings.frontend,
        normalisation=training.normalisation,
        input=source,
        output=sink,
        output_kind="logits",
        model=tflite,
        provenance=part.run.origin,
    )


def _calibration(training: Examples) -> NDArray[np.float32]:
    """Return the images [n, n_mels, frames, 1] that set the ranges of INT8 activations."""
    return training.inputs(_spread(len(training), CALIBRATION_CLIPS))[..., np.newaxis]


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    """Return up to `wanted` row numbers, evenly spread over `count` rows."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def _bundle_folder(part: Part) -> Path:
    return part.folder / run_files.BUNDLE


def bundle(part: Part, temperature: float | None = None) -> Bundle:
    """Return a part's bundle, made if it is missing; its logits are divided by the temperature, if there is one."""
    folder = _bundle_folder(part)
    if (folder / DESCRIPTION_FILE).exists():
        return Bundle.load(folder)
    training, validation = parts.seen(part, part.settings.frontend)
    model = train_networks(part, training, validation)
    if temperature is not None:
        calibration.divide_logits(model, temperature)
    made = convert(part, model, training)
    if temperature is not None:
        made = dataclasses.replace(made, provenance={**made.provenance, "temperature": temperature})
    made.save(folder, model_card.write(made))
    files.write_text(part.folder / run_files.BUNDLE_PATH, f"{relative_to_repository(folder)}\n")
    return made


def _score(part: Part, made: Bundle) -> None:
    """Score the float and the INT8 student on the part's test list, and keep the class probabilities of both."""
    test = parts.tested(part, part.settings.frontend, made.normalisation)
    model = load_student(part)
    outputs = scoring.run(made, test.images, live=part.run.live)
    predictions = {FLOAT: softmax(fit.predict(model, test)), INT8: made.probabilities(outputs)}
    files.write_arrays(part.folder / run_files.PREDICTIONS, predictions)
    free = part.run.origin.get("data_licence") == provenance.PUBLIC_DOMAIN
    sounds_of = part.run.dataset if free else None
    path = part.folder / run_files.MISHEARD
    misheard.write(path, made, part.test, test.images, predictions[INT8], sounds_of)
    found = scores.evaluation(part.split, part.test, predictions, part.run.classes)
    files.write_json(part.folder / run_files.EVALUATION, found)
