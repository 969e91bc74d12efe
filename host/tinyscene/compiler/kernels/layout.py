"""PAD and CONCATENATION: bytes that move without changing."""

import math

import numpy as np

from tinyscene.compiler.graph import ConcatenationOptions
from tinyscene.compiler.kernels.call import Constant, KernelCall, Site, require

MAX_PAD_RANK = 4


def pad(site: Site) -> KernelCall:
    """PAD with the quantised zero."""
    source, output = site.activation(0), site.output()
    table, values = site.constant(1, ("int32", "int64"))
    rank = len(source.shape)
    require(
        rank <= MAX_PAD_RANK and table.shape == (rank, 2) and bool((values >= 0).all()),
        site,
        table,
        f"paddings of shape {list(table.shape)} for {list(source.shape)} are not supported",
    )
    expected = tuple(size + int(sum(pair)) for size, pair in zip(source.shape, values.tolist(), strict=True))
    require(expected == output.shape, site, output, f"its shape is {list(output.shape)} instead of {list(expected)}")
    require(
        (source.scale, source.zero_point) == (output.scale, output.zero_point),
        site,
        output,
        "its quantisation differs from the input's; quantise the model again",
    )
    lead = (1,) * (MAX_PAD_RANK - rank)
    return KernelCall(
        op=site.op,
        function="engine_pad",
        struct="engine_pad",
        fields={
            "input_size": lead + source.shape,
            "output_size": lead + output.shape,
            "before": (0,) * len(lead) + tuple(int(pair[0]) for pair in values),
            "value": output.zero_point,
        },
        inputs=(source.index,),
        output=output.index,
    )


def concatenation(site: Site) -> KernelCall:
    """CONCATENATION of tensors with the output's quantisation."""
    options = site.op.options
    assert isinstance(options, ConcatenationOptions)
    output = site.output()
    parts = [site.activation(position) for position in range(len(site.op.inputs))]
    rank = len(output.shape)
    axis = options.axis + rank if options.axis < 0 else options.axis
    require(options.activation == "NONE", site, output, "a fused activation is not supported here")
    require(0 <= axis < rank, site, output, f"axis {options.axis} is outside {list(output.shape)}")
    for part in parts:
        require(
            (part.scale, part.zero_point) == (output.scale, output.zero_point),
            site,
            part,
            "its quantisation differs from the output's; TensorFlow Lite refuses it too, so quantise again",
        )
        require(
            len(part.shape) == rank and _without(part.shape, axis) == _without(output.shape, axis),
            site,
            part,
            f"its shape {list(part.shape)} does not fit {list(output.shape)} along axis {axis}",
        )
    require(
        bool(parts) and sum(part.shape[axis] for part in parts) == output.shape[axis],
        site,
        output,
        "the inputs do not fill it",
    )
    chunks = np.array([math.prod(part.shape[axis:]) for part in parts])
    return KernelCall(
        op=site.op,
        function="engine_concatenate",
        struct="engine_concatenate",
        fields={
            "chunks": Constant("chunks", chunks, "int32_t"),
            "inputs": len(parts),
            "outer": math.prod(output.shape[:axis]),
        },
        inputs=tuple(part.index for part in parts),
        output=output.index,
        input_list=True,
    )


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
