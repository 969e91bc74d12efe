"""A compiled model: its plans, ready to be written, and what they cost."""

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
        index: index of its operator.
        kind: TensorFlow Lite's names of the operators that it carries out.
        kernel: name of the engine's function.
        group: number of its group of layers that run together, from 0.
        input_shape, output_shape: shapes of the parts that are computed.
        rows_kept: rows of the output that are kept in a ring; None: the whole output is kept.
        macs: multiply-accumulates.
        constant_bytes, scratch_bytes: bytes of this layer alone; its state counts as scratch.
        live_bytes: bytes of the arena in use while its group runs.
        instructions: estimated instructions of one inference on a Cortex-M4; None for a kernel without an estimate.
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
    """What a compiled model needs: bytes of arena, constants, input and output; its output's type, and its layers.

    The constants do not include the structs of layers and groups; `verify` on mps2 counts all that is linked.
    """

    arena_bytes: int
    constant_bytes: int
    input_bytes: int
    output_bytes: int
    output_type: str
    layers: tuple[LayerReport, ...]

    @property
    def ram_bytes(self) -> int:
        """Bytes of arena, input and output."""
        return self.arena_bytes + self.input_bytes + self.output_bytes

    @property
    def instructions(self) -> int:
        """Estimated instructions of one inference; layers without an estimate count as nothing."""
        return sum(layer.instructions or 0 for layer in self.layers)


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
