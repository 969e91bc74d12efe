"""The memory plan as a picture: launches across, bytes of the arena up, every buffer a labelled rectangle."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch, Rectangle
from matplotlib.textpath import TextPath

from tinyscene import figures
from tinyscene.compiler.compiled import CompiledModel
from tinyscene.compiler.memory import Buffer
from tinyscene.compiler.streaming import Launch

# Okabe and Ito's colours, which colour-blind readers can tell apart; light enough for black text
COLOURS = {"tensor": "#56B4E9", "ring of rows": "#E69F00", "scratch": "#CCCCCC"}

FONT_POINTS = 7
LINE_POINTS = 9  # a label with the space around it
PADDING_POINTS = 3
LAUNCH_POINTS = 40  # width of a launch, enough for "op 123"; a group of layers is three times as wide
HEIGHT_POINTS = 300
LEFT_POINTS, RIGHT_POINTS, TOP_POINTS, BOTTOM_POINTS = 50, 10, 24, 24  # around the axes and the names of launches
LABEL_PLACES = (0.5, 0.3, 0.7, 0.15, 0.85)  # places across a rectangle, as shares of its width, the best first


@dataclasses.dataclass(frozen=True, slots=True)
class _Box:
    """A rectangle on the page, in points from the axes' corner."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def top(self) -> float:
        return self.bottom + self.height

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    def inside(self, other: "_Box") -> bool:
        """Return whether it lies between the left and right ends of the other."""
        return other.left <= self.left and self.left + self.width <= other.left + other.width

    def overlaps(self, other: "_Box") -> bool:
        """Return whether the two have more than an edge in common."""
        across = self.left < other.left + other.width and other.left < self.left + self.width
        return across and self.bottom < other.top and other.bottom < self.top


def write(compiled: CompiledModel, path: Path) -> None:
    """Write the picture as SVG; same model, same bytes."""
    figures.save_svg(draw(compiled), path, "The arena: which buffer lies where, launch by launch")


@dataclasses.dataclass(frozen=True, slots=True)
class _Label:
    """A text, its place, and the line to its rectangle if it stands above that."""

    text: str
    place: _Box
    line: _Box | None = None


def draw(compiled: CompiledModel) -> Figure:
    """Draw the arena of a compiled model.

    A label names the operator that makes a tensor (`op` in `tinyscene compile`); one that does not fit into
    its rectangle stands above it, on a line. A result computed in place of an input begins after the launch that makes
    it.
    """
    arena_bytes = compiled.memory.arena_bytes
    up = HEIGHT_POINTS / max(arena_bytes, 1)
    widths = [LAUNCH_POINTS * (1 if len(launch.calls) == 1 else 3) for launch in compiled.launches]
    edges = [0, *itertools.accumulate(widths)]
    buffers = [buffer for buffer in compiled.memory.buffers if buffer.first <= buffer.last]
    boxes = [
        _Box(edges[buffer.first], buffer.offset * up, edges[buffer.last + 1] - edges[buffer.first], buffer.bytes * up)
        for buffer in buffers
    ]
    arena = f"arena {arena_bytes:,} bytes"
    labels = _labels(
        compiled, buffers, boxes, _Box(edges[-1] - _width(arena), HEIGHT_POINTS, _width(arena), LINE_POINTS)
    )
    ceiling = max([HEIGHT_POINTS + LINE_POINTS, *(label.place.top for label in labels)])

    names = [_launch_name(launch) for launch in compiled.launches]
    bottom = BOTTOM_POINTS + max(map(_width, names))
    size = (LEFT_POINTS + edges[-1] + RIGHT_POINTS, bottom + ceiling + TOP_POINTS)
    figure = Figure(figsize=(size[0] / 72, size[1] / 72))
    axes = figure.add_axes((LEFT_POINTS / size[0], bottom / size[1], edges[-1] / size[0], ceiling / size[1]))
    kinds = [_kind(compiled, buffer) for buffer in buffers]
    _draw_buffers(axes, boxes, kinds, labels)
    axes.axhline(HEIGHT_POINTS, color=figures.INK, linewidth=0.8, linestyle="--")
    axes.text(edges[-1], HEIGHT_POINTS + LINE_POINTS / 2, arena, ha="right", va="center", fontsize=FONT_POINTS)
    axes.set_xticks([(left + right) / 2 for left, right in itertools.pairwise(edges)], names, rotation=90)
    marks = _marks(arena_bytes)
    axes.set_yticks([mark * up for mark in marks], [f"{mark:,}" for mark in marks])
    axes.set(xlim=(0, edges[-1]), ylim=(0, ceiling))
    _style(axes)
    used = [kind for kind in COLOURS if kind in kinds]
    patches = [Patch(color=COLOURS[kind]) for kind in used]
    figure.legend(patches, used, loc="upper left", ncols=3, frameon=False, fontsize=8)
    return figure


def _draw_buffers(axes: Axes, boxes: Sequence[_Box], kinds: Sequence[str], labels: Sequence[_Label]) -> None:
    for box, kind in zip(boxes, kinds, strict=True):
        corner, across = (box.left, box.bottom), box.width
        axes.add_patch(Rectangle(corner, across, box.height, facecolor=COLOURS[kind], edgecolor="white", linewidth=0.6))
    for label in labels:
        if label.line:
            axes.plot((label.line.middle,) * 2, (label.line.bottom, label.line.top), color=figures.INK, linewidth=0.5)
        height = label.place.bottom + label.place.height / 2
        axes.text(label.place.middle, height, label.text, ha="center", va="center", fontsize=FONT_POINTS)


