"""Run a model with TensorFlow Lite Micro on the emulated Cortex-M4: its smallest arena, outputs and instructions."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.compiler import Graph, execution
from tinyscene.errors import ModelError
from tinyscene.paths import FIRMWARE_LIB
from tinyscene.tflm.library import Library
from tinyscene.toolchain import mps2_image

RUNTIME = FIRMWARE_LIB / "tflm"
HARNESS = Path(__file__).with_name("harness.c")
FIRMWARE_ONLY = "tflm_model.c"  # needs model.h, which is written after this measurement
CODE_SYMBOLS, DATA_SYMBOLS = "tTwW", "rRvV"  # letters of nm; C++ also has weak symbols
ERRORS = {
    1: "it could not open its files",
    2: "it could not write its results",
    3: "TensorFlow Lite Micro refuses the model, or it needs an arena of more than 2 MB",
    4: "an operator failed",
    5: "it wrote outside its arena",
    125: "it ended in a fault",  # SEMIHOST_FAULT
}


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """The measured cost of a model.

    Attributes:
        arena_bytes: size of the smallest arena that it runs in, a multiple of 16.
        run: outputs [N, values], instructions of the longest inference, bytes of linked code and constants.
        differences: [N, operators], number of bytes that differ from an operator's expected result; None: nothing was
            expected.
    """

    arena_bytes: int
    run: execution.Run
    differences: NDArray[np.uint32] | None = None


def measure(
    graph: Graph,
    sources: Mapping[str, str],
    library: Library,
    inputs: NDArray[np.int8] | None = None,
    expected: Iterable[bytes] | None = None,
) -> Measured:
    """Build a test image and run it.

    Args:
        graph: the model.
        sources: generated C and C++ by file name.
        library: TensorFlow Lite Micro with the model's operators.
        inputs: int8 [N, ...]; None: only the arena is measured.
        expected: for each input, the expected results of all operators, one after the other. Each operator then runs on
            the expected results of those before it; the instructions include the comparison.

    Raises:
        ModelError: TensorFlow Lite Micro refuses the model, or failed.
        ToolError: the cross compiler or QEMU is missing or failed.
    """
    source, result = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    with files.temporary_folder("tflm") as folder:
        for file, text in sources.items():
            files.write_text(folder / file, text)
        runtime = [*runtime_sources(), *execution.engine_sources()]
        ours = [folder / file for file in sources if not file.endswith(".h")]
        flags = [f"-DINPUT_BYTES={source.bytes}", f"-DOUTPUT_BYTES={result.bytes}", *library.flags]
        image = mps2_image.build(
            folder / "tflm.elf",
            [HARNESS, *ours, *runtime],
            [folder, RUNTIME, execution.ENGINE],
            flags,
            libraries=[library.path],
        )
        (folder / "inputs.bin").write_bytes(b"" if inputs is None else inputs.tobytes())
        if expected is not None:
            (folder / "expected.bin").write_bytes(b"".join(expected))
        code = mps2_image.run(image, folder)
        if code:
            reason = ERRORS.get(code, f"it returned {code}")
            raise ModelError(f"{graph.name}: TensorFlow Lite Micro failed on mps2: {reason}")
        outputs = np.fromfile(folder / "outputs.bin", np.int8).reshape(-1, result.bytes)
        instructions = np.fromfile(folder / "instructions.bin", "<u4")
        (arena_bytes,) = np.fromfile(folder / "arena.bin", "<u4")
        differences = None
        if expected is not None:
            differences = np.fromfile(folder / "differences.bin", "<u4").reshape(-1, len(graph.ops))
        objects = execution.objects(image, folder, len(ours) + len(runtime))
        linked = [
            execution.linked_bytes(image, [*objects, library.path], kinds) for kinds in (CODE_SYMBOLS, DATA_SYMBOLS)
        ]
    run = execution.Run(outputs, int(instructions.max(initial=0)), *linked)
    return Measured(int(arena_bytes), run, differences)


def runtime_sources() -> Sequence[Path]:
    """Return our part of the runtime, in C++ and C."""
    return [path for path in sorted(RUNTIME.glob("*.c*")) if path.name != FIRMWARE_ONLY]
