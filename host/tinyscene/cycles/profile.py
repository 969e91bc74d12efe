"""Where a board's time goes: ticks of its front end and of every layer of its network, counted by the board itself."""

import dataclasses
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from tinyscene import figures, files
from tinyscene.bundle import Bundle
from tinyscene.compiler import plan_model
from tinyscene.console import console, error_console
from tinyscene.cycles import estimate
from tinyscene.cycles.image import FRONT_END, NETWORK
from tinyscene.device import Board, DeviceInfo, Link, find_bundle
from tinyscene.errors import LinkError
from tinyscene.firmware import boards
from tinyscene.frontend import signals


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """The time of one part of the work.

    Attributes:
        part: front end or network.
        name: name of the layer's operators, or of the part itself.
        layer: number of the layer's operator; None: not a layer.
        ticks: ticks of the board's clock.
        predicted: ticks that `tinyscene cycles` expects; None: no prediction was requested.
    """

    part: str
    name: str
    layer: int | None
    ticks: int
    predicted: int | None = None

    @property
    def label(self) -> str:
        """The name, with the layer's number."""
        return self.name if self.layer is None else f"{self.layer} {self.name}"

    @property
    def ratio(self) -> float | None:
        """Measured ticks divided by predicted ticks."""
        return self.ticks / self.predicted if self.predicted else None


def report(port: str, bundle: Path | None, predict: bool, plot: Path | None, as_json: Path | None) -> None:
    """Profile a board and print a table: the command `tinyscene device profile`.

    Args:
        port: pyserial URL of the board.
        bundle: folder of the bundle that it must carry; None: found by the identity that the board reports.
        predict: whether to estimate the board's built image as well.
        plot: file to draw the lines to; None: no file.
        as_json: file to write the result to; None: no file.

    Raises:
        TinysceneError: the board does not answer or carries another bundle, its bundle is not found, or there is no
            image to estimate.
    """
    model = Bundle.load(bundle) if bundle else None
    with Link(port) as link:
        board = Board(link, model.identity if model else None)
        model = model or find_bundle(board.info)
        board.expected = model.identity
        with error_console.status("one clip"):
            lines = measure(board, model)
    info = board.info
    if predict:
        with error_console.status("running the image on a model of the board"):
            lines = with_prediction(lines, info, model)
    if as_json:
        files.write_json(as_json, _summary(info, lines))
    if plot:
        figures.save_png(draw(info, lines), plot)
    console.print(_table(info, lines))
    total = sum(line.ticks for line in lines)
    console.print(f"{total:,} ticks at {info.clock_hz / 1e6:g} MHz: {_milliseconds(info, total):.2f} ms a clip")
    if boards.is_emulated(info.board):
        console.print(f"{info.board} is emulated: its ticks are time of this machine, not cycles of a processor")


def measure(board: Board, bundle: Bundle) -> list[Line]:
    """Have a clip classified by a board that carries `bundle`, and return the times of all parts, in their order.

    Raises:
        LinkError: the board is lost or its firmware too old, or its model has other layers than the bundle's.
    """
    calls = plan_model(bundle.model).calls
    run, ticks = board.profile(signals.clips(bundle.frontend)[estimate.SIGNAL])
    if len(ticks) != len(calls):
        raise LinkError(
            f"the board at {board.link.url} has {len(ticks)} layers where its bundle has {len(calls)}; build and flash "
            f"its firmware again (make flash BOARD={board.info.board})"
        )
    layers = [Line(NETWORK, call.kind, call.op.index, taken) for call, taken in zip(calls, ticks, strict=True)]
    return [Line(FRONT_END, FRONT_END, None, run.frontend_ticks), *layers]


def with_prediction(lines: list[Line], info: DeviceInfo, bundle: Bundle) -> list[Line]:
    """Return the lines with the predictions of `tinyscene cycles` for the board's built image.

    Raises:
        ToolError: the board is not modelled, or its image is not built.
        LinkError: the image carries another bundle.
    """
    expected = estimate.estimate(info.board, estimate.built_image(info.board), bundle)
    totals: dict[int | None, int] = {row.layer: row.total for row in expected.rows if row.layer is not None}
    totals[None] = expected.sum(FRONT_END).total
    return [dataclasses.replace(line, predicted=totals.get(line.layer)) for line in lines]


def draw(info: DeviceInfo, lines: list[Line]) -> Figure:
    """Draw a bar for each line, in milliseconds, and a mark at the prediction."""
    figure = Figure(figsize=(7, 0.8 + 0.28 * len(lines)), layout="constrained")
    axes = figure.subplots()
    places = range(len(lines))
    axes.barh(places, [_milliseconds(info, line.ticks) for line in lines], color=figures.FIRST, label="measured")
    predicted = [(place, line.predicted) for place, line in zip(places, lines, strict=True) if line.predicted]
    if predicted:
        values = [_milliseconds(info, ticks) for _, ticks in predicted]
        axes.plot(
            values, [place for place, _ in predicted], "d", color=figures.SECOND, label="predicted", clip_on=False
        )
        axes.legend(loc="lower right", frameon=False, labelcolor=figures.INK, fontsize=8)
    axes.set_yticks(places, [line.label for line in lines])
    axes.invert_yaxis()
    axes.set_xlabel("ms a clip", color=figures.MUTED, fontsize=8)
    axes.set_title(f"{info.board}, bundle {info.bundle}", loc="left", fontsize=9, color=figures.INK)
    figures.style(axes)
    return figure


def _milliseconds(info: DeviceInfo, ticks: int) -> float:
    return 1000 * ticks / info.clock_hz


def _summary(info: DeviceInfo, lines: list[Line]) -> dict[str, Any]:
    return {
        "board": info.board,
        "bundle": info.bundle,
        "identity": info.identity,
        "firmware": info.firmware,
        "emulated": boards.is_emulated(info.board),
        "clock_hz": info.clock_hz,
        "lines": [
            dataclasses.asdict(line) | {"ms": _milliseconds(info, line.ticks), "ratio": line.ratio} for line in lines
        ],
    }


def _table(info: DeviceInfo, lines: list[Line]) -> Table:
    """Return a table with a row for each line; the columns of the prediction only if there is one."""
    table = Table("layer", "what", title=f"{info.board}, bundle {info.bundle}, one clip", title_justify="left")
    predicted = any(line.predicted for line in lines)
    for heading in ("ticks", "ms", "share", *(("predicted", "ratio") if predicted else ())):
        table.add_column(heading, justify="right")
    total = sum(line.ticks for line in lines)
    for line in lines:
        numbers = [f"{line.ticks:,}", f"{_milliseconds(info, line.ticks):.2f}", f"{line.ticks / max(total, 1):.1%}"]
        if predicted:
            numbers += [f"{line.predicted:,}" if line.predicted else "-", f"{line.ratio:.3f}" if line.ratio else "-"]
        table.add_row("" if line.layer is None else str(line.layer), line.name, *numbers)
    return table
