"""The teachers: what they are trained on, what is stored of them, and the ensemble's soft targets."""

import dataclasses
import zlib
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tinyscene.augment.settings import AugmentConfig
from tinyscene.bundle.probabilities import softmax
from tinyscene.data import Dataset
from tinyscene.data.dataset import SCENES, Clip
from tinyscene.errors import DatasetError, TinysceneError
from tinyscene.evaluation import scoring, teacher_scores
from tinyscene.frontend.config import preset
from tinyscene.frontend.scaling import Normalisation
from tinyscene.networks.backend import keras
from tinyscene.training import config as run_config, fit as fitting, parts, run_files, teachers
from tinyscene.training.config import DistillationConfig, NetworkConfig, RunConfig, TeacherConfig
from tinyscene.training.examples import Examples
from tinyscene.training.fit import Task
from tinyscene.training.parts import Part, Run

PLACES, CLIPS = 6, 2  # locations of a scene, clips of a location


def settings(cross_fit: int = 0) -> RunConfig:
    teacher = {"network": "student", "epochs": 1}
    return RunConfig(
        name="x",
        seed=3,
        frontend=preset("base"),
        data=run_config.DataConfig(),
        teachers=(
            TeacherConfig(name="one", **teacher),
            TeacherConfig(name="two", seed=8, augment=AugmentConfig(mixup=0.5), **teacher),
        ),
        student=NetworkConfig(network="student", epochs=1),
        distillation=DistillationConfig(cross_fit=cross_fit),
        augment=AugmentConfig(time_roll=2),
    )


def clips() -> list[Clip]:
    return [
        Clip(f"audio/{scene}-city-{place}-{number}-a.wav", scene, f"city-{place}", "city", "a", 0)
        for scene in SCENES
        for place in range(PLACES)
        for number in range(CLIPS)
    ]


def examples() -> Examples:
    """The image of a clip is its number."""
    images = np.arange(len(clips()), dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    labels = np.array([SCENES.index(str(clip.scene)) for clip in clips()])
    return Examples(images, labels, Normalisation((0.0,) * 2, (1.0,) * 2))


class Memory:
    """Stands for a trained network: its logits say which clips it was trained on."""

    def __init__(self, task: Task, training: Examples) -> None:
        self.task = task
        self.seen = set(training.images[:, 0, 0].astype(int).tolist())


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Memory]:
    """The networks that were trained, by a training that takes no time."""
    networks: list[Memory] = []

    def train(task: Task, training: Examples, validation: Examples) -> Memory:  # noqa: ARG001 - of fitting.train
        networks.append(Memory(task, training))
        return networks[-1]

    def predict(model: Memory, asked: Examples) -> np.ndarray:
        logits = np.zeros((len(asked), len(SCENES)), np.float32)
        logits[:, 0] = [clip in model.seen for clip in asked.images[:, 0, 0].astype(int).tolist()]
        logits[:, 1] = asked.images[:, 0, 0]
        return logits

    monkeypatch.setattr(fitting, "train", train)
    monkeypatch.setattr(fitting, "predict", predict)
    return networks


def part(folder: Path, wanted: RunConfig, training: list[Clip] | None = None, test: list[Clip] | None = None) -> Part:
    """A fold of a run whose data set nobody reads."""
    run = Run(folder, wanted, cast(Dataset, None))
    return Part(run, folder, 1, "fold 1", clips() if training is None else training, [], test or [], "")


def compute(folder: Path, wanted: RunConfig) -> dict[str, np.ndarray]:
    return teachers.logits(part(folder, wanted), examples(), examples().take(np.zeros(len(clips()), bool)))


def test_every_teacher_is_trained_as_it_is_configured(trained: list[Memory], tmp_path: Path) -> None:
    logits = compute(tmp_path, settings())
    assert list(logits) == ["one", "two"]
    assert [network.task.folder for network in trained] == [tmp_path / "one", tmp_path / "two"]
    assert [network.task.seed for network in trained] == [3, 8]
    assert [network.task.augment for network in trained] == [AugmentConfig(time_roll=2), AugmentConfig(mixup=0.5)]
    assert all(each[:, 0].all() for each in logits.values())


def test_cross_fitted_teachers_never_saw_the_locations_that_they_teach(trained: list[Memory], tmp_path: Path) -> None:
    logits = compute(tmp_path, settings(cross_fit=3))
    assert [network.task.folder.name for network in trained] == [
        f"{name}-subset{subset}" for name in ("one", "two") for subset in (1, 2, 3)
    ]
    for each in logits.values():
        assert not each[:, 0].any()
        assert each[:, 1].tolist() == list(range(len(clips()))), "each clip's logits are in its row"
    for network in trained:
        seen = {clips()[number].location for number in network.seen}
        unseen = {clip.location for number, clip in enumerate(clips()) if number not in network.seen}
        assert not seen & unseen
        assert len(network.seen) == len(clips()) * 2 // 3


