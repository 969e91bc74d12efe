"""The model inside the compiler: immutable tensors and operators with typed options, free of flatbuffers."""

import dataclasses
import math
from typing import Any, Literal

from numpy.typing import NDArray

from tinyscene.errors import ModelError

Padding = Literal["SAME", "VALID"]
Activation = Literal["NONE", "RELU", "RELU_N1_TO_1", "RELU6"]
ABSENT = -1  # index of an optional input that is missing

INT8_MIN, INT8_MAX = -128, 127
ITEM_BYTES = {"int8": 1, "uint8": 1, "float32": 4}  # bytes of an activation's value


def padding_before(size: int, results: int, extent: int, step: int) -> int:
    """Return the padding above or left of an image of `size`, for windows of `extent`; VALID windows need none."""
    return max(0, (results - 1) * step + extent - size) // 2


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of the graph.

    Attributes:
        index: its number in the file.
        name: its name in the file, printable ASCII.
        shape: sizes, outermost first; () is a scalar.
        dtype: "int8", "int32", "float32", ... as TensorFlow Lite names it, in lower case.
        scales, zero_points: affine quantisation, real = scale * (q - zero_point); one entry (per tensor), one for
            each slice along `quantised_dimension` (per channel), or none.
        data: the constant's values in `shape` (read only), None for an activation.
        file_bytes: size of the constant's buffer in the file, 0 for an activation.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantised_dimension: int = 0
    data: NDArray[Any] | None = None
    file_bytes: int = 0

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in memory; only for types in ITEM_BYTES."""
        return self.elements * ITEM_BYTES[self.dtype]

    @property
    def is_constant(self) -> bool:
        """Whether its values are in the file."""
        return self.data is not None

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantised tensor."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a per-tensor quantised tensor."""
        return self.zero_points[0]

    def __str__(self) -> str:
        return f"tensor {self.index} ({self.name})"


@dataclasses.dataclass(frozen=True, slots=True)
class ConvOptions:
    """CONV_2D, and DEPTHWISE_CONV_2D with its channel multiplier; (height, width) pairs."""

    padding: Padding
    stride: tuple[int, int]
    dilation: tuple[int, int]
    activation: Activation
    multiplier: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class PoolOptions:
    """MAX_POOL_2D and AVERAGE_POOL_2D; (height, width) pairs."""

    padding: Padding
    stride: tuple[int, int]
    window: tuple[int, int]
    activation: Activation


@dataclasses.dataclass(frozen=True, slots=True)
class DenseOptions:
    """FULLY_CONNECTED."""

    activation: Activation
    weights_format: int


@dataclasses.dataclass(frozen=True, slots=True)
class ElementwiseOptions:
    """ADD, SUB, MUL and DIV."""

    activation: Activation


@dataclasses.dataclass(frozen=True, slots=True)
class ConcatenationOptions:
    """CONCATENATION along `axis`, which may count from the end."""

    axis: int
    activation: Activation


@dataclasses.dataclass(frozen=True, slots=True)
class SoftmaxOptions:
    """SOFTMAX over the last axis of beta * x."""

    beta: float


@dataclasses.dataclass(frozen=True, slots=True)
class MeanOptions:
    """MEAN: whether its axes stay, with a size of 1."""

    keep_dims: bool


@dataclasses.dataclass(frozen=True, slots=True)
class SqueezeOptions:
    """SQUEEZE: the axes that it removes, which may count from the end; none: all of size 1."""

    axes: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class LeakyReluOptions:
    """LEAKY_RELU: the factor of negative values."""

    alpha: float


@dataclasses.dataclass(frozen=True, slots=True)
class GeluOptions:
    """GELU, by tanh if `approximate`."""

    approximate: bool


@dataclasses.dataclass(frozen=True, slots=True)
class FoldedOptions:
    """A chain of float operators from int8 to int8 that folding.py made one: its 256 results, and the operators."""

    table: tuple[int, ...]
    ops: tuple["Op", ...]


Options = (
    ConvOptions
    | PoolOptions
    | DenseOptions
    | ElementwiseOptions
    | ConcatenationOptions
    | SoftmaxOptions
    | MeanOptions
    | SqueezeOptions
    | LeakyReluOptions
    | GeluOptions
    | FoldedOptions
)


@dataclasses.dataclass(frozen=True, slots=True)
class Op:
    """One operator, in execution order.

    Attributes:
        index: its position in the file.
        kind: TensorFlow Lite's name, such as "CONV_2D".
        inputs: tensor indices; ABSENT for a missing optional input.
        outputs: tensor indices.
        options: options of the kind; None for kinds that have none or that the compiler does not know.
    """

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None = None

    def __str__(self) -> str:
        return f"op {self.index} ({self.kind})"


@dataclasses.dataclass(frozen=True, slots=True)
class Graph:
    """A model: every tensor index in it exists, and every op reads only constants, inputs and earlier results.

    Attributes:
        name: name of the model in messages: its path, or "the model".
        tensors: all tensors, by index.
        ops: operators in execution order.
        inputs, outputs: tensor indices of the model's inputs and outputs.
    """

    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def input(self, op: Op, position: int) -> Tensor:
        """Return an op's input.

        Raises:
            ModelError: the op has no such input.
        """
        found = self.optional_input(op, position)
        if found is None:
            raise self.refusal(op, None, f"input {position} is missing")
        return found

    def optional_input(self, op: Op, position: int) -> Tensor | None:
        """Return an op's input, or None if it is missing."""
        if position >= len(op.inputs) or op.inputs[position] == ABSENT:
            return None
        return self.tensors[op.inputs[position]]

    def output(self, op: Op) -> Tensor:
        """Return an op's only output.

        Raises:
            ModelError: the op has no output, or several.
        """
        if len(op.outputs) != 1:
            raise self.refusal(op, None, f"it has {len(op.outputs)} outputs instead of one")
        return self.tensors[op.outputs[0]]

    def refusal(self, op: Op | None, tensor: Tensor | None, reason: str) -> ModelError:
        """Return the error that names the model, the op, the tensor and the reason."""
        place = ", ".join(str(part) for part in (op, tensor) if part is not None)
        return ModelError(f"{self.name}: {place + ': ' if place else ''}{reason}")
