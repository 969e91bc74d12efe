"""A model and its C: what it costs, compiling it, verifying it, exporting it to the firmware."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tinyscene.cli.options import (
    OUT_FOLDER,
    BundleArgument,
    JsonOption,
    ModelArgument,
    OptimizeOption,
    Runtime,
    boards_like,
)
from tinyscene.errors import ConfigError
from tinyscene.networks import NETWORKS


def complexity(
    model: Annotated[str, typer.Argument(help=f"A bundle, a .tflite file, or a network: {', '.join(NETWORKS)}.")],
    as_json: JsonOption = None,
) -> None:
    """Count parameters and MACs of each layer, the true ones and NeSsi's, and check the challenge's limits."""
    from tinyscene.compiler import complexity

    raise typer.Exit(complexity.report(model, as_json))


def compile_(
    model: ModelArgument,
    out: Annotated[Path, typer.Option(help="Folder for the C sources.", callback=OUT_FOLDER)],
    optimize: OptimizeOption = "memory",
) -> None:
    """Compile an INT8 .tflite model to C11 with a static arena, and print its memory plan."""
    from tinyscene.compiler import pipeline as compiler

    compiler.report(model, out, optimize)


def verify(
    model: ModelArgument,
    board: Annotated[
        Literal["host", "mps2"], typer.Option(help="Where the C runs: this machine, or the emulated board.")
    ] = "host",
    vectors: Annotated[int, typer.Option(min=1, help="Number of random inputs to compare.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the inputs.")] = 1,
    optimize: OptimizeOption = "memory",
    runtime: Annotated[
        Runtime,
        typer.Option(help="engine: the compiled C; tflm: TensorFlow Lite Micro, from the package tflite-micro."),
    ] = "engine",
    as_json: JsonOption = None,
) -> None:
    """Compare the compiled C, or TensorFlow Lite Micro, with TensorFlow Lite's reference kernels, byte for byte."""
    if runtime == "engine":
        from tinyscene.compiler import verify

        raise typer.Exit(verify.report(model, board, vectors, seed, as_json, optimize))
    if (board, optimize) != ("host", "memory"):
        raise ConfigError("--runtime tflm is verified on the host and has no --optimize; drop --board and --optimize")
    from tinyscene.tflm import verify as verify_tflm

    raise typer.Exit(verify_tflm.report(model, vectors, seed, as_json))


def export(
    bundle: BundleArgument,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the C sources; default: firmware/generated.", callback=OUT_FOLDER)
    ] = None,
    optimize: OptimizeOption = "memory",
    runtime: Annotated[Runtime, typer.Option(help="engine, or tflm: TensorFlow Lite Micro.")] = "engine",
    kernels: Annotated[Literal["cmsis-nn", "tinyscene"], typer.Option(help="Kernels of tflm.")] = "cmsis-nn",
) -> None:
    """Generate the firmware's C (model, front end, labels, identity) from a bundle."""
    from tinyscene.firmware import export

    export.report(bundle, out, optimize, runtime, kernels)


def at_rate(
    bundle: BundleArgument,
    rate: Annotated[int, typer.Argument(help="Hz, such as 41667, the fastest of the nRF52840's microphone interface.")],
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.", callback=OUT_FOLDER)],
) -> None:
    """Write a bundle of the same network for sound sampled at another rate, without training."""
    from tinyscene.bundle import at_rate as at_rate_bundle

    at_rate_bundle.report(bundle, rate, out)


def size(
    boards: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BOARD]...", autocompletion=boards_like, help="mps2, stm32l496, nano33ble; default: what is built."
        ),
    ] = None,
) -> None:
    """Show what takes the flash and the RAM of built images, by group, and how much stack they can need."""
    from tinyscene.firmware import sizes

    sizes.report(boards or [])
