"""Requests to a board that was just switched on, and the status of each answer: docs/PROTOCOL.md case by case.

The board has an image of 4 x 5, clips of 1000 samples and a window of 700. The firmware's C (tests/firmware) and the
host's link with a board in Python (tests/host) both run every one.
"""

import struct
from dataclasses import dataclass

from tinyscene.firmware.protocol import Request as Ask, Status

MELS, FRAMES, CLIP_SAMPLES, WINDOW = 4, 5, 1000, 700
CELLS = MELS * FRAMES
STAGES = 5
MOST_VALUES = 255  # in one answer to PROBE_READ


@dataclass(frozen=True)
class Exchange:
    """A request and the status of its answer."""

    request: int
    payload: bytes
    status: int


Conversation = tuple[Exchange, ...]


def say(request: int, payload: bytes = b"", status: int = Status.OK) -> Exchange:
    """Return an exchange; answered with ok if nothing is said."""
    return Exchange(request, payload, status)


def samples(request: int, offset: int, count: int, status: int = Status.OK) -> Exchange:
    """Return AUDIO_WRITE or Ask.STREAM_WRITE of so many samples."""
    return say(request, struct.pack("<I", offset % 2**32) + bytes(2 * count), status)


def clip(request: int) -> Conversation:
    """Return a whole clip in pieces of 500 samples."""
    return samples(request, 0, 500), samples(request, 500, 500)


def stream_start(source: int, hop: int, smoothing: int, reject: int, gain: int, status: int = Status.OK) -> Exchange:
    """Return STREAM_START in its long form."""
    return say(Ask.STREAM_START, struct.pack("<BHBBb", source, hop, smoothing, reject, gain), status)


def info(offset: int, count: int, status: int = Status.OK) -> Exchange:
    """Return INFO."""
    return say(Ask.INFO, struct.pack("<HH", offset, count), status)


def features_read(offset: int, count: int, status: int = Status.OK) -> Exchange:
    """Return FEATURES_READ."""
    return say(Ask.FEATURES_READ, struct.pack("<HH", offset, count), status)


def probe_write(offset: int, count: int, status: int = Status.OK) -> Exchange:
    """Return PROBE_WRITE of so many samples."""
    return say(Ask.PROBE_WRITE, struct.pack("<H", offset) + bytes(2 * count), status)


def probe_read(stage: int, offset: int, count: int, status: int = Status.OK) -> Exchange:
    """Return PROBE_READ."""
    return say(Ask.PROBE_READ, struct.pack("<BHH", stage, offset, count), status)


