"""TensorFlow Lite Micro's interpreter against the reference kernels; most tests need the package tflite-micro."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tflite_models import ModelBuilder, pack, unpack
from tinyscene import cli
from tinyscene.errors import ModelError, ToolError
from tinyscene.paths import REPOSITORY
from tinyscene.tflm import interpreter as tflm_interpreter, verify as verify_tflm

STUDENT = REPOSITORY / "models" / "student"
needs_package = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None,
    reason=f"the package tflite-micro is not installed: {tflm_interpreter.INSTALL} (Linux on x86-64 only)",
)


def small_model() -> bytes:
    """A convolution, a pool and a dense layer: operators 0, 1, 2, then RESHAPE between the last two."""
    net = ModelBuilder(3)
    image = net.conv(net.input((1, 8, 6, 2), 0.05, 3), 4, (3, 3))
    image = net.pool(image, "MAX_POOL_2D", (2, 2), (2, 2))
    return net.finish(net.dense(net.reshape(image, (1, 48)), 5))


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["tinyscene", "verify", "--runtime", *words])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    return int(leaving.value.code or 0)


@needs_package
def test_the_student_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "tflm", str(STUDENT), "--vectors", "6", "--json", str(tmp_path / "found.json")) == 0
    assert "0 mismatches in 60 values of 6 inputs; largest difference 0" in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert found == {"vectors": 6, "values": 60, "mismatches": 0, "max_abs_diff": 0, "first_operator": None}


@needs_package
@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_every_type_of_input_and_output(dtype: str) -> None:
    """What the package makes of this NumPy's arrays."""
    net = ModelBuilder(5)
    if dtype == "float32":
        output = net.dequantize(net.conv(net.float_input((1, 6, 6, 2)), 3, (3, 3)))
    elif dtype == "uint8":
        source = net.bytes_tensor((1, 6, 6, 2), "UINT8", 0.1, 128)
        net.graph.inputs.append(source.index)
        output = net.conv(net.quantize(source, 0.1, 0), 3, (3, 3))
    else:
        output = net.conv(net.input((1, 6, 6, 2)), 3, (3, 3))
    found = verify_tflm.verify(net.finish(output), vectors=20)
    assert (found.values, found.mismatches) == (20 * 108, 0)


@needs_package
def test_the_first_operator_that_differs_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first row of the dense layer is changed on its way to TensorFlow Lite Micro."""
    model = small_model()
    changed = unpack(model)
    dense = changed.subgraphs[0].operators[3]
    data = changed.buffers[changed.subgraphs[0].tensors[dense.inputs[1]].buffer].data
    data[:48] = 1  # of the first output
    run = tflm_interpreter.run

    def run_changed(_: bytes, inputs: NDArray[Any], tensors: Sequence[int] = ()) -> list[NDArray[Any]]:
        return run(pack(changed), inputs, tensors)

    monkeypatch.setattr(tflm_interpreter, "run", run_changed)
    found = verify_tflm.verify(model, vectors=10)
    assert 0 < found.mismatches <= 10
    assert found.max_abs_diff > 0
    first = found.first_operator
    assert first is not None
    assert (first.index, first.kind, first.values, first.mismatches) == (3, "FULLY_CONNECTED", 5, 1)
    (tmp_path / "model.tflite").write_bytes(model)
    assert command(monkeypatch, "tflm", str(tmp_path / "model.tflite"), "--vectors", "10") == 1
    assert f"first: operator 3 (FULLY_CONNECTED) at input {first.vector}, 1 of 5 values" in capsys.readouterr().out


@needs_package
def test_dense_layers_are_rounded_twice() -> None:
    """TensorFlow Lite rounds them once, in double precision, since 2.17 or so: docs/HOWTO-tflm.md tells of it."""
    net = ModelBuilder(7)
    found = verify_tflm.verify(net.finish(net.dense(net.input((1, 40)), 64)), vectors=200)
    assert 0 < found.mismatches < found.values // 50
    assert found.max_abs_diff == 1
    assert found.first_operator is not None
    assert found.first_operator.kind == "FULLY_CONNECTED"


@needs_package
def test_an_operator_that_it_lacks() -> None:
    net = ModelBuilder(1)
    model = net.finish(net.function("GELU", net.input((1, 4))))
    with pytest.raises(ToolError, match=r"cannot run the model \(.*GELU.*\); it may lack an operator"):
        tflm_interpreter.run(model, np.zeros((1, 1, 4), np.int8))


def test_a_process_that_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter ends its process over some models."""
    (tmp_path / "tflite_micro").mkdir()
    (tmp_path / "tflite_micro" / "__init__.py").touch()
    (tmp_path / "tflite_micro" / "runtime.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{REPOSITORY / 'host'}")
    with pytest.raises(ToolError, match=r"cannot run the model \(it ended with -11\)"):
        tflm_interpreter.run(b"", np.zeros((1, 4), np.int8))


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert command(monkeypatch, "tflm", str(STUDENT), "--vectors", "1") == 1
    assert "tflite-micro is not installed; in the checkout, run .venv/bin/pip install" in capsys.readouterr().err


def test_models_with_other_ends() -> None:
    net = ModelBuilder(1)
    first, second = net.input((1, 4)), net.input((1, 4))
    with pytest.raises(ModelError, match="has 2 inputs and 1 outputs; convert it with one of each"):
        verify_tflm.verify(net.finish(net.combine("ADD", first, second)))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("tflm", str(STUDENT), "--board", "mps2"), "is verified on the host"),
        (("tflm", str(STUDENT), "--optimize", "speed"), "has no --optimize"),
        (("tflm", "nowhere.tflite"), "nowhere.tflite is missing"),
        (("tflm", __file__), "cannot load the model"),
    ],
)
def test_mistakes(
    words: Sequence[str], match: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, *words) == 1
    assert match in capsys.readouterr().err
