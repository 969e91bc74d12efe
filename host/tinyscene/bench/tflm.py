"""TensorFlow Lite Micro in the bench: with CMSIS-NN's kernels, or with the engine's."""

import numpy as np
from numpy.typing import NDArray

from tinyscene.bench.engine import Measurement
from tinyscene.compiler import plan_model
from tinyscene.errors import ToolError
from tinyscene.tflm import generate as tflm
from tinyscene.tflm.packs import selection


def is_installed() -> bool:
    """Return whether TensorFlow Lite Micro's packs are installed."""
    try:
        selection.resolve()
    except ToolError:
        return False
    return True


def measure(model: bytes, inputs: NDArray[np.int8], kernels: str, optimize: str = "memory") -> Measurement:
    """Measure it; arguments as for `tflm.generate.generate`. RAM is the arena, and input and output outside the arena.

    Raises:
        ModelError, ToolError: as for `tflm.generate.generate`.
    """
    sizes = plan_model(model).report()
    measured = tflm.generate(model, "measured", kernels, optimize, inputs).measured
    return Measurement(measured.run, measured.arena_bytes + sizes.input_bytes + sizes.output_bytes, reference=model)
