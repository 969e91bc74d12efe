"""The result of kernel choice: a call of an engine function with its parameter struct; and the checks all share."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler import quantisation
from tinyscene.compiler.graph import INT8_MAX, INT8_MIN, Activation, Graph, Op, Padding, Tensor, padding_before
from tinyscene.compiler.passes import PlannedGraph

# C types of arrays, and bytes of an element on the board
ELEMENT_BYTES = {
    "int8_t": 1,
    "int32_t": 4,
    "uint32_t": 4,
    "struct engine_channel": 12,
    "struct engine_depthwise_channel": 28,
    "struct engine_panel": 64,
    "struct engine_dense_output": 24,
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """An array that the emitter writes as `static const`.

    Attributes:
        name: what the array is: "weights", "channels".
        values: one row for each element: numbers, or the members of a struct. `engine_channel`: (bias, multiplier,
            shift); `engine_panel`: for each channel a bias and three members of its factor;
            `engine_depthwise_channel`: the same, then 12 weights; `engine_dense_output`: (scale, multiplier, fraction
            bits, bias).
        ctype: C type of an element, a key of ELEMENT_BYTES.
    """

    name: str
    values: NDArray[Any]
    ctype: str

    @property
    def bytes(self) -> int:
        """Size on the board."""
        return len(self.values) * ELEMENT_BYTES[self.ctype]


Value = int | str | tuple[int, ...] | Constant | Mapping[str, "Value"]
Fields = Mapping[str, Value]


@dataclasses.dataclass(frozen=True, slots=True)
class RowSource:
    """Which rows of an input a step reads: `count` rows from per_row * row + per_step * part - before on.

    `row` is the first output row that the step writes, and `part` counts the steps of that row; rows outside the image
    are not read. A step reads `together` rows as if they were one.
    """

    tensor: int
    per_row: int = 1
    per_step: int = 0
    before: int = 0
    count: int = 1
    together: int = 1

    def first(self, row: int, part: int) -> int:
        """Return the first row that a step reads."""
        return max(0, self.per_row * row + self.per_step * part - self.before)

    def below(self, row: int, part: int) -> int:
        """Return the row after the last one that a step reads, as if the image had no end."""
        return self.per_row * row + self.per_step * part + self.reach

    @property
    def reach(self) -> int:
        """The row after the last one that the first step reads."""
        return self.count - self.before


@dataclasses.dataclass(frozen=True, slots=True)
class RowAccess:
    """How a kernel that works row by row goes through its tensors; `steps`, `rows` or both are 1.

    Attributes:
        sources: the rows that it reads of each input.
        steps: number of steps for each row of its output.
        rows: number of rows of its output for each step.
    """

    sources: tuple[RowSource, ...]
    steps: int = 1
    rows: int = 1

    def position(self, step: int) -> tuple[int, int]:
        """Return the first row that a step writes, and its number among the steps of that row."""
        row, part = divmod(step, self.steps)
        return row * self.rows, part

    def count(self, height: int) -> int:
        """Return the number of steps that write `height` rows."""
        return self.steps * -(-height // self.rows)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class KernelCall:
    """One layer in the generated code.

    Attributes:
        op: the operator that it carries out.
        function: name of the engine's function.
        struct: name of its parameter struct.
        fields: the struct's members, in order.
        inputs: tensor indices of the arguments: activations, or constants used as they are.
        output: tensor index of the result.
        rows: how it works row by row, so that it may be streamed; None for a function of whole tensors.
        scratch_bytes: working memory during the call, or during each of its steps.
        state_bytes: instead of scratch, working memory that keeps its contents from one step to the next.
        in_place: inputs whose buffer the output may take over when this call is their last reader.
        input_list: whether the function takes its inputs as one array of pointers.
        macs: multiply-accumulates of the mathematical layer.
        joined: other operators that it carries out as well.
    """

    op: Op
    function: str
    struct: str
    fields: Fields
    inputs: tuple[int, ...]
    output: int
    rows: RowAccess | None = None
    scratch_bytes: int = 0
    state_bytes: int = 0
    in_place: tuple[int, ...] = ()
    input_list: bool = False
    macs: int = 0
    joined: tuple[Op, ...] = ()

    @property
    def kind(self) -> str:
        """The operators that it carries out, as text for people."""
        return "+".join(op.kind for op in (self.op, *self.joined))

    def constants(self) -> list[Constant]:
        """Return the arrays among the fields."""
        return [value for value in self.fields.values() if isinstance(value, Constant)]

    @property
    def constant_bytes(self) -> int:
        """Bytes of the arrays among the fields."""
        return sum(constant.bytes for constant in self.constants())


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """An operator in its graph: typed access to its tensors, with refusals that name it."""

    planned: PlannedGraph
    op: Op

    @property
    def graph(self) -> Graph:
        """The graph as read."""
        return self.planned.graph

    def extent(self, tensor: Tensor) -> tuple[int, int, int]:
        """Return (height, width, channels) of the part of a tensor that is computed."""
        self.image(tensor)
        _, height, width, channels = self.planned.shape(tensor.index)
        return height, width, channels

    def activation(self, position: int) -> Tensor:
        """Return an int8 input with per-tensor quantisation; it may be a constant."""
        return self.quantised(self.graph.input(self.op, position))

    def output(self) -> Tensor:
        """Return the only output, int8 with per-tensor quantisation."""
        return self.quantised(self.graph.output(self.op))

    def quantised(self, tensor: Tensor, dtypes: tuple[str, ...] = ("int8",)) -> Tensor:
        """Check that a tensor has one of the types, with one scale and zero point."""
        if tensor.dtype not in dtypes:
            wanted = " or ".join(dtypes)
            raise self.refuse(
                tensor, f"it is {tensor.dtype} instead of {wanted}; convert with full-integer quantisation"
            )
        if len(tensor.scales) != 1:
            found = f"{len(tensor.scales)} scales instead of one" if tensor.scales else "no quantisation"
            raise self.refuse(tensor, f"it has {found}; convert the model with full-integer quantisation")
        return tensor

    def image(self, tensor: Tensor) -> tuple[int, int, int]:
        """Return (height, width, channels) of a [1, height, width, channels] tensor."""
        if len(tensor.shape) != 4 or tensor.shape[0] != 1:
            raise self.refuse(tensor, f"its shape is {list(tensor.shape)} instead of [1, height, width, channels]")
        return tensor.shape[1], tensor.shape[2], tensor.shape[3]

    def constant(self, position: int, dtypes: tuple[str, ...]) -> tuple[Tensor, NDArray[np.integer]]:
        """Return a constant input of one of the types, and its values."""
        tensor = self.graph.input(self.op, position)
        if tensor.data is None:
            raise self.refuse(tensor, "it is not a constant of the file; only constant weights and shapes are compiled")
        if tensor.dtype not in dtypes:
            raise self.refuse(tensor, f"it is {tensor.dtype} instead of {' or '.join(dtypes)}")
        return tensor, tensor.data

    def refuse(self, tensor: Tensor | None, reason: str) -> Exception:
        """Return the refusal of this op, and of one of its tensors."""
        return self.graph.refusal(self.op, tensor, reason)


def require(condition: bool, site: Site, tensor: Tensor | None, reason: str) -> None:
    """Refuse the op unless the condition holds."""
    if not condition:
        raise site.refuse(tensor, reason)


def image_rows(shape: tuple[int, ...]) -> int:
    """Return how many rows a tensor is streamed in: an image's height, 1 for any other."""
    return shape[1] if len(shape) == 4 and shape[0] == 1 else 1


