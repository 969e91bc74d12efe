"""Training: the loop, its checkpoints, and whole runs on a small synthetic data set."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

from runs import parts_of
from tinyscene.augment.settings import AugmentConfig
from tinyscene.augment.variants import VariantGroup
from tinyscene.bundle.bundle import Bundle
from tinyscene.bundle.probabilities import softmax
from tinyscene.data.dataset import SCENES, Dataset
from tinyscene.errors import ConfigError, DatasetError, TinysceneError
from tinyscene.evaluation import calibration, comparison, scoring
from tinyscene.frontend import features
from tinyscene.frontend.scaling import Normalisation
from tinyscene.networks import conversion
from tinyscene.networks.backend import keras
from tinyscene.training import (
    checkpoint,
    config as run_config,
    examples as examples_module,
    fit as fitting,
    model_card,
    part as training_part,
    parts as training_parts,
    run as training_run,
    teachers,
)
from tinyscene.training.config import DistillationConfig, NetworkConfig
from tinyscene.training.fit import Examples, Task

MELS, FRAMES = 16, 12
AUGMENT = AugmentConfig(time_roll=2, frequency_masks=1, time_masks=1, mixup=0.3, freq_mixstyle=0.5)
STUDENT = NetworkConfig(
    network="student",
    width=0.25,
    dropout=0.1,
    epochs=6,
    batch_size=16,
    learning_rate=2e-2,
    optimizer="adamw",
    weight_decay=1e-3,
    average_from=0.3,
)


def examples(count: int = 48, seed: int = 0) -> Examples:
    """Images that tell their class by a band."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(SCENES)
    images = random.normal(size=(count, MELS, FRAMES)).astype(np.float32)
    images[np.arange(count), labels] += 6
    return Examples(images, labels, Normalisation((0.0,) * MELS, (1.0,) * MELS))


def task(folder: Path, seed: int = 1) -> Task:
    return Task(
        folder=folder / "student",
        config=STUDENT,
        augment=AUGMENT,
        seed=seed,
        classes=len(SCENES),
        title="test",
        live=False,
    )


def weights(model: keras.Model) -> bytes:
    return b"".join(array.tobytes() for array in model.get_weights())


