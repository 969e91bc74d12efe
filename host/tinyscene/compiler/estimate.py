"""Estimate the instructions of every layer on a Cortex-M4, from its shapes: how often each part of a kernel runs, times
a coefficient.

The counts are here, one function a kernel; the coefficients are fitted to measurements on the emulated board and are in
estimate.toml, which `tests/fit_estimate.py` writes. A new kernel needs an entry in TERMS and a run of that script.
"""

import dataclasses
import functools
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinyscene import files
from tinyscene.compiler.graph import INT8_MAX, INT8_MIN
from tinyscene.compiler.kernels.call import KernelCall, image_rows
from tinyscene.compiler.kernels.depthwise_3x3 import COLUMN_ROWS
from tinyscene.compiler.kernels.weights import PANEL_CHANNELS
from tinyscene.compiler.kernels.winograd import BORDER, PAIR_COLUMNS, PLANES
from tinyscene.compiler.passes import PlannedGraph

COEFFICIENTS = Path(__file__).with_suffix(".toml")
PAIRED_PIXELS = (1 << 15) // -INT8_MIN  # ENGINE_PAIRED_PIXELS: int8 values whose sum an int16 holds

Counts = Mapping[str, float]
"""How often each part of a kernel runs in an inference, by name of the part."""


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """A kernel's call in its graph."""

    planned: PlannedGraph
    call: KernelCall

    @property
    def fields(self) -> Any:
        """The members of its parameter struct."""
        return self.call.fields

    @property
    def steps(self) -> int:
        """Number of steps, row by row; 1 for a kernel of whole tensors."""
        rows = self.call.rows
        return 1 if rows is None else rows.count(image_rows(self.planned.shape(self.call.output)))

    @property
    def values(self) -> int:
        """Number of values that it computes."""
        return self.planned.bytes(self.call.output)

    @property
    def clamped(self) -> int:
        """Number of values that it clamps: none if the bounds are int8's."""
        bounds = self.fields.get("result", self.fields)
        return self.values if (bounds["minimum"], bounds["maximum"]) != (INT8_MIN, INT8_MAX) else 0


def instructions(planned: PlannedGraph, call: KernelCall) -> int | None:
    """Return the estimated instructions of a layer in one inference; None for a kernel that has no estimate."""
    fitted = coefficients().get(call.function)
    if call.function not in TERMS or fitted is None:
        return None
    return round(sum(fitted.get(part, 0.0) * count for part, count in counts(planned, call).items()))


def counts(planned: PlannedGraph, call: KernelCall) -> Counts:
    """Return the counts of a layer's kernel, and `layer`: 1, for the part of a call that its size does not change."""
    return {"layer": 1, **TERMS[call.function](Layer(planned, call))}


@functools.cache
def coefficients() -> Mapping[str, Mapping[str, float]]:
    """Return the instructions of each part of each kernel; a part that takes none is missing."""
    return files.read_toml(COEFFICIENTS)


def _inside(count: int, stride: int, before: int, window: int, dilation: int, size: int) -> list[int]:
    """Return how much of the window lies inside the image, for each of `count` positions along an axis."""
    starts = (position * stride - before for position in range(count))
    return [sum(0 <= start + k * dilation < size for k in range(window)) for start in starts]


