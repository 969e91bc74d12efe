"""Run compiled models, on this machine or on the emulated board; several at once, as building takes most time."""

import ctypes
import dataclasses
import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.compiler.compiled import CompiledModel, CompileReport
from tinyscene.compiler.graph import ITEM_BYTES
from tinyscene.compiler.pipeline import emit
from tinyscene.errors import ModelError, ToolError
from tinyscene.paths import FIRMWARE_LIB, cache_directory
from tinyscene.toolchain import mps2_image, native

ENGINE = FIRMWARE_LIB / "engine"
HARNESS = Path(__file__).with_name("verify_main.c")
ENGINE_FLAGS = ("-O2",)  # the firmware's flags for the engine
GUARD_BYTES = 64
RUBBISH = 0xA5
MODEL_STRUCT = """\
#include <stddef.h>

struct model {
    void (*run)(void *arena, const void *input, void *output);
    size_t arena_bytes;
    size_t input_bytes;
    size_t output_bytes;
    int vectors;
};
"""
HARNESS_ERRORS = {
    1: "it could not open its files",
    2: "it could not write its outputs",
    3: "a model wrote outside its arena",
    125: "it ended in a fault",  # SEMIHOST_FAULT
}


@dataclasses.dataclass(frozen=True, slots=True)
class Run:
    """The result of running a compiled model.

    Attributes:
        outputs: [N, values] of the output's type.
        instructions: instructions of the longest inference; None on the host.
        code_bytes, constant_bytes: size of the linked functions and constants of the engine and of all models that ran
            together; None on the host.
    """

    outputs: NDArray[Any]
    instructions: int | None = None
    code_bytes: int | None = None
    constant_bytes: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Buffers:
    """What a model's C needs from its caller: bytes of arena, input and output, and the output's type."""

    arena_bytes: int
    input_bytes: int
    output_bytes: int
    output_type: str = "int8"


def run_on_host(models: Sequence[CompiledModel], inputs: Sequence[NDArray[Any]]) -> list[Run]:
    """Build for this machine and run each model on its inputs [N, ...], with guards around arena and output.

    Raises:
        ModelError: the C wrote outside its buffers.
        ToolError: there is no C compiler.
    """
    texts = _emit_all(models)
    folder = cache_directory() / "verify" / hashlib.sha256("".join(texts.values()).encode()).hexdigest()[:16]
    _write(texts, folder)
    engine = native.build_library("engine", engine_sources(), [ENGINE], ENGINE_FLAGS)
    ctypes.CDLL(engine._name, mode=ctypes.RTLD_GLOBAL)  # lets the models' library find the kernels
    library = native.build_library("models", model_sources(folder, len(models)), [folder, ENGINE])
    return [
        Run(_run_on_host(getattr(library, f"{_prefix(position)}_run"), model.report(), vectors))
        for position, (model, vectors) in enumerate(zip(models, inputs, strict=True))
    ]


def _run_on_host(run: Any, sizes: CompileReport, inputs: NDArray[Any]) -> NDArray[Any]:
    arena, output = _guarded(sizes.arena_bytes), _guarded(sizes.output_bytes)
    outputs = np.empty((len(inputs), sizes.output_bytes), np.uint8)
    for index, vector in enumerate(inputs):
        given = np.array(vector, order="C")
        arena[:], output[:] = RUBBISH, RUBBISH
        run(*(ctypes.c_void_p(address) for address in (_inside(arena), given.ctypes.data, _inside(output))))
        if not (_intact(arena, sizes.arena_bytes) and _intact(output, sizes.output_bytes)):
            raise ModelError(f"the compiled model wrote outside its buffers on vector {index}; report this as a bug")
        if given.tobytes() != vector.tobytes():
            raise ModelError(f"the compiled model changed its input on vector {index}; report this as a bug")
        outputs[index] = output[GUARD_BYTES : GUARD_BYTES + sizes.output_bytes]
    return outputs.view(sizes.output_type)


def write_all(models: Sequence[CompiledModel], folder: Path) -> list[CompileReport]:
    """Write several models, each with its own prefix; return their reports."""
    _write(_emit_all(models), folder)
    return [model.report() for model in models]


def _emit_all(models: Sequence[CompiledModel]) -> dict[str, str]:
    return {name: text for i, model in enumerate(models) for name, text in emit(model, _prefix(i)).items()}


def _write(texts: Mapping[str, str], folder: Path) -> None:
    for name, text in texts.items():
        files.write_text(folder / name, text)


def _prefix(position: int) -> str:
    return f"model{position}"


def model_sources(folder: Path, count: int) -> list[Path]:
    """Return the C files that `write_all` wrote."""
    return [folder / f"{_prefix(position)}.c" for position in range(count)]


def engine_sources() -> list[Path]:
    """Return the engine's C files."""
    return sorted(ENGINE.glob("*.c"))


def _guarded(size: int) -> NDArray[np.uint8]:
    """Return a 16-byte aligned buffer of `size` between two guards."""
    raw = np.empty(size + 2 * GUARD_BYTES + 16, np.uint8)
    start = -raw.ctypes.data % 16
    return raw[start : start + size + 2 * GUARD_BYTES]


def _inside(array: NDArray[np.uint8]) -> int:
    return array.ctypes.data + GUARD_BYTES


def _intact(array: NDArray[np.uint8], size: int) -> bool:
    return bool((array[:GUARD_BYTES] == RUBBISH).all() and (array[GUARD_BYTES + size :] == RUBBISH).all())


