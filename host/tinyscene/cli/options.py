"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the result to this file as JSON.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Cores to use; default: all.")]
OptimizeOption = Annotated[
    str, typer.Option(help="memory, or speed: fewer instructions for more flash and RAM (docs/ENGINE.md).")
]
PortOption = Annotated[str, typer.Option(help="pyserial URL: /dev/ttyACM0, socket://127.0.0.1:PORT, ...")]
DataOption = Annotated[Path, typer.Option(help="Data set in the TAU layout (meta.csv, evaluation_setup, audio).")]
DataArgument = Annotated[Path, typer.Argument(help="Data set in the TAU layout.")]
