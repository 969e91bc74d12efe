"""What kernel choice yields: a call of an engine function with its parameter struct; and the checks that all share."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler import quantisation
from tinyscene.compiler.graph import Activation, Graph, Op, Padding, Tensor

# C types of arrays: bytes of an element on the board
ELEMENT_BYTES = {"int8_t": 1, "int32_t": 4, "struct engine_channel": 12, "struct engine_dense_output": 16}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """An array that the emitter writes as `static const`.

    Attributes:
        name: what it is: "weights", "channels".
        values: one element a row: numbers, or the members of a struct: (bias, multiplier, shift) of an
            `engine_channel`, (scale, bias) of an `engine_dense_output`.
        ctype: one of ELEMENT_BYTES.
    """

    name: str
    values: NDArray[Any]
    ctype: str

    @property
    def bytes(self) -> int:
        """Size on the board."""
        return len(self.values) * ELEMENT_BYTES[self.ctype]


Value = int | tuple[int, ...] | Constant | Mapping[str, "Value"]
Fields = Mapping[str, Value]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class KernelCall:
    """One call in the generated code.

    Attributes:
        op: the operator that it carries out.
        function: name of the engine's function.
        struct: name of its parameter struct.
        fields: the struct's members, in order.
        inputs: tensor indices of the arguments: activations, or constants used as they are.
        output: tensor index of the result.
        scratch_bytes: working memory during the call.
        in_place: inputs whose buffer the output may take over when this call is their last reader.
        input_list: the function takes its inputs as one array of pointers.
        macs: multiply-accumulates of the mathematical layer.
    """

    op: Op
    function: str
    struct: str
    fields: Fields
    inputs: tuple[int, ...]
    output: int
    scratch_bytes: int = 0
    in_place: tuple[int, ...] = ()
    input_list: bool = False
    macs: int = 0

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

    graph: Graph
    op: Op

    def activation(self, position: int) -> Tensor:
        """Return an int8 input with per-tensor quantisation; it may be a constant."""
        return self.quantised(self.graph.input(self.op, position))

    def output(self) -> Tensor:
        """Return the only output, int8 with per-tensor quantisation."""
        return self.quantised(self.graph.output(self.op))

    def quantised(self, tensor: Tensor) -> Tensor:
        """Check that a tensor is int8 with one scale and zero point."""
        if tensor.dtype != "int8":
            raise self.refuse(
                tensor, f"it is {tensor.dtype}; only int8 is compiled, so convert with int8 input and output"
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
        before.append(max(0, (result - 1) * step + extent - size) // 2)
    for name, pair in (("", window), ("stride_", stride), ("dilation_", dilation)):
        fields[f"{name}height"], fields[f"{name}width"] = pair
    fields["padding_top"], fields["padding_left"] = before
    return fields


def factor_fields(real: float) -> Fields:
    """Return `struct engine_factor`."""
    multiplier, shift = quantisation.quantise_multiplier(real)
    return {"multiplier": multiplier, "shift": shift}


def result_fields(output: Tensor, activation: Activation) -> Fields:
    """Return `struct engine_output`."""
    low, high = quantisation.activation_range(activation, output.scale, output.zero_point)
    return {"zero_point": output.zero_point, "minimum": low, "maximum": high}
