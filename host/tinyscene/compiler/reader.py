"""Read a .tflite file into a Graph; if the file is hostile or damaged, a ModelError says what is wrong with it.

The format is TensorFlow Lite's schema (tensorflow/compiler/mlir/lite/schema/schema.fbs), read with the classes that
the PyPI package `tflite` generated from it. Offsets in a damaged file may point anywhere: all access happens inside
one guard, every count is checked against the file's size before it is used, and the work is proportional to that size.
"""

import contextlib
import math
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from tinyscene.compiler import graph as ir
from tinyscene.compiler.graph import Graph, Op, Options, Tensor
from tinyscene.errors import ModelError

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
MAX_FILE_BYTES = 64 << 20
MAX_TENSORS = 4096
MAX_OPS = 4096
MAX_RANK = 8
MAX_ELEMENTS = 1 << 24  # elements of one tensor: far more than a microcontroller holds

DAMAGE = (struct.error, IndexError, KeyError, ValueError, TypeError, OverflowError, AttributeError, MemoryError)
NUMPY_TYPES = {
    "float32": "<f4", "int32": "<i4", "int64": "<i8", "int8": "i1", "uint8": "u1", "int16": "<i2", "bool": "?",
}  # fmt: skip
ZERO_POINTS = {"int8": (ir.INT8_MIN, ir.INT8_MAX), "uint8": (0, 255)}
PADDINGS: dict[int, ir.Padding] = {0: "SAME", 1: "VALID"}
ACTIVATIONS: dict[int, ir.Activation] = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


OP_NAMES = _names(tflite.BuiltinOperator)
TYPE_NAMES = {value: name.lower() for value, name in _names(tflite.TensorType).items()}


def read(model: bytes | Path, name: str | None = None) -> Graph:
    """Read a model.

    Args:
        model: the file's bytes, or its path.
        name: name of the model in messages; default: the path, or "the model".

    Raises:
        ModelError: the file cannot be read, is damaged or inconsistent, or has several subgraphs or dynamic shapes.
    """
    if isinstance(model, Path):
        name = name or str(model)
    return _Reader(content(model, name), name or "the model").graph()


def content(model: bytes | Path, name: str | None = None) -> bytes:
    """Return a file's bytes; arguments as for `read`.

    Raises:
        ModelError: the file cannot be read, or is too large.
    """
    if not isinstance(model, Path):
        return bytes(model)
    name = name or str(model)
    try:
        if model.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{name} is larger than {MAX_FILE_BYTES >> 20} MiB; this compiler is for small models")
        return model.read_bytes()
    except OSError as error:
        raise ModelError(f"{name} cannot be read ({error.strerror}); give the path of a .tflite file") from error


