"""Several boards that share the clips: a free board takes the next one, and a lost board's clip goes to another board.

One thread for each board; the predictions come out in the caller's thread, so that nothing else needs a lock.
"""

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from tinyscene.console import error_console
from tinyscene.device.board import Board, ForeignError
from tinyscene.device.link import RECONNECT_SECONDS, Link, RefusedError
from tinyscene.device.messages import Inference
from tinyscene.errors import LinkError

OWN_RECONNECT_SECONDS = 1.0  # time that a link waits for its port by itself, if other boards can continue meanwhile
RETRY_SECONDS = 0.5  # time between two attempts to find a lost board again
FRUITLESS = 3  # times that a board may come back and be lost again without a prediction in between
_LEAVE_SECONDS = 2.0

Ask = Callable[[Board, int], Inference]


@dataclass(frozen=True)
class Answer:
    """The prediction of the board at `port` for the clip with a number."""

    number: int
    port: str
    inference: Inference


@dataclass(frozen=True)
class _Lost:
    port: str
    error: LinkError
    for_good: bool


@dataclass(frozen=True)
class _Back:
    port: str


_Events = queue.Queue[Answer | _Lost | _Back | BaseException]


class _Clips:
    """The numbers of the clips that no board has taken yet; handed out one by one, and taken back."""

    def __init__(self, count: int) -> None:
        self._waiting = deque(range(count))
        self._left = count
        self._changed = threading.Condition()
        self._closed = False

    def take(self) -> int | None:
        """Return the next number, waiting for one that may come back; None if all clips are done, or after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over)
            return None if self._over else self._waiting.popleft()

    def give_back(self, number: int) -> None:
        """Let another board take this clip, before all other clips."""
        with self._changed:
            self._waiting.appendleft(number)
            self._changed.notify()

    def done(self) -> None:
        """Note that a clip is done."""
        with self._changed:
            self._left -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out no more clips."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def over(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end; return whether no more clips will be handed out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._over, seconds)

    @property
    def _over(self) -> bool:
        return self._closed or not self._left


class Fleet:
    """Boards with the same bundle.

    Args:
        ports: pyserial URLs; all are opened at once.
        identity: identity of the bundle that every board must carry, now and whenever it comes back.
        reconnect_seconds: how long to wait when all boards are lost.

    Attributes:
        boards: the boards by port, as they were found at the start.
        lost: why a board was lost, by port.

    Raises:
        LinkError: a port is named twice or cannot be opened, or a board does not answer or has another bundle.
    """

    def __init__(self, ports: Sequence[str], identity: str, reconnect_seconds: float = RECONNECT_SECONDS) -> None:
        if len(set(ports)) < len(ports):
            raise LinkError(f"a port is named twice in {', '.join(ports)}; name each board once")
        alone = len(ports) == 1
        self._identity = identity
        self._link_reconnect = reconnect_seconds if alone else OWN_RECONNECT_SECONDS
        self._patience = 0.0 if alone else reconnect_seconds  # alone, the link has waited already
        self.boards: dict[str, Board] = {}
        self.lost: dict[str, LinkError] = {}
        try:
            for port in ports:
                self.boards[port] = self._open(port)
        except BaseException:
            self._close_links()
            raise

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close_links()

    def classify(self, count: int, ask: Ask) -> Iterator[Answer]:
        """Have the clips 0..count classified; yields each once, in the order in which the predictions come.

        Args:
            count: number of clips.
            ask: function that has one board classify the clip with a number; called in that board's thread.

        Raises:
            LinkError: all boards are lost.
            BaseException: whatever else `ask` raised.
        """
        clips = _Clips(count)
        events: _Events = queue.Queue()
        threads = [
            threading.Thread(target=self._serve, args=(port, clips, ask, events), daemon=True) for port in self.boards
        ]
        for thread in threads:
            thread.start()
        try:
            yield from self._gather(count, events)
        finally:
            clips.close()
            leave = time.monotonic() + _LEAVE_SECONDS  # a thread in the middle of a request is left running
            for thread in threads:
                thread.join(max(0.0, leave - time.monotonic()))

    def _gather(self, count: int, events: _Events) -> Iterator[Answer]:
        since = time.monotonic()  # when the last board was lost
        for_good: set[str] = set()
        while count:
            try:
                event = events.get(timeout=0.2)
            except queue.Empty:
                event = None
            match event:
                case Answer():
                    count -= 1
                    yield event
                case _Lost(port, error, final):
                    since = time.monotonic()
                    self.lost[port] = error
                    for_good |= {port} if final else set()
                    if len(self.boards) > 1:
                        goes_on = "it is dropped" if final else "its clip goes to another board until it is back"
                        # without the remedy, which only helps if there is no other board
                        reason = str(error).partition("; ")[0].removeprefix(f"{port} ")
                        _say(f"lost {port}: {reason}; {goes_on}")
                case _Back(port):
                    del self.lost[port]
                    _say(f"{port} is back")
                case BaseException():
                    raise event
            if len(self.lost) == len(self.boards) and (
                len(for_good) == len(self.boards) or time.monotonic() - since >= self._patience
            ):
                raise self._all_lost()

    def _all_lost(self) -> LinkError:
        errors = list(self.lost.values())
        if len(errors) == 1:
            return errors[0]
        return LinkError(f"all {len(errors)} boards are lost, the last one because: {errors[-1]}")

    def _serve(self, port: str, clips: _Clips, ask: Ask, events: _Events) -> None:
        """Ask one board until all clips are done or it is lost for good."""
        board: Board | None = self.boards[port]
        fruitless = 0
        try:
            while board and (number := clips.take()) is not None:
                try:
                    events.put(Answer(number, port, ask(board, number)))
                except LinkError as error:
                    clips.give_back(number)
                    board.link.close()
                    fruitless += 1
                    final = isinstance(error, ForeignError | RefusedError) or fruitless == FRUITLESS
                    events.put(_Lost(port, error, final))
                    board = None if final else self._find_again(port, clips, events)
                else:
                    fruitless = 0
                    clips.done()
        except BaseException as error:  # raised again in the caller's thread
            events.put(error)

    def _find_again(self, port: str, clips: _Clips, events: _Events) -> Board | None:
        """Try to open a lost board as long as there are clips; return None if it is not needed any more."""
        while not clips.over(RETRY_SECONDS):
            try:
                self.boards[port] = self._open(port)
            except ForeignError as error:
                events.put(_Lost(port, error, True))
                return None
            except LinkError:
                continue
            events.put(_Back(port))
            return self.boards[port]
        return None

    def _open(self, port: str) -> Board:
        link = Link(port, reconnect_seconds=self._link_reconnect)
        try:
            return Board(link, self._identity)
        except BaseException:
            link.close()
            raise

    def _close_links(self) -> None:
        for board in self.boards.values():
            with contextlib.suppress(OSError):
                board.link.close()


def _say(sentence: str) -> None:
    error_console.print(sentence, soft_wrap=True)
