"""Hundreds of networks that hypothesis draws, on this machine and on the emulated board: TensorFlow Lite's bytes.

They are built and run a batch at a time. What fails is saved, and the message says how to run it alone.
"""

import hashlib
from collections.abc import Callable

import pytest

from drawn_networks import draw_networks
from tinyscene.compiler import verify
from tinyscene.compiler.pipeline import plan_model
from tinyscene.errors import TinysceneError
from tinyscene.paths import REPOSITORY

DRAWN = 420  # some are alike
BATCHES = 3
VECTORS, SEED = 6, 11
FAILED = REPOSITORY / "build" / "failed"


@pytest.fixture(scope="module")
def networks() -> list[bytes]:
    return list(dict.fromkeys(draw_networks(DRAWN)))


def test_there_are_enough(networks: list[bytes]) -> None:
    launches = [launch for model in networks for launch in plan_model(model).launches]
    groups = [launch for launch in launches if len(launch.calls) > 1]
    assert len(networks) >= 300
    assert sum(any(call.state_bytes for call in launch.calls) for launch in groups) >= 30  # averages that are streamed
    assert sum(len(launch.rings.places) < len(launch.rings.rows) for launch in groups) >= 20  # that share memory


@pytest.mark.parametrize("on", ["host", "mps2"])
@pytest.mark.parametrize("batch", range(BATCHES))
def test_networks(on: verify.Target, batch: int, networks: list[bytes], record_property: Callable) -> None:
    models = networks[batch::BATCHES]
    wrong = failures(models, on)
    record_property(f"networks on {on}", len(models))
    assert not wrong, "\n".join(wrong)


def failures(models: list[bytes], on: verify.Target) -> list[str]:
    """Return for each model that fails what repeats it; one that spoils its batch is found by running each alone."""
    try:
        reports: list[object] = list(verify.verify_all(models, on, VECTORS, SEED))
    except TinysceneError:
        reports = [_alone(model, on) for model in models]
    return [
        f"{_save(model)} --board {on} --vectors {VECTORS} --seed {SEED}: {report}"
        for model, report in zip(models, reports, strict=True)
        if not (isinstance(report, verify.VerifyReport) and report.mismatches == 0)
    ]


def _alone(model: bytes, on: verify.Target) -> object:
    try:
        return verify.verify(model, on, VECTORS, SEED)
    except TinysceneError as error:
        return error


def _save(model: bytes) -> str:
    path = FAILED / f"{hashlib.sha256(model).hexdigest()[:8]}.tflite"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model)
    return f"tinyscene verify {path}"


def test_a_failing_network_is_saved(
    networks: list[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    true_run = verify.execution.run_on_host
    folder = tmp_path_factory.mktemp("failed")

    def one_wrong_byte(models, inputs):
        runs = true_run(models, inputs)
        runs[1].outputs.view("u1")[2, 0] ^= 1
        return runs

    monkeypatch.setattr(verify.execution, "run_on_host", one_wrong_byte)
    monkeypatch.setitem(globals(), "FAILED", folder)
    (message,) = failures(networks[:3], "host")
    (path,) = folder.iterdir()
    assert message.startswith(f"tinyscene verify {path} --board host --vectors 6 --seed 11: ")
    assert path.read_bytes() == networks[1]
