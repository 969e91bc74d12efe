"""The tables of the thesis, and the search for networks beyond it."""

from pathlib import Path
from typing import Annotated

import typer

from tinyscene import places
from tinyscene.cli.options import (
    OUT_FILE,
    OUT_FOLDER,
    DataOption,
    JsonOption,
    ResponsesOption,
    file_such_as,
)
from tinyscene.console import console

RunsOption = Annotated[
    Path, typer.Option(help="Folder of the runs; the same command resumes there.", callback=OUT_FOLDER)
]

app = typer.Typer(no_args_is_help=True, help="Run the thesis's tables and compare its figures with ours.")


@app.command("list")
def experiment_list() -> None:
    """List all tables and their rows."""
    from tinyscene.experiments import rows as experiment

    for table in experiment.tables():
        rows = experiment.find(table)
        console.print(f"{table}: {rows[0].table_title}")
        for row in rows:
            console.print(f"  {table}/{row.name}: {row.title}")


@app.command("run")
def experiment_run(
    name: Annotated[str, typer.Argument(help="A table, or one row of it: table/row.")],
    data: DataOption,
    out: RunsOption = Path("runs/experiments"),
    impulse_responses: ResponsesOption = None,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Minutes of training a row: narrower teachers, fewer epochs; default: as in the thesis."
        ),
    ] = None,
    as_json: JsonOption = None,
) -> None:
    """Train and score a row or a whole table, and print it with the thesis's figures; finished rows are not rerun."""
    from tinyscene.experiments import rows

    rows.find(name)  # before Keras is imported: a mistake in it is said at once
    from tinyscene.experiments import experiment_run

    experiment_run.report(name, data, impulse_responses, out, budget, as_json)


@app.command("augmentations")
def augmentations(
    out: Annotated[Path, typer.Argument(help="PNG file.", callback=OUT_FILE)],
    impulse_responses: ResponsesOption = None,
) -> None:
    """Draw the effect of each augmentation on one clip."""
    from tinyscene.experiments import augmentation_figure

    augmentation_figure.write(out, impulse_responses)


def search(
    config: Annotated[Path, typer.Argument(help="TOML file of the search.", callback=file_such_as(places.SEARCH))],
    data: DataOption,
    out: RunsOption = Path("runs/search"),
    figure: Annotated[Path | None, typer.Option(help="SVG file for the fronts.", callback=OUT_FILE)] = None,
    as_json: JsonOption = None,
) -> None:
    """Try the networks that CONFIG (TOML) lists, in rounds, and print the front of accuracy, instructions and RAM."""
    from tinyscene.experiments import search_run

    search_run.report(config, data, out, as_json, figure)
