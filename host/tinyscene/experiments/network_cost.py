"""What a network will cost on a board, before it is trained: its weights do not change the count."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tinyscene.compiler import complexity, execution, plan_model, verify
from tinyscene.data import SCENES
from tinyscene.networks import convert_untrained
from tinyscene.training import NetworkConfig

VECTORS, SEED = 3, 1  # number and seed of the measured inputs: the count hardly depends on them


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one inference, compiled for little memory.

    Attributes:
        parameters, macs: as `complexity` counts them.
        instructions: instructions of a Cortex-M4: the compiler's estimate, or counted on the emulated board.
        ram_bytes: bytes of arena, input and output.
        constant_bytes: bytes of weights and tables in flash.
        excess: what exceeds the challenge's limits, see `complexity`.
    """

    parameters: int
    macs: int
    instructions: int
    ram_bytes: int
    constant_bytes: int
    excess: tuple[str, ...]


def untrained(network: NetworkConfig, shape: tuple[int, int]) -> bytes:
    """Return a network with random weights for images of `shape` (n_mels, frames), as an INT8 .tflite file."""
    return convert_untrained(lambda: network.build(shape, len(SCENES)), (*shape, 1))


def estimate(model: bytes) -> Cost:
    """Return the cost of an INT8 .tflite file without running it; layers without an estimate count as nothing."""
    report, counts = plan_model(model).report(), complexity.measure(model)
    return Cost(
        parameters=counts.parameters,
        macs=counts.macs,
        instructions=report.instructions,
        ram_bytes=report.ram_bytes,
        constant_bytes=report.constant_bytes,
        excess=counts.excess,
    )


def measure(models: Sequence[bytes]) -> list[Cost]:
    """Return the costs of INT8 .tflite files, their instructions counted on the emulated board.

    Raises:
        ToolError: the cross compiler or QEMU is missing or failed.
    """
    compiled = [plan_model(model) for model in models]
    inputs: list[Any] = [verify.make_inputs(each.input.shape[1:], VECTORS, SEED) for each in compiled]
    runs = execution.run_on_mps2(compiled, inputs)
    return [
        dataclasses.replace(estimate(model), instructions=int(run.instructions or 0))
        for model, run in zip(models, runs, strict=True)
    ]
