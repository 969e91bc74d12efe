"""MAX_POOL_2D, AVERAGE_POOL_2D and MEAN."""

import dataclasses
import math

from tinyscene.compiler.graph import MeanOptions, PoolOptions
from tinyscene.compiler.kernels.call import (
    KernelCall,
    RowAccess,
    RowSource,
    Site,
    require,
    shape_fields,
    window_fields,
    window_rows,
)
from tinyscene.compiler.quantisation import activation_range, quantise_multiplier

MAX_MEAN_VALUES = 1 << 23  # int8 values whose sum stays inside int32
SUM_BYTES = 4


def max_pool(site: Site) -> KernelCall:
    """MAX_POOL_2D; row by row into the result if windows do not overlap."""
    call = _pool(site, "engine_max_pool")
    window, _, _ = pool_parameters(site)
    if window["padding_top"] or window["padding_left"] or cut_off(site, window) or overlap(window):
        return call
    source = RowSource(call.inputs[0], window["stride_height"], per_step=1)
    rows = RowAccess((source,), steps=window["height"])
    return dataclasses.replace(call, function="engine_max_pool_by_rows", rows=rows)


def average_pool(site: Site) -> KernelCall:
    """AVERAGE_POOL_2D: the mean of values inside the image, halves away from zero; a global pool works row by row."""
    call = _pool(site, "engine_average_pool")
    window, _, _ = pool_parameters(site)
    covers = site.extent(site.activation(0))[:2] == (window["height"], window["width"])
    alone = site.image(site.output())[:2] == (1, 1)
    return _by_rows(site, call, "engine_average_pool_by_rows") if covers and alone else call


def _by_rows(site: Site, call: KernelCall, function: str) -> KernelCall:
    """Return the call of a kernel that sums an image's channels row by row, instead of one that reads all of it."""
    height, _, channels = site.extent(site.activation(0))
    rows = RowAccess((RowSource(call.inputs[0], per_step=1),), steps=height)
    return dataclasses.replace(call, function=function, rows=rows, state_bytes=SUM_BYTES * channels)


def overlap(window: dict[str, int]) -> bool:
    """Return whether windows have rows or columns in common."""
    return window["height"] > window["stride_height"] or window["width"] > window["stride_width"]


def cut_off(site: Site, window: dict[str, int]) -> bool:
    """Return whether the last windows reach beyond the image."""
    source, output = site.image(site.activation(0)), site.image(site.output())
    return any(
        (count - 1) * window[f"stride_{name}"] + window[name] > size
        for name, count, size in zip(("height", "width"), output, source, strict=False)
    )


def pool_parameters(site: Site) -> tuple[dict[str, int], int, int]:
    """Check a pool; return its window, and the lower and upper bound that it clamps to."""
    options = site.op.options
    assert isinstance(options, PoolOptions)
    source, output = site.activation(0), site.output()
    require(site.image(source)[2] == site.image(output)[2], site, output, "pooling cannot change the channels")
    require(
        (source.scale, source.zero_point) == (output.scale, output.zero_point),
        site,
        output,
        "its quantisation differs from the input's; quantise the model again",
    )
    window = window_fields(site, options.window, options.stride, (1, 1), options.padding)
    return window, *activation_range(options.activation, output.scale, output.zero_point)


def _pool(site: Site, function: str) -> KernelCall:
    window, low, high = pool_parameters(site)
    source, output = site.activation(0), site.output()
    padded = window["padding_top"] or window["padding_left"]
    return KernelCall(
        op=site.op,
        function=function,
        struct="engine_pool",
        fields={
            "input": shape_fields(site.extent(source)),
            "output": shape_fields(site.extent(output)),
            "window": window,
            "minimum": low,
            "maximum": high,
        },
        inputs=(source.index,),
        output=output.index,
        rows=window_rows(source.index, window),
        in_place=() if padded else (source.index,),
        macs=output.elements * window["height"] * window["width"],
    )


def mean(site: Site) -> KernelCall:
    """MEAN over one stretch of neighbouring axes; over height and width row by row."""
    options = site.op.options
    assert isinstance(options, MeanOptions)
    source, output = site.activation(0), site.output()
    axes_tensor, values = site.constant(1, ("int32",))
    rank = len(source.shape)
    axes = sorted({int(axis) + rank if axis < 0 else int(axis) for axis in values.reshape(-1)})
    require(
        bool(axes) and axes == list(range(axes[0], axes[-1] + 1)) and axes[0] >= 0 and axes[-1] < rank,
        site,
        axes_tensor,
        f"axes {values.reshape(-1).tolist()} of {list(source.shape)} are not neighbours",
    )
    outer, inner = math.prod(source.shape[: axes[0]]), math.prod(source.shape[axes[-1] + 1 :])
    count = source.elements // (outer * inner)
    middle = (1,) * len(axes) if options.keep_dims else ()
    expected = (*source.shape[: axes[0]], *middle, *source.shape[axes[-1] + 1 :])
    require(output.shape == expected, site, output, f"its shape is {list(output.shape)} instead of {list(expected)}")
    require(count <= MAX_MEAN_VALUES, site, source, f"a mean of {count} values overflows; make it smaller")
    multiplier, shift = quantise_multiplier(source.scale / output.scale)
    # 1/count goes into the multiplier, with as many additional bits as fit without overflow
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    call = KernelCall(
        op=site.op,
        function="engine_mean",
        struct="engine_mean",
        fields={
            "outer": outer,
            "count": count,
            "inner": inner,
            "input_zero_point": source.zero_point,
            "factor": {"multiplier": (multiplier << bits) // count, "shift": shift - bits},
            "output_zero_point": output.zero_point,
        },
        inputs=(source.index,),
        output=output.index,
        macs=source.elements,
    )
    return _by_rows(site, call, "engine_mean_by_rows") if rank == 4 and outer == 1 and axes == [1, 2] else call
