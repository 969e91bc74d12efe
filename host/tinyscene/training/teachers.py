"""The teachers of one part of a run: their training, and their predictions for the student's clips.

Their logits are stored once, for the clips without augmentation: for the training clips, which the student's batches
blend as they blend the labels, and for the test clips, which are scored.
"""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.bundle import softmax
from tinyscene.data import Clip, location_disjoint_subsets
from tinyscene.errors import TinysceneError
from tinyscene.frontend import Normalisation
from tinyscene.training import fit, parts, run_files
from tinyscene.training.config import DistillationConfig, RunConfig, TeacherConfig
from tinyscene.training.examples import Examples
from tinyscene.training.fit import Task
from tinyscene.training.parts import Part

Logits = NDArray[np.float32]


def logits(part: Part, training: Examples, validation: Examples) -> dict[str, Logits]:
    """Return every teacher's logits for a part's training clips; trains the teachers if that is not done.

    With `distillation.cross_fit`, the logits of a clip are those of a teacher that never saw its location (except in
    the part's normalisation, which is common to all networks). They are kept in the part's folder.

    Args:
        part: part of a run with teachers.
        training, validation: the part's examples from the run's own front end, without variants.

    Returns:
        Teacher's name -> logits [clips, classes].

    Raises:
        DatasetError: there are fewer locations than `cross_fit`.
        TinysceneError: a file cannot be written, or is damaged.
    """
    settings, clips = part.settings, part.training
    path = part.folder / run_files.TEACHER_LOGITS
    names = [teacher.name for teacher in settings.teachers]
    filenames = [clip.filename for clip in clips]
    if path.exists():
        return _stored(path, filenames, names)
    found = {name: np.empty((len(clips), len(part.run.classes)), np.float32) for name in names}
    for teacher in settings.teachers:
        taught_by, watching = _seen(part, teacher, training, validation)
        for network, (learnt, taught) in zip(folders(teacher, settings), _rounds(settings, clips), strict=True):
            model = fit.train(_task(part, teacher, network), taught_by.take(learnt), watching)
            found[teacher.name][taught] = fit.predict(model, taught_by.take(taught))
    _store(path, filenames, found)
    return found


def _seen(part: Part, teacher: TeacherConfig, training: Examples, validation: Examples) -> tuple[Examples, Examples]:
    """Return a teacher's examples, from its own front end if it has one, with the variants that it is trained on."""
    frontend, augment = teacher.frontend or part.settings.frontend, teacher.augment or part.settings.augment
    plain, watching = (training, validation) if teacher.frontend is None else parts.seen(part, frontend)
    return parts.varied(part, plain, frontend, augment), watching


def folders(teacher: TeacherConfig, settings: RunConfig) -> list[str]:
    """Return the names of a teacher's folders in a part's: one, or one for each subset of the clips."""
    count = _subsets(settings)
    return [f"{teacher.name}-subset{number}" for number in range(1, count + 1)] if count else [teacher.name]


def share_of_clips(settings: RunConfig) -> float:
    """Return the approximate share of a part's training clips that each network of a teacher is trained on."""
    count = _subsets(settings)
    return 1 - 1 / count if count else 1.0


def _subsets(settings: RunConfig) -> int:
    return settings.distillation.cross_fit if settings.distillation else 0


def _rounds(settings: RunConfig, clips: Sequence[Clip]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield which clips a teacher is trained on, and which it then teaches, in the order of its `folders`."""
    count = _subsets(settings)
    if not count:
        everything = np.ones(len(clips), bool)
        yield everything, everything
        return
    subset_of = np.array(location_disjoint_subsets(clips, count, settings.seed))
    for subset in range(count):
        yield subset_of != subset, subset_of == subset


def _task(part: Part, teacher: TeacherConfig, network: str) -> Task:
    settings = part.settings
    seed = settings.seed if teacher.seed is None else teacher.seed
    return part.task(network, teacher, teacher.augment or settings.augment, seed)


def store_answers(part: Part, normalisation: Normalisation) -> None:
    """Store the trained teachers' logits for a part's test clips, unless that is done.

    Args:
        part: part of a run with teachers.
        normalisation: normalisation of the part's training images from the run's own front end.

    Raises:
        TinysceneError: a network is missing or damaged, or the file cannot be written.
    """
    path = part.folder / run_files.TEACHER_TEST_LOGITS
    if path.exists():
        return
    found = {}
    for teacher in part.settings.teachers:
        tested = _tested(part, teacher, normalisation)
        for network in folders(teacher, part.settings):
            model = fit.load(_task(part, teacher, network), tested.images.shape[1:])
            found[network] = fit.predict(model, tested)
    _store(path, [clip.filename for clip in part.test], found)


def _tested(part: Part, teacher: TeacherConfig, normalisation: Normalisation) -> Examples:
    """Return a part's test examples for a teacher."""
    if teacher.frontend is None:
        return parts.tested(part, part.settings.frontend, normalisation)
    training, _ = parts.seen(part, teacher.frontend)
    return parts.tested(part, teacher.frontend, training.normalisation)


def answers(part: Part) -> dict[str, NDArray[np.float64]]:
    """Return teacher's name -> class probabilities [clips, classes] that were stored for a part's test clips.

    Those of a cross-fitted teacher are the mean of its networks', none of which saw these clips.

    Raises:
        TinysceneError: the file is missing or damaged.
    """
    networks = {teacher.name: folders(teacher, part.settings) for teacher in part.settings.teachers}
    names = [network for own in networks.values() for network in own]
    logits = _stored(part.folder / run_files.TEACHER_TEST_LOGITS, [clip.filename for clip in part.test], names)
    return {name: np.mean([softmax(logits[each]) for each in own], axis=0) for name, own in networks.items()}


def _key(name: str) -> str:
    return f"logits_{name}"


def _store(path: Path, filenames: list[str], logits: dict[str, Logits]) -> None:
    files.write_arrays(path, {"clips": np.array(filenames), **{_key(name): each for name, each in logits.items()}})


def _stored(path: Path, filenames: list[str], names: list[str]) -> dict[str, Logits]:
    try:
        with np.load(path) as arrays:
            if arrays["clips"].tolist() != filenames:
                raise ValueError("it was made from other clips")
            return {name: arrays[_key(name)] for name in names}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise TinysceneError(f"{path} is damaged ({error}); delete it and run the same command again") from error


def soft_targets(logits: dict[str, Logits], distillation: DistillationConfig) -> Logits:
    """Return the mean [clips, classes] of the teachers' softmax(logits / temperature): the ensemble's prediction."""
    answers = [softmax(each / distillation.temperature) for each in logits.values()]
    return np.mean(answers, axis=0).astype(np.float32)
