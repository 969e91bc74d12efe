"""Compare the compiled C with TensorFlow Lite's reference kernels, byte for byte, on the host or the emulated board."""

import ctypes
import dataclasses
import hashlib
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tinyscene import files, native, test_image
from tinyscene.compiler import compile_model, model_path, plan_model
from tinyscene.console import console, error_console
from tinyscene.errors import ModelError, ToolError
from tinyscene.paths import FIRMWARE_LIB, cache_directory

Target = Literal["host", "mps2"]
ENGINE = FIRMWARE_LIB / "engine"
HARNESS = Path(__file__).with_name("verify_main.c")
ENGINE_FLAGS = ("-O3",)  # what the firmware builds the engine with
GUARD_BYTES = 64
RUBBISH = 0xA5
HARNESS_ERRORS = {
    1: "it could not open its files",
    2: "it could not write its outputs",
    3: "the model wrote outside its arena",
    125: "it ended in a fault",  # SEMIHOST_FAULT
}


@dataclasses.dataclass(frozen=True, slots=True)
class Mismatch:
    """The first byte that differs: which vector, which output, and the two values."""

    vector: int
    position: int
    compiled: int
    reference: int


@dataclasses.dataclass(frozen=True, slots=True)
class VerifyReport:
    """What `tinyscene verify` found.

    Attributes:
        vectors: inputs compared.
        values: output bytes compared.
        mismatches: bytes that differ.
        max_abs_diff: largest difference.
        instructions: of the longest inference; None on the host.
        arena_bytes: size of the arena.
        code_bytes: machine code of model and engine; None on the host.
        constant_bytes: weights and other arrays.
        first_mismatch: None where all agree.
    """

    vectors: int
    values: int
    mismatches: int
    max_abs_diff: int
    instructions: int | None
    arena_bytes: int
    code_bytes: int | None
    constant_bytes: int
    first_mismatch: Mismatch | None = None

    def to_json(self) -> dict[str, int | None]:
        """Return the keys of DESIGN.md's JSON."""
        values = dataclasses.asdict(self)
        del values["first_mismatch"]
        return values


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """Outputs [N, bytes] of a compiled model, and what was measured on mps2: None on the host.

    Attributes:
        outputs: of every input.
        instructions: of the longest inference.
        code_bytes, constant_bytes: linked functions and constants of the model and its kernels.
    """

    outputs: NDArray[np.int8]
    instructions: int | None = None
    code_bytes: int | None = None
    constant_bytes: int | None = None


