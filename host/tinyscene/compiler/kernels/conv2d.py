"""CONV_2D with the max-pool that joined it: how its input and weights are laid out for the engine's blocks."""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler.graph import INT8_MAX, INT8_MIN, ConvOptions, Tensor
from tinyscene.compiler.kernels import winograd
from tinyscene.compiler.kernels.call import (
    Constant,
    KernelCall,
    RowAccess,
    RowSource,
    Site,
    require,
    result_fields,
    shape_fields,
)
from tinyscene.compiler.kernels.pooling import pool_parameters
from tinyscene.compiler.kernels.weights import (
    PANEL_CHANNELS,
    QUAD,
    QUAD_ORDER,
    STEP_VALUES,
    are_quick,
    panels,
    read_convolution,
    round_up,
)

PATCHES_BYTES = 4096  # approximate size of the windows for which a panel is widened once
MAX_SCRATCH_BYTES = 1 << 22

NO_POOL = {"height": 1, "width": 1, "stride_height": 1, "stride_width": 1}


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """How windows and weights lie in memory: see engine_conv2d in firmware/lib/engine/engine.h.

    Attributes:
        kind: ENGINE_ROWS or ENGINE_PATCHES.
        weights: [outputs, steps, STEP_VALUES], int8.
        row_words, pairs, chunk: members of the struct of the same names.
        scratch_bytes: working memory of the whole layer.
    """

    kind: str
    weights: NDArray[np.int8]
    row_words: int
    pairs: int
    chunk: int
    scratch_bytes: int

    @property
    def panels(self) -> Constant:
        """The weights as the engine reads them, panel by panel."""
        outputs, steps, _ = self.weights.shape
        padded = np.zeros((round_up(outputs, PANEL_CHANNELS), steps, STEP_VALUES), np.int8)
        padded[:outputs] = self.weights
        panels = padded.reshape(-1, PANEL_CHANNELS, steps, STEP_VALUES).transpose(0, 2, 1, 3)  # panel, step, channel
        halves = panels.reshape(len(panels), steps, 2, 2, STEP_VALUES)  # channels 0 and 1, channels 2 and 3
        return Constant("weights", halves.swapaxes(3, 4).reshape(-1), "int8_t")


