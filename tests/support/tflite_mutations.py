"""Damage .tflite files in every way that a case number makes of it: bytes, offsets, and what the flatbuffer says."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import engine_models
from tflite_models import pack, schema, unpack

WORDS = (0, 1, -1, 2, 127, 255, 256, 0x7FFF, 0x10000, 0x7FFFFFFF, -0x80000000)
SIZES = (-1, 0, 1, 2, 3, 5, 8, 17, 100, 4097, 65536, 2**24, 2**31 - 1)
SCALES = (0.0, -0.5, np.nan, np.inf, 1e-45, 1e-30, 1e-6, 1e-3, 1.0, 1e3, 1e9, 3e38)
ZERO_POINTS = (-129, -128, -1, 0, 1, 127, 128, 255, 256, 2**40, -(2**63))
ALPHAS = (0.0, -1.0, 1e-9, 1e9, np.nan, np.inf)

Random = np.random.Generator


@functools.cache
def bases() -> list[bytes]:
    """Return the sound models that are damaged."""
    return [engine_models.generate(name, 1) for name in engine_models.RECIPES]


def mutated(case: int) -> bytes:
    """Return the damaged model of a case."""
    random = np.random.default_rng(case)
    model = bases()[case % len(bases())]
    kind = random.integers(10)
    if kind == 0:
        return model[: random.integers(len(model))]
    if kind == 1:
        return _words(model, random)
    if kind == 2:
        return _bytes(model, random)
    objects = unpack(model)
    for _ in range(random.integers(1, 4)):
        pick(random, MUTATIONS)(objects, random)
    try:
        damaged = pack(objects)
    except (TypeError, AttributeError):  # a number that its field cannot hold, or options that fit no operator
        return _bytes(model, random)
    return _bytes(damaged, random) if kind == 3 else damaged


def pick(random: Random, choices: Any) -> Any:
    """Return one of the choices, as it is."""
    return choices[random.integers(len(choices))]


def _bytes(model: bytes, random: Random) -> bytes:
    damaged = bytearray(model)
    for position in random.integers(8, len(model), random.integers(1, 5)):
        damaged[position] = pick(random, (0, 1, 127, 128, 255, random.integers(256), damaged[position] ^ 1))
    return bytes(damaged)


def _words(model: bytes, random: Random) -> bytes:
    """Wild offsets: most words of the file are some."""
    damaged = bytearray(model)
    for _ in range(random.integers(1, 4)):
        start = 4 * random.integers(1, len(model) // 4 - 1)
        old = int.from_bytes(damaged[start : start + 4], "little", signed=True)
        word = pick(random, (*WORDS, old + 4, old - 4, len(model), int(random.integers(-(2**31), 2**31))))
        damaged[start : start + 4] = (word % 2**32).to_bytes(4, "little")
    return bytes(damaged)


def _tensor(model: Any, random: Random) -> Any:
    return pick(random, model.subgraphs[0].tensors)


def _op(model: Any, random: Random) -> Any:
    return pick(random, model.subgraphs[0].operators)


def _any_tensor(model: Any, random: Random) -> int:
    """An index that mostly exists."""
    count = len(model.subgraphs[0].tensors)
    return int(pick(random, (*[random.integers(count)] * 6, -1, -2, count, 2**31 - 1)))


def shape(model: Any, random: Random) -> None:
    """One dimension becomes another, or more than one."""
    sizes = _tensor(model, random).shape
    if len(sizes):
        at = random.integers(len(sizes))
        sizes[at] = pick(random, (*SIZES, sizes[at] + 1, sizes[at] - 1, 2 * sizes[at] % 2**30))


def transposed_shape(model: Any, random: Random) -> None:
    """The same number of values in another shape."""
    tensor = _tensor(model, random)
    tensor.shape = random.permutation(tensor.shape).astype(np.int32)


def rank(model: Any, random: Random) -> None:
    """A dimension more or fewer."""
    tensor = _tensor(model, random)
    ones = [1] * random.integers(1, 7)
    tensor.shape = np.array(pick(random, (tensor.shape[1:], [*tensor.shape, *ones], [*ones, *tensor.shape])), np.int32)


def dtype(model: Any, random: Random) -> None:
    """Another type."""
    _tensor(model, random).type = int(random.integers(20))


def scale(model: Any, random: Random) -> None:
    """A scale that is none, or another one."""
    parameters = _tensor(model, random).quantization
    if parameters is not None and len(parameters.scale):
        at = random.integers(len(parameters.scale))
        parameters.scale[at] = pick(random, (*SCALES, parameters.scale[at] * 2.0 ** random.integers(-20, 20)))


def zero_point(model: Any, random: Random) -> None:
    """A zero point outside the type, or another one."""
    parameters = _tensor(model, random).quantization
    if parameters is not None and len(parameters.zeroPoint):
        parameters.zeroPoint[random.integers(len(parameters.zeroPoint))] = pick(random, ZERO_POINTS)


def quantisation(model: Any, random: Random) -> None:
    """That of another tensor, none, or along another dimension."""
    tensor, other = _tensor(model, random), _tensor(model, random)
    tensor.quantization = pick(random, (None, other.quantization, tensor.quantization))
    if tensor.quantization is not None and random.integers(2):
        tensor.quantization.quantizedDimension = int(pick(random, (-1, 0, 1, 2, 3, 7, 2**31 - 1)))


def buffer(model: Any, random: Random) -> None:
    """Another buffer, or one of another length."""
    if random.integers(2):
        _tensor(model, random).buffer = int(pick(random, (*range(len(model.buffers)), 2**32 - 1)))
        return
    data = pick(random, model.buffers)
    if data.data is not None and len(data.data):
        data.data = pick(random, (data.data[:-1], data.data[:0], np.append(data.data, 7).astype(np.uint8)))


def op_input(model: Any, random: Random) -> None:
    """An op reads another tensor: one that does not exist, one of later, or its own result."""
    op = _op(model, random)
    if len(op.inputs):
        op.inputs[random.integers(len(op.inputs))] = pick(random, (_any_tensor(model, random), *op.outputs))


def op_output(model: Any, random: Random) -> None:
    """An op writes another tensor."""
    op = _op(model, random)
    op.outputs[random.integers(len(op.outputs))] = _any_tensor(model, random)


def op_arity(model: Any, random: Random) -> None:
    """An op has more or fewer inputs or outputs."""
    op, name = _op(model, random), pick(random, ("inputs", "inputs", "outputs"))
    tensors = getattr(op, name)
    changed = pick(random, (tensors[:-1], tensors[:0], [*tensors, _any_tensor(model, random)]))
    if len(changed) or name == "inputs":
        setattr(op, name, np.array(changed, np.int32))


def op_order(model: Any, random: Random) -> None:
    """Ops in another order, twice, or fewer."""
    ops = model.subgraphs[0].operators
    at = random.integers(len(ops))
    changed = (ops[::-1], [*ops, ops[at]], ops[:at] + ops[at + 1 :], [ops[i] for i in random.permutation(len(ops))])
    model.subgraphs[0].operators = pick(random, changed) or ops


def op_kind(model: Any, random: Random) -> None:
    """Another operator with the same inputs and options."""
    code = pick(random, model.operatorCodes)
    kinds = (
        "ADD",
        "MUL",
        "RELU",
        "TANH",
        "QUANTIZE",
        "DEQUANTIZE",
        "RESHAPE",
        "MEAN",
        "PAD",
        "CONCATENATION",
        "CONV_2D",
    )
    kind = getattr(schema().BuiltinOperator, pick(random, kinds)) if random.integers(4) else random.integers(210)
    code.builtinCode, code.deprecatedBuiltinCode = int(kind), min(int(kind), 127)


def options(model: Any, random: Random) -> None:
    """Another value of one of an op's options, or another op's options."""
    op = _op(model, random)
    if op.builtinOptions is None or not random.integers(8):
        other = _op(model, random)
        op.builtinOptions, op.builtinOptionsType = other.builtinOptions, other.builtinOptionsType
        return
    names = [name for name, value in vars(op.builtinOptions).items() if isinstance(value, int | float)]
    if names:
        name = pick(random, names)
        value = getattr(op.builtinOptions, name)
        if isinstance(value, float):
            setattr(op.builtinOptions, name, pick(random, (*ALPHAS, value * 3)))
        elif isinstance(value, bool) or "ctivation" in name or name in ("padding", "weightsFormat"):
            setattr(op.builtinOptions, name, int(random.integers(6)) % (2 if isinstance(value, bool) else 6))
        else:
            setattr(op.builtinOptions, name, int(pick(random, (-1, 0, 1, 2, 3, 4, 16, 40000, 2**31 - 1, -(2**31)))))


def ends(model: Any, random: Random) -> None:
    """Another input or output of the model, or more of them."""
    graph, name = model.subgraphs[0], pick(random, ("inputs", "outputs"))
    tensors = [_any_tensor(model, random) for _ in range(pick(random, (1, 1, 1, 0, 2)))]
    setattr(graph, name, np.array(tensors, np.int32))


MUTATIONS: tuple[Callable[[Any, Random], None], ...] = (
    shape, shape, transposed_shape, rank, dtype, scale, scale, zero_point, quantisation, buffer, op_input, op_output,
    op_arity, op_order, op_kind, options, options, ends,
)  # fmt: skip