AT_REST = (
    say(Ask.HELLO),
    say(Ask.HELLO, b"\0", Status.BAD_LENGTH),
    say(Ask.INFO, b"", Status.BAD_LENGTH),
    say(Ask.INFO, bytes(5), Status.BAD_LENGTH),
    info(0, 1),
    info(0, 60),
    info(50, 1),
    info(0, 0, Status.BAD_VALUE),
    info(0, 1024, Status.BAD_VALUE),
    info(0, 1023, Status.BAD_OFFSET),
    info(1023, 1, Status.BAD_OFFSET),
    info(0xFFFF, 1, Status.BAD_OFFSET),
    info(0xFFFF, 0xFFFF, Status.BAD_VALUE),
    say(Ask.STATISTICS),
    say(Ask.STATISTICS, b"\0", Status.BAD_LENGTH),
    say(Ask.FEATURES_WRITE, b"", Status.BAD_LENGTH),
    say(Ask.FEATURES_WRITE, b"\0", Status.BAD_LENGTH),
    say(Ask.FEATURES_WRITE, b"\0\0", Status.BAD_LENGTH),
    say(Ask.FEATURES_WRITE, bytes(2 + CELLS)),
    say(Ask.FEATURES_WRITE, bytes(3 + CELLS), Status.BAD_OFFSET),
    say(Ask.FEATURES_WRITE, struct.pack("<H", CELLS - 1) + b"\1"),
    say(Ask.FEATURES_WRITE, struct.pack("<H", CELLS - 1) + b"\1\1", Status.BAD_OFFSET),
    say(Ask.FEATURES_WRITE, struct.pack("<H", CELLS) + b"\1", Status.BAD_OFFSET),
    say(Ask.FEATURES_WRITE, b"\xff\xff\1", Status.BAD_OFFSET),
    say(Ask.FEATURES_WRITE, bytes(1024), Status.BAD_OFFSET),
    say(Ask.FEATURES_RUN),
    say(Ask.FEATURES_RUN, b"\0", Status.BAD_LENGTH),
    say(Ask.FEATURES_READ, b"", Status.BAD_LENGTH),
    say(Ask.FEATURES_READ, b"\0\0\1", Status.BAD_LENGTH),
    say(Ask.FEATURES_READ, b"\0\0\1\0\0", Status.BAD_LENGTH),
    features_read(0, CELLS),
    features_read(CELLS - 1, 1),
    features_read(0, 0, Status.BAD_VALUE),
    features_read(CELLS, 0, Status.BAD_VALUE),
    features_read(0, 1023, Status.BAD_OFFSET),
    features_read(0, 1024, Status.BAD_VALUE),
    features_read(0, 0xFFFF, Status.BAD_VALUE),
    features_read(0, CELLS + 1, Status.BAD_OFFSET),
    features_read(CELLS, 1, Status.BAD_OFFSET),
    features_read(0xFFFF, 1, Status.BAD_OFFSET),
    say(Ask.AUDIO_BEGIN),
    say(Ask.AUDIO_BEGIN, b"\0", Status.BAD_LENGTH),
    samples(Ask.AUDIO_WRITE, 0, 1, Status.BAD_STATE),
    say(Ask.AUDIO_WRITE, bytes(4), Status.BAD_LENGTH),
    say(Ask.AUDIO_WRITE, bytes(5), Status.BAD_LENGTH),
    say(Ask.AUDIO_WRITE, bytes(7), Status.BAD_LENGTH),
    say(Ask.AUDIO_END, b"", Status.BAD_STATE),
    say(Ask.AUDIO_END, b"\0", Status.BAD_LENGTH),
    say(Ask.STREAM_START, b"", Status.BAD_LENGTH),
    say(Ask.STREAM_START, b"\0"),
    say(Ask.STREAM_START, b"\2", Status.BAD_VALUE),
    say(Ask.STREAM_START, b"\xff", Status.BAD_VALUE),
    say(Ask.STREAM_START, b"\0\0", Status.BAD_LENGTH),
    samples(Ask.STREAM_WRITE, 0, 1, Status.BAD_STATE),
    say(Ask.STREAM_WRITE, bytes(5), Status.BAD_LENGTH),
    say(Ask.STREAM_STOP),
    say(Ask.STREAM_STOP, b"\0", Status.BAD_LENGTH),
    probe_write(0, 0, Status.BAD_LENGTH),
    say(Ask.PROBE_WRITE, bytes(5), Status.BAD_LENGTH),
    probe_write(0, 511),
    probe_write(WINDOW - 1, 1),
    probe_write(WINDOW - 1, 2, Status.BAD_OFFSET),
    probe_write(WINDOW, 1, Status.BAD_OFFSET),
    probe_write(0xFFFF, 511, Status.BAD_OFFSET),
    say(Ask.PROBE_READ, struct.pack("<BH", 0, 0), Status.BAD_LENGTH),
    say(Ask.PROBE_READ, struct.pack("<BHHB", 0, 0, 1, 0), Status.BAD_LENGTH),
    *(probe_read(stage, 0, MOST_VALUES) for stage in range(STAGES)),
    probe_read(STAGES, 0, 1, Status.BAD_VALUE),
    probe_read(255, 0, 1, Status.BAD_VALUE),
    probe_read(0, 0, 0, Status.BAD_VALUE),
    probe_read(0, 0, MOST_VALUES + 1, Status.BAD_VALUE),
    probe_read(0, WINDOW - 1, 1),
    probe_read(0, WINDOW, 1, Status.BAD_OFFSET),
    probe_read(4, WINDOW + 3, MOST_VALUES),
    probe_read(4, WINDOW + 4, 1, Status.BAD_OFFSET),
    probe_read(0, 0xFFFF, 1, Status.BAD_OFFSET),
    say(0x7F, b"?", Status.UNKNOWN_REQUEST),
)

