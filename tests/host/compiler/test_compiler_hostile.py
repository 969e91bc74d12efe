"""Damaged, hostile and unsupported files end in a ModelError that says what and where; nothing else comes out."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine_models
from tflite_models import ModelBuilder, pack, schema, unpack
from tinyscene.compiler import emitter, reader
from tinyscene.compiler.kernels.choices import CHOICES, OF_OPEN_SHAPES
from tinyscene.compiler.passes import ALIASES
from tinyscene.compiler.pipeline import compile_model, plan_model
from tinyscene.errors import ModelError

FUZZ = Path(__file__).parents[2] / "tools" / "fuzz_compiler.py"


def compiles(model: bytes) -> bool:
    """Compile in memory: False for a refusal, any other exception fails the test."""
    try:
        compiled = plan_model(model)
    except ModelError:
        return False
    emitter.source(compiled.planned, compiled.launches, compiled.memory, "model")
    return True


@pytest.fixture(scope="module")
def network() -> bytes:
    return engine_models.generate("branches", 1)


def test_every_truncation_is_refused(network: bytes) -> None:
    lengths = {*range(0, 200), *range(200, len(network), 61)}
    assert not [length for length in lengths if compiles(network[:length])]


@pytest.mark.parametrize("name", ["branches", "dense", "softmax", "depthwise"])
def test_changed_bytes_are_refused_or_compile(name: str) -> None:
    model = engine_models.generate(name, 2)
    generator = np.random.default_rng(5)
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(model)
        for position in generator.integers(8, len(model), generator.integers(1, 4)):
            damaged[position] = generator.choice([0, 1, 127, 128, 255, generator.integers(256)])
        outcomes.add(compiles(bytes(damaged)))
    assert outcomes == {True, False}


def test_changed_words_are_refused_or_compile(network: bytes) -> None:
    generator = np.random.default_rng(6)
    for position in generator.choice(np.arange(8, len(network) - 4, 4), 150, replace=False):
        for word in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"):
            compiles(network[:position] + word + network[position + 4 :])


def two_subgraphs(model: Any) -> None:
    model.subgraphs *= 2


def wrong_version(model: Any) -> None:
    model.version = 2


def dynamic_shape(model: Any) -> None:
    model.subgraphs[0].tensors[0].shapeSignature = np.array([1, -1, 6, 4], np.int32)


def negative_size(model: Any) -> None:
    model.subgraphs[0].tensors[0].shape[1] = -1


def absurd_size(model: Any) -> None:
    model.subgraphs[0].tensors[0].shape[:] = 60000


def no_quantisation(model: Any) -> None:
    model.subgraphs[0].tensors[0].quantization = None


def zero_scale(model: Any) -> None:
    model.subgraphs[0].tensors[0].quantization.scale[0] = 0


def negative_scale(model: Any) -> None:
    model.subgraphs[0].tensors[0].quantization.scale[0] = -0.1


def nan_scale(model: Any) -> None:
    model.subgraphs[0].tensors[0].quantization.scale[0] = np.nan


def infinite_scale(model: Any) -> None:
    model.subgraphs[0].tensors[0].quantization.scale[0] = np.inf


def wild_zero_point(model: Any) -> None:
    model.subgraphs[0].tensors[0].quantization.zeroPoint[0] = 300


def asymmetric_weights(model: Any) -> None:
    model.subgraphs[0].tensors[1].quantization.zeroPoint[0] = 3


def short_weights(model: Any) -> None:
    model.buffers[1].data = model.buffers[1].data[:-1]


def missing_buffer(model: Any) -> None:
    model.subgraphs[0].tensors[1].buffer = 99


def dangling_input(model: Any) -> None:
    model.subgraphs[0].operators[0].inputs[0] = 99


def dangling_output(model: Any) -> None:
    model.subgraphs[0].outputs[0] = 99


def reads_itself(model: Any) -> None:
    op = model.subgraphs[0].operators[0]
    op.inputs[0] = op.outputs[0]


def written_twice(model: Any) -> None:
    model.subgraphs[0].operators *= 2


def weights_from_nowhere(model: Any) -> None:
    model.subgraphs[0].tensors[1].buffer = 0


def two_outputs(model: Any) -> None:
    model.subgraphs[0].outputs = np.repeat(model.subgraphs[0].outputs, 2)


def float_input(model: Any) -> None:
    model.subgraphs[0].tensors[0].type = schema().TensorType.FLOAT32


def complex_input(model: Any) -> None:
    model.subgraphs[0].tensors[0].type = schema().TensorType.COMPLEX64


def stride_zero(model: Any) -> None:
    model.subgraphs[0].operators[0].builtinOptions.strideW = 0


def wrong_output_size(model: Any) -> None:
    model.subgraphs[0].tensors[3].shape[1] += 1


def wrong_bias(model: Any) -> None:
    model.subgraphs[0].operators[0].inputs[2] = 1


def no_options(model: Any) -> None:
    model.subgraphs[0].operators[0].builtinOptions = None
    model.subgraphs[0].operators[0].builtinOptionsType = 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (two_subgraphs, "2 subgraphs"),
        (wrong_version, "schema version 2"),
        (dynamic_shape, r"tensor 0 \(tensor0\): its shape is dynamic"),
        (negative_size, r"tensor 0 .*dynamic"),
        (absurd_size, "tensor 0 .*no microcontroller holds it"),
        (no_quantisation, r"op 0 \(CONV_2D\), tensor 0 .*no quantisation"),
        (zero_scale, "tensor 0 .*a scale is not a positive number"),
        (negative_scale, "tensor 0 .*a scale is not a positive number"),
        (nan_scale, "tensor 0 .*a scale is not a positive number"),
        (infinite_scale, "tensor 0 .*a scale is not a positive number"),
        (wild_zero_point, "tensor 0 .*outside int8"),
        (asymmetric_weights, r"op 0 \(CONV_2D\), tensor 1 .*zero point is not 0"),
        (short_weights, "tensor 1 .*do not fill"),
        (missing_buffer, "tensor 1 .*buffer that does not exist"),
        (dangling_input, r"op 0 \(CONV_2D\): it reads tensor 99"),
        (dangling_output, "model output 99 is not a tensor"),
        (reads_itself, r"op 0 \(CONV_2D\), tensor 3 .*before anything writes it"),
        (written_twice, r"op 1 \(CONV_2D\), tensor 3 .*written twice"),
        (weights_from_nowhere, r"op 0 \(CONV_2D\), tensor 1 .*before anything writes it"),
        (two_outputs, "2 outputs; only models with one"),
        (float_input, r"op 0 \(CONV_2D\), tensor 0 .*it is float32 instead of int8"),
        (complex_input, "tensor 0 .*the model input is complex64"),
        (stride_zero, r"op 0 \(CONV_2D\), tensor 0 .*impossible"),
        (wrong_output_size, r"op 0 \(CONV_2D\), tensor 3 .*gives 5, not 6"),
        (wrong_bias, r"op 0 \(CONV_2D\), tensor 1 .*it is int8 instead of int32"),
        (no_options, r"op 0 \(CONV_2D\) is damaged"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refusal_names_the_place(damage: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    net = ModelBuilder(3)
    model = unpack(net.finish(net.conv(net.input((1, 5, 6, 4)), 3, (3, 3))))
    damage(model)
    with pytest.raises(ModelError, match=message):
        compile_model(pack(model), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def concatenation_of_two_scales(net: ModelBuilder) -> Any:
    x = net.input((1, 2, 2, 2))
    return net.concatenate([x, net.quantize(x, x.scale * 2, 0)], 3)


def mean_of_far_axes(net: ModelBuilder) -> Any:
    return net.mean(net.input((1, 3, 4, 5)), (1, 3), keep=True)


def grouped_convolution(net: ModelBuilder) -> Any:
    x = net.input((1, 4, 4, 6))
    half = net.activation((1, 4, 4, 3), 1.0, 0)
    y = net.conv(half, 3, (1, 1))
    net.graph.operators[-1].inputs[0] = x.index
    return y


def only_a_reshape(net: ModelBuilder) -> Any:
    return net.reshape(net.input((1, 6)), (2, 3))


def tiny_softmax_scale(net: ModelBuilder) -> Any:
    return net.softmax(net.input((1, 6), scale=1e-9))


def subtraction(net: ModelBuilder) -> Any:
    x = net.input((1, 6))
    return net.op("SUB", [x.index, x.index], net.activation((1, 6), 1.0, 0), schema().SubOptionsT(), "SubOptions")


def scales_far_apart(net: ModelBuilder) -> Any:
    return net.quantize(net.input((1, 6), scale=1e20), 1e-20, 0)


def relu_of_tiny_scale(net: ModelBuilder) -> Any:
    x = net.input((1, 6), scale=1e-30)
    return net.op("RELU6", [x.index], net.activation((1, 6), 1e-30, 0))


def mean_of_another_shape(net: ModelBuilder) -> Any:
    x = net.mean(net.input((1, 3, 4, 5)), (1, 2), keep=True)
    net.graph.operators[0].builtinOptions.keepDims = False
    return x


def reshape_to_another_shape(net: ModelBuilder) -> Any:
    x = net.reshape(net.conv(net.input((1, 4, 4, 2)), 3, (3, 3)), (1, 6, 8))
    net.model.buffers[-1].data = np.array([1, 8, 6], np.int32).view(np.uint8)
    return x


def expanded_to_another_shape(net: ModelBuilder) -> Any:
    x = net.conv(net.expand(net.input((1, 4, 2)), 1), 3, (1, 1))
    net.model.buffers[1].data = np.array([3], np.int32).view(np.uint8)
    return x


def squeezed_to_another_shape(net: ModelBuilder) -> Any:
    x = net.squeeze(net.conv(net.input((1, 1, 4, 2)), 1, (1, 1)), (1,))
    net.graph.operators[-1].builtinOptions.squeezeDims = np.array([3], np.int32)
    return x


def shape_of_an_open_batch(net: ModelBuilder) -> Any:
    return net.op("SHAPE", [net.input((1, 6)).index], net.activation((2,), 1.0, 0))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (expanded_to_another_shape, r"op 0 \(EXPAND_DIMS\), tensor \d+ .*\[1, 4, 2\] cannot become \[1, 1, 4, 2\]"),
        (squeezed_to_another_shape, r"op 1 \(SQUEEZE\), tensor \d+ .*\[1, 1, 4, 1\] cannot become \[1, 4, 1\]"),
        (shape_of_an_open_batch, r"op 0 \(SHAPE\).*convert with a fixed input shape \(batch 1\)"),
        (scales_far_apart, r"op 0 \(QUANTIZE\): its scales are 1e\+40 apart"),
        (relu_of_tiny_scale, r"op 0 \(RELU6\): its scale of 1e-30 is too small for RELU6"),
        (mean_of_another_shape, r"op 0 \(MEAN\), tensor 1 .*\[1, 1, 1, 5\] instead of \[1, 5\]"),
        (reshape_to_another_shape, r"op 1 \(RESHAPE\), tensor \d+ .*\[1, 4, 4, 3\] cannot become \[1, 6, 8\]"),
        (subtraction, r"op 0 \(SUB\), tensor 1 .*not supported"),
        (concatenation_of_two_scales, r"op 1 \(CONCATENATION\), tensor 1 .*quantisation differs"),
        (mean_of_far_axes, r"op 0 \(MEAN\), tensor 2 .*not neighbours"),
        (grouped_convolution, r"op 0 \(CONV_2D\), tensor 2 .*grouped convolution"),
        (only_a_reshape, "nothing to compile"),
        (tiny_softmax_scale, r"op 0 \(SOFTMAX\), tensor 0 .*too small"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_unsupported_models_are_refused(recipe: Callable[[ModelBuilder], Any], message: str) -> None:
    net = ModelBuilder(3)
    with pytest.raises(ModelError, match=message):
        plan_model(net.finish(recipe(net)))


@pytest.mark.parametrize(
    "kind", sorted({*reader.OP_NAMES.values()} - {*CHOICES, *ALIASES, *OF_OPEN_SHAPES, *reader.OPTION_READERS})
)
def test_every_other_operator_is_refused(kind: str) -> None:
    net = ModelBuilder(3)
    x = net.input((1, 6))
    model = net.finish(net.op(kind, [x.index], net.activation((1, 6), 0.1, 0)))
    with pytest.raises(
        ModelError, match=rf"op 0 \({kind}.*\), tensor 1 .*: this operator is not supported; supported are A"
    ):
        plan_model(model)


def test_damaged_models_end_in_time_and_memory_and_run_in_bounds() -> None:
    """In a process of its own, with limits: see fuzz_compiler.py, which runs more of them by hand."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, FUZZ, "--first", "0", "--count", "600", "--compare", "4"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr[-2000:]
    found = json.loads(result.stdout)
    assert found["refused"] > 400
    assert found["compiled"] > 50
    assert found["compared with TensorFlow Lite"] > 10


def test_files_that_are_no_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no\.tflite cannot be read"):
        reader.read(tmp_path / "no.tflite")
    text = tmp_path / "text.tflite"
    text.write_text("this is not a model")
    with pytest.raises(ModelError, match=r"text\.tflite: not a \.tflite file"):
        reader.read(text)
    with pytest.raises(ModelError, match="is not a C name"):
        compile_model(engine_models.generate("dense", 1), tmp_path, prefix="Model 1")
