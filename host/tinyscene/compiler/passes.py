"""Graph planning: check input and output, fold, find tensors that share bytes, fuse and trim."""

import dataclasses
import math
from collections.abc import Mapping

from tinyscene.compiler import folding, fusion
from tinyscene.compiler.graph import ITEM_BYTES, Graph, Op, SqueezeOptions, Tensor

ALIASES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")  # operators whose result is the same bytes in another shape
FIXED = "convert with a fixed input shape (batch 1)"


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedGraph:
    """A graph with its aliases resolved.

    Attributes:
        graph: the graph as read and folded.
        ops: the operators that compute something and have not joined another, in execution order.
        pools: the max-pools that joined a convolution, by the convolution's index.
        winograd: the convolutions, by index, that are computed with transformed weights; no pool joins them.
        extents: rows and columns of an image that are computed, for images that are not computed completely.
        roots: for every tensor index, the tensor whose bytes it shares: itself, unless it is a reshaped view.
        input, output: root tensor indices of the model's input and output.
    """

    graph: Graph
    ops: tuple[Op, ...]
    pools: Mapping[int, Op]
    winograd: frozenset[int]
    extents: Mapping[int, fusion.Extent]
    roots: tuple[int, ...]
    input: int
    output: int

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Return a tensor's shape in memory, trimmed to the part that is read."""
        shape = self.graph.tensors[tensor].shape
        return (shape[0], *self.extents[tensor], *shape[3:]) if tensor in self.extents else shape

    def bytes(self, tensor: int) -> int:
        """Return how many bytes an int8 tensor takes."""
        return math.prod(self.shape(tensor))


def plan(graph: Graph, winograd: frozenset[int] = frozenset()) -> PlannedGraph:
    """Check input and output, fold, resolve aliases, fuse and trim.

    Args:
        graph: the graph as read.
        winograd: the convolutions, by index, that are to be computed with transformed weights.

    Raises:
        ModelError: not one input and one output, or of other types than are compiled; an impossible reshape; nothing to
            compute.
    """
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        if len(ends) != 1:
            raise graph.refusal(None, None, f"it has {len(ends)} {what}s; only models with one are compiled")
        _check_end(graph, graph.tensors[ends[0]], what)
    graph = folding.fold(graph)
    roots = list(range(len(graph.tensors)))
    ops = []
    for op in graph.ops:
        if op.kind in ALIASES:
            source, view = graph.input(op, 0), graph.output(op)
            if (source.elements, source.dtype) != (view.elements, view.dtype) or not _is_wanted(graph, op, view):
                raise graph.refusal(
                    op, view, f"{list(source.shape)} cannot become {list(view.shape)}; make the file again"
                )
            roots[view.index] = roots[source.index]
        else:
            ops.append(op)
    result = roots[graph.outputs[0]]
    if result == graph.inputs[0] or graph.tensors[result].is_constant:
        raise graph.refusal(
            None, graph.tensors[result], "the model output is not computed; there is nothing to compile"
        )
    views = frozenset(index for view, root in enumerate(roots) if view != root for index in (view, root))
    pools = {index: pool for index, pool in fusion.pools(graph, ops, views).items() if index not in winograd}
    joined = {pool.index for pool in pools.values()}
    return PlannedGraph(
        graph,
        tuple(op for op in ops if op.index not in joined),
        pools,
        winograd,
        fusion.extents(graph, ops, views),
        tuple(roots),
        graph.inputs[0],
        result,
    )


def _is_wanted(graph: Graph, op: Op, view: Tensor) -> bool:
    """Return whether an alias's axes or its second input, if it has one, give its output's shape; -1: any size."""
    source = graph.input(op, 0).shape
    if isinstance(op.options, SqueezeOptions):
        gone = {axis % len(source) for axis in op.options.axes if -len(source) <= axis < len(source)}
        gone = gone or {axis for axis, size in enumerate(source) if size == 1}
        return view.shape == tuple(size for axis, size in enumerate(source) if axis not in gone)
    wanted = graph.optional_input(op, 1)
    if wanted is None:
        return op.kind == "RESHAPE"
    if wanted.data is None:
        raise graph.refusal(op, wanted, f"the new shape is not a constant of the file; {FIXED}")
    sizes = wanted.data.reshape(-1).tolist()
    if op.kind == "EXPAND_DIMS":
        places = [axis % (len(source) + 1) for axis in sizes if -len(source) - 1 <= axis <= len(source)]
        return len(places) == len(sizes) == 1 and view.shape == (*source[: places[0]], 1, *source[places[0] :])
    return len(sizes) == len(view.shape) and all(
        pair[0] in (-1, pair[1]) for pair in zip(sizes, view.shape, strict=True)
    )


def _check_end(graph: Graph, tensor: Tensor, what: str) -> None:
    if tensor.dtype not in ITEM_BYTES:
        allowed = ", ".join(ITEM_BYTES)
        raise graph.refusal(None, tensor, f"the model {what} is {tensor.dtype}; convert it with one of {allowed}")