def lay_out(weights: NDArray[np.int8], options: ConvOptions, pool: dict[str, int], output_width: int) -> Layout:
    """Choose the layout of a convolution.

    Args:
        weights: [outputs, kernel height, kernel width, channels].
        options: stride and dilation.
        pool: members of struct engine_fused_pool.
        output_width: number of columns that are computed, after the pool.
    """
    outputs, height, width, depth = weights.shape
    stride, dilation = options.stride[1], options.dilation[1]
    pairs = -(-output_width // 2)
    last_left = (pairs - 1) * pool["stride_width"] + pool["width"] - 1  # columns of the convolution
    last_right = last_left + pairs * pool["stride_width"]
    rows = _takes_rows(depth, dilation)
    if rows:
        row_words, row_count = (last_left * stride + width) * depth, height
        by_columns = weights.transpose(0, 2, 1, 3)
        ordered = by_columns.reshape(outputs, -1, QUAD)[..., QUAD_ORDER].reshape(outputs, -1, STEP_VALUES)
    else:
        ordered = _patch_steps(weights, alone=dilation == 1)
        row_words, row_count = (last_right * stride + (width - 1) * dilation + 1) * depth, -(-height // 2)
    steps = ordered.shape[1]
    patch_bytes = 0 if rows else pool["width"] * steps * 8
    chunk = pairs if rows else min(pairs, max(1, PATCHES_BYTES // patch_bytes))
    panel_bytes = PANEL_CHANNELS * steps * 4
    return Layout(
        kind="ENGINE_ROWS" if rows else "ENGINE_PATCHES",
        weights=ordered,
        row_words=row_words,
        pairs=pairs,
        chunk=chunk,
        scratch_bytes=panel_bytes + row_count * row_words * 4 + (depth if rows else chunk * patch_bytes),
    )


def _takes_rows(depth: int, dilation: int) -> bool:
    """Return whether windows are contiguous stretches of rows: ENGINE_ROWS."""
    return depth % QUAD == 0 and dilation == 1


def _patch_steps(weights: NDArray[np.int8], *, alone: bool) -> NDArray[np.int8]:
    """Order weights [outputs, height, width, depth] as patches are: rows in pairs, a last row alone or with zeros."""
    outputs, height, width, depth = weights.shape
    flat = weights.reshape(outputs, height, width * depth)
    paired = height // 2 * 2
    pairs = flat[:, :paired].reshape(outputs, paired // 2, STEP_VALUES, width * depth).swapaxes(2, 3)
    parts = [pairs.reshape(outputs, paired // 2 * width * depth, STEP_VALUES)]
    if paired < height:
        last = flat[:, -1]
        if alone:
            last = np.pad(last, ((0, 0), (0, last.shape[1] % 2))).reshape(outputs, -1, STEP_VALUES)
        else:
            last = np.stack([last, np.zeros_like(last)], axis=-1)
        parts.append(last)
    return np.concatenate(parts, axis=1)


def conv2d(site: Site) -> KernelCall:
    """CONV_2D, and the max-pool that joined it."""
    conv = read_convolution(site)
    if site.op.index in site.planned.winograd:
        return winograd.winograd(site, conv)
    height, width, depth = conv.weights.shape[1:]
    pool, output, within = NO_POOL, conv.output, (INT8_MIN, INT8_MAX)
    joined = site.planned.pools.get(site.op.index)
    if joined is not None:
        pool_site = Site(site.planned, joined)
        pool_window, low, high = pool_parameters(pool_site)
        within = low, high
        pool = {name: pool_window[name] for name in NO_POOL}
        output = pool_site.output()
    rows = _merged_rows(site, conv.weights, conv.options, joined is not None)
    layout = lay_out(conv.weights, conv.options, pool, rows * site.extent(output)[1])
    scratch = layout.scratch_bytes
    require(
        scratch <= MAX_SCRATCH_BYTES, site, conv.source, f"its window needs {scratch} bytes of rows; make it smaller"
    )
    return KernelCall(
        op=site.op,
        function="engine_conv2d",
        struct="engine_conv2d",
        fields={
            "weights": layout.panels,
            "panels": panels(conv.bias, conv.factors, conv.output.zero_point),
            "input": shape_fields(site.extent(conv.source)),
            "output": shape_fields(site.extent(output)),
            "window": conv.window,
            "pool": pool,
            "layout": layout.kind,
            "steps": layout.weights.shape[1],
            "rows": rows,
            "row_words": layout.row_words,
            "pairs": layout.pairs,
            "chunk": layout.chunk,
            "quick": int(are_quick(conv.factors)),
            "input_zero_point": conv.source.zero_point,
            "result": result_fields(conv.output, conv.options.activation, within),
        },
        inputs=(conv.source.index,),
        output=output.index,
        rows=_rows(conv.source, conv.window, pool, rows),
        scratch_bytes=scratch,
        macs=math.prod(site.extent(output)) * pool["height"] * pool["width"] * height * width * depth,
        joined=() if joined is None else (joined,),
    )


def _merged_rows(site: Site, weights: NDArray[np.integer], options: ConvOptions, pooled: bool) -> int:
    """Return how many output rows are computed as one: with two rows of odd width, no half of a block stays empty."""
    _, height, width, depth = weights.shape
    extent = site.extent(site.output())
    by_pixels = (height, width) == (1, 1) == options.stride and not pooled and _takes_rows(depth, options.dilation[1])
    in_one_piece = site.extent(site.activation(0))[:2] == extent[:2]
    return 2 if by_pixels and in_one_piece and extent[1] % 2 and extent[0] > 1 else 1


def _rows(source: Tensor, window: dict[str, int], pool: dict[str, int], rows: int) -> RowAccess:
    """Return the input rows of a step: one row of the convolution, or `rows` of them if its window is 1x1."""
    count = (window["height"] - 1) * window["dilation_height"] + rows
    step = window["stride_height"]
    access = RowSource(source.index, pool["stride_height"] * step, step, window["padding_top"], count, together=rows)
    return RowAccess((access,), steps=pool["height"], rows=rows)
