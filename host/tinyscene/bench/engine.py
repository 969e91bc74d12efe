"""What the bench asks of an engine: to compile a network, run it on the emulated Cortex-M4, and say what that took."""

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler import Optimize, execution, plan_model
from tinyscene.errors import TinysceneError


class RefusedError(TinysceneError):
    """An engine that cannot take a network; the message is the reason."""


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What one engine takes for one network; None where nobody has counted.

    Attributes:
        network, engine: names.
        source: "measured" now, "recorded" before, or "refused".
        instructions: of one inference.
        ram_bytes: arena, input and output.
        code_bytes, constant_bytes: flash.
        mismatches: output bytes that differ from TensorFlow Lite's reference kernels.
        note: why it was refused, or what differs from the network as it is.
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
    """What one engine took for one network.

    Attributes:
        run: outputs, instructions, and bytes of code and constants, counted alike for every engine.
        ram_bytes: arena, input and output.
        reference: the .tflite file whose outputs these should be.
        note: what differs from the network as it is, for people; empty where nothing does.
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
