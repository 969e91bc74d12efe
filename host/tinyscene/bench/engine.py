"""The bench's interface to an engine: compile a network, run it on the emulated Cortex-M4, and return its cost."""

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler import Optimize, execution, plan_model
from tinyscene.errors import TinysceneError


class RefusedError(TinysceneError):
    """The engine refuses a network; the message is the reason."""


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """The cost of one network on one engine; None: not counted.

    Attributes:
        network, engine: names of the two.
        source: "measured" now, "recorded" before, or "refused".
        instructions: instructions of one inference.
        ram_bytes: bytes of arena, input and output.
        code_bytes, constant_bytes: bytes of code and of constants in flash.
        mismatches: number of output bytes that differ from TensorFlow Lite's reference kernels.
        note: why the engine refused the network, or how the measured network differs from the original.
    """

    network: str
    engine: str
    source: str
    instructions: int | None = None
    ram_bytes: int | None = None
    code_bytes: int | None = None
    constant_bytes: int | None = None
    mismatches: int | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Measurement:
    """The measured cost of one network on one engine.

    Attributes:
        run: outputs, instructions, and bytes of code and constants, counted alike for every engine.
        ram_bytes: bytes of arena, input and output.
        reference: bytes of the .tflite file that should give the same outputs.
        note: how the network differs from the original, as text for people; empty if it does not.
    """

    run: execution.Run
    ram_bytes: int
    reference: bytes
    note: str = ""


Engine = Callable[[bytes, NDArray[np.int8]], Measurement]
"""From a .tflite file and inputs [N, ...] to a measurement; may raise RefusedError, ModelError or ToolError."""


def tinyscene(model: bytes, inputs: NDArray[np.int8], optimize: Optimize = "memory") -> Measurement:
    """Measure this engine; `optimize` as for `compiler.pipeline.plan_model`."""
    compiled = plan_model(model, optimize=optimize)
    sizes = compiled.report()
    ram_bytes = sizes.arena_bytes + sizes.input_bytes + sizes.output_bytes
    (run,) = execution.run_on_mps2([compiled], [inputs])
    return Measurement(run, ram_bytes, reference=model)
