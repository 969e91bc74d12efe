"""A board in Python behind a TCP port or a pseudo-terminal, and all that can go wrong on its line."""

import contextlib
import hashlib
import os
import pty
import random
import re
import select
import socket
import struct
import threading
import time
import tty
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tinyscene.bundle.bundle import Bundle
from tinyscene.device.description import DeviceInfo
from tinyscene.device.protocol import Demultiplexer, Frame, encode
from tinyscene.firmware.protocol import ANSWER, MAX_PAYLOAD, VERSION, Request, Status
from tinyscene.frontend.stage import Stage

INFO = DeviceInfo(
    protocol=VERSION,
    identity="0123456789abcdef",
    clock_hz=25_000_000,
    sample_rate=8000,
    clip_samples=3000,
    mels=40,
    frames=51,
    output_kind="logits",
    output_scale=0.125,
    output_zero_point=-3,
    max_payload=1024,
    board="fake",
    firmware="0.1.0",
    bundle="student",
    labels=("bus", "park", "tram"),
    build="0a1b2c3d4e5f gcc 12.2.1",
)


def info_of(bundle: Bundle) -> DeviceInfo:
    """Return what a board that carries a bundle says of itself."""
    mels, frames = bundle.frontend.shape
    return replace(
        INFO,
        identity=bundle.identity,
        sample_rate=bundle.frontend.sample_rate,
        clip_samples=bundle.frontend.clip_samples,
        mels=mels,
        frames=frames,
        bundle=bundle.name,
        labels=bundle.classes,
        output_scale=bundle.output.scale,
        output_zero_point=bundle.output.zero_point,
    )


WINDOW = 700  # samples of a frame
MOST_VALUES = 255  # of a stage, in one answer
MULTIPLES = {  # of which the bytes beyond the least are one
    Request.AUDIO_WRITE: 2,
    Request.STREAM_START: 5,
    Request.STREAM_WRITE: 2,
    Request.PROBE_WRITE: 2,
}
UNKNOWN = (Request.CRASH_READ, Request.SELF_TEST, Request.STREAM_STATUS)  # to this board


@dataclass
class Faults:
    """Damage to a byte stream, the same for the same seed: each byte may be lost, flipped or doubled."""

    seed: int = 1
    lose: float = 0.0
    flip: float = 0.0
    double: float = 0.0

    def __post_init__(self) -> None:
        """Seed the generator."""
        self._random = random.Random(self.seed)

    def hurt(self, data: bytes) -> bytes:
        """Return the data as it arrives."""
        out = bytearray()
        for byte in data:
            chance = self._random.random()
            if chance < self.lose:
                continue
            if chance < self.lose + self.flip:
                byte ^= 1 << self._random.randrange(8)
            out.append(byte)
            if self.lose + self.flip <= chance < self.lose + self.flip + self.double:
                out.append(byte)
        return bytes(out)


def outputs_of(data: bytes, classes: int) -> NDArray[np.int8]:
    """Return the fake model's answer to an image or a clip: any change of its bytes changes it."""
    return np.frombuffer(hashlib.sha256(data).digest()[:classes], np.int8)


