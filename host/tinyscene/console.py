"""The one rich console of the command line, and the progress bar that every long verb uses."""

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

console = Console()
error_console = Console(stderr=True)


def progress_bar(disable: bool = False) -> Progress:
    """Return a progress display with counts, elapsed and remaining time, on standard error; `disable` draws none."""
    return Progress(
        TextColumn("{task.description}"),
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
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=error_console,
    )
