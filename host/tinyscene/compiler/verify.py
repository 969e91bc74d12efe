"""Compare the compiled C with TensorFlow Lite's reference kernels, byte for byte, on the host or the emulated board."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.compiler import execution, reader
from tinyscene.compiler.compiled import CompiledModel
from tinyscene.compiler.pipeline import Optimize, checked_optimize, model_path, plan_model
from tinyscene.console import console, error_console
from tinyscene.errors import ModelError, ToolError

Target = Literal["host", "mps2"]


@dataclasses.dataclass(frozen=True, slots=True)
class Mismatch:
    """The first value that differs: which vector, which output, and the two values."""

    vector: int
    position: int
    compiled: float
    reference: float


@dataclasses.dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `tinyscene verify` found.

    Attributes:
        vectors: number of inputs compared.
        values: number of outputs compared.
        mismatches: number of outputs that differ; floats differ if any bit does.
        max_abs_diff: largest difference.
        instructions: instructions of the longest inference; None on the host.
        arena_bytes: size of the arena.
        array_bytes: planned size of weights and other arrays, without the structs of layers and groups.
        code_bytes, constant_bytes: size of the functions and constants that the linker kept of the engine and of all
            models that ran together; None on the host.
        first_mismatch: the first output that differs; None if all agree.
    """

    vectors: int
    values: int
    mismatches: int
    max_abs_diff: float
    instructions: int | None
    arena_bytes: int
    array_bytes: int
    code_bytes: int | None
    constant_bytes: int | None
    first_mismatch: Mismatch | None = None

    def to_json(self) -> dict[str, float | None]:
        """Return the keys of `verify --json`."""
        values = dataclasses.asdict(self)
        del values["first_mismatch"]
        return values


def make_inputs(shape: tuple[int, ...], vectors: int, seed: int) -> NDArray[np.int8]:
    """Return int8 inputs [vectors, *shape]: both extremes, then uniform noise and smooth inputs in turn.

    Args:
        shape: shape of one input, without the batch.
        vectors: number of inputs.
        seed: seed of the inputs.
    """
    generator = np.random.default_rng(seed)
    inputs = generator.integers(-128, 128, (vectors, *shape)).astype(np.int8)
    for index in range(3, vectors, 2):
        phase = sum(
            generator.uniform(0, 0.5) * axis for axis in np.meshgrid(*(np.arange(s) for s in shape), indexing="ij")
        )
        wave = generator.uniform(20, 128) * np.sin(phase + generator.uniform(0, 6)) + generator.uniform(-64, 64)
        inputs[index] = np.clip(np.round(wave + generator.normal(0, 4, shape)), -128, 127)
    for index, value in enumerate((-128, 127)[:vectors]):
        inputs[index] = value
    return inputs


def model_inputs(model: CompiledModel, vectors: int, seed: int) -> NDArray[Any]:
    """Return inputs [vectors, ...] of the model's type, from `make_inputs`.

    Floats lie anywhere between the steps of the QUANTIZE that reads them, exactly halfway in every fourth vector, and
    far beyond int8 in the first two.
    """
    shape = model.input.shape
    quantised = make_inputs(shape[1:] if shape[:1] == (1,) else shape, vectors, seed)
    if model.input.dtype == "int8":
        return quantised
    if model.input.dtype == "uint8":
        return quantised.view(np.uint8) ^ 0x80
    step = next(call for call in model.calls if model.planned.roots[call.inputs[0]] == model.planned.input)
    target = model.planned.graph.tensors[step.output]
    between = np.random.default_rng(seed).uniform(-0.5, 0.5, quantised.shape)
    between[2::4] = 0.5
    between[:2] = 3.0 * quantised[:2]
    steps = quantised.astype(float) + between - target.zero_point
    return (steps * target.scale).astype(np.float32)