# what the board in Python knows nothing of
FIRMWARE = (
    say(Ask.CRASH_READ, b"", Status.BAD_LENGTH),
    say(Ask.CRASH_READ, b"\2", Status.BAD_VALUE),
    say(Ask.SELF_TEST),
    say(Ask.SELF_TEST, b"\0", Status.BAD_LENGTH),
    say(Ask.REBOOT, b"", Status.BAD_LENGTH),
    say(Ask.REBOOT, b"\0\0", Status.BAD_LENGTH),
    say(Ask.REBOOT, b"\2", Status.BAD_VALUE),
    say(Ask.PROFILE_RUN),
    say(Ask.PROFILE_RUN, b"\0", Status.BAD_LENGTH),
    say(Ask.PROFILE_READ, bytes(4), Status.BAD_VALUE),
    say(Ask.PROFILE_READ, b"\0\0\1\0", Status.BAD_STATE),
    say(Ask.PROFILE_READ, bytes(3), Status.BAD_LENGTH),
    say(Ask.STREAM_START, bytes(7), Status.BAD_LENGTH),
    stream_start(0, 0, 0, 0, 0, Status.BAD_VALUE),
    stream_start(0, 0, 17, 0, 0, Status.BAD_VALUE),
    stream_start(0, 0, 16, 100, 0),
    stream_start(0, 0, 1, 101, 0, Status.BAD_VALUE),
    say(Ask.STREAM_STATUS, b"", Status.BAD_STATE),
    say(Ask.STREAM_STATUS, b"\0", Status.BAD_LENGTH),
    say(0x0F, b"", Status.UNKNOWN_REQUEST),
)

# after 100 samples of a clip
PIECES = (
    samples(Ask.AUDIO_WRITE, 100, 10),
    samples(Ask.AUDIO_WRITE, 0, 100),
    samples(Ask.AUDIO_WRITE, 50, 50),
    samples(Ask.AUDIO_WRITE, 101, 10, Status.BAD_OFFSET),
    samples(Ask.AUDIO_WRITE, 99, 2, Status.BAD_OFFSET),
    samples(Ask.AUDIO_WRITE, 0, 101, Status.BAD_OFFSET),
    samples(Ask.AUDIO_WRITE, 999, 2, Status.BAD_OFFSET),
    samples(Ask.AUDIO_WRITE, 1000, 1, Status.BAD_OFFSET),
    samples(Ask.AUDIO_WRITE, -1, 1, Status.BAD_OFFSET),
)

# after 100 samples of a stream: offsets are modulo 2^32
STREAMED = (
    samples(Ask.STREAM_WRITE, 100, 1),
    samples(Ask.STREAM_WRITE, 0, 100),
    samples(Ask.STREAM_WRITE, -60, 50),
    samples(Ask.STREAM_WRITE, 101, 50, Status.BAD_OFFSET),
    samples(Ask.STREAM_WRITE, 99, 2, Status.BAD_OFFSET),
    samples(Ask.AUDIO_WRITE, 100, 1, Status.BAD_STATE),
    say(Ask.AUDIO_END, b"", Status.BAD_STATE),
)

START_CLIP, START_STREAM = say(Ask.AUDIO_BEGIN), say(Ask.STREAM_START, b"\0")
HEARD = (START_CLIP, *clip(Ask.AUDIO_WRITE), say(Ask.AUDIO_END))

