"""TensorFlow Lite Micro itself on the emulated board, where its packs are installed: same bytes, whichever kernels."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tiny_bundle import tiny_bundle
from tinyscene.bench import tflm_compare
from tinyscene.compiler import verify
from tinyscene.compiler.pipeline import plan_model
from tinyscene.errors import ToolError
from tinyscene.networks import conversion
from tinyscene.tflm import generate as tflm
from tinyscene.tflm.packs import selection


@pytest.fixture(scope="module")
def model() -> bytes:
    try:
        selection.resolve()
    except ToolError as missing:
        pytest.skip(f"no TensorFlow Lite Micro here: {missing}")
    return tiny_bundle().model


@pytest.mark.parametrize("kernels", ["cmsis-nn", "tinyscene"])
def test_it_answers_as_the_reference_kernels_do(model: bytes, kernels: str) -> None:
    inputs = verify.make_inputs(plan_model(model).input.shape[1:], 3, seed=1)
    made = tflm.generate(model, "tested", kernels, inputs=inputs)
    assert (made.measured.run.outputs == conversion.run_reference(model, inputs).reshape(3, -1)).all()
    assert made.measured.arena_bytes % 16 == 0
    assert f"#define MODEL_ARENA_BYTES {made.measured.arena_bytes} " in made.sources["model.h"]
    assert (made.table_bytes > 0) == (kernels == "tinyscene")
    assert ("engine_conv2d" in "".join(made.sources.values())) == (kernels == "tinyscene")


def test_an_operator_that_differs_is_named(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = conversion.run_reference_tensors

    def with_another_last_byte(*arguments: Any) -> list[NDArray[np.int8]]:
        made = reference(*arguments)
        made[-1] = made[-1] ^ np.eye(1, 5, 4, np.int8)
        return made

    monkeypatch.setattr(conversion, "run_reference_tensors", with_another_last_byte)
    inputs = verify.make_inputs(plan_model(model).input.shape[1:], 2, seed=1)
    (found,) = tflm_compare.operators(model, "tinyscene", inputs)[0]
    assert found == tflm_compare.Difference("op 2 (FULLY_CONNECTED)", bytes=2, of=10, vectors=2)
