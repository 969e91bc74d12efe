"""The serial link: requests and their answers over a port that may lose bytes, vanish and come back.

It has no threads: bytes are read while a request waits for its answer, and in `Link.poll`.
"""

import os
import random
import re
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

import serial
from serial.tools import list_ports

from tinyscene.device.baud import monitor_speed
from tinyscene.device.description import Greeting
from tinyscene.device.pace import REPETITIONS, Attempts, Pace
from tinyscene.device.port_errors import OPEN_ERRORS, PORT_ERRORS
from tinyscene.device.protocol import Demultiplexer, Frame, ProtocolError, encode
from tinyscene.errors import LinkError
from tinyscene.firmware import ANSWER, VERSION, Request, Status

TIMEOUT = 1.0  # seconds that an answer may take, until its usual time is known: see `Pace`
RECONNECT_SECONDS = 15.0
_WRITE_TIMEOUT = 5.0
_PAGE = "see docs/HOWTO-board-does-not-answer.md"
_KEPT_LINES = 1000
_MOST_SESSIONS = _MOST_SEQUENCE = 0xFFFF

Answer = TypeVar("Answer")


class UnansweredError(LinkError):
    """No answer came, however often the request was sent."""


class ForeignError(LinkError):
    """A board with another bundle or protocol version than the expected one."""


class RefusedError(LinkError):
    """The board answered a request with a status other than OK."""

    def __init__(self, request: Request, status: Status) -> None:
        """Make the message from the request and the status."""
        super().__init__(
            f"the board refused {request.name}: {status.reason} (status {status.value}); "
            "reset it, or flash firmware of this version of tinyscene"
        )
        self.request = request
        self.status = status


