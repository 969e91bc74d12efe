"""The compiled C gives TensorFlow Lite's bytes: every operator at any quantisation, and networks as converted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import engine_models
from tinyscene.compiler import execution, verify
from tinyscene.compiler.pipeline import plan_model
from tinyscene.errors import ModelError
from tinyscene.networks.backend import keras
from tinyscene.networks.conversion import convert
from tinyscene.paths import REPOSITORY
from tinyscene.tflm import verify as tflm_verify

layers = keras.layers
SHIPPED = sorted((REPOSITORY / "models").glob("*/model.tflite"))


def assert_same(model: bytes, vectors: int = 24) -> None:
    result = verify.verify(model, "host", vectors, seed=7)
    assert result.vectors == vectors
    assert result.mismatches == 0, result


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", engine_models.RECIPES)
def test_generated_model(name: str, seed: int) -> None:
    assert_same(engine_models.generate(name, seed))


@pytest.mark.parametrize("seed", range(30))
def test_random_network(seed: int) -> None:
    assert_same(engine_models.random_network(seed), vectors=8)


def _separable(x):
    x = layers.Conv2D(8, (3, 3), strides=2, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D((3, 3), depth_multiplier=2, activation="relu6")(x)
    x = layers.Conv2D(12, 1)(x)
    return layers.Dense(5)(layers.GlobalAveragePooling2D()(x))


def _residual(x):
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(6, (5, 3), padding="same")(x)))
    x = layers.Add()([layers.Conv2D(6, 3, padding="same", activation="relu")(x), x])
    return layers.Softmax()(layers.Dense(4)(layers.Flatten()(layers.AveragePooling2D((2, 3))(x))))


def _inception(x):
    narrow = layers.Conv2D(4, 1, activation="relu")(x)
    wide = layers.Conv2D(4, 3, dilation_rate=2, padding="same", activation="relu")(x)
    x = layers.Concatenate()([narrow, wide, layers.MaxPooling2D(3, strides=1, padding="same")(x)])
    return layers.Conv2D(3, (4, 2), strides=(3, 2), padding="valid")(layers.ZeroPadding2D(((0, 1), (2, 1)))(x))


def _attention(x):
    x = layers.Conv2D(8, 3, padding="same")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(layers.Conv2D(2, 1, activation="relu")(gate))
    return layers.GlobalAveragePooling2D()(layers.Multiply()([x, gate]))


@pytest.mark.parametrize("body", [_separable, _residual, _inception, _attention], ids=lambda body: body.__name__[1:])
def test_converted_network(body) -> None:
    keras.utils.set_random_seed(3)
    image = keras.Input((17, 14, 2))
    generator = np.random.default_rng(3)
    calibration = [generator.normal(0.5, 1.5, (17, 14, 2)).astype(np.float32) for _ in range(8)]
    assert_same(convert(keras.Model(image, body(image)), calibration))


def convert_by_default(ends: Any) -> bytes:
    """Convert with what else is the default: float where there is no int8 kernel, here for SQUARE."""
    generator = np.random.default_rng(4)
    first, second = (tf.constant(generator.normal(0, 0.3, (3, 3, n, 6)), tf.float32) for n in (2, 6))

    @tf.function(input_signature=[tf.TensorSpec((1, 17, 14, 2))])
    def network(x):
        x = tf.nn.conv2d(x, first, 2, "SAME")
        x = tf.nn.conv2d(x * tf.sigmoid(x), second, 1, "VALID")
        x = tf.nn.leaky_relu(x + tf.square(x), 0.1)
        return tf.nn.softmax(tf.reduce_mean(tf.tanh(x), (1, 2)))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: [[generator.normal(0, 1, (1, 17, 14, 2)).astype(np.float32)]] * 8
    converter.inference_input_type = converter.inference_output_type = ends
    return converter.convert()


@pytest.mark.parametrize("input_type", [tf.float32, tf.int8, tf.uint8], ids=lambda dtype: dtype.name)
def test_network_as_the_converter_makes_it_by_default(input_type: Any) -> None:
    model = convert_by_default(input_type)
    compiled = plan_model(model)
    assert (compiled.input.dtype, compiled.output.dtype) == (input_type.name, input_type.name)
    assert any("SQUARE" in call.kind for call in compiled.calls)
    assert_same(model)


@pytest.mark.parametrize("name", ["student", "baseline"])
def test_network_with_random_weights(name: str, random_networks: dict[str, bytes]) -> None:
    assert_same(random_networks[name])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_model(path) -> None:
    assert_same(path.read_bytes())


def test_a_wrong_byte_is_found(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path) -> None:
    true_run = execution.run_on_host

    def off_by_one(models, inputs):
        runs = true_run(models, inputs)
        runs[0].outputs[2, 3] ^= 1
        return runs

    monkeypatch.setattr(execution, "run_on_host", off_by_one)
    path = tmp_path / "dense.tflite"
    path.write_bytes(engine_models.generate("dense", 1))
    assert verify.report(path, "host", vectors=4, seed=1, as_json=tmp_path / "verify.json") == 1
    assert "input 2, output 3" in capsys.readouterr().out
    assert '"mismatches": 1' in (tmp_path / "verify.json").read_text()


@pytest.mark.parametrize("batch", [None, 1])
def test_convolution_over_time_with_the_batch_open_or_fixed(batch: int | None) -> None:
    source = keras.Input(batch_shape=(batch, 40, 5))
    network = keras.Model(source, layers.GlobalAveragePooling1D()(layers.Conv1D(8, 3, activation="relu")(source)))
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    random = np.random.default_rng(0)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([random.normal(size=(1, 40, 5)).astype(np.float32)] for _ in range(9))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    assert_same(converter.convert())


def test_what_the_reference_lacks_and_what_is_no_model_is_said_of_the_file(tmp_path: Path) -> None:
    net = engine_models.ModelBuilder(3)
    elu, text = tmp_path / "elu.tflite", tmp_path / "text.tflite"
    elu.write_bytes(net.finish(net.quantize(net.function("ELU", net.dequantize(net.input((1, 6)))), 0.1, 0)))
    text.write_text("this is no model")
    with pytest.raises(ModelError, match=r"elu\.tflite: .*no reference kernel for ELU; verify cannot compare it"):
        verify.verify(elu)
    for check in (verify.verify, tflm_verify.verify):
        with pytest.raises(ModelError, match=r"text\.tflite: "):
            check(text)
