"""Kernels of DEPTHWISE_CONV_2D: direct, four channels at a time if possible; 3x3 windows have their own kernel."""

import numpy as np

from tinyscene.compiler.graph import ConvOptions
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
    constant_bias,
    constant_weights,
    factors,
    panels,
)
from tinyscene.compiler.quantisation import wrap32

MAX_QUICK_HEIGHT = 16  # ENGINE_MAX_QUICK_HEIGHT


def depthwise(site: Site) -> KernelCall:
    """DEPTHWISE_CONV_2D: direct, four channels at a time if possible; 3x3 windows have their own kernel."""
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