def _style(axes: Axes) -> None:
    axes.tick_params(colors=figures.MUTED, labelcolor=figures.INK, labelsize=FONT_POINTS, length=2)
    axes.set_xlabel("launch: operators", color=figures.MUTED, fontsize=8)
    axes.set_ylabel("bytes of the arena", color=figures.MUTED, fontsize=8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(figures.GRID)


def _launch_name(launch: Launch) -> str:
    first, last = launch.calls[0], launch.calls[-1]
    if first is last:
        return f"{first.op.index} {first.function.removeprefix('engine_')}"
    return f"{first.op.index}-{last.op.index} row by row"


def _marks(largest: int) -> range:
    """Return round numbers from 0 to `largest`, at most seven."""
    steps = (digit * 10**power for power in range(2, 10) for digit in (1, 2, 5))
    return range(0, largest + 1, next(step for step in steps if 6 * step >= largest))


def _kind(compiled: CompiledModel, buffer: Buffer) -> str:
    if not buffer.tensors:
        return "scratch"
    return "ring of rows" if _rows_kept(compiled, buffer) else "tensor"


def _rows_kept(compiled: CompiledModel, buffer: Buffer) -> list[int]:
    roots = compiled.planned.roots
    rings = compiled.launches[buffer.first].rings
    return [rows for tensor, rows in rings.rows.items() if roots[tensor] in buffer.tensors]


def _names(compiled: CompiledModel, buffer: Buffer) -> list[str]:
    """Return possible labels of a buffer, the most detailed first; scratch without room has only its colour."""
    if not buffer.tensors:
        return ["scratch"]
    roots = compiled.planned.roots
    calls = [call for call in compiled.calls if roots[call.output] in buffer.tensors]
    short = f"op {', '.join(str(call.op.index) for call in calls)}"
    rows = max(_rows_kept(compiled, buffer), default=None)
    shape = "x".join(map(str, compiled.planned.shape(calls[0].output)))
    detail = shape if rows is None else f"{rows} row{'s' * (rows != 1)}"
    kinds = ", ".join(dict.fromkeys(call.kind for call in calls))
    return [f"{short} {kinds} {detail}", f"{short} {detail}", short]


def _labels(compiled: CompiledModel, buffers: Sequence[Buffer], boxes: Sequence[_Box], taken: _Box) -> list[_Label]:
    """Place labels: first those that do not fit, above their rectangles on lines; then the others, off the lines."""
    names = [_names(compiled, buffer) for buffer in buffers]
    fits = [box.height >= LINE_POINTS and box.width >= _width(name[-1]) for name, box in zip(names, boxes, strict=True)]
    above: list[_Label] = []
    for buffer, name, box, inside in zip(buffers, names, boxes, fits, strict=True):
        if not inside and buffer.tensors:
            above.append(_above(name[-1], box, [*boxes, taken], above))
    lines = [label.line for label in above if label.line]
    within = [_inside(name, box, lines) for name, box, inside in zip(names, boxes, fits, strict=True) if inside]
    return above + within


def _above(text: str, box: _Box, obstacles: Sequence[_Box], others: Sequence[_Label]) -> _Label:
    """Return the label in the lowest place above its rectangle that is free of other labels and lines."""
    choices: list[tuple[int, float, int, _Label]] = []
    for share in LABEL_PLACES:
        middle = box.left + share * box.width
        place = _centred(text, middle, box.top + PADDING_POINTS)
        crossed = [part for label in others for part in (label.place, label.line) if part]
        while blocking := [part for part in (*obstacles, *crossed) if part.overlaps(place)]:
            place = dataclasses.replace(place, bottom=max(part.top for part in blocking))
        line = _Box(middle - 0.5, box.bottom + box.height / 2, 1, place.bottom + 1 - box.bottom - box.height / 2)
        crossings = sum(line.overlaps(part) for part in crossed)
        choices.append((crossings, place.bottom, len(choices), _Label(text, place, line)))
    return min(choices, key=lambda choice: choice[:3])[-1]


def _inside(names: Sequence[str], box: _Box, lines: Sequence[_Box]) -> _Label:
    """Return the label with the longest name that fits between the lines that cross the rectangle."""
    for text in names:
        for share in LABEL_PLACES:
            place = _centred(text, box.left + share * box.width, box.bottom + (box.height - LINE_POINTS) / 2)
            if place.inside(box) and not any(line.overlaps(place) for line in lines):
                return _Label(text, place)
    return _Label(names[-1], _centred(names[-1], box.middle, box.bottom + (box.height - LINE_POINTS) / 2))


def _centred(text: str, middle: float, bottom: float) -> _Box:
    width = _width(text)
    return _Box(middle - width / 2, bottom, width, LINE_POINTS)


@functools.cache
def _width(text: str) -> float:
    """Return the width of a label with the space around it, in points."""
    extents = TextPath((0, 0), text, size=FONT_POINTS, prop=FontProperties()).get_extents()
    return float(extents.width) + 2 * PADDING_POINTS
