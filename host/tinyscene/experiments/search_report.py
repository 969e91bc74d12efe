"""The result of a search, for people: a table, a figure of the fronts, and whether anything beats the reference."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from tinyscene import figures
from tinyscene.console import console
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import SCORES, comparison
from tinyscene.experiments.table import SHOWN, difference

COSTS = {"instructions": ("M instructions", 1e6), "ram_bytes": ("RAM, KB", 1e3)}  # heading, divisor


def read(path: Path) -> dict[str, Any]:
    """Read the file that `tinyscene search --json` wrote.

    Raises:
        TinysceneError: the file is missing or damaged.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_bytes())
        "\n".join(lines(result))  # reads all that is shown
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise TinysceneError(
            f"{path} is not the result of a search ({error!r}); write it with `tinyscene search`"
        ) from error
    return result


def show(result: dict[str, Any]) -> None:
    """Print the last round's networks, what became of the others, and what beats the reference."""
    last, reference = finalists(result), result["reference"]
    title = f"{result['title']}: {result['epochs']} epochs, {result['clips']:,} clips of {result['data_set']}"
    caption = f"INT8; differences from {reference}: paired, 95 % over locations; * on the front of score and costs"
    table = Table("network", title=title, caption=caption)
    for heading in (*(heading for heading, _ in COSTS.values()), *(heading for heading, _, _ in SHOWN.values())):
        table.add_column(heading, justify="right")
    for each in last:
        table.add_row(*cells(each))
    console.print(table)
    for line in (*left_out(result), beaten(result)):
        console.print(line, soft_wrap=True)


def lines(result: dict[str, Any]) -> Iterator[str]:
    """Yield Markdown: a description of the search, and the last round's networks."""
    tried = [each for each in result["networks"] if each["rounds"]]
    yield (
        f"{result['title']}: of {len(result['networks'])} networks {len(tried)} were tried, the last ones for "
        f"{result['epochs']} epochs (INT8, {result['clips']:,} clips of {result['data_set']}, folds pooled and "
        "calibrated; instructions counted on the emulated board). Differences are from "
        f"`{result['reference']}`, clip by clip, with 95 % intervals over locations; * on the front of that score, "
        "instructions and RAM.\n"
    )
    columns = [*(heading for heading, _ in COSTS.values())]
    columns += [text for name in SCORES.values() for text in (name, f"{name}, difference")]
    yield f"| network | {' | '.join(columns)} |"
    yield "|---" + "|---:" * len(columns) + "|"
    for each in finalists(result):
        cells = [f"{each['cost'][key] / unit:.2f}" for key, (_, unit) in COSTS.items()]
        for score in SCORES:
            mark = " *" if score in each["front"] else ""
            cells += [
                comparison.shown(score, each["rounds"][-1][score]) + mark,
                comparison.paired_cell(each["compared"], score),
            ]
        yield f"| {each['title']} | {' | '.join(cells)} |"
    yield ""
    said = beaten(result)
    yield f"{said[0].upper()}{said[1:]}."


def finalists(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the networks of the last round, fewest instructions first."""
    last = [each for each in result["networks"] if len(each["rounds"]) == result["rounds"]]
    return sorted(last, key=lambda each: each["cost"]["instructions"])


def cells(network: dict[str, Any]) -> list[str]:
    """Return a network's row: title, costs, and scores with their differences."""
    row = [network["title"], *(f"{network['cost'][key] / unit:.2f}" for key, (_, unit) in COSTS.items())]
    for score, (_, factor, decimals) in SHOWN.items():
        mark = " *" if score in network["front"] else ""
        value = f"{factor * network['rounds'][-1][score]:.{decimals}f}{mark}"
        row.append(f"{value}\n{difference(network['compared'], score)}".strip())
    return row


def left_out(result: dict[str, Any]) -> list[str]:
    """Return a line for each network that costs too much to be tried, and for each that was tried and dropped."""
    lines = [f"not tried: {each['title']}: {each['refused']}" for each in result["networks"] if each["refused"]]
    last = finalists(result)
    for each in result["networks"]:
        if each["rounds"] and each not in last:
            tried = each["rounds"][-1]
            lines.append(
                f"dropped after {tried['epochs']} epochs: {each['title']}: log loss {tried['log_loss']:.3f}, "
                f"{each['cost']['instructions'] / 1e6:.2f} M instructions, {each['cost']['ram_bytes'] / 1e3:.1f} KB"
            )
    return lines


def beaten(result: dict[str, Any]) -> str:
    """Return a sentence on which networks are better than the reference in every score and cost, and how surely."""
    (reference,) = (each for each in result["networks"] if each["name"] == result["reference"])
    better = [
        each
        for each in finalists(result)
        if each["compared"]
        and all(each["cost"][key] < reference["cost"][key] for key in COSTS)
        and all(_gain(each["compared"], score) > 0 for score in SCORES)
    ]
    if not better:
        return f"none is better than {reference['title']} in accuracy, log loss, instructions and RAM"
    names = "; ".join(
        f"{each['title']} ({'shown' if any(each['compared']['differs'].values()) else 'intervals include zero'})"
        for each in better
    )
    return f"better than {reference['title']} in accuracy, log loss, instructions and RAM: {names}"


def _gain(compared: dict[str, Any], score: str) -> float:
    difference = float(compared["difference"][score])
    return -difference if score == "log_loss" else difference


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw differences from the reference against instructions and RAM; networks on a front are filled."""
    last = finalists(result)
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    for row, score in zip(figure.subplots(2, 2), SCORES, strict=True):
        for axes, (key, (heading, unit)) in zip(row, COSTS.items(), strict=True):
            _panel(axes, last, score, key, unit)
            axes.set_xlabel(heading, color=figures.MUTED, fontsize=8)
        row[0].set_ylabel(f"{SHOWN[score][0]}: difference from {result['reference']}", color=figures.MUTED, fontsize=8)
    names = [f"{number} {each['title']}" for number, each in enumerate(last, 1)]
    rows = ["      ".join(names[start : start + 3]) for start in range(0, len(names), 3)]
    figure.supxlabel("\n".join(rows), fontsize=8, color=figures.INK)
    figures.save_svg(figure, path, f"{result['title']}: accuracy and log loss against instructions and RAM")


def _panel(axes: Axes, networks: Sequence[dict[str, Any]], score: str, cost: str, unit: float) -> None:
    for number, each in enumerate(networks, 1):
        x, on_front = each["cost"][cost] / unit, score in each["front"]
        compared = each["compared"]
        bounds = (compared["difference"][score], *compared["intervals"][score]) if compared else (0.0, 0.0, 0.0)
        y, low, high = (SHOWN[score][1] * bound for bound in bounds)
        axes.plot([x, x], [low, high], color=figures.GRID, linewidth=2)
        fill = figures.FIRST if on_front else figures.ON_FILL
        axes.plot([x], [y], marker="o", markersize=7, color=fill, markeredgecolor=figures.FIRST)
        axes.annotate(str(number), (x, y), xytext=(6, 4), textcoords="offset points", fontsize=8, color=figures.INK)
    axes.axhline(0, color=figures.MUTED, linewidth=0.8)
    figures.style(axes)
