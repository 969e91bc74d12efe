"""Compile an INT8 .tflite model to C: read, plan the graph, choose kernels, plan streaming and memory, emit.

The steps are modules of their own, each a function from the result of the one before:
reader.read -> passes.plan -> kernels.choose -> streaming.plan -> memory.plan -> emitter.
"""

import dataclasses
import re
from pathlib import Path
from typing import Literal, cast, get_args

from rich.table import Column, Table

from tinyscene import bundle, files
from tinyscene.compiler import emitter, estimate, memory, passes, reader, streaming
from tinyscene.compiler.graph import Tensor
from tinyscene.compiler.kernels import KernelCall, choose, winograd
from tinyscene.compiler.memory import MemoryPlan
from tinyscene.compiler.passes import PlannedGraph
from tinyscene.compiler.streaming import Launch
from tinyscene.console import console
from tinyscene.errors import ModelError

PREFIX = re.compile(r"[a-z][a-z0-9_]*")
Optimize = Literal["memory", "speed"]  # what there should be little of: bytes, or instructions
DEFAULT_PREFIX = "model"
MAP_FILE = "memory.svg"
WIDE_COLUMNS = 110  # of a console that has room for two spaces between the columns of the table


@dataclasses.dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer of the generated code: names, shapes, multiply-accumulates and bytes.

    Attributes:
        index: of its operator.
        kind: TensorFlow Lite's names of the operators that it carries out.
        kernel: the engine's function.
        group: number of the layers that run together, from 0.
        input_shape, output_shape: as far as they are computed.
        rows_kept: of the output, where only a ring of its rows exists; None for a whole tensor.
        macs: multiply-accumulates.
        constant_bytes, scratch_bytes: its own; its state counts as scratch.
        live_bytes: of the arena, while its group runs.
        instructions: of one inference on a Cortex-M4, estimated; None for a kernel without an estimate.
    """

    index: int
    kind: str
    kernel: str
    group: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    rows_kept: int | None
    macs: int
    constant_bytes: int
    scratch_bytes: int
    live_bytes: int
    instructions: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class CompileReport:
    """What a compiled model takes: arena, arrays of constants and its two ends in bytes, its output's type, its layers.

    The structs of layers and groups are not counted among the constants; `verify` on mps2 counts what is linked.
    """

    arena_bytes: int
    constant_bytes: int
    input_bytes: int
    output_bytes: int
    output_type: str
    layers: tuple[LayerReport, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class CompiledModel:
    """A model with its plans, ready to be written."""

    planned: PlannedGraph
    launches: tuple[Launch, ...]
    memory: MemoryPlan

    @property
    def calls(self) -> tuple[KernelCall, ...]:
        """All layers, in execution order."""
        return tuple(call for launch in self.launches for call in launch.calls)

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
        return CompileReport(
            arena_bytes=self.memory.arena_bytes,
            constant_bytes=emitter.constant_bytes(self.planned, self.calls),
            input_bytes=self.input.bytes,
            output_bytes=self.output.bytes,
            output_type=self.output.dtype,
            layers=tuple(
                LayerReport(
                    index=call.op.index,
                    kind=call.kind,
                    kernel=call.function,
                    group=position,
                    input_shape=self.planned.shape(call.inputs[0]),
                    output_shape=self.planned.shape(call.output),
                    rows_kept=launch.rings.rows.get(call.output),
                    macs=call.macs,
                    constant_bytes=call.constant_bytes,
                    scratch_bytes=call.scratch_bytes + call.state_bytes,
                    live_bytes=self.memory.live_bytes(position),
                    instructions=estimate.instructions(self.planned, call),
                )
                for position, launch in enumerate(self.launches)
                for call in launch.calls
            ),
        )


def plan_model(model: bytes | Path, name: str | None = None, optimize: Optimize = "memory") -> CompiledModel:
    """Read a model and make all plans, without writing anything.

    Args:
        model: a .tflite file's bytes or path.
        name: what messages call it; default: its path, or "the model".
        optimize: with "speed", convolutions may be computed with transformed weights, which take 3.6 times the room.

    Raises:
        ModelError: the file is damaged or has something that the compiler does not support.
    """
    graph = reader.read(model, name)
    planned = passes.plan(graph)
    if optimize == "speed":
        planned = passes.plan(graph, winograd.chosen(planned))
    launches = streaming.plan(planned, [choose(planned, op) for op in planned.ops])
    return CompiledModel(planned, launches, memory.plan(planned, launches))


def compile_model(
    model: bytes | Path, out: Path, prefix: str = DEFAULT_PREFIX, optimize: Optimize = "memory"
) -> CompileReport:
    """Compile a model into `<out>/<prefix>.c` and `<out>/<prefix>.h`; the header has the contract.

    Args:
        model: a .tflite file's bytes or path.
        out: folder, made if absent.
        prefix: C name of the model, in lower case.
        optimize: as for `plan_model`.

    Raises:
        ModelError: damaged, or unsupported: op, tensor and reason are named. Nothing is written then.
    """
    if not PREFIX.fullmatch(prefix):
        raise ModelError(f"{prefix!r} is not a name for C in lower case; choose one such as model")
    compiled = plan_model(model, optimize=optimize)
    write(compiled, out, prefix)
    return compiled.report()


def emit(compiled: CompiledModel, prefix: str = DEFAULT_PREFIX) -> dict[str, str]:
    """Return the texts of `<prefix>.c` and `<prefix>.h` by file name."""
    plans = compiled.planned, compiled.launches, compiled.memory
    return {f"{prefix}.c": emitter.source(*plans, prefix), f"{prefix}.h": emitter.header(*plans, prefix)}


def write(compiled: CompiledModel, out: Path, prefix: str = DEFAULT_PREFIX) -> None:
    """Write a planned model as `<out>/<prefix>.c` and `<out>/<prefix>.h`."""
    for name, text in emit(compiled, prefix).items():
        files.write_text(out / name, text)


def model_path(model: Path) -> Path:
    """Return the .tflite file of a bundle's folder, or the path itself."""
    return model / bundle.MODEL_FILE if model.is_dir() else model