def _inside_window(fields: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """Return `_inside` for the rows and for the columns of a layer with a window."""
    window, source, output = fields["window"], fields["input"], fields["output"]
    rows, columns = (
        _inside(
            output[axis],
            window[f"stride_{axis}"],
            window["padding_top" if axis == "height" else "padding_left"],
            window[axis],
            window[f"dilation_{axis}"],
            source[axis],
        )
        for axis in ("height", "width")
    )
    return rows, columns


def _conv2d(layer: Layer) -> Counts:
    fields = layer.fields
    window, pool, output = fields["window"], fields["pool"], fields["output"]
    height, depth, by_rows = window["height"], fields["input"]["channels"], fields["layout"] == "ENGINE_ROWS"
    rows = fields["rows"]
    tops = [
        y * pool["stride_height"] + part for y in range(0, output["height"], rows) for part in range(pool["height"])
    ]
    stride, dilation = window["stride_height"], window["dilation_height"]
    inside = [
        _inside(1, 1, window["padding_top"] - top * stride, height, dilation, fields["input"]["height"])[0]
        for top in tops
    ]
    # rows outside the image are skipped
    used = sum(max(count, 1) for count in inside) if by_rows else len(tops) * height
    panels = -(-output["channels"] // PANEL_CHANNELS)
    blocks = len(tops) * panels * fields["pairs"]
    windows = blocks * pool["width"]
    block_steps = panels * fields["pairs"] * pool["width"] * fields["steps"] * used / height
    widenings = panels * -(-fields["pairs"] // fields["chunk"])
    finished = blocks if layer.clamped else len(tops) * fields["pairs"] * (output["channels"] % PANEL_CHANNELS > 0)
    copies = 0 if by_rows else len(tops) * fields["pairs"] * pool["width"]
    return {
        "step": len(tops),
        "block step": block_steps,
        "window": windows,
        "block": blocks,
        "block, not quick": 0 if fields["quick"] else blocks,
        "block, finished": finished,
        "panel": len(tops) * panels * -(-fields["pairs"] // fields["chunk"]),
        "widened step": widenings * fields["steps"] * used / height,
        "row word": used * fields["row_words"] if by_rows else 0,
        "row pixel": used * fields["row_words"] / depth if by_rows else 0,
        "packed value": 0 if by_rows else used * fields["row_words"],
        "copied step": copies * fields["steps"],
        "copied row": copies * -(-height // 2) * (window["width"] if window["dilation_width"] > 1 else 1),
    }


def _quick_depthwise(layer: Layer) -> Counts:
    fields = layer.fields
    quads = fields["output"]["channels"] // PANEL_CHANNELS
    rows, columns = _inside_window(fields)
    return {
        "step": layer.steps,
        "pixel": len(rows) * len(columns),
        "quad": quads * len(rows) * len(columns),
        "row of a quad": quads * sum(rows) * len(columns),
        "tap of a quad": quads * sum(rows) * sum(columns),
        "clamped": layer.clamped,
    }


def _depthwise(layer: Layer) -> Counts:
    fields = layer.fields
    channels = fields["output"]["channels"]
    rows, columns = _inside_window(fields)
    return {
        "step": layer.steps,
        "pixel": len(rows) * len(columns),
        "value": channels * len(rows) * len(columns),
        "row of a value": channels * sum(rows) * len(columns),
        "tap": channels * sum(rows) * sum(columns),
    }


def _depthwise_3x3(layer: Layer) -> Counts:
    fields = layer.fields
    window, source, output = fields["window"], fields["input"], fields["output"]
    steps, height, width = layer.steps, output["height"], output["width"]
    quads = output["channels"] // PANEL_CHANNELS
    last = window["height"] + fields["rows"] - 2
    tops = [step * fields["rows"] * window["stride_height"] - window["padding_top"] for step in range(steps)]
    inside = sum(0 <= top + min(row, last) < source["height"] for top in tops for row in range(COLUMN_ROWS))
    columns = (width - 1) * window["stride_width"] + window["width"]
    read = min(source["width"], columns - window["padding_left"])
    return {
        "step": steps,
        "padding byte": (steps * COLUMN_ROWS - inside) * source["width"] * source["channels"],
        "padding column": steps * (columns - read),
        "quad": steps * quads,
        "column of a quad": steps * quads * read,
        "output column of a quad": steps * quads * width,
        "lower output column of a quad": height // 2 * quads * width if fields["rows"] > 1 else 0,
        "clamped column of a quad": steps * quads * width if layer.clamped else 0,
    }


def _winograd(layer: Layer) -> Counts:
    fields = layer.fields
    output, depth, chunk = fields["output"], fields["input"]["channels"], fields["chunk"]
    steps, word_steps = layer.steps, depth // 2
    pairs = -(-output["width"] // PAIR_COLUMNS)
    chunks = -(-pairs // chunk)
    panels = -(-output["channels"] // PANEL_CHANNELS)
    columns = pairs * PAIR_COLUMNS + chunks * BORDER
    whole_pairs, whole_panels = output["width"] // PAIR_COLUMNS, output["channels"] // PANEL_CHANNELS
    whole = output["height"] // 2 * whole_pairs * whole_panels
    return {
        "step": steps,
        "chunk": steps * chunks,
        "column": steps * columns,
        "word of a column": steps * columns * word_steps,
        "pair": steps * pairs,
        "word of a pair": steps * pairs * word_steps,
        "panel": steps * chunks * panels,
        "copied word": steps * chunks * panels * PLANES * word_steps if chunk > 1 else 0,
        "block": steps * pairs * panels,
        "block step": steps * pairs * panels * PLANES * word_steps,
        "block, not whole": steps * pairs * panels - whole,
        "clamped": layer.clamped,
    }


def _average_pool(layer: Layer) -> Counts:
    depth = layer.fields["output"]["channels"]
    windows = list(itertools.product(*_inside_window(layer.fields)))
    counts: dict[str, float] = defaultdict(float, {"step": layer.steps, "pixel": len(windows)})
    for height, width in windows:
        quads = depth // 4 if height * width <= PAIRED_PIXELS else 0
        for name, count in (("quad", quads), ("value", depth - 4 * quads)):
            counts[name] += count
            counts[f"row of a {name}"] += count * height
            counts[f"pixel of a {name}"] += count * height * width
    return counts


def _average_by_rows(layer: Layer) -> Counts:
    depth = layer.values
    width = layer.planned.bytes(layer.call.inputs[0]) // (layer.steps * depth)
    quads, singles = (layer.steps * channels for channels in divmod(depth, 4))
    return {
        "step": layer.steps,
        "quad": quads * -(-width // PAIRED_PIXELS),
        "pixel of a quad": quads * width,
        "value": singles,
        "pixel of a value": singles * width,
        "output": depth,
    }


def _max_pool_by_rows(layer: Layer) -> Counts:
    fields = layer.fields
    steps, depth = layer.steps, fields["input"]["channels"]
    stretches = steps * fields["output"]["width"] * fields["window"]["width"]
    return {
        "step": steps,
        "stretch": stretches,
        "word": stretches * (depth // 4),
        "single byte": stretches * (depth % 4),
        "clamped": layer.clamped,
    }


def _dense(layer: Layer) -> Counts:
    fields = layer.fields
    rows, quads = fields["rows"], -(-fields["depth"] // 4)
    panels = -(-fields["outputs"] // PANEL_CHANNELS)
    return {
        "widened quad": rows * quads,
        "panel": rows * panels,
        "quad of a panel": rows * panels * quads,
        "output": rows * fields["outputs"],
    }


def _mean(layer: Layer) -> Counts:
    fields = layer.fields
    outputs = fields["outer"] * fields["inner"]
    return {"output": outputs, "value": outputs * fields["count"]}


def _quick_add(layer: Layer) -> Counts:
    steps, count = layer.steps, layer.fields["count"]
    return {
        "step": steps,
        "quad": steps * (count // 4),
        "single": steps * (count % 4),
        "clamped": layer.clamped,
    }


def _broadcast(layer: Layer) -> Counts:
    fields = layer.fields
    size = fields["shape"]["size"]
    return {"step": layer.steps, "row": layer.steps * math.prod(size[:3]), "value": layer.steps * math.prod(size)}


def _by_values(layer: Layer) -> Counts:
    steps, count = layer.steps, layer.fields["count"]
    return {"step": steps, "value": steps * count}


def _softmax(layer: Layer) -> Counts:
    fields = layer.fields
    return {"row": fields["rows"], "value": fields["rows"] * fields["depth"]}


def _pad(layer: Layer) -> Counts:
    fields = layer.fields
    return {
        "row": math.prod(fields["input_size"][:3]),
        "input byte": math.prod(fields["input_size"]),
        "output byte": math.prod(fields["output_size"]),
    }


def _concatenate(layer: Layer) -> Counts:
    fields = layer.fields
    return {
        "row": fields["outer"],
        "chunk": fields["outer"] * fields["inputs"],
        "byte": layer.values,
    }


TERMS: dict[str, Callable[[Layer], Counts]] = {
    "engine_add": _broadcast,
    "engine_add_row": _broadcast,
    "engine_average_pool": _average_pool,
    "engine_average_pool_by_rows": _average_by_rows,
    "engine_concatenate": _concatenate,
    "engine_conv2d": _conv2d,
    "engine_dense": _dense,
    "engine_depthwise": _depthwise,
    "engine_depthwise_3x3": _depthwise_3x3,
    "engine_dequantise": _by_values,
    "engine_max_pool": _depthwise,
    "engine_max_pool_by_rows": _max_pool_by_rows,
    "engine_mean": _mean,
    "engine_mean_by_rows": _average_by_rows,
    "engine_mul": _broadcast,
    "engine_mul_row": _broadcast,
    "engine_pad": _pad,
    "engine_quantise": _by_values,
    "engine_quick_add": _quick_add,
    "engine_quick_depthwise": _quick_depthwise,
    "engine_softmax": _softmax,
    "engine_table": _by_values,
    "engine_winograd": _winograd,
}
