"""Functions of one byte against TensorFlow Lite's kernels: all 256 inputs at many scales and zero points."""

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tflite_models import ModelBuilder, Ref
from tinyscene.compiler import execution, floats, functions, verify
from tinyscene.compiler.graph import LeakyReluOptions
from tinyscene.compiler.pipeline import plan_model
from tinyscene.errors import ModelError

RESOLVER = tf.lite.experimental.OpResolverType
ALL_BYTES = np.arange(-128, 128, dtype=np.int8)
QUANTISATIONS = 25
DEFINED = slice(5, None)


def reference(model: bytes, values: np.ndarray) -> np.ndarray:
    """Run the reference kernels, or where they lack ELU, TensorFlow Lite's other ones, which here is the same code."""
    for resolver in (RESOLVER.BUILTIN_REF, RESOLVER.BUILTIN_WITHOUT_DEFAULT_DELEGATES):
        try:
            interpreter = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=resolver)
            break
        except ValueError:
            continue
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values.reshape(1, -1))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).reshape(-1)


def compiled_table(model: bytes) -> np.ndarray:
    """Return the 256 bytes of a model of one layer."""
    (call,) = plan_model(model).calls
    assert call.function == "engine_table"
    return call.constants()[0].values


@pytest.mark.parametrize("kind", functions.FUNCTIONS)
def test_int8_activation(kind: str) -> None:
    for seed in range(QUANTISATIONS):
        net = ModelBuilder(seed)
        alpha = float(net.random.choice([0.3, 0.01, 1.5, -0.2]))
        x = net.input((1, 256))
        model = net.finish(net.function(kind, x, alpha, approximate=bool(seed % 2)))
        np.testing.assert_array_equal(compiled_table(model), reference(model, ALL_BYTES), f"seed {seed}")


def folded(net: ModelBuilder, kind: str) -> Ref:
    """Return a float operator between int8 ends."""
    x = net.dequantize(net.input((1, 256), scale=0.03 if kind == "EXP" else None))  # what EXP gives must be an int32
    if floats.FUNCTIONS[kind][0] == 1:
        if kind == "SQRT":
            x = net.function("ABS", x)
        y = net.function(kind, x, alpha=0.1)
    else:
        operands = [x, net.number(float(net.random.normal(0, 2)))][:: net.random.choice([-1, 1])]
        if kind == "DIV":  # by what is never 0
            operands = [x, net.float_operation("ADD", net.function("ABS", x), net.number(0.7))]
        y = net.float_operation(kind, *operands, activation=str(net.random.choice(["NONE", "RELU", "RELU6"])))
    return net.quantize(y, net.scale(), net.zero_point())


@pytest.mark.parametrize("kind", floats.FUNCTIONS)
def test_folded_operator(kind: str) -> None:
    for seed in range(QUANTISATIONS):
        net = ModelBuilder(seed)
        model = net.finish(folded(net, kind))
        np.testing.assert_array_equal(compiled_table(model), reference(model, ALL_BYTES), f"seed {seed}")


@pytest.mark.parametrize("kind", [kind for kind, (count, _) in floats.FUNCTIONS.items() if count == 1])
def test_float_function_in_every_bit(kind: str) -> None:
    net = ModelBuilder(1)
    values = np.random.default_rng(1).normal(0, 4, 5000).astype(np.float32)
    x = net.real((1, values.size))
    net.graph.inputs.append(x.index)
    values = np.abs(values) if kind == "SQRT" else values
    model = net.finish(net.function(kind, x, alpha=0.1))
    found = floats.apply(kind, [values], LeakyReluOptions(0.1))
    np.testing.assert_array_equal(found.view(np.uint32), reference(model, values).view(np.uint32))


def test_quantize_between_bytes() -> None:
    for seed, (source, target) in enumerate(itertools.product(["INT8", "UINT8"], repeat=2)):
        net = ModelBuilder(seed)
        ends = [net.bytes_tensor((1, 256), dtype, net.scale(), 77) for dtype in (source, target)]
        net.graph.inputs.append(ends[0].index)
        net.op("QUANTIZE", [ends[0].index], ends[1])
        model = net.finish(ends[1])
        values = ALL_BYTES.view(np.uint8) if source == "UINT8" else ALL_BYTES
        expected = reference(model, values).view(np.int8)
        np.testing.assert_array_equal(compiled_table(model), expected)


