"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: weights, biases and factors for the engine."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler.graph import ConvOptions, DenseOptions, Tensor
from tinyscene.compiler.kernels.call import (
    Constant,
    KernelCall,
    Site,
    require,
    result_fields,
    shape_fields,
    window_fields,
)
from tinyscene.compiler.quantisation import quantise_multiplier, wrap32

PANEL_CHANNELS = 2  # ENGINE_CONV_CHANNELS
QUAD = 4  # ENGINE_CONV_VALUES
QUAD_ORDER = (0, 2, 1, 3)  # the order in which two SXTB16 of a word give pairs 0,1 and 2,3
GATHER_BELOW = 32  # values in a run: shorter runs cost more to start than a window costs to gather
MAX_SCRATCH_BYTES = 1 << 22


def conv2d(site: Site) -> KernelCall:
    """CONV_2D by the panel kernel."""
    options = site.op.options
    assert isinstance(options, ConvOptions)
    source, output = site.activation(0), site.output()
    weights, values = _weights(site, rank=4, channel_axis=0)
    outputs, height, width, depth = weights.shape
    require(
        depth == site.image(source)[2],
        site,
        weights,
        f"it takes {depth} channels but the input has {site.image(source)[2]}; grouped convolution is not supported",
    )
    require(outputs == site.image(output)[2], site, output, f"it has not the {outputs} channels of the weights")
    window = window_fields(site, (height, width), options.stride, options.dilation, options.padding)
    runs, run = (1, width * depth) if options.dilation[1] == 1 else (width, depth)
    ring_rows = (height - 1) * options.dilation[0] + 1
    columns = (site.image(output)[1] - 1) * options.stride[1] + (width - 1) * options.dilation[1] + 1
    row_values = _round_up(columns * depth, 2)
    gathered = run < GATHER_BELOW and height * runs > 1
    patch_values = _round_up(height * width * depth, QUAD) if gathered else 0
    panels = _panels(values.reshape((outputs, 1, -1) if gathered else (outputs, height * runs, run)))
    scratch = 2 * (ring_rows * row_values + QUAD + 2 * patch_values)
    require(scratch <= MAX_SCRATCH_BYTES, site, source, f"its window needs {scratch} bytes of rows; make it smaller")
    scales = [source.scale * scale / output.scale for scale in _channel_scales(weights, outputs)]
    return KernelCall(
        op=site.op,
        function="engine_conv2d",
        struct="engine_conv2d",
        fields={
            "weights": Constant("weights", panels.reshape(-1), "int8_t"),
            "channels": _channels(_bias(site, outputs), scales, PANEL_CHANNELS),
            "input": shape_fields(site.image(source)),
            "output": shape_fields(site.image(output)),
            "window": window,
            "panel_bytes": panels[0].size,
            "patch_values": patch_values,
            "runs": runs,
            "run_quads": (patch_values or _round_up(run, QUAD)) // QUAD,
            "run_step": options.dilation[1] * depth,
            "ring_rows": ring_rows,
            "row_values": row_values,
            "input_zero_point": source.zero_point,
            "result": result_fields(output, options.activation),
        },
        inputs=(source.index,),
        output=output.index,
        scratch_bytes=scratch,
        in_place=(source.index,) if _row_by_row(source, output, window, ring_rows) else (),
        macs=output.elements * height * width * depth,
    )


def depthwise(site: Site) -> KernelCall:
    """DEPTHWISE_CONV_2D, direct."""
    options = site.op.options
    assert isinstance(options, ConvOptions)
    source, output = site.activation(0), site.output()
    weights, values = _weights(site, rank=4, channel_axis=3)
    one, height, width, outputs = weights.shape
    depth = site.image(source)[2]
    require(
        one == 1 and outputs == depth * options.multiplier == site.image(output)[2],
        site,
        weights,
        f"its shape {list(weights.shape)} does not fit {depth} channels times {options.multiplier}",
    )
    scales = [source.scale * scale / output.scale for scale in _channel_scales(weights, outputs)]
    return KernelCall(
        op=site.op,
        function="engine_depthwise",
        struct="engine_depthwise",
        fields={
            "weights": Constant("weights", values.reshape(-1), "int8_t"),
            "channels": _channels(_bias(site, outputs), scales),
            "input": shape_fields(site.image(source)),
            "output": shape_fields(site.image(output)),
            "window": window_fields(site, (height, width), options.stride, options.dilation, options.padding),
            "multiplier": options.multiplier,
            "input_zero_point": source.zero_point,
            "result": result_fields(output, options.activation),
        },
        inputs=(source.index,),
        output=output.index,
        macs=output.elements * height * width,
    )


