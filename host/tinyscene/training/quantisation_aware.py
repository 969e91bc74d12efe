"""Quantisation-aware fine-tuning: a trained network is trained further with the rounding of its INT8 conversion.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018,
section 3: batch normalisation is folded, weights and activations are rounded to the grid of TensorFlow Lite's INT8
scheme in the forward pass, and gradients pass the rounding unchanged.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinyscene.compiler import reader
from tinyscene.errors import ModelError
from tinyscene.networks import keras

LOWEST, HIGHEST = -128, 127
TINY = 1e-12  # smallest scale: a tensor that is always zero must not cause a division by zero

Tensor = Any  # a tensor of any Keras back end
_ON_THE_GRID = (keras.layers.MaxPooling2D, keras.layers.Flatten)  # their outputs have the scale of their inputs
_KINDS_ON_THE_GRID = ("MAX_POOL_2D", "RESHAPE")


def to_steps(values: Tensor, scale: Tensor) -> Tensor:
    """Round to multiples of a scale; the gradient passes unchanged."""
    return values + keras.ops.stop_gradient(keras.ops.round(values / scale) * scale - values)


def scales(kernel: Tensor, output_axes: int = 1) -> Tensor:
    """Return the scale of every output of a symmetric int8 kernel; the kernel's last axes are its outputs."""
    largest = keras.ops.max(keras.ops.abs(kernel), axis=tuple(range(len(kernel.shape) - output_axes)))
    return keras.ops.maximum(largest / HIGHEST, TINY)


class RoundedActivation(keras.layers.Layer):
    """Rounds to int8 with a scale and a zero point; the gradient is 0 outside their range."""

    def build(self, _shape: Any) -> None:
        """Make the scale and the zero point."""
        self.scale = self.add_weight(shape=(), initializer="ones", trainable=False, name="scale")
        self.zero_point = self.add_weight(shape=(), initializer="zeros", trainable=False, name="zero_point")

    def call(self, inputs: Tensor) -> Tensor:
        """Return the rounded inputs."""
        low, high = (LOWEST - self.zero_point) * self.scale, (HIGHEST - self.zero_point) * self.scale
        return to_steps(keras.ops.clip(inputs, low, high), self.scale)


class _RoundedProducts:
    """Part of a layer that multiplies by a kernel: kernel and bias are rounded, to int8 and int32.

    Attributes:
        output_axes: number of the kernel's last axes that are its outputs.
        input_scale: function that returns the scale of the layer's input.
    """

    output_axes = 1
    input_scale: Callable[[], Tensor]
    kernel: Tensor
    bias: Tensor
    activation: Callable[[Tensor], Tensor]

    def products(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Return the layer's products of the inputs with a kernel, without bias and activation."""
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Tensor:
        """Apply the layer with the rounded kernel and bias."""
        scale = scales(self.kernel, self.output_axes)
        bias = to_steps(self.bias, keras.ops.reshape(scale, (-1,)) * self.input_scale())
        return self.activation(self.products(inputs, to_steps(self.kernel, scale)) + bias)


class RoundedConv2D(_RoundedProducts, keras.layers.Conv2D):
    """A convolution with a kernel [height, width, inputs, outputs]."""

    def products(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Convolve."""
        return self.convolution_op(inputs, kernel)


class RoundedDepthwiseConv2D(_RoundedProducts, keras.layers.DepthwiseConv2D):
    """A convolution of each channel by itself, with a kernel [height, width, channels, multiplier]."""

    output_axes = 2

    def products(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Convolve."""
        return keras.ops.depthwise_conv(inputs, kernel, self.strides, self.padding)


class RoundedDense(_RoundedProducts, keras.layers.Dense):
    """A dense layer with a kernel [inputs, outputs]."""

    def products(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Multiply."""
        return keras.ops.matmul(inputs, kernel)


_ROUNDED: dict[Any, Any] = {
    keras.layers.Conv2D: RoundedConv2D,
    keras.layers.DepthwiseConv2D: RoundedDepthwiseConv2D,
    keras.layers.Dense: RoundedDense,
}


def rounded(model: keras.Model) -> keras.Model:
    """Return a copy of one of our networks that rounds as INT8 does, after `take_ranges` has set its scales."""
    on_grid: dict[int, tuple[Tensor, RoundedActivation]] = {}  # by the id of the tensor that is rounded
    kept = []  # these tensors, so that no id is reused

    def put(tensor: Tensor, grid: Tensor, rounding: RoundedActivation) -> None:
        kept.append(tensor)
        on_grid[id(tensor)] = grid, rounding

    def rounded_once(tensor: Tensor) -> tuple[Tensor, RoundedActivation]:
        if id(tensor) not in on_grid:
            rounding = RoundedActivation()
            put(tensor, rounding(tensor), rounding)
        return on_grid[id(tensor)]

    def call(layer: keras.layers.Layer, inputs: Tensor, **_: Any) -> Tensor:
        if isinstance(layer, keras.layers.Activation):  # the layer before applies it before rounding
            return layer(inputs)
        if isinstance(inputs, list):
            return layer([rounded_once(tensor)[0] for tensor in inputs])
        grid, rounding = rounded_once(inputs)
        layer.input_scale = lambda: rounding.scale  # a function, because a layer would become part of this one
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
            kernel, bias = weights
            outputs = kernel.shape[-_ROUNDED[type(layer)].output_axes :]
            weights = [kernel * factor.reshape(outputs), (bias - mean) * factor + beta]
        folded.get_layer(layer.name).set_weights(weights)
    return folded


def take_ranges(model: keras.Model, tflite: bytes) -> None:
    """Give a `rounded` model the scales and zero points that the converter chose for the `plain` one.

    They are read from the converted file, because its calibration has peculiarities: a sum that overwrites one of its
    terms in memory widens that term's range.

    Raises:
        ModelError: the file's operators are not those of the network in the same order.
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
    """Copy the weights of a `rounded` model, not rounded, to the `plain` one of the same network."""
    for ours, theirs in zip(model.trainable_weights, plain_model.trainable_weights, strict=True):
        theirs.assign(ours)
