"""DEPTHWISE_CONV_2D and FULLY_CONNECTED: weights, biases and factors for the engine."""

import numpy as np

from tinyscene.compiler.graph import ConvOptions, DenseOptions
from tinyscene.compiler.kernels import depthwise_3x3
from tinyscene.compiler.kernels.call import (
    Constant,
    KernelCall,
    Site,
    require,
    result_fields,
    shape_fields,
    window_fields,
    window_rows,
)
from tinyscene.compiler.kernels.weights import (
    PANEL_CHANNELS,
    are_quick,
    channel_scales,
    constant_bias,
    constant_weights,
    factors,
    panels,
    round_up,
)
from tinyscene.compiler.quantisation import dense_factor, wrap32

QUAD = 4
MAX_QUICK_HEIGHT = 16  # ENGINE_MAX_QUICK_HEIGHT


def depthwise(site: Site) -> KernelCall:
    """DEPTHWISE_CONV_2D, direct; four channels at a time where there are so many, and windows of 3x3 apart."""
    options = site.op.options
    assert isinstance(options, ConvOptions)
    source, output = site.activation(0), site.output()
    weights, values = constant_weights(site, rank=4, channel_axis=3)
    one, height, width, outputs = weights.shape
    depth = site.image(source)[2]
    require(
        one == 1 and outputs == depth * options.multiplier == site.image(output)[2],
        site,
        weights,
        f"its shape {list(weights.shape)} does not fit {depth} channels times {options.multiplier}",
    )
    window = window_fields(site, (height, width), options.stride, options.dilation, options.padding)
    scaling = factors(weights, source, output, outputs)
    bias = constant_bias(site, outputs)
    if depthwise_3x3.fits(site, window, scaling):
        return depthwise_3x3.call(site, window, values, bias, scaling)
    quick = (
        options.multiplier == 1 and outputs % PANEL_CHANNELS == 0 and height <= MAX_QUICK_HEIGHT and are_quick(scaling)
    )
    if quick:
        name, channels = "engine_quick_depthwise", {"panels": panels(bias, scaling, output.zero_point)}
    else:
        rows = [(wrap32(int(value)), *factor) for value, factor in zip(bias, scaling, strict=True)]
        name, channels = "engine_depthwise", {"channels": Constant("channels", np.array(rows), "struct engine_channel")}
    return KernelCall(
        op=site.op,
        function=name,
        struct=name,
        fields={
            "weights": Constant("weights", values.reshape(-1), "int8_t"),
            **channels,
            "input": shape_fields(site.extent(source)),
            "output": shape_fields(site.extent(output)),
            "window": window,
            **({} if quick else {"multiplier": options.multiplier}),
            "input_zero_point": source.zero_point,
            "result": result_fields(output, options.activation),
        },
        inputs=(source.index,),
        output=output.index,
        rows=window_rows(source.index, window),
        macs=output.elements * height * width,
    )


def dense(site: Site) -> KernelCall:
    """FULLY_CONNECTED, the input's zero point folded into the biases."""
    options = site.op.options
    assert isinstance(options, DenseOptions)
    source, output = site.activation(0), site.output()
    weights, values = constant_weights(site, rank=2, channel_axis=0)
    outputs, depth = weights.shape
    require(options.weights_format == 0, site, weights, "shuffled weights are not supported; convert it for the CPU")
    rows, rest = divmod(source.elements, depth)
    require(
        rest == 0 and output.elements == rows * outputs and output.shape[-1:] == (outputs,),
        site,
        weights,
        f"{list(source.shape)} times {list(weights.shape)} does not give {list(output.shape)}",
    )
    scales = [source.scale * scale / output.scale for scale in channel_scales(weights, outputs)]
    bias = constant_bias(site, outputs) - source.zero_point * values.astype(np.int64).sum(axis=1)
    filling = ((0, -outputs % PANEL_CHANNELS), (0, -depth % QUAD))
    panels_of_quads = np.pad(values, filling).reshape(-(-outputs // PANEL_CHANNELS), PANEL_CHANNELS, -1, QUAD)
    channels = [(scale, *dense_factor(scale), wrap32(int(value))) for scale, value in zip(scales, bias, strict=True)]
    return KernelCall(
        op=site.op,
        function="engine_dense",
        struct="engine_dense",
        fields={
            "weights": Constant("weights", panels_of_quads.swapaxes(1, 2).reshape(-1), "int8_t"),
            "channels": Constant("channels", np.array(channels), "struct engine_dense_output"),
            "rows": rows,
            "depth": depth,
            "outputs": outputs,
            "result": result_fields(output, options.activation),
        },
        inputs=(source.index,),
        output=output.index,
        scratch_bytes=2 * round_up(depth, QUAD),
        macs=rows * outputs * depth,
    )
