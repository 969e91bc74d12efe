"""Tables of finished rows: with the thesis's figures next to ours, or with differences from a reference row."""

from typing import Any

from rich.table import Table

from tinyscene.evaluation import ROUNDING
from tinyscene.experiments.rows import Row
from tinyscene.training import FULL

SHOWN = {  # heading, factor, decimals
    "log_loss": ("log loss", *ROUNDING["log_loss"]),
    "accuracy": ("accuracy, %", *ROUNDING["accuracy"]),
}


def draw(rows: list[Row], results: list[dict[str, Any]]) -> Table:
    """Return the table of results of `experiment_run.run`, which have `compared` if the rows have a reference."""
    if rows[0].reference is None:
        return _beside_thesis(rows, results)
    return _beside_reference(rows, results)


def _beside_thesis(rows: list[Row], results: list[dict[str, Any]]) -> Table:
    drawn = Table("row", title=rows[0].table_title)
    for name in ("thesis", "here", "95 %", "accuracy"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("scale")
    for row, result in zip(rows, results, strict=True):
        low, high = result["intervals"]["log_loss"]
        drawn.add_row(
            row.title,
            "" if row.thesis_log_loss is None else f"{row.thesis_log_loss:.3f}",
            f"{result['log_loss']:.3f}",
            f"{low:.2f} to {high:.2f}",
            f"{100 * result['accuracy']:.1f} %",
            result["scale"],
        )
    return drawn


def _beside_reference(rows: list[Row], results: list[dict[str, Any]]) -> Table:
    with_thesis = any(row.thesis_log_loss is not None for row in rows)
    scaled = any(result["scale"] != FULL for result in results)
    reference = rows[0].reference
    done = all(result["compared"] or row.name == reference for row, result in zip(rows, results, strict=True))
    caption = f"paired differences from {reference}, 95 %" if done else f"no differences: {reference} is not done"
    drawn = Table("row", title=rows[0].table_title, caption=caption)
    if with_thesis:
        drawn.add_column("thesis", justify="right", no_wrap=True)
    for heading, _, _ in SHOWN.values():
        drawn.add_column(heading, justify="right")
        drawn.add_column("difference", justify="right", no_wrap=True)
    if scaled:
        drawn.add_column("scale")
    for row, result in zip(rows, results, strict=True):
        cells = [row.title]
        if with_thesis:
            cells.append("" if row.thesis_log_loss is None else f"{row.thesis_log_loss:.3f}")
        for score, (_, factor, decimals) in SHOWN.items():
            cells += [f"{factor * result[score]:.{decimals}f}", difference(result["compared"], score)]
        drawn.add_row(*cells, *([result["scale"]] if scaled else []))
    return drawn


def difference(compared: dict[str, Any] | None, score: str) -> str:
    """Return a difference of `Comparison.to_json` with its interval below it; nothing if there is none."""
    if compared is None:
        return ""
    _, factor, decimals = SHOWN[score]
    bounds = (compared["difference"][score], *compared["intervals"][score])
    value, low, high = (f"{factor * bound:+.{decimals}f}" for bound in bounds)
    return f"{value}\n{low} to {high}"