class Link:
    """A board at a pyserial URL.

    Args:
        url: address of the port, such as /dev/ttyACM0, or socket://127.0.0.1:PORT.
        baud: baud rate, for ports that have one; default: that of platformio.ini.
        timeout: seconds to wait for an answer before the request is sent again.
        reconnect_seconds: seconds to wait for a port that vanished.
        on_text: called with each text line of the board; None: the newest 1,000 lines are kept in `lines`.

    Attributes:
        requests: number of requests made.
        repetitions: number of frames sent again because no answer came.
        stale: number of answers ignored because they were to an earlier request.
        greeting: what the board said when it was last greeted, as it is before the first request; None: not yet.
        lines: the text lines, if there is no `on_text`.

    Raises:
        LinkError: the port cannot be opened.
    """

    def __init__(
        self,
        url: str,
        *,
        baud: int | None = None,
        timeout: float = TIMEOUT,
        reconnect_seconds: float = RECONNECT_SECONDS,
        on_text: Callable[[str], None] | None = None,
    ) -> None:
        self.url = url
        self.requests = self.repetitions = self.stale = 0
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.on_text = on_text or self.lines.append
        self.greeting: Greeting | None = None
        self._baud = baud or monitor_speed()
        self._timeout = timeout
        self._reconnect_seconds = reconnect_seconds
        self._session = self._sequence = 0
        self._pace = Pace()
        self._port: serial.SerialBase
        self._demultiplexer = Demultiplexer()
        self._open()

    def __enter__(self) -> "Link":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the port."""
        self._port.close()

    @property
    def errors(self) -> int:
        """Number of chunks dropped on this connection because they were damaged."""
        return self._demultiplexer.errors.total()

    def request(
        self, request: Request, payload: bytes = b"", *, timeout: float | None = None, attempts: int | None = None
    ) -> bytes:
        """Send a request, repeat it if no answer comes or the port vanishes, and return the answer's body.

        Every request may be sent twice without harm. A board that restarted, or that another program talked to, is
        greeted again; if the request builds on earlier ones, it is refused all the same. `Board` takes care of that.

        Args:
            request: type of the request.
            payload: at most protocol.MAX_PAYLOAD bytes.
            timeout: seconds that the answer may take, if the board needs longer than usual.
            attempts: number of attempts before giving up; default: see `Attempts`.

        Returns:
            The answer's payload after its status byte.

        Raises:
            RefusedError: the board answered with another status than OK.
            UnansweredError: no answer.
            LinkError: the port vanished and did not come back, or keeps vanishing.
        """
        if self.greeting is None or self._sequence == _MOST_SEQUENCE:
            self.greet()
        try:
            return self._exchange(request, payload, timeout, attempts)
        except RefusedError as error:
            if error.status is not Status.BAD_SESSION:
                raise
            self.greet()
            if request.continues:
                raise
            return self._exchange(request, payload, timeout, attempts)

    def ask(
        self,
        request: Request,
        unpack: Callable[[bytes], Answer],
        payload: bytes = b"",
        *,
        timeout: float | None = None,
        attempts: int | None = None,
    ) -> Answer:
        """Do the same as `request`, and return what `unpack` makes of the answer's body.

        Raises:
            LinkError: as for `request`, or `unpack` raised a ProtocolError.
        """
        body = self.request(request, payload, timeout=timeout, attempts=attempts)
        try:
            return unpack(body)
        except ProtocolError as error:
            raise self.unreadable(request, error) from error

    def unreadable(self, request: Request, error: ProtocolError) -> LinkError:
        """Return the error for an answer that cannot be read."""
        return LinkError(
            f"{self.url} answers {request.name} with what is no answer: {error}; flash firmware of this version of "
            "tinyscene"
        )

    def greet(self) -> Greeting:
        """Open a session, whose requests are numbered from 1, and learn the board's identity.

        The board refuses requests of other sessions, and in a session whatever is older than its newest request. So
        what a bridge or driver repeats has no effect.

        Raises:
            LinkError: as for `request`.
        """
        before = self._session
        while self._session == before:
            self._session = random.randint(1, _MOST_SESSIONS)
        self._sequence = 0
        body = self._exchange(Request.HELLO, b"", None, None)
        try:
            self.greeting = Greeting.unpack(body)
        except ProtocolError as error:
            raise self.unreadable(Request.HELLO, error) from error
        return self.greeting

    def _next(self, request: Request, payload: bytes) -> bytes:
        """Return the session's next request as it is sent."""
        self.requests += 1
        self._sequence += 1
        return encode(Frame(request, self._sequence, payload, self._session))

    def _exchange(self, request: Request, payload: bytes, timeout: float | None, attempts: int | None) -> bytes:
        data = self._next(request, payload)
        limit = (timeout or self._timeout) + 10 * len(data) / self._baud
        tries = Attempts(self._pace.patience(request, limit), limit, attempts, bad_line=self.errors > 0)
        vanished = 0
        while not tries.exhausted:
            self.repetitions += tries.made + vanished > 0
            begin = time.monotonic()
            try:
                answer = self._ask(request, data, tries.patience)
            except serial.SerialTimeoutException:
                answer = None
            except PORT_ERRORS as error:
                vanished += 1
                if vanished > REPETITIONS:
                    raise LinkError(f"{self.url} keeps vanishing ({error}); check its cable and its power") from error
                self._reopen(error)
                continue
            tries.made += 1
            if answer:
                if tries.made == 1:
                    self._pace.answered(request, time.monotonic() - begin)
                return _body(request, answer)
            if answer is None:
                tries.had_silence()
            else:
                tries.had_damage()
        raise UnansweredError(
            f"no answer to {request.name} from {self.url} after {tries.made} attempts; is tinyscene's firmware "
            f"running there, at this baud rate, and does no other program hold the port? Otherwise {_PAGE}"
        )

    def tell(self, request: Request, payload: bytes) -> None:
        """Send a request that makes the board, and perhaps its port, vanish; only once, not to the board that returns.

        Raises:
            RefusedError: the board answered with another status than OK.
            LinkError: no answer, and the port is still there.
        """
        self.greet()
        data = self._next(request, payload)
        try:
            answer = self._ask(request, data, self._timeout)
        except PORT_ERRORS:
            return  # gone before the answer was read
        if answer is None:
            raise LinkError(
                f"no answer to {request.name} from {self.url}; is tinyscene's firmware running there? Otherwise {_PAGE}"
            )
        _body(request, answer)

    def poll(self, seconds: float) -> None:
        """Read for `seconds` to collect text lines; reconnects if the port vanishes.

        Raises:
            LinkError: the port vanished and did not come back.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                self._receive(left)
            except PORT_ERRORS as error:
                self._reopen(error)

    def _ask(self, request: Request, data: bytes, patience: float) -> bytes | None:
        """Send once; return the answer's payload, or None if none came in time, or b"" if it was damaged."""
        before = self.errors
        self._port.write(data)
        deadline = time.monotonic() + patience
        wanted = (request | ANSWER, self._sequence, self._session)
        while (left := deadline - time.monotonic()) > 0:
            for frame in self._receive(left):
                if (frame.type, frame.sequence, frame.session) == wanted and frame.payload:
                    return frame.payload
                self.stale += 1
                if frame.payload[:1] != bytes([Status.STALE]):
                    self._pace.came_late(frame.type & ~ANSWER)
            if self._demultiplexer.other_version is not None:
                raise ForeignError(
                    f"the board at {self.url} speaks protocol version {self._demultiplexer.other_version}, this host "
                    f"{VERSION}; flash firmware of this version of tinyscene"
                )
            if self.errors > before:
                return b""
        return None

    def _receive(self, seconds: float) -> list[Frame]:
        """Wait up to `seconds` for a first byte, read all there is, pass on the text, and return the frames."""
        self._port.timeout = seconds
        data = self._port.read(1)
        if data:
            self._port.timeout = 0
            data += self._port.read(4096)
        frames: list[Frame] = []
        for event in self._demultiplexer.feed(data):
            if isinstance(event, Frame):
                frames.append(event)
            else:
                self.on_text(event)
        return frames

    def _open(self) -> None:
        try:
            self._port = serial.serial_for_url(
                self.url, baudrate=self._baud, write_timeout=_WRITE_TIMEOUT, exclusive=True
            )
        except OPEN_ERRORS as error:
            raise LinkError(_cannot_open(self.url, error)) from error
        self._demultiplexer = Demultiplexer()

    def _reopen(self, cause: Exception) -> None:
        deadline = time.monotonic() + self._reconnect_seconds
        self._port.close()
        while True:
            try:
                return self._open()
            except LinkError as error:
                if time.monotonic() >= deadline:
                    raise LinkError(
                        f"{self.url} vanished ({cause}) and did not come back within {self._reconnect_seconds:g} s; "
                        "check the cable, the power or the emulator, and run the same command again"
                    ) from error
                time.sleep(min(0.2, self._reconnect_seconds / 10))


