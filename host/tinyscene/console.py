"""The command line's only rich console, and the progress bar of every long command."""

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

# Paths and names come from users, bundles and boards: what is in brackets is text; style goes into rich's Text.
console = Console(markup=False, emoji=False)
error_console = Console(stderr=True, markup=False, emoji=False)


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
