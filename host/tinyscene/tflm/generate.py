"""TensorFlow Lite Micro, the alternative to the compiled engine: its library, a model's C and C++ for it, its cost.

Its sources are not part of this repository: `tinyscene packs install` fetches them.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler import operators
from tinyscene.tflm import emitter, image, kernels, library
from tinyscene.tflm.image import Measured
from tinyscene.tflm.library import Library


@dataclasses.dataclass(frozen=True, slots=True)
class Generated:
    """What the firmware compiles to run a model with TensorFlow Lite Micro.

    Attributes:
        sources: texts of C and C++ by file name.
        library: library that they are linked with.
        measured: measured cost of the model.
        table_bytes: bytes of the engine's arrays if its kernels are used; the model's file holds its weights as well.
    """

    sources: dict[str, str]
    library: Library
    measured: Measured
    table_bytes: int


def generate(
    model: bytes,
    identity: str,
    choice: str,
    optimize: str = "memory",
    inputs: NDArray[np.int8] | None = None,
    expected: Iterable[bytes] | None = None,
) -> Generated:
    """Write a model's C and C++, compile the parts of the library that it needs, and run both on the emulated board.

    Args:
        model: bytes of a .tflite file with int8 input and output.
        identity: identity of its bundle.
        choice: kernels to use: cmsis-nn, or tinyscene for the engine's kernels where it has them.
        optimize: choice of the engine's kernels, as for `compiler.pipeline.plan_model`.
        inputs: inputs to run it on, int8 [N, ...]; None: only the arena is measured.
        expected: as for `image.measure`.

    Raises:
        ModelError: the model is damaged, or TensorFlow Lite Micro cannot run it.
        ToolError: the packs, the cross compiler or QEMU are missing or failed.
    """
    graph, kinds = emitter.operators(model)
    ours = kernels.kinds(graph) if choice == "tinyscene" else []
    sources = {
        "model.c": emitter.array_source(model, identity),
        "model_ops.cc": emitter.operators_source(kinds, ours),
    }
    table_bytes = 0
    if ours:
        compiled = operators.plan(model, ours, optimize)
        sources["model_kernels.c"] = kernels.source(compiled)
        table_bytes = compiled.constant_bytes
    built = library.build(set(kinds) - set(ours))
    measured = image.measure(graph, sources, built, inputs, expected)
    sources["model.h"] = emitter.header(graph, measured.arena_bytes)
    return Generated(sources, built, measured, table_bytes)
