"""The firmware's lib/scene and lib/link, compiled for this machine, as a board whose every answer can be foretold."""

import ctypes
import functools
import struct
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from generated_protocol import generated_protocol
from tinyscene.device.protocol import Demultiplexer, Frame
from tinyscene.firmware.protocol import VERSION
from tinyscene.frontend.stage import Stage
from tinyscene.paths import FIRMWARE_LIB
from tinyscene.toolchain import native

HARNESS = Path(__file__).parents[1] / "firmware" / "scene_harness.c"
FOLDERS = [FIRMWARE_LIB / name for name in ("link", "scene", "health", "frontend")]
SOURCES = [
    *(HARNESS, FIRMWARE_LIB / "health" / "self_test.c"),
    *(path for name in ("link", "scene") for path in sorted((FIRMWARE_LIB / name).glob("*.c"))),
]

MELS, FRAMES, CLASSES, CLIP_SAMPLES, HOP, WINDOW = 4, 5, 3, 1000, 50, 700
CELLS = MELS * FRAMES


@functools.cache
def library() -> ctypes.CDLL:
    """Return the harness of tests/firmware/scene_harness.c with its prototypes; it is one board."""
    harness = native.build_library("scene", SOURCES, [*FOLDERS, generated_protocol()])
    harness.harness_receive.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
    harness.harness_receive.restype = ctypes.c_size_t
    harness.harness_greet.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
    harness.harness_greet.restype = ctypes.c_size_t
    harness.harness_record.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32)
    harness.harness_listen.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
    harness.harness_listen.restype = ctypes.c_size_t
    harness.harness_set_microphone.argtypes = (ctypes.c_uint32, ctypes.c_bool, ctypes.c_bool)
    return harness


class NativeBoard:
    """That board, for a `FakePort`.

    Attributes:
        asked: undamaged requests received, by type.
    """

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()
        self.boot()

    def boot(self) -> None:
        """Forget everything, as a reset does."""
        library().harness_reset(0)
        self._answers = Demultiplexer()

    @property
    def banner(self) -> bytes:
        """The line that it prints when it starts."""
        written = ctypes.create_string_buffer(200)
        count = library().harness_greet(written, len(written))
        return written.raw[:count]

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the line and return what it sends."""
        written = ctypes.create_string_buffer(8192)
        count = library().harness_receive(data, len(data), written, len(written))
        sent = written.raw[:count]
        self.asked.update(event.type & 0x7F for event in self._answers.feed(sent) if isinstance(event, Frame))
        return sent


def outputs_of_image(image: NDArray[np.int8]) -> list[int]:
    """Return the harness's answer to an image [MELS, FRAMES]."""
    return (image.reshape(-1)[:CLASSES] + np.int8(1)).astype(np.int8).tolist()


def image_of(clip: NDArray[np.int16]) -> NDArray[np.int8]:
    """Return the image [MELS, FRAMES] that it makes of a clip."""
    return (clip[::HOP] & 0xFF).astype(np.uint8).view(np.int8).reshape(MELS, FRAMES)


def stage_of(stage: Stage, frame: NDArray[np.int16]) -> list[float]:
    """Return what a probe of a frame shows."""
    return (np.resize(frame, WINDOW + stage) + np.float32(1000 * stage)).tolist()


def info_body() -> bytes:
    """Return what INFO reads."""
    labels = b"bus\tmetro_station\tpark"
    numbers = (VERSION, bytes.fromhex("0123456789abcdef"), 25_000_000, 8000, CLIP_SAMPLES, MELS, FRAMES, CLASSES)
    fixed = struct.pack("<B8sIIIHHBBfiI", *numbers, 0, 0.125, -3, 1024)
    return fixed + b"\x07harness\x051.2.3\x08foretold" + struct.pack("<H", len(labels)) + labels + b"\x06c0ffee"
