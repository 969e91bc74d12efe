"""Folding: float operators between DEQUANTIZE and QUANTIZE become a table of 256 bytes.

The converter leaves operators without an int8 kernel, such as ELU, in float. If such operators work value by value and
all start from one int8 tensor, their result is a function of one byte, and so is x * sigmoid(x). Each float tensor is
followed through the graph as its 256 possible values; where a QUANTIZE reads it, these become the table. Operators
whose results are then unread are dropped.
"""

import dataclasses

from tinyscene.compiler import floats, functions as tables
from tinyscene.compiler.graph import FoldedOptions, Graph, Op, Tensor

FOLDED = "FOLDED"
MAX_OPS = 64  # operators that make one table


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Function:
    """A float tensor as a function of an int8 tensor: its values for -128..127, and its operators by index."""

    source: Tensor
    values: floats.Values
    ops: dict[int, Op]


def fold(graph: Graph) -> Graph:
    """Return the graph with its foldable float operators folded."""
    functions: dict[int, _Function] = {}
    folded: list[Op] = []
    for op in graph.ops:
        function = _follow(graph, op, functions)
        if function is not None:
            functions[op.outputs[0]] = function
        folded.append(_folded(graph, op, functions) or op)
    return dataclasses.replace(graph, ops=tuple(_without_unread(graph, folded, functions)))


def _follow(graph: Graph, op: Op, functions: dict[int, _Function]) -> _Function | None:
    """Return an operator's float output as a function of one int8 tensor, or None if it is not one."""
    if len(op.outputs) != 1 or graph.tensors[op.outputs[0]].dtype != "float32" or not op.inputs:
        return None
    shape = graph.tensors[op.outputs[0]].shape
    if op.kind == "DEQUANTIZE":
        source = graph.optional_input(op, 0)
        if source is None or source.dtype != "int8" or len(source.scales) != 1 or source.shape != shape:
            return None
        return _Function(source, tables.dequantise(source.scale, source.zero_point), {op.index: op})
    count, _ = floats.FUNCTIONS.get(op.kind, (0, None))
    if len(op.inputs) != count:
        return None
    operands, made = [], []
    for index in op.inputs:
        if index in functions and graph.tensors[index].shape == shape:
            made.append(functions[index])
            operands.append(functions[index].values)
            continue
        tensor = graph.tensors[index]
        if tensor.data is None or tensor.elements != 1 or len(tensor.shape) > len(shape) or tensor.dtype != "float32":
            return None
        operands.append(tensor.data.reshape(1))
    if len({function.source.index for function in made}) != 1:
        return None
    ops = {index: each for function in made for index, each in function.ops.items()} | {op.index: op}
    if len(ops) > MAX_OPS:
        return None
    return _Function(made[0].source, floats.apply(op.kind, operands, op.options), ops)


def _folded(graph: Graph, op: Op, functions: dict[int, _Function]) -> Op | None:
    """Return the operator that takes the place of a QUANTIZE, if it reads a function of one int8 tensor."""
    if op.kind != "QUANTIZE" or len(op.inputs) != 1 or op.inputs[0] not in functions:
        return None
    function, output = functions[op.inputs[0]], graph.output(op)
    if output.dtype != "int8" or len(output.scales) != 1:
        return None
    table = tables.quantise(function.values, output.scale, output.zero_point)
    ops = (*(each for _, each in sorted(function.ops.items())), op)
    options = FoldedOptions(tuple(table.tolist()), ops)
    return Op(op.index, FOLDED, (function.source.index,), op.outputs, options)


def _without_unread(graph: Graph, ops: list[Op], functions: dict[int, _Function]) -> list[Op]:
    """Return the operators without those that served only what was folded."""
    read = set(graph.outputs)
    kept = []
    for op in reversed(ops):
        if op.outputs and op.outputs[0] in functions and op.outputs[0] not in read:
            continue
        kept.append(op)
        read.update(op.inputs)
    return kept[::-1]
