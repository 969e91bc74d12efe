"""Measurements: of networks and front ends on the emulated board, of boards, and of the two runtimes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tinyscene.cli.options import (
    OUT_FOLDER,
    BundleArgument,
    ClipsOption,
    DataArgument,
    DataOption,
    FormerBundle,
    JsonOption,
    SplitOption,
    bundle_option,
    former_bundle,
)

frontend_app = typer.Typer(no_args_is_help=True, help="Compare the C front end with librosa, and at other rates.")


def bench(
    as_json: JsonOption = None,
    docs: Annotated[bool, typer.Option("--docs", help="Update the figures in docs/RESULTS.md.")] = False,
) -> None:
    """Count instructions, RAM and flash of networks on the emulated board, for our engine and for peers."""
    from tinyscene.bench import run as bench_run

    bench_run.report(as_json, docs)


def cycles(
    bundle: Annotated[Path | None, bundle_option("Build the images for this bundle first.")] = None,
    board: Annotated[Literal["stm32l496", "nano33ble"] | None, typer.Option(help="Default: both.")] = None,
    as_json: JsonOption = None,
    former: FormerBundle = None,
) -> None:
    """Estimate cycles and milliseconds of a clip on the boards, by running the built images on models of them."""
    former_bundle(former)
    from tinyscene.cycles import estimate

    estimate.report(bundle or former, board, as_json)


@frontend_app.command("check")
def frontend_check(
    data: DataArgument,
    clips: ClipsOption = 200,
) -> None:
    """Compare the C front end with librosa on clips, preset by preset, and count its instructions."""
    from tinyscene.bench import frontend_check

    frontend_check.report(data, clips)


@frontend_app.command("rates")
def frontend_rates(
    data: DataArgument,
    bundle: Annotated[Path | None, bundle_option("Bundle to compare; default: models/student.")] = None,
    split: Annotated[str | None, typer.Option(help="List in evaluation_setup, or a path; default: all clips.")] = None,
) -> None:
    """Compare a bundle with itself at other sampling rates: features, and predictions."""
    from tinyscene.bench import rate_check

    rate_check.report(data, bundle, split)


@frontend_app.command("golden")
def frontend_golden(
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default: tests/golden.", callback=OUT_FOLDER)
    ] = None,
) -> None:
    """Write the golden vectors that the tests compare librosa, the host's C and the board's C with."""
    from tinyscene.frontend import golden

    golden.write(out)


def compare_runtimes(
    bundle: BundleArgument,
    data: DataOption,
    split: SplitOption,
    clips: ClipsOption = 200,
) -> None:
    """Send clips to the emulated boards mps2 and mps2_tflm, and report which outputs and operators differ."""
    from tinyscene.bench import tflm_compare

    raise typer.Exit(tflm_compare.report(bundle, data, split, clips))


def results() -> None:
    """Update the accuracy tables and the figure of the search in docs/RESULTS.md."""
    from tinyscene.report import results

    results.write()
