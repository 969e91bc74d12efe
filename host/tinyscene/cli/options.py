"""Options that several verbs share: one word a thing (docs/COMMANDS.md), and what each must name.

What a path is, is looked at while the command line is read: a mistake is said before anything heavy is imported.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tinyscene import places
from tinyscene.console import console, error_console
from tinyscene.paths import REPOSITORY

Frontend = Literal["librosa", "c"]
Optimize = Literal["memory", "speed"]
Runtime = Literal["engine", "tflm"]


def checked(require: Callable[[Path], None]) -> Callable[[typer.Context, Any], Any]:
    """Return a callback that refuses a path, or one of several, by a function of `places`; None is left alone."""

    def check(context: typer.Context, value: Any) -> Any:
        if not context.resilient_parsing:  # the shell asks for completions
            for path in value if isinstance(value, list | tuple) else [value]:
                if path is not None:
                    require(path)
        return value

    return check


def file_such_as(example: str) -> Callable[[typer.Context, Any], Any]:
    """Return a callback that refuses what is no file; `example` says what to name instead."""
    return checked(lambda path: places.require_file(path, example))


def _json(context: typer.Context, value: Path | None) -> Path | None:
    """Refuse a folder; with "-", what people read goes to standard error, so that standard output is JSON only."""
    if value == Path("-") and not context.resilient_parsing:
        before, console.stderr = console.stderr, True
        context.call_on_close(lambda: setattr(console, "stderr", before))
    return OUT_FILE(context, value)


def bundles_like(incomplete: str) -> Iterator[str]:
    """Yield the bundles that a shell may complete: the one typed so far, and those in models/ and runs/."""
    beside = Path(incomplete).parent if "/" in incomplete else Path()
    folders = [
        *beside.glob("*/"),
        *Path("models").glob("*/"),
        *Path("runs").glob("*/"),
        *Path("runs").glob("*/bundle/"),
    ]
    yield from sorted({str(path) for path in folders if (path / places.BUNDLE_FILE).is_file()})


BUNDLE, MODEL = checked(places.require_bundle), checked(places.require_model)
RUN, DATA = checked(places.require_run), checked(places.require_data)
OUT_FOLDER, OUT_FILE = checked(places.require_out_folder), checked(places.require_out_file)

FOLDER = checked(lambda path: places.require_folder(path, "a folder of sound files"))

BundleArgument = Annotated[
    Path, typer.Argument(help="Folder of a bundle: models/student.", callback=BUNDLE, autocompletion=bundles_like)
]
# A bundle that was the first argument of a verb which can do without one, and is its --bundle now.
FormerBundle = Annotated[Path | None, typer.Argument(hidden=True, callback=BUNDLE, metavar="")]


def hint(old: str, new: str) -> None:
    """Say on standard error that an old spelling has a new one."""
    error_console.print(f"hint: {old} is now {new}", soft_wrap=True)


def former_bundle(bundle: Path | None) -> None:
    """Say how a bundle is named that was given as FormerBundle."""
    if bundle is not None:
        hint(f"BUNDLE without an option ({bundle})", "--bundle BUNDLE")


def boards_like(incomplete: str) -> list[str]:
    """Return the boards and images of boards (environments of platformio.ini) that begin so, for the shell."""
    sections = re.findall(r"^\[env:(\w+)\]", (REPOSITORY / "platformio.ini").read_text(), re.MULTILINE)
    return [name for name in sections if name.startswith(incomplete)]


def bundle_option(what: str) -> Any:
    """Return --bundle for a verb that can do without; `what` says what it is for and what the default is."""
    return typer.Option("--bundle", help=what, callback=BUNDLE, autocompletion=bundles_like)


RunArgument = Annotated[Path, typer.Argument(help="Folder of a training run: runs/student.", callback=RUN)]
ModelArgument = Annotated[
    Path, typer.Argument(help="A .tflite file or a bundle.", callback=MODEL, autocompletion=bundles_like)
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Also write the result to this file as JSON; -: print it.", callback=_json)
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Cores to use; default: all.")]
OptimizeOption = Annotated[
    Optimize, typer.Option(help="memory, or speed: fewer instructions for more flash and RAM (docs/ENGINE.md).")
]
PortOption = Annotated[str, typer.Option(help="pyserial URL: /dev/ttyACM0, socket://127.0.0.1:PORT, ...")]
DataOption = Annotated[
    Path, typer.Option(help="Data set in the TAU layout (meta.csv, evaluation_setup, audio).", callback=DATA)
]
DataArgument = Annotated[Path, typer.Argument(help="Data set in the TAU layout.", callback=DATA)]
SplitOption = Annotated[str, typer.Option(help="List in the TAU format: a path, or a name in evaluation_setup.")]
ClipsOption = Annotated[int, typer.Option(min=1, help="Clips to compare, evenly spread.")]
ResponsesOption = Annotated[
    Path | None,
    typer.Option(help="Folder of microphones' impulse responses (MicIRP), for what uses them.", callback=FOLDER),
]
