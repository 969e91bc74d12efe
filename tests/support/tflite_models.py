"""Make small .tflite files with any operator, shape and quantisation, and networks as the converter writes them.

TensorFlow's converter only reaches scales and zero points that its calibration gives; these models reach all of them.
"""

import dataclasses
import functools
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import ArrayLike, NDArray

PADDINGS = {"SAME": 0, "VALID": 1}
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}


@functools.cache
def schema() -> Any:
    """TensorFlow's generated object API of the .tflite schema; importing TensorFlow takes seconds."""
    from tensorflow.lite.python import schema_py_generated

    return schema_py_generated


@dataclasses.dataclass(frozen=True)
class Ref:
    """A tensor of a model being built."""

    index: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int


class ModelBuilder:
    """Builds one subgraph, tensor by tensor; weights, scales and zero points come from a seed."""

    bias_spread = 3000.0

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.model = schema().ModelT(version=3, operatorCodes=[], buffers=[schema().BufferT()], subgraphs=[])
        self.graph = schema().SubGraphT(tensors=[], operators=[], inputs=[], outputs=[])

    def zero_point(self) -> int:
        """Any int8, the extremes often."""
        return int(self.random.choice([-128, 127, 0, *self.random.integers(-128, 128, 3)]))

    def scale(self) -> float:
        """Any scale from a thousandth to ten."""
        return float(np.float32(10 ** self.random.uniform(-3, 1)))

    def input(self, shape: tuple[int, ...], scale: float | None = None, zero_point: int | None = None) -> Ref:
        """Add a model input."""
        ref = self.activation(shape, scale or self.scale(), self.zero_point() if zero_point is None else zero_point)
        self.graph.inputs.append(ref.index)
        return ref

    def activation(self, shape: tuple[int, ...], scale: float, zero_point: int) -> Ref:
        """Add an int8 tensor without data."""
        return self.bytes_tensor(shape, "INT8", scale, zero_point)

    def bytes_tensor(self, shape: tuple[int, ...], dtype: str, scale: float, zero_point: int) -> Ref:
        """Add an INT8 or UINT8 tensor without data."""
        scale = float(np.float32(scale))
        index = self._tensor(shape, dtype, None, [scale], [zero_point], 0)
        return Ref(index, tuple(shape), scale, zero_point)

    def real(self, shape: tuple[int, ...]) -> Ref:
        """Add a float tensor without data."""
        return Ref(self._tensor(shape, "FLOAT32", None, [], [], 0), tuple(shape), 0.0, 0)

    def number(self, value: float) -> Ref:
        """Add a float constant of one value."""
        return Ref(self.constant(np.full(1, value), "FLOAT32"), (1,), 0.0, 0)

    def float_input(self, shape: tuple[int, ...]) -> Ref:
        """Add a float model input, quantised."""
        ref = self.real(shape)
        self.graph.inputs.append(ref.index)
        return self.quantize(ref, self.scale(), self.zero_point())

    def constant(
        self, values: ArrayLike, dtype: str, scales: ArrayLike = (), zero_points: ArrayLike = (), axis: int = 0
    ) -> int:
        """Add a constant, and return its index."""
        kind = {"INT8": np.int8, "INT32": np.int32, "FLOAT32": np.float32}[dtype]
        return self._tensor(np.shape(values), dtype, np.asarray(values, kind), scales, zero_points, axis)

    def _tensor(
        self,
        shape: tuple[int, ...],
        dtype: str,
        values: NDArray[Any] | None,
        scales: ArrayLike,
        zero_points: ArrayLike,
        axis: int,
    ) -> int:
        buffer = 0
        if values is not None:
            buffer = len(self.model.buffers)
            self.model.buffers.append(schema().BufferT(data=np.frombuffer(values.tobytes(), np.uint8)))
        quantization = None
        if len(np.atleast_1d(scales)):
            quantization = schema().QuantizationParametersT(
                scale=np.asarray(scales, np.float32), zeroPoint=np.asarray(zero_points, np.int64)
            )
            quantization.quantizedDimension = axis
        self.graph.tensors.append(
            schema().TensorT(
                shape=np.asarray(shape, np.int32),
                type=getattr(schema().TensorType, dtype),
                buffer=buffer,
                name=f"tensor{len(self.graph.tensors)}",
                quantization=quantization,
            )
        )
        return len(self.graph.tensors) - 1

    def op(self, kind: str, inputs: list[int], output: Ref, options: Any = None, options_name: str = "") -> Ref:
        """Add an operator, and return its output."""
        code = getattr(schema().BuiltinOperator, kind)
        old_code = min(code, 127)  # a byte, which newer operators do not fit
        self.model.operatorCodes.append(
            schema().OperatorCodeT(deprecatedBuiltinCode=old_code, builtinCode=code, version=1)
        )
        operator = schema().OperatorT(
            opcodeIndex=len(self.model.operatorCodes) - 1,
            inputs=np.asarray(inputs, np.int32),
            outputs=np.asarray([output.index], np.int32),
        )
        if options is not None:
            operator.builtinOptionsType = getattr(schema().BuiltinOptions, options_name)
            operator.builtinOptions = options
        self.graph.operators.append(operator)
        return output

    def finish(self, output: Ref) -> bytes:
        """Return the file with this output."""
        self.graph.outputs = np.asarray([output.index], np.int32)
        self.graph.inputs = np.asarray(self.graph.inputs, np.int32)
        self.model.subgraphs = [self.graph]
        return pack(self.model)

    def conv(
        self,
        source: Ref,
        channels: int,
        kernel: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: str = "SAME",
        activation: str = "NONE",
        per_channel: bool = True,
        bias: bool = True,
        depthwise: int = 0,
        spread: float = 1.0,
    ) -> Ref:
        """CONV_2D, or DEPTHWISE_CONV_2D with multiplier `depthwise`; `spread` scales outputs (large: they saturate)."""
        _, height, width, depth = source.shape
        channels = depth * depthwise or channels
        shape = (1, *kernel, channels) if depthwise else (channels, *kernel, depth)
        taps = kernel[0] * kernel[1] * (1 if depthwise else depth)
        weights, bias_index, product = self._weights(source, shape, 3 if depthwise else 0, channels, per_channel, bias)
        size = [
            -(-extent // step) if padding == "SAME" else (extent - (k - 1) * d - 1) // step + 1
            for extent, k, step, d in zip((height, width), kernel, stride, dilation, strict=True)
        ]
        output = self.activation((1, *size, channels), product * taps**0.5 * 80 / spread, self.zero_point())
        name = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
        options = getattr(schema(), f"{name}T")(
            padding=PADDINGS[padding],
            strideH=stride[0],
            strideW=stride[1],
            dilationHFactor=dilation[0],
            dilationWFactor=dilation[1],
            fusedActivationFunction=ACTIVATIONS[activation],
        )
        if depthwise:
            options.depthMultiplier = depthwise
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        return self.op(kind, [source.index, weights, *bias_index], output, options, name)

    def _weights(
        self, source: Ref, shape: tuple[int, ...], axis: int, channels: int, per_channel: bool, bias: bool
    ) -> tuple[int, list[int], float]:
        scales = np.float32(10 ** self.random.uniform(-3, -1, channels if per_channel else 1))
        values = self.random.integers(-127, 128, shape)
        weights = self.constant(values, "INT8", scales, np.zeros(len(scales)), axis)
        products = np.float32(source.scale) * scales
        if not bias:
            return weights, [], float(products.max())
        values = self.random.normal(0, self.bias_spread, channels).astype(int)
        return weights, [self.constant(values, "INT32", products, np.zeros(len(scales)))], float(products.max())

    def dense(
        self,
        source: Ref,
        outputs: int,
        *,
        activation: str = "NONE",
        per_channel: bool = False,
        bias: bool = True,
        spread: float = 1.0,
    ) -> Ref:
        """FULLY_CONNECTED over the last axis."""
        depth = source.shape[-1]
        weights, bias_index, product = self._weights(source, (outputs, depth), 0, outputs, per_channel, bias)
        rows = int(np.prod(source.shape)) // depth
        output = self.activation((rows, outputs), product * depth**0.5 * 80 / spread, self.zero_point())
        options = schema().FullyConnectedOptionsT(fusedActivationFunction=ACTIVATIONS[activation])
        return self.op(
            "FULLY_CONNECTED", [source.index, weights, *bias_index], output, options, "FullyConnectedOptions"
        )

    def pool(
        self,
        source: Ref,
        kind: str,
        window: tuple[int, int],
        stride: tuple[int, int],
        padding: str = "VALID",
        activation: str = "NONE",
    ) -> Ref:
        """MAX_POOL_2D or AVERAGE_POOL_2D."""
        size = [
            -(-extent // step) if padding == "SAME" else (extent - k) // step + 1
            for extent, k, step in zip(source.shape[1:3], window, stride, strict=True)
        ]
        output = self.activation((1, *size, source.shape[3]), source.scale, source.zero_point)
        options = schema().Pool2DOptionsT(
            padding=PADDINGS[padding],
            strideH=stride[0],
            strideW=stride[1],
            filterHeight=window[0],
            filterWidth=window[1],
            fusedActivationFunction=ACTIVATIONS[activation],
        )
        return self.op(kind, [source.index], output, options, "Pool2DOptions")

    def mean(self, source: Ref, axes: tuple[int, ...], *, keep: bool, same_quantisation: bool = False) -> Ref:
        """MEAN over axes."""
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(source.shape) if keep or axis not in axes)
        ratio = 1.0 if same_quantisation else 10 ** self.random.uniform(-1, 0.3)
        zero_point = source.zero_point if same_quantisation else self.zero_point()
        output = self.activation(shape, source.scale * ratio, zero_point)
        options = schema().ReducerOptionsT(keepDims=keep)
        return self.op("MEAN", [source.index, self.constant(axes, "INT32")], output, options, "ReducerOptions")

    def combine(self, kind: str, first: Ref, second: Ref, activation: str = "NONE") -> Ref:
        """ADD or MUL, with broadcasting."""
        shape = np.broadcast_shapes(first.shape, second.shape)
        natural = max(first.scale, second.scale) if kind == "ADD" else first.scale * second.scale * 60
        output = self.activation(shape, natural * 10 ** self.random.uniform(-0.3, 0.5), self.zero_point())
        name = f"{kind.capitalize()}Options"
        options = getattr(schema(), f"{name}T")(fusedActivationFunction=ACTIVATIONS[activation])
        return self.op(kind, [first.index, second.index], output, options, name)

    def pad(self, source: Ref, paddings: list[tuple[int, int]]) -> Ref:
        """PAD with zeros."""
        shape = tuple(size + before + after for size, (before, after) in zip(source.shape, paddings, strict=True))
        output = self.activation(shape, source.scale, source.zero_point)
        return self.op(
            "PAD", [source.index, self.constant(paddings, "INT32")], output, schema().PadOptionsT(), "PadOptions"
        )

    def concatenate(self, parts: list[Ref], axis: int) -> Ref:
        """CONCATENATION of tensors with one quantisation."""
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        output = self.activation(tuple(shape), parts[0].scale, parts[0].zero_point)
        options = schema().ConcatenationOptionsT(axis=axis)
        return self.op("CONCATENATION", [part.index for part in parts], output, options, "ConcatenationOptions")

    def reshape(self, source: Ref, shape: tuple[int, ...], *, by_options: bool = False) -> Ref:
        """RESHAPE by a constant, or by its options alone."""
        output = self.activation(shape, source.scale, source.zero_point) if source.scale else self.real(shape)
        if by_options:
            options = schema().ReshapeOptionsT(newShape=np.asarray(shape, np.int32))
            return self.op("RESHAPE", [source.index], output, options, "ReshapeOptions")
        return self.op("RESHAPE", [source.index, self.constant(shape, "INT32")], output)

    def squeeze(self, source: Ref, axes: tuple[int, ...]) -> Ref:
        """SQUEEZE of axes of size 1; none given: of all of them."""
        gone = [axis % len(source.shape) for axis in axes]
        gone = gone or [axis for axis, size in enumerate(source.shape) if size == 1]
        shape = tuple(size for axis, size in enumerate(source.shape) if axis not in gone)
        options = schema().SqueezeOptionsT(squeezeDims=np.asarray(axes, np.int32) if axes else None)
        output = self.activation(shape, source.scale, source.zero_point)
        return self.op("SQUEEZE", [source.index], output, options, "SqueezeOptions")

    def expand(self, source: Ref, axis: int) -> Ref:
        """EXPAND_DIMS before an axis."""
        at = axis % (len(source.shape) + 1)
        output = self.activation((*source.shape[:at], 1, *source.shape[at:]), source.scale, source.zero_point)
        inputs = [source.index, self.constant(np.int32(axis), "INT32")]
        return self.op("EXPAND_DIMS", inputs, output, schema().ExpandDimsOptionsT(), "ExpandDimsOptions")

    def quantize(self, source: Ref, scale: float, zero_point: int) -> Ref:
        """QUANTIZE to int8."""
        output = self.activation(source.shape, scale, zero_point)
        return self.op("QUANTIZE", [source.index], output, schema().QuantizeOptionsT(), "QuantizeOptions")

    def dequantize(self, source: Ref) -> Ref:
        """DEQUANTIZE."""
        output = self.real(source.shape)
        return self.op("DEQUANTIZE", [source.index], output, schema().DequantizeOptionsT(), "DequantizeOptions")

    def function(self, kind: str, source: Ref, alpha: float = 0.2, approximate: bool = False) -> Ref:
        """Add an activation, of int8 or float as its input is."""
        fixed = {"TANH": (1 / 128, 0), "LOGISTIC": (1 / 256, -128)}.get(kind)
        scale, zero_point = fixed or (source.scale * 10 ** self.random.uniform(-0.5, 0.5), self.zero_point())
        output = self.activation(source.shape, scale, zero_point) if source.scale else self.real(source.shape)
        options: tuple[Any, ...] = {
            "LEAKY_RELU": (schema().LeakyReluOptionsT(alpha=alpha), "LeakyReluOptions"),
            "GELU": (schema().GeluOptionsT(approximate=approximate), "GeluOptions"),
        }.get(kind, ())
        return self.op(kind, [source.index], output, *options)

    def float_operation(self, kind: str, first: Ref, second: Ref, activation: str = "NONE") -> Ref:
        """ADD, SUB, MUL, DIV, MAXIMUM or MINIMUM of float tensors."""
        name = "MaximumMinimumOptions" if kind in ("MAXIMUM", "MINIMUM") else f"{kind.capitalize()}Options"
        options = getattr(schema(), f"{name}T")()
        if name != "MaximumMinimumOptions":
            options.fusedActivationFunction = ACTIVATIONS[activation]
        output = self.real(first.shape if len(first.shape) >= len(second.shape) else second.shape)
        return self.op(kind, [first.index, second.index], output, options, name)

    def logistic(self, source: Ref) -> Ref:
        """LOGISTIC."""
        return self.op("LOGISTIC", [source.index], self.activation(source.shape, 1 / 256, -128))

    def softmax(self, source: Ref, beta: float = 1.0) -> Ref:
        """SOFTMAX over the last axis."""
        output = self.activation(source.shape, 1 / 256, -128)
        return self.op("SOFTMAX", [source.index], output, schema().SoftmaxOptionsT(beta=beta), "SoftmaxOptions")


def unpack(model: bytes) -> Any:
    """Return a file as objects that may be changed."""
    return _thaw(schema().ModelT.InitFromObj(schema().Model.GetRootAs(model, 0)))


def _thaw(value: Any) -> Any:
    """Replace the read-only arrays of an object tree by copies."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list):
        return [_thaw(item) for item in value]
    for name, item in getattr(value, "__dict__", {}).items():
        setattr(value, name, _thaw(item))
    return value


def pack(model: Any) -> bytes:
    """Return objects as a file."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
