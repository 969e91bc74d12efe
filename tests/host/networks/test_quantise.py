"""INT8 conversion and the oracle that runs it."""

import numpy as np
import pytest

from tinyscene.errors import ModelError
from tinyscene.frontend.scaling import Quantisation
from tinyscene.networks import catalogue as networks, conversion
from tinyscene.networks.backend import keras

SHAPE = (20, 16, 1)


def calibration(count: int = 8, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(0).normal(size=(count, *SHAPE))).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A small student whose batch normalisation has something to fold."""
    keras.utils.set_random_seed(7)
    model = networks.build("student", SHAPE, width=0.125)
    random = np.random.default_rng(7)
    model.set_weights([w + 0.1 * np.abs(random.normal(size=w.shape)).astype(np.float32) for w in model.get_weights()])
    model.compile(loss=lambda truth, logits: (truth - logits) ** 2)  # a loss that Keras cannot name is no obstacle
    return model


@pytest.fixture(scope="module")
def converted(network: keras.Model) -> bytes:
    return conversion.convert(network, calibration())


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(1).integers(-128, 128, (40, *SHAPE)).astype(np.int8)


def test_the_same_weights_give_the_same_bytes(network: keras.Model, converted: bytes) -> None:
    twin = networks.build("student", SHAPE, width=0.125)
    twin.set_weights(network.get_weights())
    assert conversion.convert(twin, iter(calibration())) == converted


def test_everything_is_in_integers_and_weights_are_quantised_per_channel(converted: bytes) -> None:
    details = conversion._interpreter(converted).get_tensor_details()
    assert {np.dtype(detail["dtype"]) for detail in details} == {np.dtype(np.int8), np.dtype(np.int32)}
    kernels = [d for d in details if len(d["shape"]) == 4 and d["quantization_parameters"]["scales"].size > 1]
    assert len(kernels) == 8, "every convolution"
    assert all(len(d["quantization_parameters"]["scales"]) == d["shape"][0] for d in kernels)


def test_the_int8_model_follows_the_float_network(network: keras.Model, converted: bytes) -> None:
    source, sink = conversion.quantisation(converted)
    images = calibration(32)
    answers = sink.dequantise(conversion.run_reference(converted, source.quantise(images)))
    expected = network.predict_on_batch(images)
    assert np.abs(answers - expected).max() < 0.1 * np.ptp(expected)


def test_the_calibration_sets_the_ranges(network: keras.Model, converted: bytes) -> None:
    wide, _ = conversion.quantisation(conversion.convert(network, calibration(scale=3.0)))
    narrow, _ = conversion.quantisation(converted)
    assert wide.scale == pytest.approx(3 * narrow.scale, rel=1e-4)


def test_the_number_of_workers_changes_nothing(converted: bytes, inputs: np.ndarray) -> None:
    alone = conversion.run_reference(converted, inputs, workers=1)
    assert alone.shape == (40, 10)
    assert alone.dtype == np.int8
    assert len(np.unique(alone, axis=0)) > 10
    assert np.array_equal(conversion.run_reference(converted, inputs, workers=3), alone)
    assert np.array_equal(conversion.run_reference(converted, inputs[..., 0]), alone)
    assert np.array_equal(conversion.run_reference(converted, inputs[:3]), alone[:3])
    assert conversion.run_reference(converted, inputs[:0]).shape == (0, 10)


def test_the_oracle_is_the_reference_kernels(converted: bytes, inputs: np.ndarray) -> None:
    import tensorflow as tf

    plain = tf.lite.Interpreter(
        model_content=converted, experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF
    )
    plain.allocate_tensors()
    plain.set_tensor(plain.get_input_details()[0]["index"], inputs[:1])
    plain.invoke()
    answer = plain.get_tensor(plain.get_output_details()[0]["index"])
    assert np.array_equal(conversion.run_reference(converted, inputs[:1]), answer)


def test_the_quantisation_of_both_ends_is_what_the_file_says(converted: bytes) -> None:
    interpreter = conversion._interpreter(converted)
    source, sink = conversion.quantisation(converted)
    assert source == Quantisation(*interpreter.get_input_details()[0]["quantization"])
    assert sink == Quantisation(*interpreter.get_output_details()[0]["quantization"])


def test_a_model_of_another_back_end_is_converted_in_a_child_process(network: keras.Model, converted: bytes) -> None:
    plain = keras.Model(network.inputs[0], network.outputs[0], name=network.name)
    assert conversion._convert_elsewhere(plain, calibration()) == converted


@pytest.mark.parametrize("bad", [np.zeros((2, 20, 15, 1), np.int8), np.zeros((2, *SHAPE), np.float32)])
def test_inputs_that_do_not_fit_are_refused(converted: bytes, bad: np.ndarray) -> None:
    with pytest.raises(ModelError, match="do not fit the model's int8"):
        conversion.run_reference(converted, bad)


@pytest.mark.parametrize("damage", [b"", b"not a model", None])
def test_a_damaged_model_is_refused(converted: bytes, damage: bytes | None) -> None:
    model = converted[: len(converted) // 2] if damage is None else damage
    with pytest.raises(ModelError, match="cannot load the model"):
        conversion.run_reference(model, np.zeros((1, *SHAPE), np.int8))


def test_calibration_is_a_must(network: keras.Model) -> None:
    with pytest.raises(ValueError, match="at least one"):
        conversion.convert(network, [])
