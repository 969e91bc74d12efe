"""The result of `metrics.score` as tables for a terminal: totals, per scene, per device, and the confusion matrix."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def render_scores(scores: Mapping[str, Any], title: str = "scores") -> RenderableType:
    """Return the tables of one result, for `console.print`.

    Args:
        scores: result of `metrics.score`.
        title: heading of the totals, such as "INT8 on fold1_evaluate.csv".
    """
    totals = Text(f"{title}: {scores['clips']} clips, {_summary(scores)}", style="bold")
    return Group(
        totals,
        _groups("scene", scores["per_scene"]),
        _groups("device", {f"device {name}": group for name, group in scores["per_device"].items()}),
        _confusion(scores["classes"], scores["confusion"]),
    )


def _summary(scores: Mapping[str, Any]) -> str:
    return f"accuracy {scores['accuracy']:.2%}, log loss {scores['log_loss']:.3f}"


def _groups(heading: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(heading)
    for name in ("clips", "accuracy", "log loss"):
        table.add_column(name, justify="right")
    for name, group in groups.items():
        table.add_row(name, str(group["clips"]), f"{group['accuracy']:.1%}", f"{group['log_loss']:.3f}")
    return table


def _confusion(classes: list[str], counts: list[list[int]]) -> Table:
    """One row per true scene; columns are numbered, as ten names do not fit a terminal."""
    table = Table("true \\ predicted", title="confusion", title_justify="left")
    for number in range(len(classes)):
        table.add_column(str(number), justify="right")
    for number, (name, row) in enumerate(zip(classes, counts, strict=True)):
        cells = [
            Text(str(count) if count else "·", style="bold green" if column == number else "")
            for column, count in enumerate(row)
        ]
        table.add_row(f"{number} {name}", *cells)
    return table
