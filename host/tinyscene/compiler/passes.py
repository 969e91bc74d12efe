"""Graph planning: check the model's ends, and find the tensors that are other names of the same bytes."""

import dataclasses

from tinyscene.compiler.graph import Graph, Op, Tensor

ALIASES = ("RESHAPE",)


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedGraph:
    """A graph with its aliases resolved.

    Attributes:
        graph: as read.
        ops: the operators that compute something, in execution order.
        roots: for every tensor index, the tensor whose bytes it shares: itself, unless it is a reshaped view.
        input, output: root tensor indices of the model's two ends.
    """

    graph: Graph
    ops: tuple[Op, ...]
    roots: tuple[int, ...]
    input: int
    output: int


def plan(graph: Graph) -> PlannedGraph:
    """Check the ends and resolve aliases.

    Raises:
        ModelError: not one int8 input and one int8 output, an impossible reshape, or nothing to compute.
    """
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        if len(ends) != 1:
            raise graph.refusal(None, None, f"it has {len(ends)} {what}s; only models with one are compiled")
        _check_end(graph, graph.tensors[ends[0]], what)
    roots = list(range(len(graph.tensors)))
    ops = []
    for op in graph.ops:
        if op.kind in ALIASES:
            source, view = graph.input(op, 0), graph.output(op)
            if (source.elements, source.dtype) != (view.elements, view.dtype):
                raise graph.refusal(op, view, f"{list(source.shape)} cannot become {list(view.shape)}; make it again")
            roots[view.index] = roots[source.index]
        else:
            ops.append(op)
    result = roots[graph.outputs[0]]
    if result == graph.inputs[0] or graph.tensors[result].is_constant:
        raise graph.refusal(
            None, graph.tensors[result], "the model output is not computed; there is nothing to compile"
        )
    return PlannedGraph(graph, tuple(ops), tuple(roots), graph.inputs[0], result)


def _check_end(graph: Graph, tensor: Tensor, what: str) -> None:
    if tensor.dtype != "int8":
        raise graph.refusal(
            None, tensor, f"the model {what} is {tensor.dtype}; convert the model with int8 input and output"
        )