def verify(
    model: bytes | Path, on: Target = "host", vectors: int = 64, seed: int = 1, optimize: Optimize = "memory"
) -> VerifyReport:
    """Run the compiled model and the reference on the same inputs.

    Args:
        model: a .tflite file's bytes or path.
        on: "host", or "mps2" in QEMU.
        vectors: number of inputs to compare.
        seed: seed of the inputs.
        optimize: as for `compiler.pipeline.plan_model`.

    Raises:
        ModelError: the model is damaged or unsupported, or the C wrote outside its buffers.
        ToolError: a compiler or the emulator is missing or failed.
    """
    names = [str(model)] if isinstance(model, Path) else None
    return verify_all([reader.content(model)], on, vectors, seed, optimize, names)[0]


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Put the name of a model before what a ModelError of TensorFlow Lite says of it."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error


def verify_all(
    models: Sequence[bytes],
    on: Target,
    vectors: int,
    seed: int,
    optimize: Optimize = "memory",
    names: Sequence[str] | None = None,
) -> list[VerifyReport]:
    """Verify several models in one library or image, which takes a fraction of the time.

    Args and Raises: as for `verify`; `names` stand for the models in messages.
    """
    called = names or ["the model"] * len(models)
    compiled = [plan_model(model, name, optimize) for model, name in zip(models, called, strict=True)]
    inputs = [model_inputs(model, vectors, seed) for model in compiled]
    runs = (execution.run_on_host if on == "host" else execution.run_on_mps2)(compiled, inputs)
    return [_compare(*each) for each in zip(called, models, compiled, inputs, runs, strict=True)]


def _compare(
    name: str, model: bytes, compiled: CompiledModel, inputs: NDArray[Any], run: execution.Run
) -> VerifyReport:
    from tinyscene.networks import run_reference

    with named(name):
        expected = run_reference(model, inputs).reshape(len(inputs), -1)
    bits = f"u{expected.itemsize}"  # floats must agree in every bit
    where = np.argwhere(run.outputs.view(bits) != expected.view(bits))
    wide = np.float64 if expected.dtype == np.float32 else np.int64
    difference = np.abs(run.outputs.astype(wide) - expected.astype(wide))
    first = None
    if len(where):
        vector, position = (int(index) for index in where[0])
        first = Mismatch(vector, position, run.outputs[vector, position].item(), expected[vector, position].item())
    sizes = compiled.report()
    return VerifyReport(
        vectors=len(inputs),
        values=difference.size,
        mismatches=len(where),
        max_abs_diff=difference.max(initial=0).item(),
        instructions=run.instructions,
        arena_bytes=sizes.arena_bytes,
        array_bytes=sizes.constant_bytes,
        code_bytes=run.code_bytes,
        constant_bytes=run.constant_bytes,
        first_mismatch=first,
    )


def report(model: Path, on: str, vectors: int, seed: int, as_json: Path | None, optimize: str = "memory") -> int:
    """Verify and print: the command `tinyscene verify`; returns the exit code, 1 if a byte differs."""
    if on not in get_args(Target):
        raise ToolError(f"cannot verify on {on!r}; choose {' or '.join(get_args(Target))}")
    with error_console.status(f"{vectors} inputs on {on} and with TensorFlow Lite's reference kernels"):
        result = verify(model_path(model), on, vectors, seed, checked_optimize(optimize))  # type: ignore[arg-type]
    if as_json:
        files.write_json(as_json, result.to_json())
    sizes = f"arena {result.arena_bytes:,} bytes"
    if result.instructions is None:
        sizes += f", arrays {result.array_bytes:,} bytes"
    else:
        sizes += f", constants {result.constant_bytes:,} bytes, code {result.code_bytes:,} bytes"
        sizes += f", {result.instructions:,} instructions"
    console.print(
        f"{model} on {on}: {result.mismatches} mismatches in {result.values:,} values of {vectors} inputs; {sizes}",
        soft_wrap=True,
    )
    first = result.first_mismatch
    if first:
        console.print(
            f"first: input {first.vector}, output {first.position} is {first.compiled}, "
            f"TensorFlow Lite gives {first.reference}; largest difference {result.max_abs_diff}",
            style="red",
        )
    return 1 if result.mismatches else 0
