"""CMSIS-Packs: `tinyscene packs`."""

from typing import Annotated

import typer

from tinyscene.cli.options import JsonOption

app = typer.Typer(no_args_is_help=True, help="CMSIS-Packs for firmware with TensorFlow Lite Micro.")


@app.command("install")
def packs_install(
    place: Annotated[
        str | None,
        typer.Option("--from", help="Index (URL), or folder of .pack files or unpacked packs; default: their vendors."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Reinstall packs that are already installed.")] = False,
    pin: Annotated[bool, typer.Option("--pin", help="Write the packs' hashes into packs.toml (maintainers).")] = False,
) -> None:
    """Fetch the pinned packs into the user's cache and verify them; the same command resumes."""
    from tinyscene.tflm.packs import install

    install.run(place, force, pin)


@app.command("list")
def packs_list() -> None:
    """Show which packs are installed, where they came from, and what was verified."""
    from tinyscene.tflm.packs import report as packs_report

    raise typer.Exit(packs_report.list_packs())


@app.command("files")
def packs_files(
    as_json: JsonOption = None,
) -> None:
    """Print the files of the packs that make up TensorFlow Lite Micro for a Cortex-M4."""
    from tinyscene.tflm.packs import report as packs_report

    packs_report.list_files(as_json)