WHOLE: dict[str, Conversation] = {
    "a clip, and its answer again": (*HEARD, say(Ask.AUDIO_END)),
    "a clip one sample short": (
        START_CLIP,
        samples(Ask.AUDIO_WRITE, 0, 510),
        say(Ask.AUDIO_END, b"", Status.BAD_STATE),
    ),
    "no samples after a clip": (*HEARD, samples(Ask.AUDIO_WRITE, 500, 500, Status.BAD_STATE)),
    "the answer is forgotten by a new clip": (*HEARD, START_CLIP, say(Ask.AUDIO_END, b"", Status.BAD_STATE)),
    "the answer is forgotten by a stream": (*HEARD, START_STREAM, say(Ask.AUDIO_END, b"", Status.BAD_STATE)),
    "the answer is forgotten by a probe": (*HEARD, probe_write(0, 1), say(Ask.AUDIO_END, b"", Status.BAD_STATE)),
    "the answer outlives features": (
        *HEARD,
        say(Ask.FEATURES_WRITE, bytes(3)),
        say(Ask.FEATURES_RUN),
        say(Ask.AUDIO_END),
    ),
    "the answer outlives an end of no stream": (*HEARD, say(Ask.STREAM_STOP), say(Ask.AUDIO_END)),
    "a refused start ends nothing": (
        *HEARD,
        say(Ask.STREAM_START, b"\2", Status.BAD_VALUE),
        say(Ask.AUDIO_END),
    ),
    "a refused probe ends nothing": (*HEARD, probe_write(WINDOW, 1, Status.BAD_OFFSET), say(Ask.AUDIO_END)),
    "features within a clip": (
        *(START_CLIP, samples(Ask.AUDIO_WRITE, 0, 500), say(Ask.FEATURES_RUN), features_read(0, CELLS)),
        *(samples(Ask.AUDIO_WRITE, 500, 500), say(Ask.AUDIO_END)),
    ),
    "a clip starts over": (START_CLIP, samples(Ask.AUDIO_WRITE, 0, 300), *HEARD),
    "a clip ends a stream": (START_STREAM, START_CLIP, samples(Ask.STREAM_WRITE, 0, 1, Status.BAD_STATE)),
    "a stream ends a clip": (START_CLIP, START_STREAM, samples(Ask.AUDIO_WRITE, 0, 1, Status.BAD_STATE)),
    "a stream starts over": (
        START_STREAM,
        samples(Ask.STREAM_WRITE, 0, 300),
        START_STREAM,
        samples(Ask.STREAM_WRITE, 0, 1),
    ),
    "a stream goes on after a clip": (
        START_STREAM,
        *clip(Ask.STREAM_WRITE),
        samples(Ask.STREAM_WRITE, CLIP_SAMPLES, 1),
    ),
    "a stream stops": (
        START_STREAM,
        say(Ask.STREAM_STOP),
        say(Ask.STREAM_STOP),
        samples(Ask.STREAM_WRITE, 0, 1, Status.BAD_STATE),
    ),
    "the end of no stream leaves a clip": (START_CLIP, say(Ask.STREAM_STOP), samples(Ask.AUDIO_WRITE, 0, 1)),
    "a probe ends a clip": (START_CLIP, probe_read(0, 0, 1), samples(Ask.AUDIO_WRITE, 0, 1, Status.BAD_STATE)),
    "a probe ends a stream": (START_STREAM, probe_write(0, 1), samples(Ask.STREAM_WRITE, 0, 1, Status.BAD_STATE)),
}


def conversations() -> dict[str, Conversation]:
    """Return all cases by name."""
    named = dict(WHOLE)
    for group, start, cases in (
        ("at rest", (), AT_REST),
        ("firmware", (), FIRMWARE),
        ("in a clip", (START_CLIP, samples(Ask.AUDIO_WRITE, 0, 100)), PIECES),
        ("in a stream", (START_STREAM, samples(Ask.STREAM_WRITE, 0, 100)), STREAMED),
    ):
        for case in cases:
            head = f"{case.payload[:8].hex()}{'...' if len(case.payload) > 8 else ''} ({len(case.payload)})"
            named[f"{group}: {case.request:02x} {head}"] = (*start, case)
    return named