def stage_of(stage: int, samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return the fake front end's values of a frame after a stage."""
    return np.resize(samples, len(samples) + stage).astype(np.float32) + 1000 * stage


@dataclass
class FakeBoard:
    """The firmware's side of docs/PROTOCOL.md, with `outputs_of` as its model and `stage_of` as its front end.

    Attributes:
        info: what it says of itself.
        window: samples of a frame.
        tells: body of the answer to requests of a type, such as SELF_TEST, that it does not know by itself.
        ticks: what each layer of its model takes.
        refuse: status to give to requests of a type, instead of an answer.
        asked: how many requests of each type arrived since it was made.
        reboots: the modes of the REBOOT requests; what they cause, FakePort does.
    """

    info: DeviceInfo
    window: int = WINDOW
    tells: dict[Request, bytes] = field(default_factory=dict)
    ticks: tuple[int, ...] = tuple(1000 * number for number in range(300))
    refuse: dict[Request, Status] = field(default_factory=dict)
    asked: Counter[int] = field(default_factory=Counter)
    reboots: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start as after a reset."""
        self.boot()

    def boot(self) -> None:
        """Forget everything, as a reset does."""
        self.demultiplexer = Demultiplexer()
        self.image = bytearray(self.info.features)
        self.frame = np.zeros(self.window, np.int16)
        self.audio: bytearray | None = None
        self.streaming = self.profiled = False
        self.outputs: bytes | None = None
        self.frames_ok = self.inferences = 0
        self.session = self.sequence = 0

    @property
    def banner(self) -> bytes:
        """The line that it prints when it starts."""
        i = self.info
        line = (
            f"# tinyscene {i.firmware} board={i.board} bundle={i.bundle} identity={i.identity} protocol={VERSION}\r\n"
        )
        return line.encode()

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the line and return what it sends."""
        sent = b""
        for event in self.demultiplexer.feed(data):
            if isinstance(event, Frame) and 0 < event.type < ANSWER:
                self.frames_ok += 1
                self.asked[event.type] += 1
                text, status, body = self._answer(event)
                payload = bytes([status]) + (body if status is Status.OK else b"")
                sent += text + encode(Frame(event.type | ANSWER, event.sequence, payload, event.session))
        return sent

    def run_image(self) -> bytes:
        """Return the model's answer to the image."""
        return outputs_of(bytes(self.image), len(self.info.labels)).tobytes()

    def run_audio(self, audio: bytes) -> bytes:
        """Return the answer to a clip."""
        return outputs_of(audio, len(self.info.labels)).tobytes()

    def stage(self, stage: int) -> NDArray[np.float32]:
        """Return what the front end makes of the frame."""
        return stage_of(stage, self.frame)

    def _answer(self, frame: Frame) -> tuple[bytes, Status, bytes]:
        payload = frame.payload
        if not frame.session or (frame.session != self.session and frame.type != Request.HELLO):
            return b"", Status.BAD_SESSION, b""
        if frame.session == self.session and frame.sequence < self.sequence:
            return b"", Status.STALE, b""
        self.session, self.sequence = frame.session, frame.sequence
        if frame.type in set(Request) and (body := self.tells.get(Request(frame.type))) is not None:
            return b"", Status.OK, body
        if frame.type not in set(Request) - set(UNKNOWN):
            return b"", Status.UNKNOWN_REQUEST, b""
        if status := self.refuse.get(Request(frame.type)) or self._objection(Request(frame.type), payload):
            return b"", status, b""
        match frame.type:
            case Request.HELLO:
                return b"", Status.OK, self.info.greeting.pack()
            case Request.INFO:
                offset, count = struct.unpack("<HH", payload)
                return b"", Status.OK, self.info.pack()[offset : offset + count]
            case Request.STATISTICS:
                return b"", Status.OK, struct.pack("<6I", self.frames_ok, 0, 0, 0, self.inferences, 0)
            case Request.REBOOT:
                self.reboots.append(payload[0])
                return b"", Status.OK, b""
            case Request.FEATURES_WRITE:
                (offset,) = struct.unpack_from("<H", payload)
                self.image[offset : offset + len(payload) - 2] = payload[2:]
                return b"", Status.OK, b""
            case Request.FEATURES_RUN:
                self.inferences += 1
                return b"", Status.OK, struct.pack("<II", 1234, zlib.crc32(self.image)) + self.run_image()
            case Request.FEATURES_READ:
                offset, count = struct.unpack("<HH", payload)
                return b"", Status.OK, bytes(self.image[offset : offset + count])
            case Request.PROFILE_RUN:
                self.inferences += 1
                self.profiled = True
                whole = sum(self.ticks) + 5
                numbers = struct.pack("<IIHI", 2500, whole, len(self.ticks), zlib.crc32(self.image))
                return b"", Status.OK, numbers + self.run_image()
            case Request.PROFILE_READ:
                offset, count = struct.unpack("<HH", payload)
                if not self.profiled:
                    return b"", Status.BAD_STATE, b""
                return b"", Status.OK, struct.pack(f"<{count}I", *self.ticks[offset : offset + count])
            case Request.AUDIO_BEGIN | Request.STREAM_START:
                self.audio, self.outputs = bytearray(), None
                self.streaming = frame.type == Request.STREAM_START
                return b"", Status.OK, b""
            case Request.AUDIO_WRITE | Request.STREAM_WRITE:
                return self._samples(*struct.unpack_from("<I", payload), payload[4:], frame.type)
            case Request.AUDIO_END:
                whole = self.audio is not None and len(self.audio) == 2 * self.info.clip_samples
                if self.outputs is None and self.audio and whole and not self.streaming:
                    self.inferences += 1
                    self.outputs = self.run_audio(bytes(self.audio))
                if self.outputs is None or self.audio is None:
                    return b"", Status.BAD_STATE, b""
                crcs = zlib.crc32(self.audio), zlib.crc32(self.image)
                return b"", Status.OK, struct.pack("<IIII", 100, 1234, *crcs) + self.outputs
            case Request.STREAM_STOP:
                if self.streaming:
                    self._end()
                return b"", Status.OK, b""
            case Request.PROBE_WRITE:
                (offset,) = struct.unpack_from("<H", payload)
                samples = np.frombuffer(payload, "<i2", offset=2)
                self._end()
                self.frame[offset : offset + len(samples)] = samples
                return b"", Status.OK, b""
            case Request.PROBE_READ:
                stage, offset, count = struct.unpack("<BHH", payload)
                self._end()
                values = self.stage(stage)
                if offset >= len(values):
                    return b"", Status.BAD_OFFSET, b""
                part = values[offset : offset + count].astype("<f4").tobytes()
                return b"", Status.OK, struct.pack("<H", len(values)) + part
        return b"", Status.UNKNOWN_REQUEST, b""

    def _objection(self, kind: Request, payload: bytes) -> Status | None:
        """Return why a request is refused whatever the state: its length, a value, or a place outside."""
        if not kind.least <= len(payload) <= kind.most or (len(payload) - kind.least) % MULTIPLES.get(kind, 1):
            return Status.BAD_LENGTH
        match kind:
            case Request.FEATURES_WRITE:
                (offset,) = struct.unpack_from("<H", payload)
                return Status.BAD_OFFSET if offset + len(payload) - 2 > self.info.features else None
            case Request.FEATURES_READ | Request.INFO:
                offset, count = struct.unpack("<HH", payload)
                if not 0 < count < MAX_PAYLOAD:
                    return Status.BAD_VALUE
                most = self.info.features if kind is Request.FEATURES_READ else len(self.info.pack())
                return Status.BAD_OFFSET if offset + count > most else None
            case Request.STREAM_START:
                return Status.BAD_VALUE if payload[0] > 1 else None
            case Request.PROBE_WRITE:
                (offset,) = struct.unpack_from("<H", payload)
                return Status.BAD_OFFSET if offset + len(payload) // 2 - 1 > self.window else None
            case Request.PROBE_READ:
                stage, _, count = struct.unpack("<BHH", payload)
                return Status.BAD_VALUE if stage >= len(Stage) or not 0 < count <= MOST_VALUES else None
        return None

    def _end(self) -> None:
        """Forget a clip, its answer and a stream."""
        self.streaming, self.audio, self.outputs = False, None, None

    def _samples(self, offset: int, data: bytes, kind: int) -> tuple[bytes, Status, bytes]:
        streaming = kind == Request.STREAM_WRITE
        if self.audio is None or streaming != self.streaming or self.outputs is not None:
            return b"", Status.BAD_STATE, b""
        if not streaming and offset + len(data) // 2 > self.info.clip_samples:
            return b"", Status.BAD_OFFSET, b""
        ahead = (offset - len(self.audio) // 2 + 2**31) % 2**32 - 2**31  # of what came before, modulo 2^32
        if ahead:
            return b"", Status.OK if ahead + len(data) // 2 <= 0 else Status.BAD_OFFSET, b""
        size, text = 2 * self.info.clip_samples, b""
        clips = len(self.audio) // size
        self.audio += data
        for clip in range(clips, len(self.audio) // size) if self.streaming else ():
            best = outputs_of(bytes(self.audio[clip * size : (clip + 1) * size]), len(self.info.labels)).argmax()
            values = [f"{label}:{float(k == best):.2f}" for k, label in enumerate(self.info.labels)]
            text += "\t".join(values).encode() + b"\r\n"
        return text, Status.OK, b""


class FakePort:
    """A FakeBoard on a line: serves one client at a time from a thread, as QEMU does.

    Args:
        board: who answers.
        to_board, to_host: damage in each direction.
        restart_at: count of received frames at which the board restarts and its connection ends, each once.
        reset_at: the same, but only the board restarts; the connection stays, as with a USB-to-UART bridge.
        banner: whether its boot line arrives after that.
        answer_after: seconds that an answer takes.
        terminal: a pseudo-terminal instead of a TCP port.
    """

    def __init__(
        self,
        board: FakeBoard,
        *,
        to_board: Faults | None = None,
        to_host: Faults | None = None,
        restart_at: tuple[int, ...] = (),
        reset_at: tuple[int, ...] = (),
        banner: bool = True,
        answer_after: float = 0.0,
        terminal: bool = False,
    ) -> None:
        self.board = board
        self.to_board = to_board or Faults()
        self.to_host = to_host or Faults()
        self.restart_at = set(restart_at)
        self.reset_at = set(reset_at)
        self.banner = banner
        self.answer_after = answer_after
        self.terminal = terminal
        self.connections = 0
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._vanish = threading.Event()
        self._listener: socket.socket | None = None
        self._master = self._slave = -1
        self._address = ("127.0.0.1", 0)
        self.url = self._open()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "FakePort":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._close()
        if self.failure:
            raise self.failure

    def vanish(self) -> None:
        """Close the line for good, as pulling the cable does."""
        self._stop.set()
        self._thread.join()
        self._close()

    def _open(self) -> str:
        if self.terminal:
            self._master, self._slave = pty.openpty()
            tty.setraw(self._slave)
            return os.ttyname(self._slave)
        self._listener = socket.create_server(self._address)
        self._address = self._listener.getsockname()
        return f"socket://127.0.0.1:{self._address[1]}"

    def _close(self) -> None:
        if self._listener:
            self._listener.close()
        for descriptor in (self._master, self._slave):
            if descriptor >= 0:
                os.close(descriptor)
        self._listener, self._master, self._slave = None, -1, -1

    def _serve(self) -> None:
        try:
            while not self._stop.is_set():
                if self.terminal:
                    self._talk(self._master)
                elif self._listener and _readable(self._listener.fileno()):
                    connection, _ = self._listener.accept()
                    with connection:
                        self.connections += 1
                        self._talk(connection.fileno())
        except BaseException as error:  # to be seen by the test
            self.failure = error

    def _talk(self, line: int) -> None:
        with contextlib.suppress(ConnectionError):
            while not self._stop.is_set():
                if not _readable(line):
                    continue
                data = os.read(line, 4096)
                if not data or not self._answer(line, data):
                    return

    def _answer(self, line: int, data: bytes) -> bool:
        """Let the board answer, frame by frame; False when the connection ended."""
        for chunk in re.findall(rb"[^\0]*\0|[^\0]+", self.to_board.hurt(data)):
            sent = self.board.receive(chunk)
            count = sum(self.board.asked.values())
            if sent and count in self.restart_at:
                self.restart_at.discard(count)
                self.board.boot()
                self._close()
                time.sleep(0.05)
                self._open()
                return False
            if sent and count in self.reset_at:
                self.reset_at.discard(count)
                self.board.boot()
                sent = self.board.banner if self.banner else b""
            if sent:
                time.sleep(self.answer_after)
                os.write(line, self.to_host.hurt(sent))
        return True


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0.02)[0])