def history(folder: Path) -> list[dict]:
    """The history without what the clock says."""
    lines = [json.loads(line) for line in (folder / "student" / checkpoint.HISTORY).read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


class StoppedError(Exception):
    """What stops a training in these tests."""


def stop_in_epoch(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the training in the middle of an epoch of three steps, counted from 1."""
    steps = 0
    real = keras.Model.train_on_batch

    def counting(*arguments: object, **keywords: object) -> object:
        nonlocal steps
        steps += 1
        if steps == 3 * (epoch - 1) + 2:
            raise StoppedError
        return real(*arguments, **keywords)

    monkeypatch.setattr(keras.Model, "train_on_batch", counting)


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(stream: object, **_: object) -> None:
        stream.write(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, keras.Model]:
    """The folder and the network of a training that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, fitting.train(task(folder), examples(), examples(20, 1))


def test_a_stopped_training_goes_on_as_if_it_had_not_been(
    whole: tuple[Path, keras.Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_in_epoch(3, patch)
        with pytest.raises(StoppedError):
            fitting.train(task(tmp_path), examples(), examples(20, 1))
    assert len(history(tmp_path)) == 2
    path = task(tmp_path).folder / checkpoint.CHECKPOINT
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        fill_the_disk(patch)
        with pytest.raises(TinysceneError, match=r"cannot write .*checkpoint\.npz: No space left on device; free"):
            fitting.train(task(tmp_path), examples(), examples(20, 1))
    assert path.read_bytes() == before
    assert sorted(path.name for path in path.parent.iterdir()) == [checkpoint.CHECKPOINT, checkpoint.HISTORY]
    resumed = fitting.train(task(tmp_path), examples(), examples(20, 1))
    assert weights(resumed) == weights(whole[1])
    assert history(tmp_path) == history(whole[0])


def test_the_network_has_the_mean_weights_of_its_last_epochs(
    whole: tuple[Path, keras.Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 6 epochs the last 5: 0.3 of them is more than one."""
    ends: list[list[np.ndarray]] = []
    real = fitting._epoch

    def noting(task: Task, model: keras.Model, *rest: object) -> float:
        loss = real(task, model, *rest)
        ends.append([keras.ops.convert_to_numpy(variable) for variable in model.trainable_weights])
        return loss

    monkeypatch.setattr(fitting, "_epoch", noting)
    model = fitting.train(task(tmp_path), examples(), examples(20, 1))
    assert weights(model) == weights(whole[1])
    for position, variable in enumerate(model.trainable_weights):
        expected = np.mean([end[position] for end in ends[1:]], axis=0)
        assert keras.ops.convert_to_numpy(variable) == pytest.approx(expected, abs=1e-5)


def test_weight_decay_shrinks_kernels_only(tmp_path: Path) -> None:
    def after_a_step_without_gradient(**changes: object) -> tuple[list[np.ndarray], list[np.ndarray]]:
        model = fitting._compiled(
            dataclasses.replace(task(tmp_path), config=dataclasses.replace(STUDENT, **changes)),
            (MELS, FRAMES),
            fitting.label_loss(len(SCENES)),
        )
        before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
        model.optimizer.apply([keras.ops.zeros_like(variable) for variable in model.trainable_variables])
        return before, [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]

    for old, new in zip(*after_a_step_without_gradient(weight_decay=0.5), strict=True):
        assert new == pytest.approx(old * (1 - 2e-2 * 0.5) if old.ndim > 1 else old, rel=1e-5)
    for old, new in zip(*after_a_step_without_gradient(optimizer="adam", weight_decay=0.0), strict=True):
        assert np.array_equal(old, new)


def test_an_epoch_draws_rare_devices_more_often_and_gains_are_in_db(tmp_path: Path) -> None:
    devices = np.array(["b"] * 4 + ["a"] * 44)
    quiet = dataclasses.replace(
        examples(), images=np.zeros((48, MELS, FRAMES), np.float32), devices=devices, decibel=0.5
    )
    quiet = dataclasses.replace(quiet, normalisation=Normalisation((0.0,) * MELS, (0.1,) * MELS))
    balanced = dataclasses.replace(task(tmp_path), augment=AugmentConfig(device_balance=1, gain=2))
    batches = list(fitting._batches(balanced, quiet, 0))
    labels = np.concatenate([targets for _, targets in batches]).argmax(axis=1)
    assert (labels < 4).sum() >= 24, "the first four classes are those of the rare device's clips"
    offsets = np.concatenate([inputs for inputs, _ in batches])
    assert 8 < np.abs(offsets).max() <= 10, "2 dB are 1 of the front end's units, 10 standardised ones"


def test_batches_hold_variants_of_their_clips(tmp_path: Path) -> None:
    group = VariantGroup(0.5, (np.asarray(examples().images) + 1000,))
    plain = dataclasses.replace(task(tmp_path), augment=AugmentConfig())
    one, two = (
        np.concatenate([inputs for inputs, _ in fitting._batches(plain, each, 0)])
        for each in (examples(), dataclasses.replace(examples(), variants=(group,)))
    )
    changed = two[:, 0, 0] > 500
    assert 12 < changed.sum() < 36
    assert sorted((two - 1000 * changed[:, None, None]).sum(axis=(1, 2))) == pytest.approx(
        sorted(one.sum(axis=(1, 2))), abs=0.1
    )


def test_label_smoothing_spreads_the_labels_and_leaves_the_teachers_alone() -> None:
    soft = np.full((48, len(SCENES)), 0.1, np.float32)
    targets = dataclasses.replace(examples(), soft_targets=soft).targets(len(SCENES), 0.2)
    assert np.array_equal(targets[:, 2 * len(SCENES) :], soft)
    for row, label in zip(targets, examples().labels, strict=True):
        assert row[label] == pytest.approx(0.82)
        assert np.delete(row[: len(SCENES)], label) == pytest.approx(0.02)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path: Path) -> None:
    diverging = dataclasses.replace(task(tmp_path), config=dataclasses.replace(STUDENT, learning_rate=1e30, epochs=3))
    with pytest.raises(TinysceneError, match=r"test: the loss of epoch \d is no number .*; set a lower learning_rate"):
        fitting.train(diverging, examples(), examples(0))
    assert not any("NaN" in path.read_text() for path in tmp_path.rglob("*.jsonl"))


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    one, same, other = (
        fitting._compiled(task(tmp_path, seed), (MELS, FRAMES), fitting.label_loss(10)) for seed in (1, 1, 2)
    )
    assert weights(one) == weights(same) != weights(other)
    batches = [next(fitting._batches(task(tmp_path, seed), examples(), 0))[0] for seed in (1, 1, 2)]
    assert np.array_equal(batches[0], batches[1])
    assert not np.array_equal(batches[0], batches[2])


def test_sums_have_one_order() -> None:
    """Bits change with the threads only at the reference size, where a repetition would take minutes."""
    import tensorflow as tf

    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert tf.config.threading.get_inter_op_parallelism_threads() == 1


def test_the_network_learns_and_the_history_says_so(whole: tuple[Path, keras.Model]) -> None:
    folder, model = whole
    lines = history(folder)
    assert [line["epoch"] for line in lines] == list(range(1, 7))
    assert lines[-1]["loss"] < 0.95 * lines[0]["loss"]
    assert lines[0]["learning_rate"] > 50 * lines[-1]["learning_rate"]
    probabilities = softmax(fitting.predict(model, examples(20, 1)))
    chosen = probabilities[np.arange(20), examples(20, 1).labels]
    assert lines[-1]["val_log_loss"] == pytest.approx(-np.log(chosen).mean())
    assert lines[-1]["val_accuracy"] == (probabilities.argmax(axis=1) == examples(20, 1).labels).mean()


def test_a_damaged_checkpoint_is_named(whole: tuple[Path, keras.Model], tmp_path: Path) -> None:
    shutil.copytree(whole[0], tmp_path, dirs_exist_ok=True)
    path = task(tmp_path).folder / checkpoint.CHECKPOINT
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(TinysceneError, match=r"checkpoint\.npz is damaged"):
        fitting.train(task(tmp_path), examples(), examples(0))


def test_the_distillation_loss_is_hintons() -> None:
    random = np.random.default_rng(0)
    logits, teacher, adjustment = (random.normal(size=(6, 10)) for _ in range(3))
    hard = softmax(random.normal(size=(6, 10)))
    loss = fitting.distillation_loss(DistillationConfig(temperature=3.0, soft_weight=0.7), 10)
    targets = np.concatenate([hard, adjustment, softmax(teacher / 3)], axis=1)
    answer = keras.ops.convert_to_numpy(loss(targets, logits))

    def cross_entropy(targets: np.ndarray, values: np.ndarray) -> np.ndarray:
        return -(targets * np.log(softmax(values))).sum(axis=1)

    of_labels = cross_entropy(hard, logits + adjustment)
    of_teachers = 9 * cross_entropy(softmax(teacher / 3), logits / 3)
    assert answer == pytest.approx(0.3 * of_labels + 0.7 * of_teachers, rel=1e-5)


def test_adjusted_logits_leave_out_how_frequent_scenes_were(tmp_path: Path) -> None:
    """Images that tell their city and nothing else: the answer is what the network holds frequent there."""
    here = np.array([16] + [1] * 9)  # clips of each scene; the other city has them the other way round
    labels = np.concatenate([np.repeat(np.arange(10), here), np.repeat(np.arange(10), here[::-1])])
    cities = np.repeat(["here", "there"], 25)
    images = np.ones((50, MELS, FRAMES), np.float32) * np.where(cities == "here", 1, -1)[:, None, None]
    clips = Examples(images.astype(np.float32), labels, Normalisation((0.0,) * MELS, (1.0,) * MELS), cities=cities)

    def answer(adjustment: str) -> np.ndarray:
        network = dataclasses.replace(STUDENT, logit_adjustment=adjustment, epochs=120, batch_size=50, dropout=0)
        wanted = dataclasses.replace(task(tmp_path / adjustment), config=network, augment=AugmentConfig())
        return softmax(fitting.predict(fitting.train(wanted, clips, examples(0)), clips))[0]

    for adjustment, known in (
        ("none", np.ones(10)),
        ("overall", (here + here[::-1] + 1) / 60),
        ("city", (here + 1) / 35),
    ):
        assert answer(adjustment) == pytest.approx(here / known / (here / known).sum(), abs=0.01), adjustment


def test_soft_targets_are_shuffled_and_blended_with_the_labels(tmp_path: Path) -> None:
    """The teachers' answer to a clip is made its label, moved by one class: mixup must keep them together."""
    soft = np.roll(np.eye(len(SCENES), dtype=np.float32)[examples().labels], 1, axis=1)
    training_examples = dataclasses.replace(examples(), soft_targets=soft)
    tens = dataclasses.replace(task(tmp_path), config=dataclasses.replace(STUDENT, batch_size=10))
    batches = list(fitting._batches(tens, training_examples, 0))
    assert sorted(len(inputs) for inputs, _ in batches) == [9, 9, 10, 10, 10]
    for _, targets in batches:
        assert targets[:, 2 * len(SCENES) :] == pytest.approx(np.roll(targets[:, : len(SCENES)], 1, axis=1))
        assert targets[:, : len(SCENES)].sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert any((targets > 0).sum(axis=1).max() > 2 for _, targets in batches), "mixup blended none"
    again = list(fitting._batches(tens, training_examples, 1))
    assert not np.array_equal(batches[0][0], again[0][0]), "another epoch, another order"


def test_normalisation_is_per_band_over_all_images() -> None:
    images = np.random.default_rng(0).normal(3, 2, size=(600, 5, 7)).astype(np.float32)
    images[:, 4] = -80
    normalisation = examples_module.normalise(images)
    assert normalisation.mean == pytest.approx(images.mean(axis=(0, 2)), rel=1e-5)
    assert normalisation.std[:4] == pytest.approx(images[:, :4].std(axis=(0, 2)), rel=1e-4)
    assert normalisation.std[4] > 0, "a silent band must not divide by zero"


# Whole runs

RUN = """
name = "tiny"
seed = 3
[frontend]
preset = "base"
[data]
folds = 1
validation_fraction = 0.2
[teacher]
network = "student"
width = 0.0625
epochs = 1
[student]
network = "student"
width = 0.0625
epochs = 2
[augment]
time_roll = 3
"""


def write_config(folder: Path, text: str = RUN) -> Path:
    path = folder / "tiny.toml"
    path.write_text(text)
    return path


def run_folder_files(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, `run`, its bundle, `bundle`, and its configuration."""
    folder = tmp_path_factory.mktemp("finished")
    training_run.run(write_config(folder), synthetic, folder / "bundle", folder / "run")
    return folder


def test_a_run_leaves_what_the_report_reads(finished: Path) -> None:
    assert run_folder_files(finished / "run") == {
        "config.toml",
        "teacher/checkpoint.npz",
        "teacher/history.jsonl",
        "teacher_logits.npz",
        "teacher_test_logits.npz",
        "student/checkpoint.npz",
        "student/history.jsonl",
        "bundle/bundle.toml",
        "bundle/model.tflite",
        "bundle/MODEL_CARD.md",
        "predictions.npz",
        "misheard.npz",
        "evaluation.json",
        "complexity.json",
        "bundle.txt",
    }
    assert (finished / "run" / "bundle.txt").read_text().strip() == str(finished / "bundle")
    result = json.loads((finished / "run" / "evaluation.json").read_text())
    assert result["split"] == "fold1_evaluate.csv"
    for kind in ("float", "int8"):
        low, high = result[kind]["intervals"]["log_loss"]
        assert low < result[kind]["log_loss"] < high


def test_the_teacher_is_scored_on_the_same_clips(finished: Path, synthetic: Path) -> None:
    dataset, settings = Dataset(synthetic), run_config.load(finished / "tiny.toml")
    (part,) = parts_of(finished / "run", settings, dataset)
    images = features.extract(dataset, part.test, settings.frontend).images
    tested = Examples(images, part.labels_of(part.test), Bundle.load(finished / "bundle").normalisation)
    (teacher,) = settings.teachers
    of_teacher = dataclasses.replace(task(part.folder), folder=part.folder / "teacher", config=teacher)
    model = fitting.load(of_teacher, images.shape[1:])
    probabilities = softmax(fitting.predict(model, tested))
    chosen = probabilities[np.arange(len(part.test)), tested.labels]
    found = json.loads((finished / "run" / "evaluation.json").read_text())["teachers"]
    assert list(found) == ["each"]
    assert found["each"]["teacher"]["log_loss"] == pytest.approx(-np.log(chosen).mean(), rel=1e-5)
    assert found["each"]["teacher"]["accuracy"] == (probabilities.argmax(axis=1) == tested.labels).mean()
    bundle = Bundle.load(finished / "bundle")
    assert bundle.metrics["teachers"] == found
    assert f"| teacher | {-np.log(chosen).mean():.3f} (" in model_card.write(bundle)


def test_examples_know_the_devices_and_cities_of_their_clips(finished: Path, synthetic: Path) -> None:
    """Without them, balanced devices and logits adjusted by city would silently do nothing."""
    dataset, settings = Dataset(synthetic), run_config.load(finished / "tiny.toml")
    (part,) = parts_of(finished / "run", settings, dataset)
    known, _ = training_parts.seen(part, settings.frontend)
    some = np.arange(len(known)) % 3 == 1
    for names, of_clips in (
        (known.cities, [clip.city for clip in part.training]),
        (known.devices, [clip.device for clip in part.training]),
        (known.take(some).cities, [clip.city for clip in part.training[1::3]]),
    ):
        assert names is not None
        assert names.tolist() == of_clips
    assert len(set(known.cities)) > 1


def test_a_teacher_answers_to_images_of_its_own(finished: Path, synthetic: Path) -> None:
    dataset, settings = Dataset(synthetic), run_config.load(finished / "tiny.toml")
    (part,) = parts_of(finished / "run", settings, dataset)
    (same,), small = settings.teachers, dataclasses.replace(settings.frontend, n_mels=20)
    normalisation = Normalisation((1.0,) * settings.frontend.n_mels, (2.0,) * settings.frontend.n_mels)
    assert teachers._tested(part, same, normalisation).normalisation == normalisation
    own = teachers._tested(part, dataclasses.replace(same, frontend=small), normalisation)
    assert np.array_equal(own.images, features.extract(dataset, part.test, small).images)
    assert own.normalisation == examples_module.normalise(features.extract(dataset, part.training, small).images)


def test_the_bundle_scores_as_the_run_says(finished: Path, synthetic: Path) -> None:
    bundle, dataset = Bundle.load(finished / "bundle"), Dataset(synthetic)
    said = json.loads((finished / "run" / "evaluation.json").read_text())["int8"]
    result = scoring.evaluate(bundle, dataset, list(dataset.split(1, "evaluate")), bundle.provenance["features"])
    assert result.scores == {key: value for key, value in said.items() if key not in ("intervals", "reliability")}
    assert result.outputs.shape == (said["clips"], len(SCENES))
    assert bundle.metrics["int8"]["log_loss"] == said["log_loss"]
    assert bundle.output_kind == "logits"


def test_normalisation_and_calibration_use_training_clips_only(finished: Path, synthetic: Path) -> None:
    dataset, settings = Dataset(synthetic), run_config.load(finished / "tiny.toml")
    (part,) = parts_of(finished / "run", settings, dataset)
    places = [{clip.location for clip in clips} for clips in (part.training, part.validation, part.test)]
    assert places[1]
    assert not places[0] & places[1] | places[0] & places[2] | places[1] & places[2]
    bundle = Bundle.load(finished / "bundle")
    images = features.extract(dataset, part.training, settings.frontend).images
    assert examples_module.normalise(images) == bundle.normalisation
    model = fitting.load(training_part.student_task(part), settings.frontend.shape)
    assert conversion.convert(model, bundle.normalisation.apply(np.asarray(images))[..., None]) == bundle.model


def test_card_and_bundle_say_where_they_come_from_without_this_machines_paths(finished: Path, synthetic: Path) -> None:
    card = (finished / "bundle" / "MODEL_CARD.md").read_text()
    origin = Bundle.load(finished / "bundle").provenance
    assert origin["command"] == f"tinyscene train tiny.toml --data {synthetic.name} --out bundle"
    assert origin["data_clips"] == 120
    for needed in (
        "fold1_evaluate.csv",
        "seed 3",
        origin["commit"],
        origin["command"],
        "Licence of the audio",
        "Features: the firmware's C front end",
        "NeSsi",
        "ECE",
        "- All networks: ",
        "- Student: ",
        "of width 0.0625, relu",
    ):
        assert needed in card
    assert run_config.parse(origin["configuration"]) == run_config.load(finished / "tiny.toml")
    for text in (card, (finished / "bundle" / "bundle.toml").read_text()):
        assert str(finished) not in text
        assert str(synthetic.parent) not in text


def test_a_finished_run_is_not_trained_again(
    finished: Path, synthetic: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(fitting, "train", never)
    monkeypatch.setattr(conversion, "convert", never)
    shutil.copytree(finished / "run", tmp_path / "run")
    training_run.run(finished / "tiny.toml", synthetic, tmp_path / "bundle", tmp_path / "run")
    assert Bundle.load(tmp_path / "bundle").identity == Bundle.load(finished / "bundle").identity


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("epochs = 2", "epochs = 5", "student.epochs was 2, is 5"),
        ("[teacher]", "[teacher]\nactivation = 'elu'", "teachers.teacher.activation was relu, is elu"),
        ("[augment]", "[augment]\nmixup = 0.5", "augment.mixup was 0.0, is 0.5"),
    ],
)
def test_a_run_folder_of_another_configuration_is_refused(
    finished: Path, synthetic: Path, tmp_path: Path, before: str, after: str, said: str
) -> None:
    path = write_config(tmp_path, RUN.replace(before, after))
    files = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    with pytest.raises(ConfigError, match=said):
        training_run.run(path, synthetic, tmp_path / "bundle", finished / "run")
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == files
    assert not (tmp_path / "bundle").exists()


def test_a_run_folder_of_another_data_set_is_refused(finished: Path, synthetic: Path, tmp_path: Path) -> None:
    shutil.copytree(synthetic, tmp_path / "other")
    meta = tmp_path / "other" / "meta.csv"
    meta.write_text("".join(meta.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ConfigError, match="data_fingerprint was"):
        training_run.run(finished / "tiny.toml", tmp_path / "other", tmp_path / "bundle", finished / "run")


def test_classes_without_training_clips_and_a_test_of_one_class_are_said(
    synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    (data / "evaluation_setup").mkdir(parents=True)
    (data / "audio").symlink_to(synthetic / "audio")
    for part, without in (("train", "bus"), ("evaluate", None)):
        header, *rows = (synthetic / "evaluation_setup" / f"fold1_{part}.csv").read_text().splitlines()
        kept = [row for row in rows if (row.endswith("\ttram") if part == "evaluate" else not row.endswith("\tbus"))]
        assert without is None or len(kept) < len(rows)
        (data / "evaluation_setup" / f"fold1_{part}.csv").write_text("\n".join([header, *kept]) + "\n")
    monkeypatch.setattr(training_run, "train_parts", lambda _: (_ for _ in ()).throw(StoppedError))
    with pytest.raises(StoppedError):
        training_run.run(write_config(tmp_path), data, tmp_path / "out", tmp_path / "run")
    said = " ".join(capsys.readouterr().err.split())
    assert "warning: fold 1: no training clip is of bus: the network will not find what it has never heard" in said
    assert "warning: fold 1: all test clips are of tram: their scores do not tell whether" in said


def test_a_missing_fold_and_a_missing_data_set_are_one_sentence(synthetic: Path, tmp_path: Path) -> None:
    path = write_config(tmp_path)
    with pytest.raises(DatasetError):
        training_run.run(path, synthetic, tmp_path / "bundle", tmp_path / "run", fold=9)
    with pytest.raises(DatasetError):
        training_run.run(path, tmp_path / "nothing", tmp_path / "bundle", tmp_path / "run2")


def test_kill_9_loses_at_most_an_epoch_and_changes_nothing(finished: Path, synthetic: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tinyscene", "train", str(finished / "tiny.toml"), "--data", str(synthetic)]
    command += ["--out", str(tmp_path / "bundle"), "--run", str(tmp_path / "run")]
    path = tmp_path / "run" / "student" / checkpoint.CHECKPOINT
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not path.exists():
        assert child.poll() is None, "the training ended without a checkpoint"
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with np.load(path) as arrays:
        assert 1 <= len(str(arrays["history"]).splitlines()) <= 2
    training_run.run(finished / "tiny.toml", synthetic, tmp_path / "bundle", tmp_path / "run")
    assert history(tmp_path / "run") == history(finished / "run")
    assert (tmp_path / "bundle" / "model.tflite").read_bytes() == (finished / "bundle" / "model.tflite").read_bytes()


def test_a_student_is_fine_tuned_with_the_rounding_of_int8(finished: Path, synthetic: Path, tmp_path: Path) -> None:
    """The finished run's networks are taken, so that only the epoch of fine-tuning is done."""
    path = write_config(tmp_path, RUN + "[quantisation]\nepochs = 1\nlearning_rate = 1e-3\n")
    shutil.copytree(finished / "run", tmp_path / "run")
    for name in ("bundle", "predictions.npz", "evaluation.json", "config.toml"):
        rest = tmp_path / "run" / name
        shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
    training_run.run(path, synthetic, tmp_path / "bundle", tmp_path / "run")
    assert (tmp_path / "run" / "student-int8" / checkpoint.HISTORY).read_text().count("\n") == 1
    bundle, before = Bundle.load(tmp_path / "bundle"), Bundle.load(finished / "bundle")
    assert bundle.identity != before.identity
    scores = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert scores["float"]["log_loss"] == pytest.approx(scores["int8"]["log_loss"], abs=0.05)
    settings, (part,) = (
        run_config.load(path),
        parts_of(tmp_path / "run", run_config.load(path), Dataset(synthetic)),
    )
    examples_, _ = training_parts.seen(part, settings.frontend)
    model = training_part.load_student(part)
    assert conversion.convert(model, training_part._calibration(examples_)) == bundle.model


def test_cross_validation_pools_its_folds_and_ends_with_weights_from_all_clips(synthetic: Path, tmp_path: Path) -> None:
    text = RUN.replace("folds = 1", 'folds = "cross-validate"').replace("epochs = 2", "epochs = 1")
    path = write_config(tmp_path, text[: text.index("[teacher]")] + text[text.index("[student]") :])
    shutil.copytree(synthetic, tmp_path / "data")
    for rest in (tmp_path / "data" / "evaluation_setup").glob("fold3_*.csv"):
        rest.unlink()
    dataset = Dataset(tmp_path / "data")
    training_run.run(path, dataset.root, tmp_path / "bundle", tmp_path / "run")
    tests = [list(dataset.split(fold, "evaluate")) for fold in dataset.folds()]
    pooled = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert pooled["int8"]["clips"] == sum(map(len, tests))
    parts = [json.loads((tmp_path / "run" / f"fold{fold}" / "evaluation.json").read_text()) for fold in dataset.folds()]
    mean = sum(part["int8"]["log_loss"] * len(test) for part, test in zip(parts, tests, strict=True))
    assert pooled["int8"]["log_loss"] == pytest.approx(mean / sum(map(len, tests)))
    predictions = [dict(np.load(tmp_path / "run" / f"fold{fold}" / "predictions.npz")) for fold in dataset.folds()]
    truths = [examples_module.labels_of(test, SCENES) for test in tests]
    calibrated, chosen = pooled["calibrated"], []
    for fold, (each, truth) in enumerate(zip(predictions, truths, strict=True)):
        other = calibration.fit_temperature(predictions[1 - fold]["float"], truths[1 - fold])
        chosen.append(calibration.tempered(each["int8"], other)[np.arange(len(truth)), truth])
    assert calibrated["int8"]["log_loss"] == pytest.approx(-np.log(np.concatenate(chosen)).mean())
    clips, kinds = [clip for test in tests for clip in test], ("float", "int8")
    paired = comparison.compare(clips, *(np.concatenate([each[kind] for each in predictions]) for kind in kinds))
    assert pooled["int8_minus_float"] == {**paired.difference, "intervals": paired.intervals}
    for score in ("accuracy", "log_loss"):
        difference = calibrated["int8"][score] - calibrated["float"][score]
        assert calibrated["int8_minus_float"][score] == pytest.approx(difference, abs=1e-9)
    bundle = Bundle.load(tmp_path / "bundle")
    everything = np.concatenate([each["float"] for each in predictions]), np.concatenate(truths)
    temperature = calibration.fit_temperature(*everything)
    assert calibrated["temperature"] == bundle.provenance["temperature"] == pytest.approx(temperature)
    assert [fold["split"] for fold in bundle.metrics["folds"]] == [f"fold{f}_evaluate.csv" for f in dataset.folds()]
    assert bundle.identity == Bundle.load(tmp_path / "run" / "final" / "bundle").identity
    images = features.extract(dataset, list(dataset.clips()), bundle.frontend).images
    assert bundle.normalisation == examples_module.normalise(images)
    settings = run_config.load(path)
    model = fitting.load(training_part.student_task(parts_of(tmp_path / "run", settings, dataset)[-1]), (40, 51))
    some = bundle.normalisation.apply(images[:20])
    answers = keras.ops.convert_to_numpy(model(some[..., None])) / temperature
    spread = bundle.output.dequantise(conversion.run_reference(bundle.model, bundle.input.quantise(some)))
    assert (spread * answers).sum() / (answers**2).sum() == pytest.approx(1, abs=0.1), "the bundle's logits are divided"
    assert history(tmp_path / "run" / "final")[0]["val_log_loss"] is None, "no clip is left to watch the training"
    for scores in (bundle.metrics, bundle.metrics["calibrated"]):
        assert sum(each["clips"] for each in scores["int8"]["reliability"]["bins"]) == pooled["int8"]["clips"]
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    assert "| calibrated | " in card
    low, high = calibrated["int8_minus_float"]["intervals"]["log_loss"]
    assert f"INT8 minus float, clip by clip: log loss {difference:+.3f} (95 %: {low:+.3f} to {high:+.3f})," in card
    assert card == model_card.write(bundle), "the bundle alone gives the card"
    assert f"{len(tests)}-fold cross-validation" in card
    assert f"last layer are divided by {temperature:.3f}" in card
    assert tomllib.loads((tmp_path / "run" / "config.toml").read_text())["data"]["folds"] == "cross-validate"
