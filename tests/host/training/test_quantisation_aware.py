"""Quantisation-aware training: its rounding is that of TensorFlow Lite's reference kernels."""

import numpy as np
import pytest

from tinyscene.compiler import reader
from tinyscene.errors import ModelError
from tinyscene.networks import catalogue as networks, conversion
from tinyscene.networks.backend import keras
from tinyscene.training import quantisation_aware
from tinyscene.training.averaging import estimate_statistics
from tinyscene.training.quantisation_aware import RoundedActivation

SHAPES = {"student": (16, 12), "baseline": (20, 50), "mobile": (24, 20), "separable": (16, 12)}
DEPTH = {"mobile": 1, "separable": 2}


def trained(name: str) -> keras.Model:
    """A network whose batch normalisation has statistics and weights that matter."""
    keras.utils.set_random_seed(1)
    model = networks.build(name, (*SHAPES[name], 1), width=0.25, depth=DEPTH.get(name))
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, *statistics = layer.get_weights()
            layer.set_weights([random.uniform(0.5, 1.5, gamma.shape), random.normal(0, 0.2, beta.shape), *statistics])
    estimate_statistics(model, [images(name)])  # without them, most answers would be those of the biases
    return model


def images(name: str, count: int = 24, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *SHAPES[name], 1)).astype(np.float32)


def converted(name: str) -> tuple[keras.Model, bytes]:
    """The rounding network, and its INT8 file."""
    model = trained(name)
    rounded, tflite = (
        quantisation_aware.rounded(model),
        conversion.convert(quantisation_aware.plain(model), images(name)),
    )
    quantisation_aware.take_ranges(rounded, tflite)
    return rounded, tflite


def predict(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(inputs))


@pytest.mark.parametrize("name", SHAPES)
def test_folding_changes_no_answer(name: str) -> None:
    model = trained(name)
    folded = quantisation_aware.plain(model)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in folded.layers)
    assert predict(folded, images(name)) == pytest.approx(predict(model, images(name)), abs=1e-4)


@pytest.mark.parametrize("name", SHAPES)
def test_every_operator_rounds_as_its_reference_kernel_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel took is given to the layer, so that no difference is passed on."""
    rounded, tflite = converted(name)
    source, _ = conversion.quantisation(tflite)
    graph = reader.read(tflite)
    ops = [op for op in graph.ops if op.kind not in ("MAX_POOL_2D", "RESHAPE")]
    layers = [layer for layer in rounded.layers if isinstance(layer, RoundedActivation)]
    place = {layer.name: position for position, layer in enumerate(layers)}
    differences: list[list[np.ndarray]] = [[] for _ in layers]
    answers: list[np.ndarray] = []
    real = RoundedActivation.call

    def forced(self: RoundedActivation, inputs: object) -> object:
        scale, zero_point = float(self.scale), float(self.zero_point)
        position = place[self.name]
        ours = np.rint(keras.ops.convert_to_numpy(real(self, inputs)) / scale + zero_point)
        differences[position].append(np.abs(ours - answers[position]).ravel())
        return keras.ops.convert_to_tensor((answers[position] - np.float32(zero_point)) * np.float32(scale))

    monkeypatch.setattr(RoundedActivation, "call", forced)
    for image in images(name)[:8, np.newaxis]:
        tensors = (*graph.inputs, *(op.outputs[0] for op in ops))
        answers[:] = conversion.run_reference_tensors(tflite, source.quantise(image), tensors)
        rounded(image)
    for kind, each in zip(("input", *(op.kind for op in ops)), map(np.concatenate, differences), strict=True):
        assert each.max() <= 1
        # the kernels round a product twice; MEAN by a shift of few bits, which moves up to a quarter of the answers
        assert (each > 0).mean() < (0.3 if kind == "MEAN" else 0.01), kind


@pytest.mark.parametrize("name", SHAPES)
def test_what_it_predicts_is_near_what_the_reference_kernels_give(name: str) -> None:
    rounded, tflite = converted(name)
    source, sink = conversion.quantisation(tflite)
    inputs = np.concatenate([images(name), images(name, 200, seed=1)])
    outputs = conversion.run_reference(tflite, source.quantise(inputs[..., 0]))
    plain = quantisation_aware.plain(trained(name))
    ours, without_rounding = (
        np.clip(predict(model, inputs) / sink.scale + sink.zero_point, -128, 127) for model in (rounded, plain)
    )
    assert np.abs(outputs - ours).mean() < 0.45 * np.abs(outputs - without_rounding).mean()


def test_weights_are_rounded_to_127_steps_of_each_output() -> None:
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32)
    kernel[..., 2] = 0
    scales = quantisation_aware.scales(kernel)
    steps = keras.ops.convert_to_numpy(quantisation_aware.to_steps(kernel, scales))
    largest = np.abs(kernel).max(axis=(0, 1, 2))
    counts = steps * 127 / np.where(largest, largest, 1)
    assert counts == pytest.approx(np.rint(counts), abs=1e-3)
    assert np.abs(counts).max(axis=(0, 1, 2)) == pytest.approx([127, 127, 0, 127, 127])
    assert np.abs(steps - kernel).max() <= (largest / 254).max() * 1.001


@pytest.mark.parametrize("name", ["student", "mobile"])
def test_gradients_pass_the_rounding(name: str) -> None:
    rounded, _ = converted(name)
    rounded.compile(keras.optimizers.SGD(0.1), keras.losses.CategoricalCrossentropy(from_logits=True))
    before = [keras.ops.convert_to_numpy(variable) for variable in rounded.trainable_weights]
    targets = np.eye(10, dtype=np.float32)[np.arange(24) % 10]
    losses = [float(rounded.train_on_batch(images(name), targets)) for _ in range(20)]
    assert losses[-1] < losses[0]
    after = [keras.ops.convert_to_numpy(variable) for variable in rounded.trainable_weights]
    assert all(not np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_another_networks_file_is_refused() -> None:
    rounded, _ = converted("student")
    _, other = converted("baseline")
    with pytest.raises(ModelError, match="student was converted to other operators than its layers"):
        quantisation_aware.take_ranges(rounded, other)


def test_the_weights_go_back_to_the_plain_network() -> None:
    rounded, _ = converted("student")
    plain = quantisation_aware.plain(trained("student"))
    for variable in rounded.trainable_weights:
        variable.assign(variable + 1)
    quantisation_aware.copy_weights(rounded, plain)
    for ours, theirs in zip(rounded.trainable_weights, plain.trainable_weights, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs))
