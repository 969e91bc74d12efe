"""The firmware's lib/link, compiled for this machine and called from Python."""

import ctypes
import functools
from typing import Any

from generated_protocol import generated_protocol
from tinyscene.firmware.protocol import MAX_PAYLOAD
from tinyscene.paths import FIRMWARE_LIB
from tinyscene.toolchain import native

FOLDER = FIRMWARE_LIB / "link"
SOURCES = sorted(FOLDER.glob("*.c"))

MAX_FRAME = 6 + MAX_PAYLOAD + 4
NONE, FRAME, TEXT = 0, 1, 2
ERRORS = {-1: "oversize", -2: "malformed", -3: "crc", -4: "version"}
Write = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t)


class Receiver(ctypes.Structure):
    """struct link_receiver."""

    _fields_ = (
        ("frame", ctypes.c_uint8 * MAX_FRAME),
        ("length", ctypes.c_size_t),
        ("code", ctypes.c_uint8),
        ("block_left", ctypes.c_uint8),
        ("printable", ctypes.c_bool),
        ("ended", ctypes.c_bool),
    )


class Address(ctypes.Structure):
    """struct link_address."""

    _fields_ = (("sequence", ctypes.c_uint16), ("session", ctypes.c_uint16))


class Frame(ctypes.Structure):
    """struct link_frame."""

    _fields_ = (
        ("version", ctypes.c_uint8),
        ("type", ctypes.c_uint8),
        ("address", Address),
        ("payload", ctypes.POINTER(ctypes.c_uint8)),
        ("payload_bytes", ctypes.c_size_t),
    )


@functools.cache
def library() -> ctypes.CDLL:
    """Return lib/link with its prototypes."""
    link = native.build_library("link", SOURCES, [FOLDER, generated_protocol()])
    link.link_receive.argtypes = (ctypes.POINTER(Receiver), ctypes.c_uint8)
    link.link_receiver_init.argtypes = (ctypes.POINTER(Receiver),)
    link.link_received.argtypes = (ctypes.POINTER(Receiver),)
    link.link_received.restype = Frame
    link.link_send.argtypes = (ctypes.c_void_p, ctypes.c_uint8, Address, ctypes.c_size_t, Write)
    link.link_send.restype = None
    link.crc32.argtypes = (ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t)
    link.crc32.restype = ctypes.c_uint32
    return link


class Events:
    """Feeds a receiver and keeps what it says.

    Attributes:
        seen: "text", or a frame as tests/protocol_cases.json writes it; in order.
        errors: how many of each.
    """

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.seen: list[Any] = []
        self.errors = dict.fromkeys(ERRORS.values(), 0)
        library().link_receiver_init(self.receiver)

    def feed(self, stream: bytes) -> None:
        """Give it the next bytes."""
        for byte in stream:
            event = library().link_receive(self.receiver, byte)
            if event == FRAME:
                self.seen.append(self.frame())
            elif event == TEXT:
                self.seen.append("text")
            elif event != NONE:
                self.errors[ERRORS[event]] += 1

    def frame(self) -> dict[str, Any]:
        """Return the frame that was received last."""
        frame = library().link_received(self.receiver)
        payload = bytes(frame.payload[: frame.payload_bytes])
        return {
            "kind": "frame",
            "type": frame.type,
            "sequence": frame.address.sequence,
            "session": frame.address.session,
            "payload_hex": payload.hex(),
        }


def send(kind: int, sequence: int, payload: bytes, session: int = 1) -> bytes:
    """Return what link_send() writes for a frame."""
    written = bytearray()
    buffer = ctypes.create_string_buffer(bytes(6) + payload, MAX_FRAME)
    write = Write(lambda data, count: written.extend(data[:count]))
    library().link_send(buffer, kind, Address(sequence, session), len(payload), write)
    return bytes(written)