def row_bytes(shape: tuple[int, ...]) -> int:
    """Return the bytes of one of `image_rows` rows."""
    return math.prod(shape) // max(image_rows(shape), 1)


def shape_fields(size: tuple[int, int, int]) -> Fields:
    """Return `struct engine_shape`."""
    return dict(zip(("height", "width", "channels"), size, strict=True))


def window_fields(
    site: Site,
    window: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: Padding,
) -> dict[str, int]:
    """Return `struct engine_window`, and check that the op's output has the size that the window gives it."""
    source, target = site.graph.input(site.op, 0), site.output()
    sizes, results = site.image(source)[:2], site.image(target)[:2]
    fields: dict[str, int] = {}
    before = []
    for size, result, kernel, step, spread in zip(sizes, results, window, stride, dilation, strict=True):
        limit = 1 << 15
        require(
            0 < kernel < limit and 0 < step < limit and 0 < spread < limit,
            site,
            source,
            f"window {kernel}, stride {step} or dilation {spread} is impossible; make the file again",
        )
        extent = (kernel - 1) * spread + 1
        expected = -(-size // step) if padding == "SAME" else (size - extent) // step + 1
        require(
            expected == result > 0,
            site,
            target,
            f"a {padding} window of {extent} with stride {step} over {size} gives {expected}, not {result}",
        )
        before.append(padding_before(size, result, extent, step))
    for name, pair in (("", window), ("stride_", stride), ("dilation_", dilation)):
        fields[f"{name}height"], fields[f"{name}width"] = pair
    fields["padding_top"], fields["padding_left"] = before
    return fields


def window_rows(tensor: int, window: Mapping[str, int], rows: int = 1) -> RowAccess:
    """Return the rows that a window (from `window_fields`) reads for `rows` rows of output at once."""
    stride = window["stride_height"]
    count = (rows - 1) * stride + (window["height"] - 1) * window["dilation_height"] + 1
    return RowAccess((RowSource(tensor, stride, before=window["padding_top"], count=count),), rows=rows)


def factor_fields(real: float) -> Fields:
    """Return `struct engine_factor`."""
    multiplier, shift = quantisation.quantise_multiplier(real)
    return {"multiplier": multiplier, "shift": shift}


def result_fields(output: Tensor, activation: Activation, within: tuple[int, int] = (INT8_MIN, INT8_MAX)) -> Fields:
    """Return `struct engine_output`; results are clamped to the activation's range and then to `within`."""
    low, high = (
        quantisation.saturate(bound, *within)
        for bound in quantisation.activation_range(activation, output.scale, output.zero_point)
    )
    return {"zero_point": output.zero_point, "minimum": low, "maximum": high}
