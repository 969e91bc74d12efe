"""The networks of one part of a run: its examples, its teachers and student, INT8 rounding, and the conversion."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import duration, features, fitting, quantisation_aware, quantize, schedule, teachers, variants
from tinyscene.backend import keras
from tinyscene.bundle import Bundle, Normalisation
from tinyscene.config import AugmentConfig, RunConfig, TeacherConfig
from tinyscene.dataset import SCENES, Clip, Dataset, location_disjoint_split
from tinyscene.duration import UNPLANNED, Plan, Planned
from tinyscene.fitting import Examples, Task
from tinyscene.frontend import FrontendConfig
from tinyscene.variants import Images

CALIBRATION_CLIPS = 500
READ_AT_ONCE = 256  # images
LEAST_VARIANCE = 1e-6  # of a mel band, in the front end's units: a silent band must not divide by zero


@dataclasses.dataclass(frozen=True)
class Part:
    """One training of the run: a fold, or the final weights.

    Attributes:
        folder: its place in the run's folder.
        number: the fold's, or config.ALL.
        title: shown in the progress display.
        training: clips to learn from.
        validation: clips that only watch the training; may be empty.
        test: clips to score; empty for the final weights.
        split: name of the test list.
        plan: of the whole run, to say how long it will take.
    """

    folder: Path
    number: int | str
    title: str
    training: list[Clip]
    validation: list[Clip]
    test: list[Clip]
    split: str
    plan: Plan = UNPLANNED


def fold(folder: Path, settings: RunConfig, dataset: Dataset, number: int) -> Part:
    """Return the part of a fold: its own lists, with some locations of the training list held out to watch."""
    training = list(dataset.split(number, "train"))
    test = list(dataset.split(number, "evaluate"))
    validation: list[Clip] = []
    if settings.data.validation_fraction:
        training, validation = location_disjoint_split(training, settings.data.validation_fraction, settings.seed)
    return Part(folder, number, f"fold {number}", training, validation, test, f"fold{number}_evaluate.csv")


def examples(part: Part, frontend: FrontendConfig, dataset: Dataset) -> tuple[Examples, Examples]:
    """Return a part's training and validation examples as a front end sees them."""
    lists = (part.training, part.validation)
    return examples_of(part, frontend, *(features.extract(dataset, clips, frontend).images for clips in lists))


def tested(part: Part, frontend: FrontendConfig, dataset: Dataset, normalisation: Normalisation) -> Examples:
    """Return a part's test examples as a front end sees them."""
    images = features.extract(dataset, part.test, frontend).images
    return Examples(images, labels_of(part.test), normalisation)


def examples_of(part: Part, frontend: FrontendConfig, images: Images, watching: Images) -> tuple[Examples, Examples]:
    """Return a part's training and validation examples of these images; the normalisation is the training images'."""
    normalisation = normalise(images)
    return (
        Examples(
            images,
            labels_of(part.training),
            normalisation,
            devices=np.array([clip.device for clip in part.training]),
            cities=np.array([clip.city for clip in part.training]),
            decibel=frontend.decibel,
        ),
        Examples(watching, labels_of(part.validation), normalisation),
    )


def labels_of(clips: Sequence[Clip]) -> NDArray[np.int64]:
    """Return the clips' class numbers."""
    return np.array([SCENES.index(str(clip.scene)) for clip in clips], np.int64)


