"""Quantisation-aware fine-tuning: a trained network learns with the rounding that its INT8 conversion will do.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018,
section 3: batch normalisation is folded, weights and activations are rounded to the grid of TensorFlow Lite's INT8
scheme in the forward pass, and gradients pass the rounding unchanged.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinyscene.backend import keras
from tinyscene.compiler import reader
from tinyscene.errors import ModelError

LOWEST, HIGHEST = -128, 127
TINY = 1e-12  # of a scale: a tensor that is always zero must not divide by it

Tensor = Any  # of any Keras back end
_ON_THE_GRID = (keras.layers.MaxPooling2D, keras.layers.Flatten)  # what they give has the scale of what they take
_KINDS_ON_THE_GRID = ("MAX_POOL_2D", "RESHAPE")


def _straight_through(values: Tensor, rounded: Tensor) -> Tensor:
    """Return `rounded` with the gradient of `values`."""
    return values + keras.ops.stop_gradient(rounded - values)


def rounded_weights(kernel: Tensor) -> Tensor:
    """Round a kernel [..., outputs] to int8, symmetric, with a scale for every output."""
    scale = _scale(kernel)
    return _straight_through(kernel, keras.ops.round(kernel / scale) * scale)


def _scale(kernel: Tensor) -> Tensor:
    largest = keras.ops.max(keras.ops.abs(kernel), axis=tuple(range(len(kernel.shape) - 1)))
    return keras.ops.maximum(largest / HIGHEST, TINY)


def _rounded_bias(bias: Tensor, kernel: Tensor, input_scale: Tensor) -> Tensor:
    """Round a bias [outputs] as int32 with the scale of the products."""
    scale = _scale(kernel) * input_scale
    return _straight_through(bias, keras.ops.round(bias / scale) * scale)


class RoundedActivation(keras.layers.Layer):
    """Rounds to int8 with a scale and a zero point; the gradient is 0 outside their range."""

    def build(self, _shape: Any) -> None:
        """Make the two numbers."""
        self.scale = self.add_weight(shape=(), initializer="ones", trainable=False, name="scale")
        self.zero_point = self.add_weight(shape=(), initializer="zeros", trainable=False, name="zero_point")

    def call(self, inputs: Tensor) -> Tensor:
        """Return the rounded inputs."""
        low, high = (LOWEST - self.zero_point) * self.scale, (HIGHEST - self.zero_point) * self.scale
        inside = keras.ops.clip(inputs, low, high)
        return _straight_through(inside, keras.ops.round(inside / self.scale) * self.scale)


class RoundedConv2D(keras.layers.Conv2D):
    """A convolution with weights rounded to int8; `input_scale` returns the scale of what it takes."""

    input_scale: Callable[[], Tensor]

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve with the rounded kernel."""
        bias = _rounded_bias(self.bias, self.kernel, self.input_scale())
        return self.activation(self.convolution_op(inputs, rounded_weights(self.kernel)) + bias)


class RoundedDense(keras.layers.Dense):
    """A dense layer with weights rounded to int8; `input_scale` returns the scale of what it takes."""

    input_scale: Callable[[], Tensor]

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:  # noqa: ARG002 - of all layers
        """Multiply by the rounded kernel."""
        bias = _rounded_bias(self.bias, self.kernel, self.input_scale())
        return self.activation(keras.ops.matmul(inputs, rounded_weights(self.kernel)) + bias)


_ROUNDED: dict[Any, Any] = {keras.layers.Conv2D: RoundedConv2D, keras.layers.Dense: RoundedDense}


