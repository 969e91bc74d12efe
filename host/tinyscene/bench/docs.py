"""The bench's figures in docs/RESULTS.md, between two markers: a table and a bar chart. Same figures, same bytes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tinyscene import figures
from tinyscene.bench.engine import Figures
from tinyscene.paths import REPOSITORY
from tinyscene.report import page_section

PAGE = REPOSITORY / "docs" / "RESULTS.md"
CHART = "bench.svg"  # in the folder of the page
BEGIN = "<!-- written by tinyscene bench --docs -->"

COLUMNS = ("M instructions", "RAM KB", "code KB", "constants KB", "mismatches")

# Okabe and Ito's colours, which colour-blind readers can tell apart; in the order of the engines
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#999999", "#CC79A7", "#56B4E9")


def cells(row: Figures) -> list[str]:
    """Return a row's cells after network and engine: the source of the figures, and COLUMNS."""
    source = f"refused: {row.note}" if row.source == "refused" else row.source + "*" * bool(row.note)
    return [
        source,
        "-" if row.instructions is None else f"{row.instructions / 1e6:.2f}",
        *(
            "-" if size is None else f"{size / 1000:.1f}"
            for size in (row.ram_bytes, row.code_bytes, row.constant_bytes)
        ),
        "-" if row.mismatches is None else str(row.mismatches),
    ]


def notes(rows: Sequence[Figures]) -> list[str]:
    """Return the differences from the original networks, one sentence for each network and reason."""
    sentences = (f"{row.network}: {row.note}" for row in rows if row.note and row.source != "refused")
    return list(dict.fromkeys(sentences))


def check(page: Path) -> None:
    """Raise TinysceneError unless the page has the two markers."""
    page_section.around(page, BEGIN)


def write(rows: Sequence[Figures], page: Path) -> None:
    """Replace the text between the markers of `page`, and the chart in its folder.

    Raises:
        TinysceneError: the page is missing, does not contain both markers, or cannot be written.
    """
    check(page)
    figures.save_svg(chart(rows), page.parent / CHART, "Instructions, RAM and flash of networks by engine")
    body = f"![Instructions, RAM and flash of every network, by engine]({CHART})\n\n" + "\n".join(_markdown(rows))
    page_section.replace(page, BEGIN, body)


def _markdown(rows: Sequence[Figures]) -> Iterator[str]:
    yield f"| network | engine | figures | {' | '.join(COLUMNS)} |"
    yield "|---" * 3 + "|---:" * len(COLUMNS) + "|"
    previous = ""
    for row in rows:
        network = row.network if row.network != previous else ""
        previous = row.network
        yield "| " + " | ".join((network, row.engine, *(cell.replace("*", r"\*") for cell in cells(row)))) + " |"
    for note in notes(rows):
        yield f"\n\\* {note}"


def chart(rows: Sequence[Figures]) -> Figure:
    """Draw one small bar chart for each network (across) and figure (down); an engine without a figure has no bar."""
    networks, engines = (
        list(dict.fromkeys(names)) for names in zip(*((r.network, r.engine) for r in rows), strict=True)
    )
    found = {(row.network, row.engine): row for row in rows}
    figure = Figure(figsize=(2 * len(networks) + 0.5, 5), layout="constrained")
    panels = figure.subplots(3, len(networks), squeeze=False)
    for across, network in enumerate(networks):
        mine = [found.get((network, engine)) for engine in engines]
        panels[0][across].set_title(network, loc="left", fontsize=9, color=figures.INK)
        for axes, value in zip(panels[:, across], (_millions, _ram, _flash), strict=True):
            _bars(axes, [None if row is None else value(row) for row in mine])
    for axes, label in zip(panels[:, 0], ("M instructions", "RAM KB", "flash KB"), strict=True):
        axes.set_ylabel(label, fontsize=9, color=figures.INK)
    recorded = {row.engine for row in rows if row.source == "recorded"}
    labels = [f"{engine} (recorded)" if engine in recorded else engine for engine in engines]
    handles = [Patch(color=colour) for colour in COLOURS[: len(engines)]]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(engines), frameon=False, fontsize=9)
    return figure


def _millions(row: Figures) -> float | None:
    return None if row.instructions is None else row.instructions / 1e6


def _ram(row: Figures) -> float | None:
    return None if row.ram_bytes is None else row.ram_bytes / 1e3


def _flash(row: Figures) -> float | None:
    if row.code_bytes is None or row.constant_bytes is None:
        return None
    return (row.code_bytes + row.constant_bytes) / 1e3


def _bars(axes: Axes, values: Sequence[float | None]) -> None:
    """Draw horizontal bars, the first engine's on top, each with its value."""
    largest = max((value for value in values if value is not None), default=1)
    for place, (value, colour) in enumerate(zip(values, COLOURS, strict=False)):
        axes.barh(place, value or 0, color=colour, height=0.8)
        text = "-" if value is None else f"{value:#.3g}" if value < 100 else f"{value:.0f}"
        axes.text((value or 0) + largest / 40, place, text, va="center", fontsize=8, color=figures.INK)
    axes.set(xlim=(0, 1.3 * largest), ylim=(len(values) - 0.5, -0.5), xticks=[], yticks=[])
    for side, spine in axes.spines.items():
        spine.set_visible(side == "left")
        spine.set_color(figures.MUTED)
