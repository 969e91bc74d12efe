"""The command line's only rich console, and the progress bar of every long command.

What is printed is text: names come from boards, bundles and data sets, and nothing in them is markup, or reaches the
terminal as a control sequence. Styles are arguments, or `rich.text.Text`.
"""

from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


def printable(text: str) -> str:
    """Return text with every character but line ends and tabs that is not printable as its escape, such as \\x1b."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text)


class _PlainConsole(Console):
    """Takes strings as they are."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **settings)

    def render_str(self, text: str, **settings: Any) -> Any:
        return super().render_str(printable(text), **settings)


console = _PlainConsole()
error_console = _PlainConsole(stderr=True)


def progress_bar(disable: bool = False) -> Progress:
    """Return a progress display with counts, elapsed and remaining time, on standard error; `disable` draws none."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=error_console,
        disable=disable,
    )


def transfer_bar() -> Progress:
    """Return a progress display for bytes that arrive, with their rate and the remaining time, on standard error."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=error_console,
    )
