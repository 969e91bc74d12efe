"""Graph passes that save work without changing a byte: max-pools join their convolution, unread edges are cut off.

Requantisation is monotone, so the largest of four results is the result of the largest sum; and a column or row that
every reader ignores (a pool that does not divide the map drops some) need not be computed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from tinyscene.compiler import functions
from tinyscene.compiler.folding import FOLDED
from tinyscene.compiler.graph import ABSENT, ConvOptions, Graph, Op, PoolOptions, Tensor, padding_before

Extent = tuple[int, int]  # height, width

# row y, column x of the result depends only on that place of the inputs, if shapes are equal
SAME_PLACE = frozenset({"ADD", "MUL", "QUANTIZE", "DEQUANTIZE", FOLDED, *functions.FUNCTIONS})


def pools(graph: Graph, ops: Sequence[Op], views: frozenset[int]) -> dict[int, Op]:
    """Return the max-pools that join the convolution before them, by the convolution's index.

    Args:
        graph: the graph as read.
        ops: the operators that compute something, in execution order.
        views: tensors whose bytes have several names; they stay as they are.
    """
    readers = Counter(tensor for op in ops for tensor in op.inputs if tensor != ABSENT)
    readers.update(graph.outputs)
    makers = {op.outputs[0]: op for op in ops if op.kind == "CONV_2D" and len(op.outputs) == 1}
    found: dict[int, Op] = {}
    for op in ops:
        conv = makers.get(op.inputs[0]) if op.kind == "MAX_POOL_2D" and op.inputs and op.outputs else None
        if conv is None or readers[op.inputs[0]] != 1 or op.inputs[0] in views:
            continue
        source, result = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        if isinstance(op.options, PoolOptions) and _tiles(source, result, op.options) and _shrinks(graph, conv):
            found[conv.index] = op
    return found


def _tiles(source: Tensor, result: Tensor, options: PoolOptions) -> bool:
    """Return whether windows neither overlap nor leave the image."""
    if not _are_images(source, result):
        return False
    return all(
        0 < window <= step and (size - 1) * step + window <= extent
        for window, step, size, extent in zip(
            options.window, options.stride, result.shape[1:3], source.shape[1:3], strict=True
        )
    )


def _shrinks(graph: Graph, conv: Op) -> bool:
    """Return whether all factors are below 1: larger ones make sums wrap, and then requantisation is not monotone."""
    if len(conv.inputs) < 2 or ABSENT in conv.inputs[:2]:
        return False
    source, weights, result = (graph.tensors[index] for index in (*conv.inputs[:2], conv.outputs[0]))
    if not (source.scales and weights.scales and result.scales):
        return False  # kernel choice refuses it
    return source.scale * max(weights.scales) < result.scale


def extents(graph: Graph, ops: Sequence[Op], views: frozenset[int]) -> dict[int, Extent]:
    """Return how many rows and columns of a tensor are read, for the tensors that are not read completely.

    Arguments as for `pools`.
    """
    used: dict[int, Extent] = {index: (0, 0) for op in ops for index in op.outputs}
    fixed = views.union(graph.outputs, *(op.outputs for op in ops if not _by_rows(graph, op)))
    for op in reversed(ops):
        for index in op.inputs:
            if index in used and index not in fixed:
                used[index] = _larger(used[index], _read(graph, op, graph.tensors[index], used))
    return {
        index: size
        for index, size in used.items()
        if index not in fixed
        and size[0] * size[1] > 0
        and _are_images(graph.tensors[index])
        and size != graph.tensors[index].shape[1:3]
    }


def _by_rows(graph: Graph, op: Op) -> bool:
    """Return whether an operator can skip rows and columns of its result."""
    if op.kind in SAME_PLACE:
        shapes = {graph.tensors[index].shape for index in (*op.inputs, *op.outputs) if index != ABSENT}
        return len(shapes) == 1
    return _kernel(graph, op) is not None


def _larger(one: Extent, other: Extent) -> Extent:
    return max(one[0], other[0]), max(one[1], other[1])


def _read(graph: Graph, op: Op, source: Tensor, used: Mapping[int, Extent]) -> Extent:
    """Return how much of an input an operator reads to compute the used part of its output."""
    shape = source.shape
    whole = (shape[1], shape[2]) if len(shape) == 4 else (1, 1)
    if len(op.outputs) != 1 or not _are_images(source, graph.tensors[op.outputs[0]]):
        return whole
    result = graph.tensors[op.outputs[0]]
    wanted = used[result.index]
    if not wanted[0] * wanted[1]:
        wanted = (result.shape[1], result.shape[2])
    if op.kind in SAME_PLACE:
        return wanted if _by_rows(graph, op) else whole
    kernel = _kernel(graph, op)
    if kernel is None:
        return whole
    (height, width), (down, across) = kernel
    return (
        _reach(shape[1], result.shape[1], wanted[0], height, down),
        _reach(shape[2], result.shape[2], wanted[1], width, across),
    )


def _reach(size: int, results: int, wanted: int, extent: int, step: int) -> int:
    if min(wanted, extent, step) < 1:
        return size  # an impossible window, which kernel choice refuses
    return max(1, min(size, (wanted - 1) * step + extent - padding_before(size, results, extent, step)))


def _kernel(graph: Graph, op: Op) -> tuple[Extent, Extent] | None:
    """Return an operator's window, dilation included, and its stride; None for an operator without a window."""
    if isinstance(op.options, PoolOptions):
        return op.options.window, op.options.stride
    if isinstance(op.options, ConvOptions) and len(op.inputs) > 1 and op.inputs[1] != ABSENT:
        weights = graph.tensors[op.inputs[1]].shape
        if len(weights) == 4:
            height, width = (
                (size - 1) * spread + 1 for size, spread in zip(weights[1:3], op.options.dilation, strict=True)
            )
            return (height, width), op.options.stride
    return None


def _are_images(*tensors: Tensor) -> bool:
    return all(len(tensor.shape) == 4 and tensor.shape[0] == 1 for tensor in tensors)