def make_inputs(shape: tuple[int, ...], vectors: int, seed: int) -> NDArray[np.int8]:
    """Return int8 inputs [vectors, *shape]: both extremes, then uniform noise and smooth ones by turns.

    Args:
        shape: of one input, without the batch.
        vectors: how many.
        seed: same seed, same inputs.
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


def verify(model: bytes | Path, on: Target = "host", vectors: int = 64, seed: int = 1) -> VerifyReport:
    """Run the compiled model and the reference on the same inputs.

    Args:
        model: a .tflite file's bytes or path.
        on: "host", or "mps2" in QEMU.
        vectors: inputs to compare.
        seed: of the inputs.

    Raises:
        ModelError: the model is damaged or unsupported, or the C wrote outside its buffers.
        ToolError: a compiler or the emulator is missing or failed.
    """
    from tinyscene.quantize import run_reference

    compiled = plan_model(model)
    content = model.read_bytes() if isinstance(model, Path) else model
    inputs = make_inputs(compiled.input.shape[1:], vectors, seed)
    run = run_on_host(content, inputs) if on == "host" else run_on_mps2(content, inputs)
    expected = run_reference(content, inputs).reshape(vectors, -1)
    difference = np.abs(run.outputs.astype(int) - expected)
    where = np.argwhere(difference)
    first = None
    if len(where):
        vector, position = (int(index) for index in where[0])
        first = Mismatch(vector, position, int(run.outputs[vector, position]), int(expected[vector, position]))
    sizes = compiled.report()
    return VerifyReport(
        vectors=vectors,
        values=difference.size,
        mismatches=len(where),
        max_abs_diff=int(difference.max(initial=0)),
        instructions=run.instructions,
        arena_bytes=sizes.arena_bytes,
        code_bytes=run.code_bytes,
        constant_bytes=sizes.constant_bytes,
        first_mismatch=first,
    )


def run_on_host(model: bytes, inputs: NDArray[np.int8]) -> Run:
    """Compile for this machine and run inputs [N, ...], with guards around arena and output.

    Raises:
        ModelError: unsupported, or the C touched memory that is not its own.
    """
    folder = cache_directory() / "verify" / hashlib.sha256(model).hexdigest()[:16]
    sizes = compile_model(model, folder)
    engine = native.build_library("engine", _engine(), [ENGINE], ENGINE_FLAGS)
    ctypes.CDLL(engine._name, mode=ctypes.RTLD_GLOBAL)  # where the model's library finds the kernels
    library = native.build_library("model", [folder / "model.c"], [folder, ENGINE])
    arena, output = _guarded(sizes.arena_bytes), _guarded(sizes.output_bytes)
    outputs = np.empty((len(inputs), sizes.output_bytes), np.int8)
    for index, vector in enumerate(inputs):
        given = np.ascontiguousarray(vector)
        arena[:], output[:] = RUBBISH, RUBBISH
        library.model_run(*(ctypes.c_void_p(_inside(array)) for array in (arena, given, output)))
        if not (_intact(arena, sizes.arena_bytes) and _intact(output, sizes.output_bytes)):
            raise ModelError(f"the compiled model wrote outside its buffers on vector {index}; report this as a bug")
        if not np.array_equal(given, vector):
            raise ModelError(f"the compiled model changed its input on vector {index}; report this as a bug")
        outputs[index] = output[GUARD_BYTES : GUARD_BYTES + sizes.output_bytes].view(np.int8)
    return Run(outputs)


def _engine() -> list[Path]:
    return sorted(ENGINE.glob("*.c"))


def _guarded(size: int) -> NDArray[np.uint8]:
    """Return a 16-byte aligned buffer of `size` between two guards."""
    raw = np.empty(size + 2 * GUARD_BYTES + 16, np.uint8)
    start = -raw.ctypes.data % 16
    return raw[start : start + size + 2 * GUARD_BYTES]


def _inside(array: NDArray[np.integer]) -> int:
    return array.ctypes.data + (GUARD_BYTES if array.dtype == np.uint8 else 0)


def _intact(array: NDArray[np.uint8], size: int) -> bool:
    return bool((array[:GUARD_BYTES] == RUBBISH).all() and (array[GUARD_BYTES + size :] == RUBBISH).all())


def run_on_mps2(model: bytes, inputs: NDArray[np.int8]) -> Run:
    """Compile for the emulated Cortex-M4 and run inputs [N, ...] there, counting instructions.

    Raises:
        ModelError: unsupported, or the C touched memory that is not its own.
        ToolError: the cross compiler or QEMU is missing or failed.
    """
    with tempfile.TemporaryDirectory(prefix="tinyscene-verify-") as name:
        folder = Path(name)
        sizes = compile_model(model, folder)
        return run_image(folder, [folder / "model.c", *_engine()], [ENGINE], inputs, sizes.output_bytes)


def run_image(
    folder: Path,
    sources: Sequence[Path],
    include: Sequence[Path],
    inputs: NDArray[np.int8],
    output_bytes: int,
    *,
    third_party: Sequence[Path] = (),
    flags: Sequence[str] = (),
) -> Run:
    """Build C that implements the `model.h` in `folder`, and run inputs [N, ...] on the emulated Cortex-M4.

    Args:
        folder: where everything is built; its model.h has what `emitter.header` writes.
        sources: our C files; `third_party` those of others, compiled without our warnings.
        include: folders searched for headers, after `folder`.
        inputs: for the model.
        output_bytes: of one inference.
        third_party: see sources.
        flags: further compiler flags.

    Raises:
        ModelError: the C touched memory that is not its own, or failed.
        ToolError: the cross compiler or QEMU is missing or failed.
    """
    options = [*ENGINE_FLAGS, *flags]
    image = test_image.build(
        folder / "verify.elf", [HARNESS, *sources], [folder, *include], options, third_party=third_party
    )
    (folder / "inputs.bin").write_bytes(np.ascontiguousarray(inputs).tobytes())
    code = test_image.run(image, folder, timeout=600 + 10 * len(inputs))
    if code:
        reason = HARNESS_ERRORS.get(code, f"it returned {code}")
        raise ModelError(f"the compiled model failed on mps2: {reason}; report this as a bug")
    outputs = np.fromfile(folder / "outputs.bin", np.int8).reshape(-1, output_bytes)
    instructions = np.fromfile(folder / "instructions.bin", "<u4")
    if len(outputs) != len(inputs):
        raise ToolError(f"the test image answered {len(outputs)} of {len(inputs)} vectors; run it again")
    count = len(sources) + len(third_party)
    sizes = (_linked_bytes(image, folder, count, kinds) for kinds in ("tT", "rR"))
    return Run(outputs, int(instructions.max()), *sizes)


def _linked_bytes(image: Path, folder: Path, sources: int, kinds: str) -> int:
    """Return the linked size of the symbols of these kinds (as nm has them) that the last sources define."""
    objects = sorted((folder / f"{image.stem}-objects").glob("*.o"), key=lambda path: int(path.stem))[-sources:]
    theirs = {name for path in objects for name, _ in _symbols(path, kinds)}
    return sum(size for name, size in _symbols(image, kinds) if name in theirs)


def _symbols(binary: Path, kinds: str) -> list[tuple[str, int]]:
    command = ["arm-none-eabi-nm", "--print-size", "--defined-only", str(binary)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    symbols = (line.split() for line in listing.splitlines())
    return [(symbol[3], int(symbol[1], 16)) for symbol in symbols if len(symbol) == 4 and symbol[2] in kinds]


def report(model: Path, on: str, vectors: int, seed: int, as_json: Path | None) -> int:
    """Verify and print: the command `tinyscene verify`; returns the exit code, 1 where a byte differs."""
    if on not in get_args(Target):
        raise ToolError(f"cannot verify on {on!r}; choose {' or '.join(get_args(Target))}")
    with error_console.status(f"{vectors} inputs on {on} and with TensorFlow Lite's reference kernels"):
        result = verify(model_path(model), on, vectors, seed)  # type: ignore[arg-type]
    if as_json:
        files.write_json(as_json, result.to_json())
    sizes = f"arena {result.arena_bytes:,} bytes, constants {result.constant_bytes:,} bytes"
    if result.instructions is not None:
        sizes += f", code {result.code_bytes:,} bytes, {result.instructions:,} instructions"
    console.print(
        f"{model} on {on}: {result.mismatches} mismatches in {result.values:,} values of {vectors} inputs; {sizes}",
        highlight=False,
        soft_wrap=True,
    )
    first = result.first_mismatch
    if first:
        console.print(
            f"first: input {first.vector}, output {first.position} is {first.compiled}, "
            f"TensorFlow Lite gives {first.reference}; largest difference {result.max_abs_diff}",
            style="red",
            highlight=False,
        )
    return 1 if result.mismatches else 0
