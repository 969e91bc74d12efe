"""A bad line between a host and a board: a TCP proxy that hurts bytes, delays them, stalls, and resets the board."""

import contextlib
import random
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from cobs import cobs


@dataclass(frozen=True)
class Trouble:
    """What happens on the line; the chances are per byte or frame, and the same seed makes the same decisions.

    Attributes:
        lose, flip, double: a byte vanishes, has one bit changed, arrives twice.
        delay: what follows this byte comes `delay_seconds` later.
        stall: the same, `stall_seconds` later.
        repeat: after a frame of the host comes an earlier one again, of this or an earlier connection.
        reset_every: the board is reset whenever it has received so many bytes; 0: never.
    """

    seed: int = 1
    lose: float = 0.0
    flip: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    stall: float = 0.0
    repeat: float = 0.0
    reset_every: int = 0
    delay_seconds: float = 0.002
    stall_seconds: float = 0.3


class NoisyLine:
    """The proxy; forwards one connection after the other from its own `url` to the board's, from a thread.

    Args:
        board_url: socket://HOST:PORT.
        trouble: the same for both directions, each with its own random numbers.
        reset: resets the board.

    Attributes:
        url: for the host.
        bytes_passed, bytes_hurt, resets: what happened so far, in both directions.
        repeated: how many frames of each type were repeated.
    """

    def __init__(self, board_url: str, trouble: Trouble, reset: Callable[[], None] = lambda: None) -> None:
        address = urlsplit(board_url)
        self._board = (address.hostname, address.port)
        self._trouble = trouble
        self._reset = reset
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self.bytes_passed = self.bytes_hurt = self.resets = 0
        self.repeated: Counter[int] = Counter()
        self._to_board = 0
        self._chunk = bytearray()  # of the host, since the last delimiter
        self._chunks: list[bytes] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "NoisyLine":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        to_board, to_host = random.Random(self._trouble.seed), random.Random(-1 - self._trouble.seed)
        while not self._stop.is_set():
            with contextlib.suppress(OSError):
                host, _ = self._listener.accept()
                with host, socket.create_connection(self._board) as board:
                    for end in (host, board):
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    ways = {host: (board, to_board), board: (host, to_host)}
                    while not self._stop.is_set():
                        for source in select.select([*ways], [], [], 0.05)[0]:
                            if not (data := source.recv(4096)):
                                raise ConnectionResetError
                            target, chance = ways[source]
                            self._pass_on(data, target, chance, source is host)

    def _pass_on(self, data: bytes, target: socket.socket, chance: random.Random, to_board: bool) -> None:
        trouble, out = self._trouble, bytearray()
        for byte in data:
            self.bytes_passed += 1
            arrived = self._hurt(byte, chance)
            self.bytes_hurt += arrived != [byte]
            out += bytes(arrived)
            for probability, seconds in (
                (trouble.delay, trouble.delay_seconds),
                (trouble.stall, trouble.stall_seconds),
            ):
                if chance.random() < probability:
                    target.sendall(out)
                    out.clear()
                    time.sleep(seconds)
            if to_board and trouble.repeat:
                out += self._repetition(byte, chance)
            self._to_board += to_board
            if to_board and trouble.reset_every and self._to_board % trouble.reset_every == 0:
                target.sendall(out)
                out.clear()
                self.resets += 1
                self._reset()
        target.sendall(out)

    def _repetition(self, byte: int, chance: random.Random) -> bytes:
        """Return what comes after a byte of the host: nothing, or a whole frame that it has sent before."""
        if byte:
            self._chunk.append(byte)
            return b""
        if not self._chunk:
            return b""
        chunk = bytes(self._chunk)
        self._chunk.clear()
        earlier = chance.choice(self._chunks[-1000:]) if self._chunks else b""
        self._chunks.append(chunk)
        if not earlier or chance.random() >= self._trouble.repeat:
            return b""
        self.repeated[cobs.decode(earlier)[1]] += 1
        return b"\0" + earlier + b"\0"

    def _hurt(self, byte: int, chance: random.Random) -> list[int]:
        """Return what arrives in the place of a byte."""
        drawn = chance.random()
        for probability, arrived in (
            (self._trouble.lose, []),
            (self._trouble.double, [byte, byte]),
            (self._trouble.flip, [byte ^ 1 << chance.randrange(8)]),
        ):
            if drawn < probability:
                return arrived
            drawn -= probability
        return [byte]