class _Reader:
    """One pass over one file."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self.budget = len(data)  # values that may still be read from vectors: a good file needs fewer than its bytes

    def error(self, reason: str) -> ModelError:
        return ModelError(f"{self.name}: {reason}")

    @contextlib.contextmanager
    def guard(self, place: str) -> Iterator[None]:
        """Turn the exceptions that damaged offsets cause in flatbuffers into a ModelError."""
        try:
            yield
        except DAMAGE as error:
            raise self.error(f"{place} is damaged; make the file again") from error

    def graph(self) -> Graph:
        if len(self.data) < 8 or self.data[4:8] != IDENTIFIER:
            raise self.error("not a .tflite file (its identifier is not TFL3); give one that TensorFlow Lite wrote")
        with self.guard("the model table"):
            model = tflite.Model.GetRootAs(self.data, 0)
            if model.Version() != SCHEMA_VERSION:
                raise self.error(f"schema version {model.Version()} instead of {SCHEMA_VERSION}; convert it again")
            if model.SubgraphsLength() != 1:
                raise self.error(f"{model.SubgraphsLength()} subgraphs; only models with one (no control flow) compile")
            subgraph = model.Subgraphs(0)
            tensors = self.count(subgraph.TensorsLength(), MAX_TENSORS, "tensors")
            ops = self.count(subgraph.OperatorsLength(), MAX_OPS, "operators")
        graph = Graph(
            name=self.name,
            tensors=tuple(self.tensor(model, subgraph, index) for index in range(tensors)),
            ops=tuple(self.op(model, subgraph, index) for index in range(ops)),
            inputs=self.integers(subgraph.InputsAsNumpy, "the list of inputs"),
            outputs=self.integers(subgraph.OutputsAsNumpy, "the list of outputs"),
        )
        _check_references(graph)
        return graph

    def count(self, length: int, limit: int, what: str) -> int:
        if length > min(limit, len(self.data) // 4):
            raise self.error(f"{length} {what} are more than the file can hold or the compiler takes ({limit})")
        return length

    def vector(self, read_vector: Callable[[], Any], place: str) -> NDArray[Any]:
        """Read a vector of numbers, no longer than the file can hold."""
        with self.guard(place):
            values = read_vector()
        if isinstance(values, int):  # flatbuffers returns 0 for an absent vector
            return np.empty(0, np.int32)
        self.budget -= len(values)
        if self.budget < 0:
            raise self.error(f"{place} claims more values than the file holds; make the file again")
        return values

    def integers(self, read_vector: Callable[[], Any], place: str) -> tuple[int, ...]:
        return tuple(int(value) for value in self.vector(read_vector, place))

    def tensor(self, model: Any, subgraph: Any, index: int) -> Tensor:
        place = f"tensor {index}"
        with self.guard(place):
            table = subgraph.Tensors(index)
            name = _printable(table.Name())
            dtype = TYPE_NAMES[table.Type()]
            buffer = model.Buffers(table.Buffer()) if table.Buffer() < model.BuffersLength() else None
            variable = table.IsVariable() or table.Sparsity() is not None
            quantisation = table.Quantization()
        place = f"tensor {index} ({name})"
        if buffer is None:
            raise self.error(f"{place}: it points to a buffer that does not exist; make the file again")
        if variable:
            raise self.error(f"{place}: variable and sparse tensors are not supported; convert a plain model")
        shape = self.shape(table, place)
        scales, zero_points, dimension = self.quantisation(quantisation, dtype, shape, place)
        data, file_bytes = self.constant(buffer, dtype, shape, place)
        return Tensor(
            index=index,
            name=name,
            shape=shape,
            dtype=dtype,
            scales=scales,
            zero_points=zero_points,
            quantised_dimension=dimension,
            data=data,
            file_bytes=file_bytes,
        )

    def shape(self, table: Any, place: str) -> tuple[int, ...]:
        shape = self.integers(table.ShapeAsNumpy, place)
        signature = self.integers(table.ShapeSignatureAsNumpy, place)
        if len(shape) > MAX_RANK:
            raise self.error(f"{place}: {len(shape)} dimensions are more than {MAX_RANK}")
        if any(size < 0 for size in shape) or any(size < 0 for size in signature[1:]):
            raise self.error(f"{place}: its shape is dynamic; convert the model with a fixed input shape (batch 1)")
        if any(size == 0 for size in shape):
            raise self.error(f"{place}: a dimension of {list(shape)} is zero")
        if math.prod(shape) > MAX_ELEMENTS:
            raise self.error(f"{place}: {list(shape)} is more than {MAX_ELEMENTS} values; no microcontroller holds it")
        return shape

    def quantisation(
        self, table: Any, dtype: str, shape: tuple[int, ...], place: str
    ) -> tuple[tuple[float, ...], tuple[int, ...], int]:
        if table is None:
            return (), (), 0
        scales = tuple(float(value) for value in self.vector(table.ScaleAsNumpy, place))
        zero_points = self.integers(table.ZeroPointAsNumpy, place)
        with self.guard(place):
            dimension = table.QuantizedDimension()
        if not scales:
            return (), (), 0
        if not all(math.isfinite(scale) and scale > 0 for scale in scales):
            raise self.error(f"{place}: a scale is not a positive number; quantise the model again")
        if not zero_points:
            zero_points = (0,) * len(scales)
        if len(zero_points) != len(scales):
            raise self.error(f"{place}: {len(scales)} scales but {len(zero_points)} zero points; quantise it again")
        if len(scales) > 1 and not (0 <= dimension < len(shape) and shape[dimension] == len(scales)):
            raise self.error(f"{place}: {len(scales)} scales do not fit its shape {list(shape)}; quantise it again")
        low, high = ZERO_POINTS.get(dtype, (-math.inf, math.inf))
        if not all(low <= value <= high for value in zero_points):
            raise self.error(f"{place}: a zero point is outside {dtype}; quantise the model again")
        return scales, zero_points, dimension

    def constant(self, buffer: Any, dtype: str, shape: tuple[int, ...], place: str) -> tuple[NDArray[Any] | None, int]:
        with self.guard(place):
            if buffer.Offset() > 1:
                raise self.error(
                    f"{place}: constants outside the flatbuffer are not supported; convert a smaller model"
                )
            raw = buffer.DataAsNumpy()
        if isinstance(raw, int) or len(raw) == 0:
            return None, 0
        if dtype not in NUMPY_TYPES:
            raise self.error(f"{place}: constants of type {dtype} are not supported")
        kind = np.dtype(NUMPY_TYPES[dtype])
        if len(raw) != math.prod(shape) * kind.itemsize:
            raise self.error(f"{place}: {len(raw)} bytes of constants do not fill {dtype} {list(shape)}; convert again")
        values = np.frombuffer(raw.tobytes(), kind).reshape(shape)
        return values, len(raw)

    def op(self, model: Any, subgraph: Any, index: int) -> Op:
        place = f"op {index}"
        with self.guard(place):
            table = subgraph.Operators(index)
            if table.OpcodeIndex() >= model.OperatorCodesLength():
                raise self.error(f"{place}: its operator code does not exist; make the file again")
            code = model.OperatorCodes(table.OpcodeIndex())
            number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
            kind = OP_NAMES.get(number, f"operator {number}")
            if kind == "CUSTOM":
                kind = f"CUSTOM {_printable(code.CustomCode())}"
        place = f"op {index} ({kind})"
        inputs = self.integers(table.InputsAsNumpy, place)
        outputs = self.integers(table.OutputsAsNumpy, place)
        with self.guard(place):
            options = _options(kind, table)
        return Op(index=index, kind=kind, inputs=inputs, outputs=outputs, options=options)


def _printable(name: bytes | None) -> str:
    """Return a name from the file as short printable ASCII, safe in messages and C comments."""
    text = (name or b"").decode("ascii", "replace")[:120]
    return "".join(letter if " " < letter <= "~" and letter not in "*\\?" else "_" for letter in text) or "unnamed"


def _options(kind: str, operator: Any) -> Options | None:
    """Return typed options; raises one of DAMAGE if they are missing, of another kind, or not in the schema."""
    if kind not in OPTION_READERS:
        return None
    options_class, convert = OPTION_READERS[kind]
    if operator.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, options_class.__name__):
        raise ValueError("options of another operator")
    union = operator.BuiltinOptions()
    options = options_class()
    options.Init(union.Bytes, union.Pos)
    return convert(options)


def _conv(options: Any) -> Options:
    return ir.ConvOptions(
        padding=PADDINGS[options.Padding()],
        stride=(options.StrideH(), options.StrideW()),
        dilation=(options.DilationHFactor(), options.DilationWFactor()),
        activation=ACTIVATIONS[options.FusedActivationFunction()],
        multiplier=options.DepthMultiplier() if hasattr(options, "DepthMultiplier") else 1,
    )


def _pool(options: Any) -> Options:
    return ir.PoolOptions(
        padding=PADDINGS[options.Padding()],
        stride=(options.StrideH(), options.StrideW()),
        window=(options.FilterHeight(), options.FilterWidth()),
        activation=ACTIVATIONS[options.FusedActivationFunction()],
    )


def _dense(options: Any) -> Options:
    return ir.DenseOptions(ACTIVATIONS[options.FusedActivationFunction()], options.WeightsFormat())


def _elementwise(options: Any) -> Options:
    return ir.ElementwiseOptions(ACTIVATIONS[options.FusedActivationFunction()])


def _concatenation(options: Any) -> Options:
    return ir.ConcatenationOptions(options.Axis(), ACTIVATIONS[options.FusedActivationFunction()])


def _softmax(options: Any) -> Options:
    return ir.SoftmaxOptions(options.Beta())


def _mean(options: Any) -> Options:
    return ir.MeanOptions(bool(options.KeepDims()))


def _squeeze(options: Any) -> Options:
    axes = options.SqueezeDimsAsNumpy()  # 0 if there are none
    return ir.SqueezeOptions(() if isinstance(axes, int) else tuple(int(axis) for axis in axes[:MAX_RANK]))


def _leaky_relu(options: Any) -> Options:
    return ir.LeakyReluOptions(options.Alpha())


def _gelu(options: Any) -> Options:
    return ir.GeluOptions(bool(options.Approximate()))


OPTION_READERS: dict[str, tuple[type, Callable[[Any], Options]]] = {
    "CONV_2D": (tflite.Conv2DOptions, _conv),
    "DEPTHWISE_CONV_2D": (tflite.DepthwiseConv2DOptions, _conv),
    "MAX_POOL_2D": (tflite.Pool2DOptions, _pool),
    "AVERAGE_POOL_2D": (tflite.Pool2DOptions, _pool),
    "FULLY_CONNECTED": (tflite.FullyConnectedOptions, _dense),
    "ADD": (tflite.AddOptions, _elementwise),
    "MUL": (tflite.MulOptions, _elementwise),
    "CONCATENATION": (tflite.ConcatenationOptions, _concatenation),
    "SOFTMAX": (tflite.SoftmaxOptions, _softmax),
    "MEAN": (tflite.ReducerOptions, _mean),
    "SQUEEZE": (tflite.SqueezeOptions, _squeeze),
    "SUB": (tflite.SubOptions, _elementwise),
    "DIV": (tflite.DivOptions, _elementwise),
    "LEAKY_RELU": (tflite.LeakyReluOptions, _leaky_relu),
    "GELU": (tflite.GeluOptions, _gelu),
}


def _check_references(graph: Graph) -> None:
    """Check that tensor references exist, and that ops are in execution order with every tensor made once."""
    known = range(len(graph.tensors))
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        for index in ends:
            if index not in known:
                raise graph.refusal(None, None, f"model {what} {index} is not a tensor of the file; make it again")
    made = {tensor.index for tensor in graph.tensors if tensor.is_constant}
    for index in graph.inputs:
        if index in made:
            raise graph.refusal(None, graph.tensors[index], "a model input is a constant, or is listed twice")
        made.add(index)
    for op in graph.ops:
        for index in op.inputs:
            if index == ir.ABSENT:
                continue
            if index not in known:
                raise graph.refusal(op, None, f"it reads tensor {index}, which does not exist; make the file again")
            if index not in made:
                raise graph.refusal(op, graph.tensors[index], "it is read before anything writes it")
        for index in op.outputs:
            if index not in known:
                raise graph.refusal(op, None, f"it writes tensor {index}, which does not exist; make the file again")
            if index in made:
                raise graph.refusal(op, graph.tensors[index], "it is written twice, or is an input or a constant")
            made.add(index)
    for index in graph.outputs:
        if index not in made:
            raise graph.refusal(None, graph.tensors[index], "nothing writes this model output")