def rounded(model: keras.Model) -> keras.Model:
    """Return a copy of one of our networks that rounds as INT8 does, once `take_ranges` has said how."""
    on_grid: dict[int, tuple[Tensor, RoundedActivation]] = {}  # by the id of the tensor that is rounded
    kept = []  # those tensors, so that no id is used again

    def put(tensor: Tensor, grid: Tensor, rounding: RoundedActivation) -> None:
        kept.append(tensor)
        on_grid[id(tensor)] = grid, rounding

    def rounded_once(tensor: Tensor) -> tuple[Tensor, RoundedActivation]:
        if id(tensor) not in on_grid:
            rounding = RoundedActivation()
            put(tensor, rounding(tensor), rounding)
        return on_grid[id(tensor)]

    def call(layer: keras.layers.Layer, inputs: Tensor, **_: Any) -> Tensor:
        if isinstance(layer, keras.layers.Activation):  # the layer before does it before it rounds
            return layer(inputs)
        if isinstance(inputs, list):
            return layer([rounded_once(tensor)[0] for tensor in inputs])
        grid, rounding = rounded_once(inputs)
        layer.input_scale = lambda: rounding.scale  # a function: a layer would become part of this one
        outputs = layer(grid)
        if isinstance(layer, _ON_THE_GRID):
            put(outputs, outputs, rounding)
        return outputs

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = _ROUNDED.get(type(layer), type(layer))
        return kind.from_config(layer.get_config())

    body = _folded(model, copy, call)
    return keras.Model(body.inputs[0], rounded_once(body.outputs[0])[0], name=model.name)


def plain(model: keras.Model) -> keras.Model:
    """Return a copy of one of our networks with batch normalisation folded and without dropout."""
    return _folded(
        model, lambda layer: type(layer).from_config(layer.get_config()), lambda layer, inputs, **_: layer(inputs)
    )


def _folded(
    model: keras.Model,
    copy: Callable[[keras.layers.Layer], keras.layers.Layer],
    call: Callable[..., Tensor],
) -> keras.Model:
    """Clone a model with every batch normalisation folded into the convolution before it, and without dropout."""
    passing = (keras.layers.BatchNormalization, keras.layers.Dropout)
    folded = keras.models.clone_model(
        keras.Model(model.inputs[0], model.outputs[0], name=model.name),  # without its losses
        clone_function=lambda layer: keras.layers.Identity() if isinstance(layer, passing) else copy(layer),
        call_function=lambda layer, inputs, **keywords: (
            inputs if isinstance(layer, keras.layers.Identity) else call(layer, inputs, **keywords)
        ),
    )
    normalisations = {
        id(layer.input): layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    }
    for layer in model.layers:
        if not layer.weights or isinstance(layer, passing):
            continue
        weights = layer.get_weights()
        if (normalisation := normalisations.get(id(layer.output))) is not None:
            gamma, beta, mean, variance = normalisation.get_weights()
            factor = gamma / np.sqrt(variance + np.float32(normalisation.epsilon))
            weights = [weights[0] * factor, (weights[1] - mean) * factor + beta]
        folded.get_layer(layer.name).set_weights(weights)
    return folded


def take_ranges(model: keras.Model, tflite: bytes) -> None:
    """Give a `rounded` model the scales and zero points that the converter chose for the `plain` one.

    They are read from its file, since its calibration has ways of its own: a sum that overwrites one of its terms in
    memory widens that term's range.

    Raises:
        ModelError: the file's operators are not those of the network, in its order.
    """
    graph = reader.read(tflite)
    produced = [op.outputs[0] for op in graph.ops if op.kind not in _KINDS_ON_THE_GRID]
    tensors = [graph.tensors[index] for index in (*graph.inputs, *produced)]
    layers = [layer for layer in model.layers if isinstance(layer, RoundedActivation)]
    sizes = [math.prod(layer.output.shape[1:]) for layer in layers]
    if sizes != [tensor.elements for tensor in tensors]:
        raise ModelError(f"{model.name} was converted to other operators than its layers; train it without fine-tuning")
    for layer, tensor in zip(layers, tensors, strict=True):
        layer.scale.assign(tensor.scale)
        layer.zero_point.assign(tensor.zero_point)


def copy_weights(model: keras.Model, plain_model: keras.Model) -> None:
    """Give the weights of a `rounded` model, not rounded, to the `plain` one of the same network."""
    for ours, theirs in zip(model.trainable_weights, plain_model.trainable_weights, strict=True):
        theirs.assign(ours)