def dense(site: Site) -> KernelCall:
    """FULLY_CONNECTED, the input's zero point folded into the biases."""
    options = site.op.options
    assert isinstance(options, DenseOptions)
    source, output = site.activation(0), site.output()
    weights, values = _weights(site, rank=2, channel_axis=0)
    outputs, depth = weights.shape
    require(options.weights_format == 0, site, weights, "shuffled weights are not supported; convert it for the CPU")
    rows, rest = divmod(source.elements, depth)
    require(
        rest == 0 and output.elements == rows * outputs and output.shape[-1:] == (outputs,),
        site,
        weights,
        f"{list(source.shape)} times {list(weights.shape)} does not give {list(output.shape)}",
    )
    scales = [source.scale * scale / output.scale for scale in _channel_scales(weights, outputs)]
    bias = _bias(site, outputs) - source.zero_point * values.astype(np.int64).sum(axis=1)
    channels = np.array([(scale, wrap32(int(value))) for scale, value in zip(scales, bias, strict=True)])
    return KernelCall(
        op=site.op,
        function="engine_dense",
        struct="engine_dense",
        fields={
            "weights": Constant("weights", values.reshape(-1), "int8_t"),
            "channels": Constant("channels", channels, "struct engine_dense_output"),
            "rows": rows,
            "depth": depth,
            "outputs": outputs,
            "result": result_fields(output, options.activation),
        },
        inputs=(source.index,),
        output=output.index,
        macs=rows * outputs * depth,
    )


def _weights(site: Site, rank: int, channel_axis: int) -> tuple[Tensor, NDArray[np.integer]]:
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


def _channel_scales(weights: Tensor, outputs: int) -> tuple[float, ...]:
    return weights.scales if len(weights.scales) > 1 else weights.scales * outputs


def _bias(site: Site, outputs: int) -> NDArray[np.int64]:
    tensor = site.graph.optional_input(site.op, 2)
    if tensor is None:
        return np.zeros(outputs, np.int64)
    tensor, values = site.constant(2, ("int32",))
    require(tensor.shape == (outputs,), site, tensor, f"its shape is {list(tensor.shape)} instead of [{outputs}]")
    return values.astype(np.int64)


def _channels(bias: NDArray[np.int64], scales: list[float], multiple: int = 1) -> Constant:
    """Return an array of `struct engine_channel`, filled up with zeros to a multiple."""
    rows = np.zeros((_round_up(len(bias), multiple), 3), np.int64)
    for row, value, scale in zip(rows[: len(bias)], bias, scales, strict=True):
        row[:] = wrap32(int(value)), *quantise_multiplier(scale)
    return Constant("channels", rows, "struct engine_channel")


def _round_up(value: int, multiple: int) -> int:
    return math.ceil(value / multiple) * multiple


def _row_by_row(source: Tensor, output: Tensor, window: Mapping[str, int], ring_rows: int) -> bool:
    """Return whether the output may overwrite the input: no row is written over one that the ring has not yet."""
    if output.elements > source.elements:
        return False
    (_, rows, *row), (_, output_rows, *output_row) = source.shape, output.shape
    row_bytes, output_row_bytes = math.prod(row), math.prod(output_row)
    widened = (y * window["stride_height"] - window["padding_top"] + ring_rows for y in range(output_rows))
    return all(count >= rows or (y + 1) * output_row_bytes <= count * row_bytes for y, count in enumerate(widened))


def _panels(weights: NDArray[np.integer]) -> NDArray[np.integer]:
    """Lay out [outputs, runs, values] as panels [panel, bytes]: see engine_conv2d in firmware/lib/engine/engine.h."""
    outputs, runs, run = weights.shape
    padded = np.zeros((_round_up(outputs, PANEL_CHANNELS), runs, _round_up(run, QUAD)), np.int8)
    padded[:outputs, :, :run] = weights
    split = padded.reshape(-1, PANEL_CHANNELS, runs, padded.shape[-1] // QUAD, QUAD)[..., QUAD_ORDER]
    return split.transpose(0, 2, 3, 1, 4).reshape(len(split), -1)
