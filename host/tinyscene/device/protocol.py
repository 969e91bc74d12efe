"""Frames of the serial protocol, and how a byte stream is split into frames and text lines.

docs/PROTOCOL.md is the specification; nothing here opens a port. What frames carry is in `messages`.
"""

import enum
import struct
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from cobs import cobs

from tinyscene.firmware import MAX_PAYLOAD, VERSION

_HEADER = struct.Struct("<BBHH")
_COMMON_BYTES = 4  # of the header, the same in every version: version, type, sequence
_CRC = struct.Struct("<I")
_FRAME_OVERHEAD = _HEADER.size + _CRC.size
_MAX_FRAME = MAX_PAYLOAD + _FRAME_OVERHEAD
MAX_CHUNK = _MAX_FRAME + _MAX_FRAME // 254 + 1  # of a frame: COBS adds one byte in every 254
MAX_LINE = 0x8000  # bytes of a text line: a result of 255 classes has at most 18,000
_TEXT = bytes([9, 10, 13, *range(32, 127)])


class Defect(enum.Enum):
    """Why a chunk is neither a frame nor text."""

    CRC = "crc"
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    VERSION = "version"


class ProtocolError(ValueError):
    """A payload that cannot be sent, or that does not have the format of its request's answer."""


class FrameError(ProtocolError):
    """A chunk that is not a frame; `defect` says why."""

    def __init__(self, defect: Defect, version: int | None = None) -> None:
        """Keep the reason, and the other version of a frame of another version."""
        super().__init__(defect.value)
        self.defect = defect
        self.version = version


def unpack_exactly(layout: struct.Struct, body: bytes) -> tuple[Any, ...]:
    """Return the fields of an answer's body.

    Raises:
        ProtocolError: the body has another length than they.
    """
    if len(body) != layout.size:
        raise ProtocolError(f"an answer of {len(body)} bytes where {layout.size} were expected")
    return layout.unpack(body)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        type: 0..255, a `firmware.Request` or its answer.
        sequence, session: 0..65535; an answer repeats those of its request.
        payload: up to MAX_PAYLOAD bytes.
    """

    type: int
    sequence: int
    payload: bytes = b""
    session: int = 0


def encode(frame: Frame) -> bytes:
    """Return the bytes to send: 0x00, the frame with its CRC-32 under COBS, 0x00.

    Raises:
        ProtocolError: the payload is longer than MAX_PAYLOAD.
    """
    if len(frame.payload) > MAX_PAYLOAD:
        raise ProtocolError(f"a payload of {len(frame.payload)} bytes; the limit is {MAX_PAYLOAD}")
    body = _HEADER.pack(VERSION, frame.type, frame.sequence, frame.session) + frame.payload
    return b"\0" + cobs.encode(body + _CRC.pack(zlib.crc32(body))) + b"\0"


def decode(chunk: bytes) -> Frame:
    """Return the frame in the bytes between two 0x00 bytes.

    Raises:
        FrameError: they are not a frame.
    """
    if _decoded_length(chunk) > _MAX_FRAME:
        raise FrameError(Defect.OVERSIZE)
    try:
        raw = cobs.decode(chunk)
    except cobs.DecodeError as error:
        raise FrameError(Defect.MALFORMED) from error
    if len(raw) < _COMMON_BYTES + _CRC.size:
        raise FrameError(Defect.MALFORMED)
    body, (crc,) = raw[: -_CRC.size], _CRC.unpack(raw[-_CRC.size :])
    if zlib.crc32(body) != crc:
        raise FrameError(Defect.CRC)
    if body[0] != VERSION:
        raise FrameError(Defect.VERSION, body[0])
    if len(body) < _HEADER.size:
        raise FrameError(Defect.MALFORMED)
    _, kind, sequence, session = _HEADER.unpack_from(body)
    return Frame(kind, sequence, body[_HEADER.size :], session)


def _decoded_length(chunk: bytes) -> int:
    """Count the bytes that COBS decoding gives, even if the chunk ends in the middle of a block."""
    length = position = 0
    while position < len(chunk):
        code = chunk[position]
        following = len(chunk) - position - 1
        length += min(code - 1, following) + (code < 255 and following >= code)
        position += code
    return length


class Demultiplexer:
    """Splits a byte stream into frames and text lines; the result does not depend on how the stream is cut.

    A text line is returned as soon as its newline is there, without waiting for 0x00: no frame of version 2 can look
    like that, as the second byte of its chunk is 0x02. A chunk that is neither frame nor text is dropped and counted.

    Attributes:
        frames, lines: numbers of frames and of lines so far.
        errors: number of dropped chunks, by defect.
        other_version: version of the last undamaged frame of another version than ours; None: there was none.
    """

    def __init__(self) -> None:
        self.frames = self.lines = 0
        self.errors: Counter[Defect] = Counter()
        self.other_version: int | None = None
        self._chunk = bytearray()
        self._text_given = False  # a line of this chunk was returned: it is not a frame
        self._oversize = False

    def feed(self, data: bytes) -> list[Frame | str]:
        """Return what `data` completes, in order: frames, and text lines without their ends (no empty ones)."""
        events: list[Frame | str] = []
        first, *others = data.split(b"\0")
        self._extend(first, events)
        for piece in others:
            self._finish(events)
            self._extend(piece, events)
        return events

    def _extend(self, piece: bytes, events: list[Frame | str]) -> None:
        if self._oversize:
            return
        self._chunk += piece
        while (end := self._chunk.find(b"\n", 0 if self._text_given else 1)) >= 0:
            line = bytes(self._chunk[: end + 1])
            if len(line) > MAX_LINE or not _is_text(line):
                break
            self._give_text(line, events)
            self._text_given = True
            del self._chunk[: end + 1]
        length = len(self._chunk)
        self._oversize = length > MAX_LINE or (length > MAX_CHUNK and not _is_text(bytes(self._chunk)))

    def _finish(self, events: list[Frame | str]) -> None:
        chunk, text_given, oversize = bytes(self._chunk), self._text_given, self._oversize
        self._chunk.clear()
        self._text_given = self._oversize = False
        if oversize:
            self.errors[Defect.OVERSIZE] += 1
        elif _is_text(chunk):
            self._give_text(chunk, events)
        elif text_given:
            self.errors[Defect.MALFORMED] += 1
        else:
            try:
                events.append(decode(chunk))
                self.frames += 1
            except FrameError as error:
                self.errors[error.defect] += 1
                if error.version is not None:
                    self.other_version = error.version

    def _give_text(self, text: bytes, events: list[Frame | str]) -> None:
        for line in text.decode("ascii").replace("\r", "\n").split("\n"):
            if line:
                events.append(line)
                self.lines += 1


def _is_text(data: bytes) -> bool:
    return not data.translate(None, _TEXT)
