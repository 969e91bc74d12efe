"""Several devices for one network: how batches are divided, and a training on two virtual devices against one."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from test_backends import RUN, TRAINING, losses, run

from runs import parts_of
from tinyscene.data.dataset import Dataset
from tinyscene.errors import TinysceneError
from tinyscene.networks import distribution
from tinyscene.training import config as run_config, part as training_part, run as training_run

DEVICES = "--xla_force_host_platform_device_count="  # XLA's own way to try this on a CPU

SHARED = """
from tinyscene.networks import distribution
stopped = dataclasses.replace(task, folder=folder / "stopped" / "student")
def stopping(*arguments):
    losses.append(0)
    if len(losses) == 12 + 7:
        raise KeyboardInterrupt
    return real(*arguments)
keras.Model.train_on_batch = stopping
try:
    fitting.train(stopped, examples, examples, start=start())
except KeyboardInterrupt:
    keras.Model.train_on_batch = real
resumed = fitting.train(stopped, examples, examples, start=networks.build("student", (16, 12, 1), width=0.25))
five = examples.take(np.arange(48) < 5)
parts, step = [], model.train_function
def noting_parts(state, batches):
    batch = next(batches)
    parts.extend(part.data.shape[0] for part in batch[0].addressable_shards)
    return step(state, iter([batch]))
predicted, called = fitting.predict(model, five), np.array(model(five.inputs(slice(None))[..., None]))
resumed_alike = all(np.array_equal(a, b) for a, b in zip(model.get_weights(), resumed.get_weights()))
model.train_function = noting_parts
model.train_on_batch(images[:16, ..., None], examples.targets(10)[:16])
print(json.dumps({
    "losses": losses[:12],
    "validation": last["val_log_loss"],
    "history": len((stopped.folder / "history.jsonl").read_text().splitlines()),
    "resumed_alike": resumed_alike,
    "predicted": predicted.tolist(),
    "called": called.tolist(),
    "training_parts": parts,
    "predicting_parts": [part.data.shape[0] for part in distribution.shared_out(images[:5]).addressable_shards],
    "weights": len(model.trainable_variables[0].value.sharding.device_set),
}))
"""


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "devices", lambda: 2)


@pytest.mark.parametrize(("rows", "size"), [(48, 16), (50, 16), (33, 32), (3, 2), (1, 32)])
def test_one_device_takes_batches_of_nearly_equal_size(rows: int, size: int) -> None:
    assert distribution.devices() == 1
    batches = distribution.batches(np.arange(rows), size)
    expected = np.array_split(np.arange(rows), -(-rows // size))
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in expected]
    images = np.zeros((3, 4, 5), np.float32)
    assert distribution.shared_out(images) is images


@pytest.mark.usefixtures("two_devices")
@pytest.mark.parametrize(
    ("rows", "size", "sizes"),
    [(48, 16, [16, 16, 16]), (51, 16, [14, 12, 12, 12]), (7, 1, [2, 2, 2]), (2, 32, [2])],
)
def test_devices_have_equal_shares_of_every_batch(rows: int, size: int, sizes: list[int]) -> None:
    batches = distribution.batches(np.arange(rows), size)
    assert [len(batch) for batch in batches] == sizes
    assert np.concatenate(batches).tolist() == list(range(sum(sizes))), "in order, but for the odd one"


@pytest.mark.usefixtures("two_devices")
def test_fewer_clips_than_devices_are_refused() -> None:
    with pytest.raises(TinysceneError, match="2 devices cannot train on 1 clips; let JAX see fewer devices"):
        distribution.batches(np.arange(1), 32)


@pytest.mark.usefixtures("two_devices")
def test_with_several_devices_a_part_follows_the_other(
    synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text(RUN.replace("folds = 1", 'folds = "cross-validate"'))
    settings, dataset = run_config.load(tmp_path / "tiny.toml"), Dataset(synthetic)
    parts = parts_of(tmp_path / "run", settings, dataset)
    trained = []
    monkeypatch.setattr(training_part, "train", lambda part: trained.append((part.number, part.run.live)))
    training_run.train_parts(parts)
    assert trained == [(part.number, True) for part in parts]
    assert len(parts) > 2


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What two virtual devices make of the small training of `test_backends`."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed: pip install '.[jax]' brings it")
    answer = run("jax", "-c", TRAINING + SHARED, tmp_path_factory.mktemp("two"), XLA_FLAGS=f"{DEVICES}2")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_two_devices_come_to_the_losses_of_one(shared: dict, tmp_path: Path) -> None:
    one = losses("jax", tmp_path, XLA_FLAGS=f"{DEVICES}1")
    assert shared["losses"][:3] == pytest.approx(one["losses"][:3], rel=1e-4)
    assert shared["losses"][-1] == pytest.approx(one["losses"][-1], rel=1e-3)
    assert shared["validation"] == pytest.approx(one["validation"], rel=1e-3)


def test_both_devices_have_the_weights_and_half_of_a_batch(shared: dict) -> None:
    assert shared["weights"] == 2
    assert shared["training_parts"] == [8, 8]
    assert shared["predicting_parts"] == [3, 3], "of five images, one is repeated"
    assert np.shape(shared["predicted"]) == (5, 10)
    assert shared["predicted"] == pytest.approx(np.array(shared["called"]), abs=1e-5)


def test_two_devices_go_on_to_the_bit(shared: dict) -> None:
    assert shared["history"] == 4
    assert shared["resumed_alike"]


def test_a_whole_run_on_two_devices_and_not_on_with_one(synthetic: Path, tmp_path: Path) -> None:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed: pip install '.[jax]' brings it")
    (tmp_path / "tiny.toml").write_text(RUN)
    command = ["-m", "tinyscene", "train", tmp_path / "tiny.toml", "--data", synthetic, "--run", tmp_path / "run"]
    answer = run("jax", *command, "--out", tmp_path / "bundle", XLA_FLAGS=f"{DEVICES}2")
    assert answer.returncode == 0, answer.stderr
    scores = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert scores["int8"]["log_loss"] == pytest.approx(scores["float"]["log_loss"], rel=0.02)
    other = run("jax", *command, "--out", tmp_path / "other")
    assert other.returncode == 1
    assert "devices was 2, is 1" in " ".join(other.stderr.split())
