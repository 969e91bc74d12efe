"""Operators compiled separately, for a runtime that calls them one by one and keeps every tensor whole.

Nothing is fused, trimmed or streamed: an operator's C reads and writes the tensors of the model's file.
"""

import dataclasses
from collections.abc import Collection

from tinyscene.compiler import emitter, passes, reader
from tinyscene.compiler.kernels import winograd
from tinyscene.compiler.kernels.call import KernelCall
from tinyscene.compiler.kernels.choices import choose
from tinyscene.compiler.passes import PlannedGraph
from tinyscene.compiler.streaming import Launch


@dataclasses.dataclass(frozen=True, slots=True)
class Operators:
    """Operators, each as a separate launch."""

    planned: PlannedGraph
    launches: tuple[Launch, ...]

    @property
    def calls(self) -> list[KernelCall]:
        """The kernels that carry them out."""
        return [launch.calls[0] for launch in self.launches]

    @property
    def constant_bytes(self) -> int:
        """Bytes of all arrays."""
        return emitter.constant_bytes(self.planned, self.calls)


def plan(model: bytes, kinds: Collection[str], optimize: str = "memory") -> Operators:
    """Choose kernels for a model's operators of some kinds.

    Args:
        model: bytes of a .tflite file.
        kinds: names of int8 operators, such as CONV_2D.
        optimize: as for `compiler.pipeline.plan_model`.

    Raises:
        ModelError: the file is damaged, or the engine has no kernel for one of these operators.
    """
    graph = reader.read(model)
    planned = dataclasses.replace(passes.plan(graph), graph=graph, ops=graph.ops, pools={}, extents={})
    if optimize == "speed":
        planned = dataclasses.replace(planned, winograd=winograd.chosen(planned))
    calls = [choose(planned, op) for op in graph.ops if op.kind in kinds]
    return Operators(planned, tuple(Launch((call,), first) for first, call in enumerate(calls)))


def source(operators: Operators) -> str:
    """Return C for a file that includes engine.h: definitions, and for the operator with index i a function

        static void op_i(const int8_t *const *inputs, int8_t *output, void *scratch)

    that reads the operator's inputs by their place in the file.
    """
    texts = emitter.definitions(operators.planned, operators.launches)
    texts += [_function(operators, launch, position) for position, launch in enumerate(operators.launches)]
    return "\n".join(texts)


def inputs_read(call: KernelCall) -> int:
    """Return how many of its operator's first inputs a kernel takes; weights are in its tables."""
    return 1 + max(call.op.inputs.index(tensor) for tensor in call.inputs)


def _function(operators: Operators, launch: Launch, position: int) -> str:
    (call,) = launch.calls

    def location(tensor: int) -> str:
        if tensor == call.output:
            return "output"
        is_constant = operators.planned.graph.tensors[tensor].is_constant
        return f"tensor_{tensor}" if is_constant else f"inputs[{call.op.inputs.index(tensor)}]"

    scratch = "scratch" if launch.scratch_bytes else None
    unused = "" if scratch else "    (void)scratch;\n"
    return f"""\
static void op_{call.op.index}(const int8_t *const *inputs, int8_t *output, void *scratch) {{
{unused}    {emitter.run_launch(launch, position, location, scratch)};
}}
"""
