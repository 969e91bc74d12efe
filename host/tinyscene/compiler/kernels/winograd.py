"""3 x 3 CONV_2D by Winograd's F(2 x 2, 3 x 3): which layers qualify, and their transformed weights.

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1: with g the weights and d a tile of
the input, Y = A^T [(G g G^T) * (B^T d B)] A. The weights are transformed with 2 G here, which makes them whole numbers,
so that the sums are exactly four times those of the convolution.
"""

import numpy as np
from numpy.typing import NDArray

from tinyscene.compiler.graph import INT8_MAX, INT8_MIN
from tinyscene.compiler.kernels.call import (
    Constant,
    KernelCall,
    RowAccess,
    RowSource,
    Site,
    result_fields,
    shape_fields,
)
from tinyscene.compiler.kernels.weights import (
    PANEL_CHANNELS,
    QUAD,
    QUAD_ORDER,
    STEP_VALUES,
    Convolution,
    are_quick,
    panels,
    read_convolution,
    round_up,
)
from tinyscene.compiler.passes import PlannedGraph

TWICE_G = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]])
PLANES = 16  # ENGINE_WINOGRAD_PLANES
TILE_ROWS = TILE_COLUMNS = 2
PAIR_COLUMNS = 2 * TILE_COLUMNS  # columns of two tiles that are computed at once
BORDER = 2  # rows and columns that a tile reads beyond its own
SUM_BYTES = 4 * PLANES * 2 * PANEL_CHANNELS
SCALE = 4  # factor of the sums
INPUT_GAIN = 4  # gain of the input transform, which sums four values
VALUES_BYTES = 8192  # largest size of the transformed input of several tiles, unless one pair needs more


def transform_weights(weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return 4 G g G^T, [outputs, PLANES, channels], plane 4 * column + row, of weights [outputs, 3, 3, channels]."""
    transformed = np.einsum("iy,jx,oyxc->ojic", TWICE_G, TWICE_G, weights.astype(np.int64))
    return transformed.reshape(len(weights), PLANES, -1)


def cannot_overflow(weights: NDArray[np.int8], bias: NDArray[np.int64], input_zero_point: int) -> bool:
    """Return whether transformed values fit into int16, and four times any sum of products and its bias into int32.

    Overflow within the sums does no harm: they wrap, and so do their differences in the inverse transform. Its result
    is right if it fits.
    """
    low, high = INT8_MIN - input_zero_point, INT8_MAX - input_zero_point  # 0 lies between them
    flat = weights.reshape(len(weights), -1).astype(np.int64)
    positive, negative = np.maximum(flat, 0).sum(axis=1), np.minimum(flat, 0).sum(axis=1)
    sums = SCALE * (np.array([positive * high + negative * low, positive * low + negative * high]) + bias)
    word, half = np.iinfo(np.int32), np.iinfo(np.int16)
    return bool(
        sums.min() >= word.min
        and sums.max() <= word.max
        and INPUT_GAIN * max(high, -low) <= half.max
        and np.abs(transform_weights(weights)).max() <= half.max
    )


def chosen(planned: PlannedGraph) -> frozenset[int]:
    """Return the convolutions to compute this way, by index: those that qualify and become faster."""
    return frozenset(op.index for op in planned.ops if op.kind == "CONV_2D" and _qualifies(Site(planned, op)))


def _qualifies(site: Site) -> bool:
    conv = read_convolution(site)
    return (
        conv.weights.shape[1:3] == (3, 3)
        and conv.weights.shape[3] % QUAD == 0
        and conv.options.stride == conv.options.dilation == (1, 1)
        and are_quick(conv.factors)
        and cannot_overflow(conv.weights, conv.bias, conv.source.zero_point)
        and _is_faster(site, conv)
    )


def _is_faster(site: Site, conv: Convolution) -> bool:
    """Return whether it takes fewer instructions than engine_conv2d, by estimates from counts on the emulated board."""
    height, width, outputs = site.extent(conv.output)
    depth, panel_count = conv.weights.shape[3], round_up(outputs, PANEL_CHANNELS) // PANEL_CHANNELS
    halves = -(-width // 2)
    direct_row = panel_count * (halves * (50 * depth + 110) + 23 * depth) + (halves + 2) * (10 * depth + 90)
    two_rows = -(-width // PAIR_COLUMNS) * (panel_count * (88 * depth + 780) + 100 * depth + 300)
    return -(-height // TILE_ROWS) * two_rows < height * direct_row


def winograd(site: Site, conv: Convolution) -> KernelCall:
    """3 x 3 CONV_2D with stride 1, two rows at a time."""
    height, width, outputs = site.extent(conv.output)
    depth = conv.weights.shape[3]
    pairs = -(-width // PAIR_COLUMNS)
    pair_bytes = PLANES * depth * 2 * 2  # bytes of two tiles, int16
    chunk = min(pairs, max(1, VALUES_BYTES // pair_bytes))
    panel_bytes = PLANES * depth * PANEL_CHANNELS * 2 if chunk > 1 else 0  # bytes of a panel's copy
    columns_bytes = (chunk * PAIR_COLUMNS + BORDER) * (TILE_ROWS + BORDER) * depth * 2
    return KernelCall(
        op=site.op,
        function="engine_winograd",
        struct="engine_winograd",
        fields={
            "weights": _panels(transform_weights(conv.weights)),
            "panels": panels(conv.bias, conv.factors, conv.output.zero_point),
            "input": shape_fields(site.extent(conv.source)),
            "output": shape_fields((height, width, outputs)),
            "padding_top": conv.window["padding_top"],
            "padding_left": conv.window["padding_left"],
            "chunk": chunk,
            "input_zero_point": conv.source.zero_point,
            "result": result_fields(conv.output, conv.options.activation),
        },
        inputs=(conv.source.index,),
        output=conv.output.index,
        rows=RowAccess(
            (RowSource(conv.source.index, before=conv.window["padding_top"], count=TILE_ROWS + BORDER),), rows=TILE_ROWS
        ),
        scratch_bytes=chunk * pair_bytes + panel_bytes + SUM_BYTES + columns_bytes + depth,
        macs=height * width * conv.weights.size,
    )


def _panels(transformed: NDArray[np.int64]) -> Constant:
    """Return the weights as engine_winograd reads them: [panel, plane, step, channel, STEP_VALUES]."""
    outputs, planes, depth = transformed.shape
    ordered = transformed.reshape(outputs, planes, depth // QUAD, QUAD)[..., QUAD_ORDER]
    padded = np.zeros((round_up(outputs, PANEL_CHANNELS), planes, depth // STEP_VALUES, STEP_VALUES), "<i2")
    padded[:outputs] = ordered.reshape(outputs, planes, -1, STEP_VALUES)
    by_panels = padded.reshape(-1, PANEL_CHANNELS, *padded.shape[1:]).transpose(0, 2, 3, 1, 4)
    return Constant("weights", np.ascontiguousarray(by_panels).reshape(-1).view("<u4"), "uint32_t")
