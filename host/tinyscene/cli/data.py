"""Clips: `tinyscene data`, and the features of data sets."""

from pathlib import Path
from typing import Annotated

import typer

from tinyscene import places
from tinyscene.cli.options import (
    OUT_FOLDER,
    DataArgument,
    Frontend,
    JsonOption,
    WorkersOption,
    bundle_option,
    file_such_as,
)
from tinyscene.errors import ConfigError
from tinyscene.frontend import Preset

app = typer.Typer(no_args_is_help=True, help="Validate a data set, or make a synthetic one.")


@app.command("check")
def check(data: DataArgument, as_json: JsonOption = None) -> None:
    """Count scenes, devices, cities and folds, and list every defect with its line."""
    from tinyscene.data import check as dataset_check

    raise typer.Exit(dataset_check.report(data, as_json))


@app.command("synth")
def synth(
    data: Annotated[Path, typer.Argument(help="Folder of the new data set.", callback=OUT_FOLDER)],
    clips_per_scene: Annotated[int, typer.Option(min=10, help="Number of clips of each of the ten scenes.")] = 60,
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 1,
) -> None:
    """Write a ten-scene data set made from DSP primitives, in the TAU layout."""
    from tinyscene.data import synth as synthesis

    synthesis.write_dataset(data, clips_per_scene=clips_per_scene, seed=seed)


def features_(
    data: DataArgument,
    split: Annotated[str | None, typer.Option(help="Only this list: a path, or a name in evaluation_setup.")] = None,
    preset: Annotated[Preset | None, typer.Option(help="Front end: a preset; default: p1.")] = None,
    bundle: Annotated[Path | None, bundle_option("Front end: that of this bundle.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Front end: that of this training run (TOML).", callback=file_such_as(places.CONFIGURATION)),
    ] = None,
    frontend: Annotated[
        Frontend, typer.Option(help="c: the firmware's front end compiled for the host; or librosa.")
    ] = "c",
    workers: WorkersOption = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler, tcp://HOST:8786, whose workers do the work instead.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only measure the speed, and that of plain librosa, on some clips.")
    ] = False,
    clips: Annotated[int, typer.Option(min=1, help="With --estimate: number of clips, evenly spread.")] = 200,
    as_json: JsonOption = None,
) -> None:
    """Compute the features of a data set before training; the same command resumes."""
    if scheduler is not None and (estimate or workers is not None):
        raise ConfigError("--scheduler brings its own workers; drop --workers and --estimate, or drop --scheduler")
    from tinyscene.bench import feature_speed
    from tinyscene.cli import frontend_choice
    from tinyscene.frontend import report as feature_report

    chosen = frontend_choice.choose_frontend(preset, bundle, config)
    if estimate:
        feature_speed.report(data, split, chosen, clips, workers, as_json)
    else:
        feature_report.report(data, split, chosen, frontend, workers, scheduler, as_json)
