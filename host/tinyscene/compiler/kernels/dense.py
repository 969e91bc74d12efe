"""The kernel of FULLY_CONNECTED."""

import numpy as np

from tinyscene.compiler.graph import DenseOptions
from tinyscene.compiler.kernels.call import (
    Constant,
    KernelCall,
    Site,
    require,
    result_fields,
)
from tinyscene.compiler.kernels.weights import (
    PANEL_CHANNELS,
    QUAD,
    channel_scales,
    constant_bias,
    constant_weights,
    round_up,
)
from tinyscene.compiler.quantisation import dense_factor, wrap32


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
