"""Weights, biases and factors of convolutions and dense layers, as read from the file."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler import quantisation
from tinyscene.compiler.graph import ConvOptions, Tensor
from tinyscene.compiler.kernels.call import Constant, Site, require, window_fields
from tinyscene.compiler.quantisation import quantise_multiplier

PANEL_CHANNELS = 4  # ENGINE_CONV_CHANNELS
STEP_VALUES = 2
QUAD = 4
QUAD_ORDER = (0, 2, 1, 3)  # two SXTB16 of a word give the pairs 0,2 and 1,3


def constant_weights(site: Site, rank: int, channel_axis: int) -> tuple[Tensor, NDArray[np.integer]]:
    """Return input 1: int8 weights of `rank` dimensions, quantised by tensor or along `channel_axis`."""
    weights, values = site.constant(1, ("int8",))
    require(len(weights.shape) == rank, site, weights, f"weights of shape {list(weights.shape)} need {rank} dimensions")
    require(bool(weights.scales), site, weights, "it has no quantisation; convert with full-integer quantisation")
    require(
        len(weights.scales) == 1 or weights.quantised_dimension == channel_axis,
        site,
        weights,
        f"it is quantised along dimension {weights.quantised_dimension} instead of {channel_axis}",
    )
    require(not any(weights.zero_points), site, weights, "a weight's zero point is not 0; convert it as int8")
    return weights, values


def channel_scales(weights: Tensor, outputs: int) -> tuple[float, ...]:
    """Return one scale for each output channel."""
    return weights.scales if len(weights.scales) > 1 else weights.scales * outputs


def constant_bias(site: Site, outputs: int) -> NDArray[np.int64]:
    """Return input 2, or zeros if there is none."""
    tensor = site.graph.optional_input(site.op, 2)
    if tensor is None:
        return np.zeros(outputs, np.int64)
    tensor, values = site.constant(2, ("int32",))
    require(tensor.shape == (outputs,), site, tensor, f"its shape is {list(tensor.shape)} instead of [{outputs}]")
    return values.astype(np.int64)


def factors(weights: Tensor, source: Tensor, output: Tensor, outputs: int) -> list[tuple[int, int]]:
    """Return the (multiplier, shift) of each output channel, from the accumulator's scale to the output's."""
    return [quantise_multiplier(source.scale * scale / output.scale) for scale in channel_scales(weights, outputs)]


def round_up(value: int, multiple: int) -> int:
    """Round up to a multiple of `multiple`."""
    return math.ceil(value / multiple) * multiple


def are_quick(factors: list[tuple[int, int]]) -> bool:
    """Return whether the engine's shorter requantisation can apply all the factors."""
    return all(shift in quantisation.QUICK_SHIFTS for _, shift in factors)


def panels(bias: NDArray[np.int64], factors: list[tuple[int, int]], zero_point: int) -> Constant:
    """Return the array of `struct engine_panel`: [panel, channel, (bias, and the members of its factor)]."""
    quick = are_quick(factors)
    ready = [
        quantisation.quick_factor(*factor, zero_point) if quick else (factor[0], 0, factor[1]) for factor in factors
    ]
    rows = [(quantisation.wrap32(int(value)), *factor) for value, factor in zip(bias, ready, strict=True)]
    rows += [(0, 0, 0, 1 if quick else 0)] * (-len(rows) % PANEL_CHANNELS)
    return Constant("panels", np.array(rows).reshape(-1, PANEL_CHANNELS, 4), "struct engine_panel")


@dataclasses.dataclass(frozen=True, slots=True)
class Convolution:
    """A CONV_2D whose parts fit together.

    Attributes:
        source, output: its activations.
        options: stride, dilation, padding and activation.
        weights: [outputs, kernel height, kernel width, channels].
        bias: [outputs].
        factors: (multiplier, shift) of each output channel.
        window: members of struct engine_window.
    """

    source: Tensor
    output: Tensor
    options: ConvOptions
    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    factors: list[tuple[int, int]]
    window: dict[str, int]


def read_convolution(site: Site) -> Convolution:
    """Return the CONV_2D at `site`, or refuse it."""
    options = site.op.options
    assert isinstance(options, ConvOptions)
    source, output = site.activation(0), site.output()
    weights, values = constant_weights(site, rank=4, channel_axis=0)
    outputs, height, width, depth = weights.shape
    require(
        depth == site.image(source)[2],
        site,
        weights,
        f"it takes {depth} channels but the input has {site.image(source)[2]}; grouped convolution is not supported",
    )
    require(outputs == site.image(output)[2], site, output, f"it does not have the {outputs} channels of the weights")
    # a single row or column of weights has no neighbour, so dilation does not matter
    apart = [spread if size > 1 else 1 for size, spread in zip((height, width), options.dilation, strict=True)]
    options = dataclasses.replace(options, dilation=(apart[0], apart[1]))
    return Convolution(
        source,
        output,
        options,
        values.astype(np.int8),
        constant_bias(site, outputs),
        factors(weights, source, output, outputs),
        window_fields(site, (height, width), options.stride, options.dilation, options.padding),
    )
