"""DEPTHWISE_CONV_2D with windows of 3x3: which layers the engine's kernel takes, and their parameters."""

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler.graph import ConvOptions
from tinyscene.compiler.kernels.call import (
    Constant,
    KernelCall,
    Site,
    result_fields,
    row_bytes,
    shape_fields,
    window_rows,
)
from tinyscene.compiler.kernels.weights import PANEL_CHANNELS, are_quick
from tinyscene.compiler.quantisation import quick_factor, wrap32

SIZE = 3
ROW_ORDER = (0, 1, 1, 2)  # the weights of a column as the engine reads them: rows 0 and 1, rows 1 and 2
MAX_STRIDE_ACROSS = 2
RESULT_ROWS = 2  # rows that a step computes
COLUMN_ROWS = SIZE + RESULT_ROWS - 1  # rows of an input column: ENGINE_COLUMN_ROWS
COLUMN_BYTES = COLUMN_ROWS * PANEL_CHANNELS * 2
RESULT_BYTES = RESULT_ROWS * PANEL_CHANNELS  # bytes of an output column


def fits(site: Site, window: dict[str, int], factors: list[tuple[int, int]]) -> bool:
    """Return whether the kernel takes a layer.

    Args:
        site: a DEPTHWISE_CONV_2D.
        window: members of its struct engine_window.
        factors: (multiplier, shift) of its channels.
    """
    options = site.op.options
    assert isinstance(options, ConvOptions)
    return (
        options.multiplier == 1
        and len(factors) % PANEL_CHANNELS == 0
        and are_quick(factors)
        and (window["height"], window["width"]) == (SIZE, SIZE)
        and (window["dilation_height"], window["dilation_width"]) == (1, 1)
        and window["stride_width"] <= MAX_STRIDE_ACROSS
        and window["padding_left"] <= 1
        and _padding_right(site, window) <= 1
    )


def call(
    site: Site,
    window: dict[str, int],
    weights: NDArray[np.integer],
    biases: NDArray[np.int64],
    factors: list[tuple[int, int]],
) -> KernelCall:
    """Return the call of a layer that fits.

    Args:
        site, window, factors: as for `fits`.
        weights: [1, 3, 3, channels].
        biases: biases of the channels, int32.
    """
    options = site.op.options
    assert isinstance(options, ConvOptions)
    source, output = site.activation(0), site.output()
    rows = RESULT_ROWS if window["stride_height"] == 1 else 1
    zero_point = source.zero_point
    taps = weights[0].astype(np.int64)
    by_columns = taps[ROW_ORDER, :].transpose(2, 1, 0).reshape(len(factors), -1)
    adjusted = biases - zero_point * taps.sum(axis=(0, 1))
    channels = [
        (wrap32(int(bias)), *quick_factor(*factor, output.zero_point), *row)
        for bias, factor, row in zip(adjusted, factors, by_columns.tolist(), strict=True)
    ]
    width = site.extent(output)[1]
    scratch = _columns(site, window) * COLUMN_BYTES + width * RESULT_BYTES + row_bytes(site.planned.shape(source.index))
    return KernelCall(
        op=site.op,
        function="engine_depthwise_3x3",
        struct="engine_depthwise_3x3",
        fields={
            "channels": Constant("channels", np.array(channels), "struct engine_depthwise_channel"),
            "input": shape_fields(site.extent(source)),
            "output": shape_fields(site.extent(output)),
            "window": window,
            "rows": rows,
            "input_zero_point": zero_point,
            "result": result_fields(output, options.activation),
        },
        inputs=(source.index,),
        output=output.index,
        rows=window_rows(source.index, window, rows),
        scratch_bytes=scratch,
        macs=output.elements * SIZE * SIZE,
    )


def _columns(site: Site, window: dict[str, int]) -> int:
    """Return how many columns the windows of a row take, padding included."""
    return (site.extent(site.output())[1] - 1) * window["stride_width"] + SIZE


def _padding_right(site: Site, window: dict[str, int]) -> int:
    return max(0, _columns(site, window) - window["padding_left"] - site.extent(site.activation(0))[1])
