"""Compile an INT8 .tflite model to C: read, plan the graph, choose kernels, plan streaming and memory, emit.

The steps are separate modules, each a function of the result of the step before:
reader.read -> passes.plan -> kernels.choose -> streaming.plan -> memory.plan -> emitter.
"""

import re
from pathlib import Path
from typing import Literal, cast, get_args

from tinyscene import files
from tinyscene.bundle import MODEL_FILE
from tinyscene.compiler import emitter, memory, memory_map, passes, reader, streaming
from tinyscene.compiler.compiled import CompiledModel, CompileReport
from tinyscene.compiler.kernels import winograd
from tinyscene.compiler.kernels.choices import choose
from tinyscene.compiler.layer_table import layer_table
from tinyscene.console import console
from tinyscene.errors import ModelError

PREFIX = re.compile(r"[a-z][a-z0-9_]*")
Optimize = Literal["memory", "speed"]  # what to minimise: bytes, or instructions
DEFAULT_PREFIX = "model"
MAP_FILE = "memory.svg"


def plan_model(model: bytes | Path, name: str | None = None, optimize: Optimize = "memory") -> CompiledModel:
    """Read a model and make all plans, without writing anything.

    Args:
        model: a .tflite file's bytes or path.
        name: name of the model in messages; default: its path, or "the model".
        optimize: with "speed", convolutions may be computed with transformed weights, which take 3.6 times the space.

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
    """Compile a model into `<out>/<prefix>.c` and `<out>/<prefix>.h`; the header documents their use.

    Args:
        model: a .tflite file's bytes or path.
        out: folder for the files, made if absent.
        prefix: C name of the model, in lower case.
        optimize: as for `plan_model`.

    Raises:
        ModelError: the model is damaged or unsupported; the message names op, tensor and reason, and nothing is
            written.
    """
    if not PREFIX.fullmatch(prefix):
        raise ModelError(f"{prefix!r} is not a C name in lower case; choose one such as model")
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
    return model / MODEL_FILE if model.is_dir() else model


def checked_optimize(choice: str) -> Optimize:
    """Return what to optimise for, from the command line."""
    if choice not in get_args(Optimize):
        raise ModelError(f"cannot optimise for {choice!r}; choose {' or '.join(get_args(Optimize))}")
    return cast(Optimize, choice)


def report(model: Path, out: Path, optimize: str = "memory") -> None:
    """Compile a model, draw its memory and print its layers and kernels: the command `tinyscene compile`."""
    planned = plan_model(model_path(model), optimize=checked_optimize(optimize))
    write(planned, out)
    memory_map.write(planned, out / MAP_FILE)
    compiled = planned.report()
    console.print(layer_table(compiled))
    console.print(
        f"{out / 'model.c'}: arena {compiled.arena_bytes:,} bytes, arrays {compiled.constant_bytes:,} bytes, "
        f"input {compiled.input_bytes:,}, output {compiled.output_bytes:,}; picture of its memory: {out / MAP_FILE}",
        soft_wrap=True,
    )
