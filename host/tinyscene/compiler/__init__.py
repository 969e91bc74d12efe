"""Compile an INT8 .tflite model to C: read, plan the graph, choose kernels, plan memory, emit.

The steps are modules of their own, each a function from the result of the one before:
reader.read -> passes.plan -> kernels.choose -> memory.plan -> emitter.
"""

import dataclasses
import re
from pathlib import Path

from rich.table import Column, Table

from tinyscene import bundle, files
from tinyscene.compiler import emitter, memory, passes, reader
from tinyscene.compiler.graph import Tensor
from tinyscene.compiler.kernels import KernelCall, choose
from tinyscene.compiler.memory import MemoryPlan
from tinyscene.compiler.passes import PlannedGraph
from tinyscene.console import console
from tinyscene.errors import ModelError

PREFIX = re.compile(r"[a-z][a-z0-9_]*")


@dataclasses.dataclass(frozen=True, slots=True)
class LayerReport:
    """One call of the generated code: names, shapes, multiply-accumulates and bytes."""

    index: int
    kind: str
    kernel: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    macs: int
    constant_bytes: int
    scratch_bytes: int
    live_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class CompileReport:
    """What a compiled model takes: arena and constants in bytes, and its layers."""

    arena_bytes: int
    constant_bytes: int
    input_bytes: int
    output_bytes: int
    layers: tuple[LayerReport, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class CompiledModel:
    """A model with its plans, ready to be written."""

    planned: PlannedGraph
    calls: tuple[KernelCall, ...]
    memory: MemoryPlan

    @property
    def input(self) -> Tensor:
        """The model's input tensor."""
        return self.planned.graph.tensors[self.planned.graph.inputs[0]]

    @property
    def output(self) -> Tensor:
        """The model's output tensor."""
        return self.planned.graph.tensors[self.planned.graph.outputs[0]]

    def report(self) -> CompileReport:
        """Summarise sizes and layers."""
        tensors = self.planned.graph.tensors
        return CompileReport(
            arena_bytes=self.memory.arena_bytes,
            constant_bytes=emitter.constant_bytes(self.planned, self.calls),
            input_bytes=self.input.elements,
            output_bytes=self.output.elements,
            layers=tuple(
                LayerReport(
                    index=call.op.index,
                    kind=call.op.kind,
                    kernel=call.function,
                    input_shape=tensors[call.inputs[0]].shape,
                    output_shape=tensors[call.output].shape,
                    macs=call.macs,
                    constant_bytes=call.constant_bytes,
                    scratch_bytes=call.scratch_bytes,
                    live_bytes=self.memory.live_bytes(position),
                )
                for position, call in enumerate(self.calls)
            ),
        )


def plan_model(model: bytes | Path, name: str | None = None) -> CompiledModel:
    """Read a model and make all plans, without writing anything.

    Args:
        model: a .tflite file's bytes or path.
        name: what messages call it; default: its path, or "the model".

    Raises:
        ModelError: the file is damaged or has something that the compiler does not support.
    """
    planned = passes.plan(reader.read(model, name))
    calls = tuple(choose(planned.graph, op) for op in planned.ops)
    return CompiledModel(planned, calls, memory.plan(planned, calls))


def compile_model(model: bytes | Path, out: Path, prefix: str = "model") -> CompileReport:
    """Compile a model into `<out>/<prefix>.c` and `<out>/<prefix>.h`; the header has the contract.

    Args:
        model: a .tflite file's bytes or path.
        out: folder, made if absent.
        prefix: C name of the model, in lower case.

    Raises:
        ModelError: damaged, or unsupported: op, tensor and reason are named. Nothing is written then.
    """
    if not PREFIX.fullmatch(prefix):
        raise ModelError(f"{prefix!r} is not a name for C in lower case; choose one such as model")
    compiled = plan_model(model)
    header = emitter.header(compiled.planned, compiled.memory, prefix)
    source = emitter.source(compiled.planned, compiled.calls, compiled.memory, prefix)
    files.write_text(out / f"{prefix}.c", source)
    files.write_text(out / f"{prefix}.h", header)
    return compiled.report()


def model_path(model: Path) -> Path:
    """Return the .tflite file of a bundle's folder, or the path itself."""
    return model / bundle.MODEL_FILE if model.is_dir() else model


def report(model: Path, out: Path) -> None:
    """Compile a model and print its layers, kernels and memory: the command `tinyscene compile`."""
    path = model_path(model)
    compiled = compile_model(path, out)
    console.print(layer_table(compiled))
    console.print(
        f"{out / 'model.c'}: arena {compiled.arena_bytes:,} bytes, constants {compiled.constant_bytes:,} bytes, "
        f"input {compiled.input_bytes:,}, output {compiled.output_bytes:,}",
        highlight=False,
        soft_wrap=True,
    )


def layer_table(compiled: CompileReport) -> Table:
    """Return the table of layers: kernel, output, and bytes of constants, scratch and arena; its peak is marked."""
    table = Table(
        "op",
        Column("layer", no_wrap=True),
        "kernel",
        "output",
        box=None,
        header_style="bold",
        padding=(0, 1),
        pad_edge=False,
    )
    for column in ("constants", "scratch", "arena in use"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    peak = max((layer.live_bytes for layer in compiled.layers), default=0)
    for layer in compiled.layers:
        table.add_row(
            str(layer.index),
            layer.kind,
            layer.kernel.removeprefix("engine_"),
            "x".join(map(str, layer.output_shape)),
            *(f"{size:,}" for size in (layer.constant_bytes, layer.scratch_bytes, layer.live_bytes)),
            "peak" if layer.live_bytes == peak else "",
        )
    return table