def run_on_mps2(models: Sequence[CompiledModel], inputs: Sequence[NDArray[Any]]) -> list[Run]:
    """Build for the emulated Cortex-M4 and run each model on its inputs [N, ...] there, counting instructions.

    Raises:
        ModelError: the C wrote outside its buffers.
        ToolError: the cross compiler or QEMU is missing or failed.
    """
    with files.temporary_folder("verify") as folder:
        sizes = write_all(models, folder)
        sources = [*model_sources(folder, len(models)), *engine_sources()]
        return run_image(folder, sizes, inputs, sources, [ENGINE])


def run_image(
    folder: Path,
    models: Sequence[CompileReport | Buffers],
    inputs: Sequence[NDArray[Any]],
    sources: Sequence[Path],
    include: Sequence[Path],
    *,
    third_party: Sequence[Path] = (),
    flags: Sequence[str] = (),
) -> list[Run]:
    """Build C that implements models, and run each on its inputs [N, ...] on the emulated Cortex-M4.

    Args:
        folder: folder of the build; its model0.h, model1.h, ... declare model0_run and so on.
        models: what each model needs from its caller.
        inputs: inputs of each model.
        sources: our C files.
        include: folders searched for headers, after `folder`.
        third_party: C files of others, compiled without our warnings.
        flags: further compiler flags.

    Raises:
        ModelError: the C wrote outside its buffers, or failed.
        ToolError: the cross compiler or QEMU is missing or failed.
    """
    counts = [len(vectors) for vectors in inputs]
    files.write_text(folder / "models.h", models_header(models, counts))
    options = [*ENGINE_FLAGS, *flags]
    image = mps2_image.build(
        folder / "verify.elf", [HARNESS, *sources], [folder, *include], options, third_party=third_party
    )
    (folder / "inputs.bin").write_bytes(b"".join(vectors.tobytes() for vectors in inputs))
    code = mps2_image.run(image, folder, timeout=600 + 10 * sum(counts))
    if code:
        reason = HARNESS_ERRORS.get(code, f"it returned {code}")
        raise ModelError(f"the compiled model failed on mps2: {reason}; report this as a bug")
    instructions = np.fromfile(folder / "instructions.bin", "<u4")
    if len(instructions) != sum(counts):
        raise ToolError(f"the test image ran {len(instructions)} of {sum(counts)} vectors; run it again")
    spent = np.split(instructions, np.cumsum(counts)[:-1])
    outputs = split_outputs((folder / "outputs.bin").read_bytes(), models, counts)
    theirs = objects(image, folder, len(sources) + len(third_party))
    linked = [linked_bytes(image, theirs, kinds) for kinds in ("tT", "rR")]
    return [Run(*each, *linked) for each in zip(outputs, (int(s.max(initial=0)) for s in spent), strict=True)]


def models_header(sizes: Sequence[CompileReport | Buffers], counts: Sequence[int]) -> str:
    """Return models.h, the table of models and their vectors that a harness such as verify_main.c runs."""
    names = [_prefix(position) for position in range(len(sizes))]
    includes = "".join(f'#include "{name}.h"\n' for name in names)
    signature = "void *arena, const void *input, void *output"
    functions = "".join(
        f"static void run_{name}({signature}) {{ {name}_run(arena, input, output); }}\n" for name in names
    )
    rows = "".join(
        f"    {{run_{name}, {size.arena_bytes}, {size.input_bytes}, {size.output_bytes}, {count}}},\n"
        for name, size, count in zip(names, sizes, counts, strict=True)
    )
    limits = (
        f"enum {{ MOST_ARENA = {max(size.arena_bytes for size in sizes)}, "
        f"MOST_INPUT = {max(size.input_bytes for size in sizes)}, "
        f"MOST_OUTPUT = {max(size.output_bytes for size in sizes)} }};\n"
    )
    return f"{MODEL_STRUCT}\n{includes}\n{functions}\nstatic const struct model MODELS[] = {{\n{rows}}};\n{limits}"


def split_outputs(
    content: bytes, sizes: Sequence[CompileReport | Buffers], counts: Sequence[int]
) -> list[NDArray[Any]]:
    """Return each model's outputs [N, values]."""
    outputs, start = [], 0
    for size, count in zip(sizes, counts, strict=True):
        each = size.output_bytes // ITEM_BYTES[size.output_type]
        values = np.frombuffer(content, size.output_type, count * each, start)
        outputs.append(values.reshape(count, each).copy())
        start += values.nbytes
    return outputs


def objects(image: Path, folder: Path, count: int) -> list[Path]:
    """Return the objects of the last `count` sources of a test image."""
    return sorted((folder / f"{image.stem}-objects").glob("*.o"), key=lambda path: int(path.stem))[-count:]


def linked_bytes(image: Path, binaries: Sequence[Path], kinds: str) -> int:
    """Return the linked size of the symbols of these kinds (letters of nm) that objects or libraries define."""
    theirs = {name for path in binaries for name, _ in symbols(path, kinds)}
    return sum(size for name, size in symbols(image, kinds) if name in theirs)


def symbols(binary: Path, kinds: str) -> list[tuple[str, int]]:
    """Return names and sizes of an object's or library's symbols of these kinds (letters of nm)."""
    command = ["arm-none-eabi-nm", "--print-size", "--defined-only", str(binary)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    fields = (line.split() for line in listing.splitlines())
    return [(symbol[3], int(symbol[1], 16)) for symbol in fields if len(symbol) == 4 and symbol[2] in kinds]