def test_stored_logits_are_reused_and_others_refused(trained: list[Memory], tmp_path: Path) -> None:
    logits = compute(tmp_path, settings())
    count = len(trained)
    again = compute(tmp_path, settings())
    assert len(trained) == count
    assert all(np.array_equal(again[name], logits[name]) for name in logits)
    path = tmp_path / run_files.TEACHER_LOGITS
    with pytest.raises(
        TinysceneError, match=r"teacher_logits\.npz is damaged \(it was made from other clips\); delete it"
    ):
        teachers.logits(part(tmp_path, settings(), clips()[1:]), examples(), examples())
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(TinysceneError, match=r"teacher_logits\.npz is damaged"):
        compute(tmp_path, settings())


@pytest.fixture
def remembered(trained: list[Memory], monkeypatch: pytest.MonkeyPatch) -> list[Memory]:  # noqa: ARG001 - replaces them
    """The networks that were loaded, whose answers say which network they are of."""
    loaded: list[Memory] = []

    def load(task: Task, shape: tuple[int, int]) -> Memory:
        assert shape == (2, 3)
        loaded.append(Memory(task, examples()))
        return loaded[-1]

    def predict(model: Memory, asked: Examples) -> np.ndarray:
        logits = np.zeros((len(asked), len(SCENES)), np.float32)
        logits[:, zlib.crc32(model.task.folder.name.encode()) % len(SCENES)] = asked.images[:, 0, 0]
        return logits

    monkeypatch.setattr(fitting, "load", load)
    monkeypatch.setattr(fitting, "predict", predict)
    return loaded


@pytest.mark.parametrize(
    ("cross_fit", "networks"),
    [(0, ["one", "two"]), (2, ["one-subset1", "one-subset2", "two-subset1", "two-subset2"])],
)
def test_every_network_answers_to_test_clips_once(
    remembered: list[Memory],
    tmp_path: Path,
    cross_fit: int,
    networks: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_seven = examples().take(np.arange(len(clips())) < 7)
    monkeypatch.setattr(parts, "images_of", lambda *_: of_seven.images)
    tested = part(tmp_path, settings(cross_fit), test=clips()[:7])
    for _ in range(2):
        teachers.store_answers(tested, of_seven.normalisation)
    assert [network.task.folder.name for network in remembered] == networks
    found = teachers.answers(tested)
    for name, probabilities in found.items():
        own = [fitting.predict(each, of_seven) for each in remembered if each.task.folder.name.startswith(name)]
        assert probabilities == pytest.approx(np.mean([softmax(each) for each in own], axis=0))
    with pytest.raises(TinysceneError, match=r"teacher_test_logits\.npz is damaged \(it was made from other clips\)"):
        teachers.answers(dataclasses.replace(tested, test=clips()[:6]))


def test_teachers_are_scored_each_and_together_over_all_folds() -> None:
    tested, truth = clips(), examples().labels
    random = np.random.default_rng(0)
    one, two = (random.dirichlet(np.ones(len(SCENES)), len(tested)) for _ in range(2))
    folds = [{"one": one[rows], "two": two[rows]} for rows in (slice(50), slice(50, None))]
    scores = teacher_scores.score(folds, tested)
    rows = teacher_scores.rows({"float": {"accuracy": 1.0}, teacher_scores.KEY: scores})
    assert [title for title, _ in rows] == ["teacher one", "teacher two", "teachers together", "student"]
    for (_, found), probabilities in zip(rows, (one, two, (one + two) / 2), strict=False):
        assert found["accuracy"] == (probabilities.argmax(axis=1) == truth).mean()
        assert found["log_loss"] == pytest.approx(-np.log(probabilities[np.arange(len(truth)), truth]).mean())
        assert found["intervals"] == scoring.confidence_intervals(tested, probabilities, SCENES)
    assert teacher_scores.rows({"float": {}}) == []
    assert "together" not in teacher_scores.score([{"one": one}], tested)


def test_more_subsets_than_locations_are_refused(trained: list[Memory], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="60 locations cannot be dealt out to 61 subsets"):
        compute(tmp_path, settings(cross_fit=61))
    assert not trained


def test_the_ensembles_target_is_the_mean_of_softened_answers() -> None:
    random = np.random.default_rng(0)
    one, two = random.normal(size=(2, 5, len(SCENES))).astype(np.float32)
    soft = teachers.soft_targets({"one": one, "two": two}, DistillationConfig(temperature=3))
    assert soft == pytest.approx((softmax(one / 3) + softmax(two / 3)) / 2, rel=1e-6)


def test_a_real_teacher_is_trained_and_its_logits_are_those_of_the_clips_as_they_are(tmp_path: Path) -> None:
    run = settings()
    small = TeacherConfig(name="one", network="student", width=0.0625, epochs=1)
    random = np.random.default_rng(0)
    training = dataclasses.replace(examples(), images=random.normal(size=(len(clips()), 16, 12)).astype(np.float32))
    training = dataclasses.replace(training, normalisation=Normalisation((0.0,) * 16, (1.0,) * 16))
    nothing = training.take(np.zeros(len(clips()), bool))
    run = dataclasses.replace(run, teachers=(small,))
    logits = teachers.logits(part(tmp_path, run), training, nothing)
    task = Task(
        folder=tmp_path / "one", config=small, augment=run.augment, seed=3, classes=len(SCENES), title="", live=False
    )
    model: keras.Model = fitting.load(task, (16, 12))
    assert logits["one"] == pytest.approx(fitting.predict(model, training), abs=1e-6)
