"""The same configuration on every Keras back end that is installed, each in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAINING = """
import dataclasses, json, sys
from pathlib import Path
import numpy as np
from tinyscene.augment import AugmentConfig
from tinyscene.frontend import Normalisation
from tinyscene.networks import catalogue as networks, keras
from tinyscene.training import NetworkConfig, fit as fitting

folder = Path(sys.argv[1])
random = np.random.default_rng(0)
labels = np.arange(48) % 10
images = random.normal(size=(48, 16, 12)).astype(np.float32)
images[np.arange(48), labels] += 6
examples = fitting.Examples(images, labels, Normalisation((0.0,) * 16, (1.0,) * 16))
network = NetworkConfig(network="student", width=0.25, epochs=4, batch_size=16, learning_rate=5e-3, optimizer="adamw",
                        weight_decay=1e-3, average_from=0.5)
task = fitting.Task(folder=folder / "student", config=network, augment=AugmentConfig(time_roll=2, mixup=0.3), seed=1,
                    classes=10, title="test", live=False)
def start():
    model = networks.build("student", (16, 12, 1), width=0.25)
    for position, variable in enumerate(model.weights):  # back ends draw other numbers: here they start alike
        if variable.path.endswith(("kernel", "bias")):
            variable.assign(np.random.default_rng(position).normal(0, 0.2, variable.shape).astype(np.float32))
    return model
losses, real = [], keras.Model.train_on_batch
def noting(*arguments):
    losses.append(float(real(*arguments)))
    return losses[-1]
keras.Model.train_on_batch = noting
model = fitting.train(task, examples, examples, start=start())
last = json.loads((task.folder / "history.jsonl").read_text().splitlines()[-1])
print(json.dumps({"losses": losses, "validation": last["val_log_loss"]}))
"""

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
dropout = 0.1
epochs = 1
[student]
network = "student"
width = 0.0625
epochs = 1
[quantisation]
epochs = 1
"""


def run(backend: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python on a back end, with environment variables."""
    environment = {**os.environ, "KERAS_BACKEND": backend, **variables}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def losses(backend: str, folder: Path, **variables: str) -> dict:
    answer = run(backend, "-c", TRAINING, folder, **variables)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.fixture(params=["jax", "torch"])
def backend(request: pytest.FixtureRequest) -> str:
    """A back end other than the default one."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed: pip install '.[{request.param}]' brings it")
    return request.param


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What TensorFlow makes of the small training."""
    return losses("tensorflow", tmp_path_factory.mktemp("tensorflow"))


def test_losses_are_tensorflows(backend: str, reference: dict, tmp_path: Path) -> None:
    answer = losses(backend, tmp_path)
    assert len(answer["losses"]) == 12
    assert answer["losses"][:3] == pytest.approx(reference["losses"][:3], rel=1e-4)
    assert answer["losses"][-1] == pytest.approx(reference["losses"][-1], rel=0.02)
    assert answer["validation"] == pytest.approx(reference["validation"], rel=0.05)


def test_a_whole_run_and_no_other_back_end_goes_on_with_it(backend: str, synthetic: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(RUN)
    command = ["-m", "tinyscene", "train", tmp_path / "tiny.toml", "--data", synthetic, "--run", tmp_path / "run"]
    answer = run(backend, *command, "--out", tmp_path / "bundle")
    assert answer.returncode == 0, answer.stderr
    scores = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert scores["int8"]["log_loss"] == pytest.approx(scores["float"]["log_loss"], rel=0.02)
    other = run("tensorflow", *command, "--out", tmp_path / "other")
    assert other.returncode == 1
    assert f"KERAS_BACKEND was {backend}, is tensorflow" in " ".join(other.stderr.split())
