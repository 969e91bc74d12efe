"""The command `tinyscene`: its verbs in the order of the work, and how errors are shown."""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tinyscene.cli import data, device, measuring, models, packs, thesis, training
from tinyscene.cli.options import hint
from tinyscene.console import console, error_console
from tinyscene.errors import TinysceneError

INTERRUPTED = 130  # typer's exit code after Ctrl-C

Verb = Callable[..., None] | typer.Typer


def doctor() -> None:
    """Show what is installed, what is missing and how to get it."""
    from tinyscene.cli import doctor

    raise typer.Exit(doctor.report())


# What `tinyscene --help` shows, panel by panel: the usual path first.
VERBS: dict[str, dict[str, Verb]] = {
    "From clips to a board": {
        "doctor": doctor,
        "data": data.app,
        "features": data.features_,
        "train": training.train,
        "evaluate": training.evaluate,
        "report": training.report,
        "export": models.export,
        "emulate": device.emulate,
        "device": device.app,
    },
    "A model and its C": {
        "complexity": models.complexity,
        "compile": models.compile_,
        "verify": models.verify,
        "size": models.size,
        "at-rate": models.at_rate,
        "card": training.card,
        "packs": packs.app,
    },
    "Measuring": {
        "compare": training.compare,
        "microphones": training.microphones,
        "bench": measuring.bench,
        "cycles": measuring.cycles,
        "frontend": measuring.frontend_app,
        "compare-runtimes": measuring.compare_runtimes,
        "results": measuring.results,
    },
    "The thesis, and beyond it": {
        "experiment": thesis.app,
        "search": thesis.search,
    },
}
_ORDER = [name for verbs in VERBS.values() for name in verbs]


# Spellings that still work, by verb: an option, and what it is now; BUNDLE: the verb's first argument.
OLD: dict[str, dict[str, str]] = {
    "features": {"--engine": "--frontend"},
    "verify": {"--on": "--board"},
    "emulate": {"--engine": "--emulator", "--port": "--tcp-port"},
    "device evaluate": {"--bundle": "BUNDLE", "--limit": "--clips"},
    "device profile": {"--plot": "--figure"},
    "packs files": {"--json": "--json -"},  # it was a flag
}
# Verbs that go on where Ctrl-C stopped them; the others start again.
RESUMING = frozenset({"features", "train", "experiment run", "search", "device evaluate", "packs install"})


def verb_of(words: Sequence[str]) -> str:
    """Return the verb that a command line names, such as "device info"; "" if none."""
    names = [word for word in words if not word.startswith("-")]
    found = (
        next((verb for verbs in VERBS.values() for name, verb in verbs.items() if name == names[0]), None)
        if names
        else None
    )
    return " ".join(names[: 2 if isinstance(found, typer.Typer) else 1]) if found else ""


def modern(words: list[str]) -> list[str]:
    """Return a command line with its old spellings replaced, each with a hint on standard error."""
    old, new = OLD.get(verb_of(words), {}), []
    for position, word in enumerate(words):
        option, equals, value = word.partition("=")
        if "--" in words[:position] or option not in old:
            new.append(word)
            continue
        now = old[option]
        if now == "--json -":
            following = words[position + 1 : position + 2]
            is_file = equals or (following and (following == ["-"] or not following[0].startswith("-")))
            new += [word] if is_file else now.split()
            if is_file:
                continue
        elif now == "BUNDLE":
            new += [value] if equals else []
        else:
            new.append(f"{now}{equals}{value}")
        hint(option, now)
    return new


class _InOrder(TyperGroup):
    """Shows verbs and groups of verbs in the order of VERBS, not the verbs before the groups; takes old spellings."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if ctx.resilient_parsing else modern(args))

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=_ORDER.index)


app = typer.Typer(
    cls=_InOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Acoustic scene classification on microcontrollers: from a folder of clips to a board that classifies."""
    if version:
        from tinyscene import __version__

        console.print(f"tinyscene {__version__}")
        raise typer.Exit


for panel, verbs in VERBS.items():
    for name, verb in verbs.items():
        if isinstance(verb, typer.Typer):
            app.add_typer(verb, name=name, rich_help_panel=panel)
        else:
            app.command(name, rich_help_panel=panel)(verb)


def main() -> None:
    """Run the command line; expected errors become one sentence and exit code 1, Ctrl-C exits with 130."""
    try:
        app(prog_name="tinyscene")
    except TinysceneError as error:
        error_console.print(f"error: {error}", style="red", soft_wrap=True)
        sys.exit(1)
    except SystemExit as leaving:
        if leaving.code == INTERRUPTED:
            resumes = verb_of(sys.argv[1:]) in RESUMING
            error_console.print("stopped; run the same command to resume" if resumes else "stopped")
        raise


def moved(*verb: str) -> None:
    """Run the verb that has replaced a `python -m` module, and print its name."""
    error_console.print(f"this is now: tinyscene {' '.join(verb)}")
    sys.argv[1:1] = verb
    main()
