"""A compiled model: its plans, ready to be written, and what they take."""

import dataclasses

from tinyscene.compiler import emitter, estimate
from tinyscene.compiler.graph import Tensor
from tinyscene.compiler.kernels.call import KernelCall
from tinyscene.compiler.memory import MemoryPlan
from tinyscene.compiler.passes import PlannedGraph
from tinyscene.compiler.streaming import Launch


@dataclasses.dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer of the generated code: names, shapes, multiply-accumulates and bytes.

    Attributes:
        index: of its operator.
        kind: TensorFlow Lite's names of the operators that it carries out.
        kernel: the engine's function.
        group: number of the layers that run together, from 0.
        input_shape, output_shape: as far as they are computed.
        rows_kept: of the output, where only a ring of its rows exists; None for a whole tensor.
        macs: multiply-accumulates.
        constant_bytes, scratch_bytes: its own; its state counts as scratch.
        live_bytes: of the arena, while its group runs.
        instructions: of one inference on a Cortex-M4, estimated; None for a kernel without an estimate.
    """

    index: int
    kind: str
    kernel: str
    group: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    rows_kept: int | None
    macs: int
    constant_bytes: int
    scratch_bytes: int
    live_bytes: int
    instructions: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class CompileReport:
    """What a compiled model takes: arena, arrays of constants and its two ends in bytes, its output's type, its layers.

    The structs of layers and groups are not counted among the constants; `verify` on mps2 counts what is linked.
    """

    arena_bytes: int
    constant_bytes: int
    input_bytes: int
    output_bytes: int
    output_type: str
    layers: tuple[LayerReport, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class CompiledModel:
    """A model with its plans, ready to be written."""

    planned: PlannedGraph
    launches: tuple[Launch, ...]
    memory: MemoryPlan

    @property
    def calls(self) -> tuple[KernelCall, ...]:
        """All layers, in execution order."""
        return tuple(call for launch in self.launches for call in launch.calls)

    @property
    def input(self) -> Tensor:
        """The model's input tensor."""
        return self.planned.graph.tensors[self.planned.graph.inputs[0]]

    @property
    def output(self) -> Tensor:
        """The model's output tensor."""
        return self.planned.graph.tensors[self.planned.graph.outputs[0]]

    def report(self) -> CompileReport:
        """Summarise sizes and layers."""
        return CompileReport(
            arena_bytes=self.memory.arena_bytes,
            constant_bytes=emitter.constant_bytes(self.planned, self.calls),
            input_bytes=self.input.bytes,
            output_bytes=self.output.bytes,
            output_type=self.output.dtype,
            layers=tuple(
                LayerReport(
                    index=call.op.index,
                    kind=call.kind,
                    kernel=call.function,
                    group=position,
                    input_shape=self.planned.shape(call.inputs[0]),
                    output_shape=self.planned.shape(call.output),
                    rows_kept=launch.rings.rows.get(call.output),
                    macs=call.macs,
                    constant_bytes=call.constant_bytes,
                    scratch_bytes=call.scratch_bytes + call.state_bytes,
                    live_bytes=self.memory.live_bytes(position),
                    instructions=estimate.instructions(self.planned, call),
                )
                for position, launch in enumerate(self.launches)
                for call in launch.calls
            ),
        )