def test_swish_of_two_branches_is_one_table() -> None:
    net = ModelBuilder(1)
    x = net.dequantize(net.input((1, 256)))
    model = plan_model(net.finish(net.quantize(net.float_operation("MUL", x, net.function("LOGISTIC", x)), 0.1, 0)))
    assert [call.kind for call in model.calls] == ["DEQUANTIZE+LOGISTIC+MUL+QUANTIZE"]


def test_undefined_values_saturate_and_nan_is_zero() -> None:
    """Where TensorFlow Lite converts what is no int32, C++ leaves the result open."""
    values = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 2.0**31], np.float32)
    assert functions.quantise(values, 0.1, 5).tolist() == [5, 127, -128, 127, -128, 127]


@pytest.mark.parametrize("on", ["host", "mps2"])
def test_float_input_saturates_and_rounds_as_the_reference(on: verify.Target) -> None:
    net = ModelBuilder(1)
    x = net.real((1, 12))
    net.graph.inputs.append(x.index)
    model = net.finish(net.quantize(x, 1.0, 5))
    values = [np.nan, np.inf, -np.inf, 1e30, -1e30, 0.5, -0.5, 0.49999997, 2.5, -2.5, -0.0, 1e-45]
    given = np.array([values], np.float32)
    run = execution.run_on_host if on == "host" else execution.run_on_mps2
    (outputs,) = run([plan_model(model)], [given])[0].outputs
    assert outputs.tolist() == [5, 127, -128, 127, -128, 6, 4, 5, 8, 2, 5, 5]
    np.testing.assert_array_equal(functions.quantise(given[0], 1.0, 5), outputs)
    np.testing.assert_array_equal(reference(model, given)[DEFINED], outputs[DEFINED])


def float_gelu(net: ModelBuilder) -> Any:
    return net.quantize(net.function("GELU", net.dequantize(net.input((1, 8)))), 0.1, 0)


def float_convolution(net: ModelBuilder) -> Any:
    x = net.conv(net.input((1, 4, 4, 2)), 3, (3, 3))
    net.graph.operators[0].inputs[0] = net.dequantize(Ref(0, (1, 4, 4, 2), 1.0, 0)).index
    net.graph.operators.reverse()
    return x


def two_sources(net: ModelBuilder) -> Any:
    x = net.input((1, 8))
    first, second = net.dequantize(x), net.dequantize(net.quantize(x, 0.3, 1))
    return net.quantize(net.float_operation("ADD", first, second), 0.1, 0)


def float_in_the_middle(net: ModelBuilder) -> Any:
    x = net.dequantize(net.input((1, 2, 2, 2)))
    return net.quantize(net.reshape(x, (1, 8)), 0.1, 0)


def endless_alpha(net: ModelBuilder) -> Any:
    return net.function("LEAKY_RELU", net.input((1, 8)), alpha=float("inf"))


def small_hard_swish(net: ModelBuilder) -> Any:
    x = net.input((1, 8), scale=8.0)
    return net.op("HARD_SWISH", [x.index], net.activation((1, 8), 1e-3, 0))


def other_tanh(net: ModelBuilder) -> Any:
    return net.op("TANH", [net.input((1, 8)).index], net.activation((1, 8), 1 / 100, 0))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (float_gelu, r"op 0 \(DEQUANTIZE\), tensor 1 .*only at the model's ends"),
        (float_convolution, r"op 0 \(DEQUANTIZE\), tensor \d+ .*only at the model's ends"),
        (two_sources, r"op 0 \(DEQUANTIZE\), tensor 1 .*only at the model's ends"),
        (float_in_the_middle, r"op 0 \(DEQUANTIZE\), tensor 1 .*only at the model's ends"),
        (endless_alpha, r"op 0 \(LEAKY_RELU\), tensor 0 .*alpha is inf"),
        (small_hard_swish, r"op 0 \(HARD_SWISH\), tensor 1 .*too small"),
        (other_tanh, r"op 0 \(TANH\), tensor 1 .*scale 1/128 and zero point 0"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_does_not_fold_is_refused(recipe: Any, message: str) -> None:
    net = ModelBuilder(2)
    with pytest.raises(ModelError, match=message):
        plan_model(net.finish(recipe(net)))
