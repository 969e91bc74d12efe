"""Write a .tflite file so that bakenn 1.0 accepts it: the same network with the same output bytes.

TensorFlow's converter omits things that bakenn requires: the shape of a RESHAPE in its options, the bias of a
FULLY_CONNECTED layer if it is zero, and the RESHAPE before such a layer if its input is an image of one pixel.
"""

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

BIAS = 2  # position among a FULLY_CONNECTED layer's inputs


def adapt(model: bytes) -> bytes:
    """Return the same network with the options, biases and reshapes that bakenn requires.

    Args:
        model: bytes of a .tflite file that the compiler accepts.
    """
    file = _read(model)
    graph = file.subgraphs[0]
    kinds = [code.builtinCode for code in file.operatorCodes]
    operators = []
    for operator in graph.operators:
        kind = kinds[operator.opcodeIndex]
        if kind == schema.BuiltinOperator.RESHAPE:
            _set_shape(operator, graph.tensors[operator.outputs[0]].shape)
        if kind == schema.BuiltinOperator.FULLY_CONNECTED:
            if len(graph.tensors[operator.inputs[0]].shape) > len(graph.tensors[operator.outputs[0]].shape):
                operators.append(_flatten(file, operator))
            if len(operator.inputs) <= BIAS or operator.inputs[BIAS] < 0:
                _add_zero_bias(file, operator)
        operators.append(operator)
    graph.operators = operators
    return bytes(flatbuffer_utils.convert_object_to_bytearray(file))


def start(model: bytes, operators: int) -> bytes:
    """Return the first operators of a network, with the last one's result as the output."""
    file = _read(model)
    graph = file.subgraphs[0]
    graph.operators = graph.operators[:operators]
    graph.outputs = [graph.operators[-1].outputs[0]]
    file.signatureDefs = None  # they name the output that no longer exists
    return bytes(flatbuffer_utils.convert_object_to_bytearray(file))


def count_operators(model: bytes) -> int:
    """Return how many operators a network has."""
    return len(_read(model).subgraphs[0].operators)


def _read(model: bytes) -> schema.ModelT:
    return flatbuffer_utils.convert_bytearray_to_object(bytearray(model))


def _set_shape(operator: schema.OperatorT, shape: list[int]) -> None:
    operator.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    operator.builtinOptions = schema.ReshapeOptionsT()
    operator.builtinOptions.newShape = np.asarray(shape, np.int32)


def _flatten(file: schema.ModelT, dense: schema.OperatorT) -> schema.OperatorT:
    """Return a RESHAPE of a dense layer's input to [1, values], and make its result the layer's input."""
    graph = file.subgraphs[0]
    image = graph.tensors[dense.inputs[0]]
    flat = schema.TensorT()
    flat.shape, flat.type, flat.quantization = [1, int(np.prod(image.shape))], image.type, image.quantization
    flat.name, flat.buffer = image.name + b"/flat", 0
    shape = schema.TensorT()
    shape.shape, shape.type, shape.name = [2], schema.TensorType.INT32, image.name + b"/shape"
    shape.buffer = _add_buffer(file, np.array(flat.shape, np.int32))
    graph.tensors += [flat, shape]
    reshape = schema.OperatorT()
    reshape.opcodeIndex = _reshape_code(file)
    reshape.inputs, reshape.outputs = [dense.inputs[0], len(graph.tensors) - 1], [len(graph.tensors) - 2]
    _set_shape(reshape, flat.shape)
    dense.inputs = [*reshape.outputs, *dense.inputs[1:]]
    return reshape


def _reshape_code(file: schema.ModelT) -> int:
    """Return the index of RESHAPE among the file's operators, added if it is missing."""
    kinds = [code.builtinCode for code in file.operatorCodes]
    if schema.BuiltinOperator.RESHAPE not in kinds:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RESHAPE
        code.version = 1
        file.operatorCodes.append(code)
        return len(kinds)
    return kinds.index(schema.BuiltinOperator.RESHAPE)


def _add_zero_bias(file: schema.ModelT, dense: schema.OperatorT) -> None:
    graph = file.subgraphs[0]
    source, weights = (graph.tensors[index].quantization for index in dense.inputs[:BIAS])
    outputs = graph.tensors[dense.inputs[1]].shape[0]
    bias = schema.TensorT()
    bias.shape, bias.type, bias.name = [outputs], schema.TensorType.INT32, b"zero bias"
    bias.buffer = _add_buffer(file, np.zeros(outputs, np.int32))
    bias.quantization = schema.QuantizationParametersT()
    bias.quantization.scale = np.float32(source.scale[0]) * np.asarray(weights.scale, np.float32)
    bias.quantization.zeroPoint = np.zeros(len(weights.scale), np.int64)
    graph.tensors.append(bias)
    dense.inputs = [*dense.inputs[:BIAS], len(graph.tensors) - 1]


def _add_buffer(file: schema.ModelT, values: np.ndarray) -> int:
    buffer = schema.BufferT()
    buffer.data = values.view(np.uint8)
    file.buffers.append(buffer)
    return len(file.buffers) - 1
