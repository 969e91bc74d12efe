"""Training: runs and their bundles, their scores, and the reports about them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tinyscene import places
from tinyscene.cli.options import (
    FOLDER,
    OUT_FOLDER,
    RUN,
    BundleArgument,
    DataOption,
    Frontend,
    JsonOption,
    RunArgument,
    SplitOption,
    WorkersOption,
    file_such_as,
)
from tinyscene.console import console


def train(
    config: Annotated[Path, typer.Argument(help="TOML file of the run.", callback=file_such_as(places.CONFIGURATION))],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Bundle to write, such as models/student.", callback=OUT_FOLDER)],
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run; default: runs/NAME of the bundle.", callback=OUT_FOLDER)
    ] = None,
    fold: Annotated[int | None, typer.Option(help="Train on this fold only, whatever the configuration says.")] = None,
) -> None:
    """Train, distil, quantise and bundle according to CONFIG (TOML); the same command resumes an interrupted run."""
    from tinyscene.training import config as configuration

    configuration.load(config)  # before Keras is imported: a mistake in it is said at once
    from tinyscene.training import run as training_run

    training_run.run(config, data, out, run, fold)


def evaluate(
    bundle: BundleArgument,
    data: DataOption,
    split: SplitOption,
    frontend: Annotated[
        Frontend, typer.Option(help="librosa, or c: the firmware's front end compiled for the host.")
    ] = "librosa",
    workers: WorkersOption = None,
    as_json: JsonOption = None,
) -> None:
    """Score a bundle's INT8 model on a list of clips with TensorFlow Lite's reference kernels; report the speed."""
    from tinyscene.evaluation import scoring

    scoring.report(bundle, data, split, frontend, workers, as_json)


def report(run: RunArgument) -> None:
    """Write one HTML page about a run: curves, confusion, tables, complexity, and the board's figures."""
    from tinyscene.report import page as report_page

    console.print(f"report: {report_page.write(run)}")


def card(bundle: BundleArgument) -> None:
    """Write the model card of a bundle again, from the contents of its folder."""
    from tinyscene.training import model_card

    model_card.rewrite(bundle)


def compare(
    run_a: Annotated[Path, typer.Argument(help="Folder of a cross-validated run.", callback=RUN)],
    run_b: Annotated[Path, typer.Argument(help="Folder of another one, on the same clips.", callback=RUN)],
    data: DataOption,
    kind: Annotated[Literal["int8", "float"], typer.Option(help="Which predictions.")] = "int8",
    as_trained: Annotated[
        bool, typer.Option("--as-trained", help="Keep the logits as they are: no temperature of the other folds.")
    ] = False,
    as_json: JsonOption = None,
) -> None:
    """Compare two runs clip by clip on the test clips of their folds, with intervals over locations."""
    from tinyscene.training import compare_runs

    compare_runs.report(run_a, run_b, data, kind, as_json, calibrate=not as_trained)


def microphones(
    run: RunArgument,
    data: DataOption,
    impulse_responses: Annotated[
        Path, typer.Option(help="Folder of microphones' impulse responses (MicIRP).", callback=FOLDER)
    ],
    count: Annotated[int, typer.Option(min=1, help="Number of microphones to draw.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same microphones.")] = 1,
    as_json: JsonOption = None,
) -> None:
    """Score a run's test clips as they are and through microphones that its training did not hear."""
    from tinyscene.experiments import unheard_microphones

    unheard_microphones.report(run, data, impulse_responses, count, seed, as_json)