def normalise(images: Images) -> Normalisation:
    """Return the per-mel mean and deviation of images [n, n_mels, frames], read a few at a time."""
    count, mels, frames = images.shape
    total, squares = np.zeros(mels), np.zeros(mels)
    for start in range(0, count, READ_AT_ONCE):
        block = np.asarray(images[start : start + READ_AT_ONCE], np.float64)
        total += block.sum(axis=(0, 2))
        squares += (block**2).sum(axis=(0, 2))
    mean = total / (count * frames)
    deviation = np.sqrt(np.maximum(squares / (count * frames) - mean**2, LEAST_VARIANCE))
    return Normalisation(*(tuple(float(np.float32(value)) for value in values) for values in (mean, deviation)))


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    """Return up to `wanted` row numbers, evenly spread over `count` rows."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).round().astype(np.int64))


def train_networks(
    part: Part, settings: RunConfig, dataset: Dataset, training: Examples, validation: Examples, live: bool
) -> keras.Model:
    """Train the teachers, if there are any, then the student; each from its last checkpoint."""

    def varied(plain: Examples, frontend: FrontendConfig, augment: AugmentConfig) -> Examples:
        return dataclasses.replace(plain, variants=variants.extract(dataset, part.training, frontend, augment))

    def of_teacher(teacher: TeacherConfig) -> tuple[Examples, Examples]:
        frontend, augment = teacher.frontend or settings.frontend, teacher.augment or settings.augment
        plain, watching = (training, validation) if teacher.frontend is None else examples(part, frontend, dataset)
        return varied(plain, frontend, augment), watching

    soft = None
    if settings.distillation is not None:
        logits = teachers.logits(
            part.folder, part.title, settings, part.training, of_teacher, live=live, plan=part.plan
        )
        soft = teachers.soft_targets(logits, settings.distillation)
    training = dataclasses.replace(varied(training, settings.frontend, settings.augment), soft_targets=soft)
    student = fitting.train(
        student_task(part, settings, live), training, validation, distillation=settings.distillation
    )
    if not settings.quantisation.epochs:
        return student
    plain, rounded = quantisation_aware.plain(student), quantisation_aware.rounded(student)
    quantisation_aware.take_ranges(rounded, quantize.convert(plain, _calibration(training)))
    task = _fine_tuning(part, settings, live)
    fitting.train(task, training, validation, distillation=settings.distillation, start=rounded)
    quantisation_aware.copy_weights(rounded, plain)
    return plain


def store_teachers_answers(part: Part, settings: RunConfig, dataset: Dataset, normalisation: Normalisation) -> None:
    """Keep what the teachers say of a part's test clips; `normalisation` is that of the run's own front end."""

    def of_teacher(teacher: TeacherConfig) -> Examples:
        if teacher.frontend is None:
            return tested(part, settings.frontend, dataset, normalisation)
        training, _ = examples(part, teacher.frontend, dataset)
        return tested(part, teacher.frontend, dataset, training.normalisation)

    teachers.store_answers(part.folder, settings, part.test, of_teacher)


def _calibration(training: Examples) -> NDArray[np.float32]:
    """Return the images [n, n_mels, frames, 1] that set the ranges of INT8 activations."""
    return training.inputs(_spread(len(training), CALIBRATION_CLIPS))[..., np.newaxis]


def load_student(part: Part, settings: RunConfig) -> keras.Model:
    """Return the trained float network that was converted."""
    student = fitting.load(student_task(part, settings), settings.frontend.shape)
    if not settings.quantisation.epochs:
        return student
    plain, rounded = quantisation_aware.plain(student), quantisation_aware.rounded(student)
    fitting.load(_fine_tuning(part, settings), settings.frontend.shape, rounded)
    quantisation_aware.copy_weights(rounded, plain)
    return plain


def _fine_tuning(part: Part, settings: RunConfig, live: bool = False) -> Task:
    """Return the student's task once more, for the epochs with INT8 rounding."""
    task, wanted = student_task(part, settings, live), settings.quantisation
    config = dataclasses.replace(
        task.config,
        epochs=wanted.epochs,
        learning_rate=wanted.learning_rate,
        final_learning_rate=wanted.final_learning_rate,
        schedule=schedule.WARMUP_COSINE,
        warmup=0,
        average_from=None,
    )
    folder = task.folder.with_name(f"{task.folder.name}-int8")
    return dataclasses.replace(task, folder=folder, config=config, title=f"{part.title}: {folder.name}")


def student_task(part: Part, settings: RunConfig, live: bool = False) -> Task:
    """Return what `fitting` needs to train or load a part's student."""
    network = settings.student
    folder = "student" if network.network == "teacher" else network.network
    return Task(
        folder=part.folder / folder,
        config=network,
        augment=settings.augment,
        seed=settings.seed,
        classes=len(SCENES),
        title=f"{part.title}: {folder}",
        live=live,
        plan=part.plan,
    )


def planned(part: Part, settings: RunConfig) -> tuple[Planned, ...]:
    """Return the networks that `train_networks` trains, in its order."""
    clips, share = len(part.training), teachers.share_of_clips(settings)
    networks = []
    for teacher in settings.teachers:
        work = share * clips * duration.work_of_a_clip(teacher, (teacher.frontend or settings.frontend).shape)
        for name in teachers.folders(teacher, settings):
            networks.append(Planned(part.folder / name, teacher.name, work, teacher.epochs))
    tasks = [student_task(part, settings), *([_fine_tuning(part, settings)] if settings.quantisation.epochs else [])]
    work = clips * duration.work_of_a_clip(settings.student, settings.frontend.shape)
    return (*networks, *(Planned(task.folder, task.folder.name, work, task.config.epochs) for task in tasks))


def convert(model: keras.Model, training: Examples, settings: RunConfig, origin: dict[str, Any]) -> Bundle:
    """Convert a trained student to INT8; the training examples set the ranges of its activations."""
    tflite = quantize.convert(model, _calibration(training))
    source, sink = quantize.quantisation(tflite)
    return Bundle(
        name=settings.name,
        classes=SCENES,
        frontend=settings.frontend,
        normalisation=training.normalisation,
        input=source,
        output=sink,
        output_kind="logits",
        model=tflite,
        provenance=origin,
    )
