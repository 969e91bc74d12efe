"""What is generated for TensorFlow Lite Micro, and the library's build, without its sources: those of small packs."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest

from tflite_models import ModelBuilder
from tiny_bundle import tiny_bundle
from tinyscene.compiler import execution, operators, reader
from tinyscene.errors import ConfigError, ModelError, ToolError
from tinyscene.firmware.runtimes import Choice
from tinyscene.networks import conversion
from tinyscene.paths import FIRMWARE_LIB, GENERATED
from tinyscene.tflm import emitter, kernels, library
from tinyscene.tflm.packs.selection import Sources
from tinyscene.toolchain import native

GUARD = 1024  # bytes behind an operator's scratch that it must leave alone


class Kernel(ctypes.Structure):
    """struct tflm_kernel."""

    _fields_ = (
        ("output", ctypes.c_int32),
        ("inputs", ctypes.c_int32),
        ("scratch_bytes", ctypes.c_int32),
        ("run", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)),
    )


def network() -> bytes:
    """Return every kind of operator that the engine carries out for TensorFlow Lite Micro, and a reshape."""
    net = ModelBuilder(7)
    x = net.conv(net.input((1, 20, 15, 3)), 8, (3, 3), activation="RELU")
    x = net.pool(x, "MAX_POOL_2D", (2, 2), (2, 2))
    y = net.conv(net.conv(x, 8, (3, 3)), 8, (3, 3), depthwise=1)
    x = net.pool(net.combine("ADD", x, y), "AVERAGE_POOL_2D", (2, 2), (1, 1), padding="SAME")
    x = net.reshape(net.mean(x, (1, 2), keep=True), (1, 8))
    return net.finish(net.dense(x, 5))


@pytest.mark.parametrize("optimize", ["memory", "speed"])
def test_each_operator_by_itself_makes_the_reference_kernels_bytes(tmp_path: Path, optimize: str) -> None:
    model = network()
    graph = reader.read(model)
    kinds = kernels.kinds(graph)
    assert kinds == sorted(kernels.KINDS)
    compiled = operators.plan(model, kinds, optimize)
    (tmp_path / "model_kernels.c").write_text(kernels.source(compiled))
    include = [execution.ENGINE, FIRMWARE_LIB / "tflm"]
    built = native.build_library(
        "kernels", [tmp_path / "model_kernels.c", *execution.engine_sources()], include, execution.ENGINE_FLAGS
    )
    count = ctypes.c_size_t.in_dll(built, "tflm_kernel_count").value
    table = {kernel.output: kernel for kernel in (Kernel * count).in_dll(built, "tflm_kernels")}
    ops = [op for op in graph.ops if op.kind != "RESHAPE"]
    assert sorted(table) == sorted(op.outputs[0] for op in ops)

    image = np.random.default_rng(1).integers(-128, 128, (1, 20, 15, 3), np.int8)
    made = [graph.output(op) for op in graph.ops]
    parts = conversion.run_reference_tensors(model, image, [tensor.index for tensor in made])
    values = {tensor.index: part for tensor, part in zip(made, parts, strict=True)} | {graph.inputs[0]: image}
    for op in ops:
        kernel = table[op.outputs[0]]
        inputs = (ctypes.c_void_p * kernel.inputs)(*(values[index].ctypes.data for index in op.inputs[: kernel.inputs]))
        output = np.zeros_like(values[op.outputs[0]])
        scratch = np.full(kernel.scratch_bytes + 16 + GUARD, 165, np.uint8)
        start = -scratch.ctypes.data % 16
        kernel.run(inputs, output.ctypes.data, scratch.ctypes.data + start)
        assert set(scratch[start + kernel.scratch_bytes :]) == {165}, f"{op} writes behind its scratch"
        assert output.tolist() == values[op.outputs[0]].tolist(), str(op)


def test_kinds_that_are_of_floats_somewhere_are_left_to_tensorflow() -> None:
    net = ModelBuilder(1)
    x = net.dequantize(net.conv(net.input((1, 4, 4, 4)), 4, (1, 1)))
    graph = reader.read(net.finish(net.quantize(net.float_operation("ADD", x, net.number(1.0)), 0.05, 3)))
    assert kernels.kinds(graph) == ["CONV_2D"]


def test_the_array_is_the_model_and_names_its_bundle() -> None:
    bundle = tiny_bundle()
    text = emitter.array_source(bundle.model, bundle.identity)
    assert bundle.identity in text
    assert f"_Alignas(16) const uint8_t tflm_flatbuffer[{len(bundle.model)}]" in text
    assert bytes(map(int, re.findall(r"\b\d+(?=,)", text))) == bundle.model


def test_the_table_has_the_model_s_operators_alone() -> None:
    _, kinds = emitter.operators(network())
    text = emitter.operators_source(kinds, ["CONV_2D"])
    assert re.findall(r"BuiltinOperator_(\w+)", text) == kinds
    assert re.findall(r"Register_(\w+)\(", text) == [kind for kind in kinds if kind != "CONV_2D"]
    assert "{tflite::BuiltinOperator_CONV_2D, tflm_parse_nothing, tflm_register_kernel, tflm_invoke<2>}" in text
    for parser in ("ParseDepthwiseConv2D", "ParseFullyConnected", "ParsePool", "ParseReducer", "ParseReshape"):
        assert f"tflite::{parser}," in text


def test_the_header_promises_what_the_engine_s_does() -> None:
    graph = reader.read(tiny_bundle().model)
    text = emitter.header(graph, 4096)
    sizes = {name: int(value) for name, value in re.findall(r"#define MODEL_(\w+) (\d+)", text)}
    assert sizes == {"ARENA_BYTES": 4096, "INPUT_BYTES": 80 * 51, "OUTPUT_BYTES": 5, "LAYERS": 3}


def test_what_tensorflow_lite_micro_lacks_is_refused() -> None:
    net = ModelBuilder(1)
    model = net.finish(net.function("GELU", net.input((1, 4))))
    with pytest.raises(ModelError, match=r"op 0 \(GELU\): TensorFlow Lite Micro has no such operator"):
        emitter.operators(model)


def test_unknown_choices_are_named() -> None:
    with pytest.raises(ConfigError, match="runtime 'tf' is not known; choose engine or tflm"):
        Choice(runtime="tf")
    with pytest.raises(ConfigError, match="kernels 'fast' is not known; choose cmsis-nn or tinyscene"):
        Choice(runtime="tflm", kernels="fast")
    assert Choice(runtime="tflm").folder == GENERATED.parent / "generated_tflm"


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pack with two kernels, and what they share."""
    try:
        library.compilers()
    except ToolError as missing:
        pytest.skip(str(missing))
    folder = tmp_path / "pack" / library.KERNELS
    folder.mkdir(parents=True)
    (tmp_path / "pack" / "shared.h").write_text("#include <cstdint>\nstruct TFLMRegistration { int32_t code; };\n")
    for kind in ("ADD", "SVDF"):
        (folder / f"{kind.lower()}.cpp").write_text(
            f'#include "shared.h"\nTFLMRegistration Register_{kind}() {{ return {{}}; }}\n'
        )
    (folder / "common.c").write_text("int common(int unused) { return 1; }\n")
    (folder / "clock.c").write_text("#error to be replaced\n")
    paths = sorted(folder.iterdir())

    def resolve() -> Sources:
        config = (folder / "clock.c",)
        return Sources(tuple(paths), config, (tmp_path / "pack",), ("NAMED=1",), (), {"small": "1.0.0"}, (), ())

    monkeypatch.setattr(library.selection, "resolve", resolve)
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "cache"))
    return folder


def test_the_library_has_what_the_model_needs_and_is_built_once(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = library.build(["ADD"])
    symbols = {name for name, _ in execution.symbols(built.path, "T")}
    assert "common" in symbols
    assert any("Register_ADD" in name for name in symbols)
    assert not any("Register_SVDF" in name for name in symbols)
    assert built.flags == ["-DNAMED=1", *(f"-D{name}" for name in library.DEFINES), f"-isystem{pack.parents[3]}"]

    compiled: list[Path] = []
    compile_one = library._compile
    monkeypatch.setattr(
        library, "_compile", lambda source, *rest: (compiled.append(source), compile_one(source, *rest))
    )
    assert library.build(["ADD"]) == built
    assert compiled == []
    assert library.build(["ADD", "SVDF"]).path != built.path
    assert [source.name for source in compiled] == ["svdf.cpp"]


def test_a_source_that_does_not_compile_is_named(pack: Path) -> None:
    (pack / "common.c").write_text("int common(void) { return }\n")
    with pytest.raises(ToolError, match=r"arm-none-eabi-gcc refused .*common\.c"):
        library.build(["ADD"])


def test_without_packs_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path))
    with pytest.raises(ToolError, match="tinyscene packs install"):
        library.build(["ADD"])
