"""The figures of a run: learning curves and confusion matrices, as files and as drawings that follow a page's theme."""

import html
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tinyscene import files

matplotlib.rcParams["text.parse_math"] = False  # names of classes are text, whatever is in them

History = Sequence[Mapping[str, Any]]
"""One line of history.jsonl per epoch: epoch, learning_rate, loss, val_log_loss, val_accuracy (None: no
validation clips), seconds."""


# By role. In a page each becomes the CSS variable of that name, so the values must differ from one another.
INK, MUTED, GRID = "#1b1b1a", "#5f5e5a", "#dddcd8"
FIRST, SECOND = "#2a6fc9", "#c9531f"
FILL, ON_FILL = "#2a6fca", "#ffffff"
ROLES = {"ink": INK, "muted": MUTED, "grid": GRID, "first": FIRST, "second": SECOND, "fill": FILL, "on-fill": ON_FILL}


def learning_curves(histories: Sequence[History], title: str, stacked: bool = False) -> Figure:
    """Draw loss, validation accuracy and learning rate over the epochs of one network.

    Args:
        histories: one for a single run, or one for each fold: then folds are thin lines and their mean a thick one.
        title: name of the network.
        stacked: whether the three lie below each other, for a narrow page, instead of side by side.
    """
    figure = Figure(figsize=(4, 8) if stacked else (10, 3), layout="constrained")
    loss, accuracy, rate = figure.subplots(3, 1) if stacked else figure.subplots(1, 3)
    _draw(loss, histories, "loss", FIRST, "training loss")
    _draw(loss, histories, "val_log_loss", SECOND, "validation log loss")
    loss.legend(frameon=False, labelcolor=INK, fontsize=8)
    _draw(accuracy, histories, "val_accuracy", SECOND, "validation accuracy", scale=100)
    _draw(rate, histories, "learning_rate", MUTED, "learning rate")
    rate.yaxis.set_major_formatter("{x:g}")
    for axes, label in ((loss, "loss (nats)"), (accuracy, "validation accuracy (%)"), (rate, "learning rate")):
        style(axes)
        axes.set_title(f"{title}: {label}", loc="left", fontsize=9, color=INK)
        axes.set_xlabel("epoch", color=MUTED, fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y", color=GRID, linewidth=0.8)
    return figure


def _draw(axes: Axes, histories: Sequence[History], key: str, colour: str, label: str, scale: float = 1) -> None:
    """Draw a curve for each history, and their mean; epochs without a value (no validation clips) are skipped."""
    curves = [
        np.array([(epoch["epoch"], scale * epoch[key]) for epoch in history if epoch[key] is not None]).reshape(-1, 2)
        for history in histories
    ]
    if not any(len(curve) for curve in curves):
        return
    thick: dict[str, Any] = {
        "color": colour,
        "linewidth": 2,
        "marker": "o" if len(curves[0]) < 3 else None,
        "markersize": 4,
    }
    if len(curves) == 1:
        axes.plot(*curves[0].T, label=label, **thick)
        return
    for curve in curves:
        axes.plot(*curve.T, color=colour, linewidth=0.8, alpha=0.45)
    shortest = min(map(len, curves))
    mean = np.mean([curve[:shortest] for curve in curves], axis=0)
    axes.plot(*mean.T, label=f"{label}, mean of folds", **thick)


def confusion(score: Mapping[str, Any], title: str) -> Figure:
    """Draw a confusion matrix in percent of each true scene.

    Args:
        score: scores with `confusion` [true][predicted] counts and `classes`, as `metrics.score` returns.
        title: name of what was scored.
    """
    counts = np.asarray(score["confusion"], float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [name.replace("_", " ") for name in score["classes"]]
    figure = Figure(figsize=(5.4, 5), layout="constrained")
    axes = figure.subplots()
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        if counts[row, column]:
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, color=FILL, alpha=0.06 + 0.94 * share, linewidth=0)
            )
            axes.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color=ON_FILL if share > 0.6 else INK,
            )
    style(axes)
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.set_xlabel("answer", color=MUTED, fontsize=8)
    axes.set_ylabel("true scene", color=MUTED, fontsize=8)
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    return figure


def reliability(tables: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw reliability diagrams side by side: accuracy against confidence, and how many clips are that confident.

    Args:
        tables: title -> result of `reliability.reliability`.
    """
    figure = Figure(figsize=(4.2 * len(tables), 4), layout="constrained")
    for axes, (title, table) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True):
        bins = table["bins"]
        clips = np.array([each["clips"] for each in bins])
        confidence, accuracy = (np.array([each[key] for each in bins]) for key in ("confidence", "accuracy"))
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8)
        axes.bar([each["above"] for each in bins], clips / clips.sum(), 0.1, align="edge", color=GRID)
        axes.plot(confidence, accuracy, color=FIRST, linewidth=2, marker="o", markersize=4)
        style(axes)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_title(f"{title}: calibration error {table['ece']:.3f}", loc="left", fontsize=9, color=INK)
        axes.set_xlabel("confidence", color=MUTED, fontsize=8)
        axes.set_ylabel("accuracy; bars: share of clips", color=MUTED, fontsize=8)
    return figure


def style(axes: Axes) -> None:
    """Give axes the colours of the roles, and only the lines that carry numbers."""
    axes.set_facecolor("none")
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GRID)


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG on white, replacing `path` in one step."""
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=160, facecolor="white")


def save_svg(figure: Figure, path: Path, description: str) -> None:
    """Write a figure as SVG on white, with text as text, replacing `path` in one step; same drawing, same bytes.

    Args:
        figure: the drawing.
        path: file to write.
        description: title of the drawing, for readers who cannot see it.
    """
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": description}),
        files.replacing(path) as temporary,
    ):
        figure.savefig(temporary, format="svg", facecolor="white", metadata={"Title": description, "Date": None})


def svg(figure: Figure, description: str) -> str:
    """Return a figure as an `<svg>` element that follows the colours and fonts of its page.

    Args:
        figure: the drawing.
        description: what it shows, in words, for readers who cannot see it.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": description, "svg.id": None}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for role, colour in ROLES.items():
        text = text.replace(colour, f"var(--{role})")
    text = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[a-z0-9.]+_\d+"', "", text)  # nothing refers to these, and two figures would share them
    text = re.sub(r" font-family: [^;\"]*;", "", text)
    label = html.escape(description)
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg \1 role="img" aria-label="{label}">', text, count=1)