def checked_optimize(choice: str) -> Optimize:
    """Return what to optimise for, from the command line."""
    if choice not in get_args(Optimize):
        raise ModelError(f"cannot optimise for {choice!r}; choose {' or '.join(get_args(Optimize))}")
    return cast(Optimize, choice)


def report(model: Path, out: Path, optimize: str = "memory") -> None:
    """Compile a model, draw its memory and print its layers and kernels: the command `tinyscene compile`."""
    from tinyscene.compiler import memory_map

    planned = plan_model(model_path(model), optimize=checked_optimize(optimize))
    write(planned, out)
    memory_map.write(planned, out / MAP_FILE)
    compiled = planned.report()
    console.print(layer_table(compiled))
    console.print(
        f"{out / 'model.c'}: arena {compiled.arena_bytes:,} bytes, arrays {compiled.constant_bytes:,} bytes, "
        f"input {compiled.input_bytes:,}, output {compiled.output_bytes:,}; its memory: {out / MAP_FILE}",
        highlight=False,
        soft_wrap=True,
    )


def layer_table(compiled: CompileReport) -> Table:
    """Return the table of layers: kernel, output, bytes of constants, scratch and arena (its peak is marked), and the
    estimated instructions; what can be added up is in the last row.

    Layers with the same number run together; "rows" are those that are kept of an output that is never whole.
    """
    table = Table(
        *(Column(name, no_wrap=True) for name in ("run", "op", "layer", "kernel", "output")),
        *(
            Column(name, justify="right", no_wrap=True)
            for name in ("rows", "constants", "scratch", "arena", "M instr.")
        ),
        box=None,
        header_style="bold",
        padding=(0, 2 if console.width >= WIDE_COLUMNS else 1, 0, 0),
        pad_edge=False,
    )
    peak = max((layer.live_bytes for layer in compiled.layers), default=0)
    for layer in compiled.layers:
        table.add_row(
            str(layer.group),
            str(layer.index),
            layer.kind,
            layer.kernel.removeprefix("engine_"),
            "x".join(map(str, layer.output_shape)),
            "" if layer.rows_kept is None else str(layer.rows_kept),
            f"{layer.constant_bytes:,}",
            f"{layer.scratch_bytes:,}",
            f"{'peak ' if layer.live_bytes == peak else ''}{layer.live_bytes:,}",
            "-" if layer.instructions is None else f"{layer.instructions / 1e6:.3f}",
        )
    constants = sum(layer.constant_bytes for layer in compiled.layers)
    known = [layer.instructions for layer in compiled.layers if layer.instructions is not None]
    millions = f"{'> ' if len(known) < len(compiled.layers) else ''}{sum(known) / 1e6:.3f}"
    table.add_row("", "", "sum", "", "", "", f"{constants:,}", "", "", millions, style="bold")
    return table
