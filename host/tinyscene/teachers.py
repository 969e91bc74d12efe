"""The teachers of one part of a run: their training, and what they say of the student's clips.

Their logits are stored once, of the clips as they are: of the training clips, which the student's batches blend as they
blend the labels, and of the test clips, which are scored.
"""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files, fitting, metrics
from tinyscene.config import DistillationConfig, RunConfig, TeacherConfig
from tinyscene.dataset import SCENES, Clip, location_disjoint_subsets
from tinyscene.duration import UNPLANNED, Plan
from tinyscene.errors import TinysceneError
from tinyscene.fitting import Examples, Task

LOGITS, TEST_LOGITS = "teacher_logits.npz", "teacher_test_logits.npz"

Logits = NDArray[np.float32]


def logits(
    folder: Path,
    title: str,
    settings: RunConfig,
    clips: Sequence[Clip],
    examples: Callable[[TeacherConfig], tuple[Examples, Examples]],
    *,
    live: bool = False,
    plan: Plan = UNPLANNED,
) -> dict[str, Logits]:
    """Return every teacher's logits of a part's training clips, training the teachers if that is not done.

    With `distillation.cross_fit`, the logits of a clip are those of a teacher that never saw its location (but for the
    part's normalisation, which is common to all networks). They are kept in `folder`.

    Args:
        folder: of the part.
        title: of the part, for the progress display.
        settings: of the run; it has teachers.
        clips: the part's training clips.
        examples: gives a teacher's examples of the same clips, with the variants that its augmentation asks for, and
            those that watch its training, which may be empty.
        live: whether to draw progress bars.
        plan: of the run.

    Returns:
        Teacher's name -> logits [clips, classes].

    Raises:
        DatasetError: there are fewer locations than `cross_fit`.
        TinysceneError: a file cannot be written, or is damaged.
    """
    path = folder / LOGITS
    names = [teacher.name for teacher in settings.teachers]
    filenames = [clip.filename for clip in clips]
    if path.exists():
        return _stored(path, filenames, names)
    found = {name: np.empty((len(clips), len(SCENES)), np.float32) for name in names}
    for teacher in settings.teachers:
        training, validation = examples(teacher)
        for network, (seen, taught) in zip(folders(teacher, settings), _rounds(settings, clips), strict=True):
            task = _task(folder, settings, teacher, network, title, live, plan)
            model = fitting.train(task, training.take(seen), validation)
            found[teacher.name][taught] = fitting.predict(model, training.take(taught))
    _store(path, filenames, found)
    return found


def folders(teacher: TeacherConfig, settings: RunConfig) -> list[str]:
    """Return the folders of a teacher in that of a part: one, or one for each subset of the clips."""
    count = _subsets(settings)
    return [f"{teacher.name}-subset{number}" for number in range(1, count + 1)] if count else [teacher.name]


def share_of_clips(settings: RunConfig) -> float:
    """Return the share of a part's training clips, about, that each network of a teacher is trained on."""
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


def _task(
    folder: Path,
    settings: RunConfig,
    teacher: TeacherConfig,
    network: str,
    title: str = "",
    live: bool = False,
    plan: Plan = UNPLANNED,
) -> Task:
    return Task(
        folder=folder / network,
        config=teacher,
        augment=teacher.augment or settings.augment,
        seed=settings.seed if teacher.seed is None else teacher.seed,
        classes=len(SCENES),
        title=f"{title}: {network}",
        live=live,
        plan=plan,
    )


def store_answers(
    folder: Path, settings: RunConfig, clips: Sequence[Clip], examples: Callable[[TeacherConfig], Examples]
) -> None:
    """Keep what the trained teachers' networks say of a part's test clips, unless that is done.

    Args:
        folder: of the part.
        settings: of the run; it has teachers.
        clips: the part's test clips.
        examples: gives a teacher's examples of these clips.

    Raises:
        TinysceneError: a network is missing or damaged, or the file cannot be written.
    """
    path = folder / TEST_LOGITS
    if path.exists():
        return
    found = {}
    for teacher in settings.teachers:
        tested = examples(teacher)
        for network in folders(teacher, settings):
            model = fitting.load(_task(folder, settings, teacher, network), tested.images.shape[1:])
            found[network] = fitting.predict(model, tested)
    _store(path, [clip.filename for clip in clips], found)


def answers(folder: Path, settings: RunConfig, clips: Sequence[Clip]) -> dict[str, NDArray[np.float64]]:
    """Return teacher's name -> class probabilities [clips, classes] that were kept of a part's test clips.

    Those of a cross-fitted teacher are the mean of its networks', none of which saw these clips.

    Raises:
        TinysceneError: the file is missing or damaged.
    """
    networks = {teacher.name: folders(teacher, settings) for teacher in settings.teachers}
    names = [network for own in networks.values() for network in own]
    logits = _stored(folder / TEST_LOGITS, [clip.filename for clip in clips], names)
    return {name: np.mean([metrics.softmax(logits[each]) for each in own], axis=0) for name, own in networks.items()}


def _key(name: str) -> str:
    return f"logits_{name}"


def _store(path: Path, filenames: list[str], logits: dict[str, Logits]) -> None:
    files.write_arrays(path, {"clips": np.array(filenames), **{_key(name): each for name, each in logits.items()}})


def _stored(path: Path, filenames: list[str], names: list[str]) -> dict[str, Logits]:
    try:
        with np.load(path) as arrays:
            if arrays["clips"].tolist() != filenames:
                raise ValueError("it is of other clips")
            return {name: arrays[_key(name)] for name in names}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise TinysceneError(f"{path} is damaged ({error}); delete it, and the same command makes it again") from error


def soft_targets(logits: dict[str, Logits], distillation: DistillationConfig) -> Logits:
    """Return the mean [clips, classes] of the teachers' softmax(logits / temperature): the ensemble's answer."""
    answers = [metrics.softmax(each / distillation.temperature) for each in logits.values()]
    return np.mean(answers, axis=0).astype(np.float32)