def _body(request: Request, payload: bytes) -> bytes:
    try:
        status = Status(payload[0])
    except ValueError:
        raise LinkError(
            f"the board answered {request.name} with the unknown status {payload[0]}; "
            "flash firmware of this version of tinyscene"
        ) from None
    if status is Status.OK:
        return payload[1:]
    raise RefusedError(request, status)


def _cannot_open(url: str, error: Exception) -> str:
    """Return a sentence on why a port cannot be opened, and what to check."""
    whole = str(error).lower()
    code = getattr(error, "errno", None)
    reason = os.strerror(code) if code else str(error).removeprefix(f"Could not open port {url}: ")
    if url.startswith("socket://"):
        if not (number := re.search(r":(\d+)$", url)):
            reason = "it does not end in a port number"
        elif not 0 < int(number[1]) < 0x10000:
            reason = f"{number[1]} is no port number, which lie between 1 and 65535"
        return f"cannot open {url}: {reason}; start an emulator with `tinyscene emulate mps2` and use the URL it prints"
    if "permission" in whole:
        return (
            f"cannot open {url}: permission denied; join its group with: sudo adduser $USER dialout, and log in again; "
            f"{_PAGE}"
        )
    if "lock" in whole or "busy" in whole:
        return f"cannot open {url}: another program uses it; close that program; {_PAGE}"
    ports = [f"{port.device} ({port.description})" for port in list_ports.comports()]
    return f"cannot open {url}: {reason}; check the cable; the ports here are: {', '.join(ports) or 'none'}; {_PAGE}"
