"""Show what a board streams: from its microphone, or from a file that is played to it."""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tinyscene.console import console, error_console, printable
from tinyscene.device.board import Board
from tinyscene.device.description import DeviceInfo
from tinyscene.device.link import Link
from tinyscene.device.messages import Source, StreamOptions, parse_probabilities
from tinyscene.device.monitor import read_audio
from tinyscene.errors import ConfigError
from tinyscene.firmware import MAX_SMOOTHING

MAX_GAIN_DB = 20.0
_POLL_SECONDS = 0.2


@dataclasses.dataclass(frozen=True)
class Wishes:
    """The user's settings of a stream.

    Attributes:
        every: seconds from one result to the next; None: whole clips, one after the other.
        smoothing: number of results whose mean is shown.
        reject: percent that the most probable class must reach.
        gain: gain of the microphone, in decibels relative to the board's usual one.
    """

    every: float | None = None
    smoothing: int = 1
    reject: int = 0
    gain: float = 0.0

    def options(self, source: Source, board: DeviceInfo) -> StreamOptions:
        """Return the options to send to a board.

        Raises:
            ConfigError: a setting that no board supports.
        """
        if not 1 <= self.smoothing <= MAX_SMOOTHING:
            raise ConfigError(f"cannot smooth over {self.smoothing} results; choose 1 to {MAX_SMOOTHING}")
        if abs(self.gain) > MAX_GAIN_DB:
            raise ConfigError(f"the gain of {self.gain:g} dB is beyond the microphone's; choose -20 to 20")
        hop = 0
        if self.every is not None:
            columns_a_second = (board.frames - 1) * board.sample_rate / board.clip_samples
            hop = max(1, round(self.every * columns_a_second))
            if hop > 0xFFFF:
                raise ConfigError(
                    f"a result every {self.every:g} s is too rare; choose at most {0xFFFF / columns_a_second:.0f}"
                )
        return StreamOptions(source, hop, self.smoothing, self.reject, round(2 * self.gain))


def stream(port: str, audio: Path | None, microphone: bool, wishes: Wishes, seconds: float | None) -> None:
    """Show what a board streams: bars on a terminal, else its lines as they come.

    Args:
        port: pyserial URL of the board.
        audio: file to play to the board, as fast as the board takes it.
        microphone: whether the board should listen to its microphone. Without file and microphone, a stream that is
            already in progress is shown.
        wishes: the user's settings.
        seconds: duration of the display; None: to the end of the file, or until Ctrl-C.

    Raises:
        ConfigError: both a file and the microphone, or impossible settings.
        LinkError: no answer, or the board cannot stream this way.
    """
    if audio and microphone:
        raise ConfigError("--audio and --microphone exclude each other; choose one of them")
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    with _screen() as show, Link(port, on_text=show) as link:
        board = Board(link)
        if audio:
            samples = read_audio(audio, board.info.sample_rate, board.info.clip_samples)
            with contextlib.closing(board.stream(samples, wishes.options(Source.SERIAL, board.info))) as playing:
                for _ in playing:
                    if time.monotonic() >= deadline:
                        break
            return
        options = wishes.options(Source.MICROPHONE, board.info)
        with board.listening(options) if microphone else contextlib.nullcontext():
            error_console.print(f"listening to {board.info.board}; Ctrl-C ends it")
            while (left := deadline - time.monotonic()) > 0:
                link.poll(min(left, _POLL_SECONDS))


class _Screen:
    """Receives text lines; on a terminal, results become bars, with the line about the stream below them."""

    def __init__(self, live: Live | None) -> None:
        self._live = live
        self._bars: RenderableType = ""

    def __call__(self, line: str) -> None:
        if self._live is None:
            print(line, flush=True)  # as it came: rich would expand the tabs
        elif values := parse_probabilities(line):
            self._bars = _bars(values)
            self._live.update(self._bars, refresh=True)
        elif line.startswith("# scene="):
            self._live.update(Group(self._bars, Text(printable(line.removeprefix("# ")))), refresh=True)
        else:
            console.print(line, soft_wrap=True)


@contextlib.contextmanager
def _screen() -> Iterator[_Screen]:
    if not console.is_terminal:
        yield _Screen(None)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield _Screen(live)


def _bars(values: dict[str, float]) -> Table:
    table = Table.grid(padding=(0, 1))
    for label, value in values.items():
        table.add_row(label, ProgressBar(total=1.0, completed=value, width=40), f"{value:4.0%}")
    return table
