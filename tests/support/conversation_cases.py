"""Requests to a board that was just switched on, and the status of each answer: docs/PROTOCOL.md case by case.

The board has an image of 4 x 5, clips of 1000 samples and a window of 700. The firmware's C (tests/firmware) and the
host's link with a board in Python (tests/host) both run every one.
"""

import struct
from dataclasses import dataclass

MELS, FRAMES, CLIP_SAMPLES, WINDOW = 4, 5, 1000, 700
CELLS = MELS * FRAMES
STAGES = 5
MOST_VALUES = 255  # in one answer to PROBE_READ

INFO, STATISTICS, CRASH_READ, SELF_TEST, REBOOT = 0x01, 0x02, 0x03, 0x04, 0x05
FEATURES_WRITE, FEATURES_RUN, FEATURES_READ = 0x10, 0x11, 0x12
PROFILE_RUN, PROFILE_READ = 0x13, 0x14
AUDIO_BEGIN, AUDIO_WRITE, AUDIO_END = 0x20, 0x21, 0x22
STREAM_START, STREAM_WRITE, STREAM_STOP, STREAM_STATUS = 0x30, 0x31, 0x32, 0x33
PROBE_WRITE, PROBE_READ = 0x40, 0x41
OK, UNKNOWN, BAD_LENGTH, BAD_OFFSET, BAD_STATE, BAD_VALUE = range(6)


@dataclass(frozen=True)
class Exchange:
    """A request and the status of its answer."""

    request: int
    payload: bytes
    status: int


Conversation = tuple[Exchange, ...]


def say(request: int, payload: bytes = b"", status: int = OK) -> Exchange:
    """Return an exchange; answered with ok if nothing is said."""
    return Exchange(request, payload, status)


def samples(request: int, offset: int, count: int, status: int = OK) -> Exchange:
    """Return AUDIO_WRITE or STREAM_WRITE of so many samples."""
    return say(request, struct.pack("<I", offset % 2**32) + bytes(2 * count), status)


def clip(request: int) -> Conversation:
    """Return a whole clip in pieces of 500 samples."""
    return samples(request, 0, 500), samples(request, 500, 500)


def stream_start(source: int, hop: int, smoothing: int, reject: int, gain: int, status: int = OK) -> Exchange:
    """Return STREAM_START in its long form."""
    return say(STREAM_START, struct.pack("<BHBBb", source, hop, smoothing, reject, gain), status)


def features_read(offset: int, count: int, status: int = OK) -> Exchange:
    """Return FEATURES_READ."""
    return say(FEATURES_READ, struct.pack("<HH", offset, count), status)


def probe_write(offset: int, count: int, status: int = OK) -> Exchange:
    """Return PROBE_WRITE of so many samples."""
    return say(PROBE_WRITE, struct.pack("<H", offset) + bytes(2 * count), status)


def probe_read(stage: int, offset: int, count: int, status: int = OK) -> Exchange:
    """Return PROBE_READ."""
    return say(PROBE_READ, struct.pack("<BHH", stage, offset, count), status)


AT_REST = (
    say(INFO),
    say(INFO, b"\0", BAD_LENGTH),
    say(STATISTICS),
    say(STATISTICS, b"\0", BAD_LENGTH),
    say(FEATURES_WRITE, b"", BAD_LENGTH),
    say(FEATURES_WRITE, b"\0", BAD_LENGTH),
    say(FEATURES_WRITE, b"\0\0", BAD_LENGTH),
    say(FEATURES_WRITE, bytes(2 + CELLS)),
    say(FEATURES_WRITE, bytes(3 + CELLS), BAD_OFFSET),
    say(FEATURES_WRITE, struct.pack("<H", CELLS - 1) + b"\1"),
    say(FEATURES_WRITE, struct.pack("<H", CELLS - 1) + b"\1\1", BAD_OFFSET),
    say(FEATURES_WRITE, struct.pack("<H", CELLS) + b"\1", BAD_OFFSET),
    say(FEATURES_WRITE, b"\xff\xff\1", BAD_OFFSET),
    say(FEATURES_WRITE, bytes(1024), BAD_OFFSET),
    say(FEATURES_RUN),
    say(FEATURES_RUN, b"\0", BAD_LENGTH),
    say(FEATURES_READ, b"", BAD_LENGTH),
    say(FEATURES_READ, b"\0\0\1", BAD_LENGTH),
    say(FEATURES_READ, b"\0\0\1\0\0", BAD_LENGTH),
    features_read(0, CELLS),
    features_read(CELLS - 1, 1),
    features_read(0, 0, BAD_VALUE),
    features_read(CELLS, 0, BAD_VALUE),
    features_read(0, 1023, BAD_OFFSET),
    features_read(0, 1024, BAD_VALUE),
    features_read(0, 0xFFFF, BAD_VALUE),
    features_read(0, CELLS + 1, BAD_OFFSET),
    features_read(CELLS, 1, BAD_OFFSET),
    features_read(0xFFFF, 1, BAD_OFFSET),
    say(AUDIO_BEGIN),
    say(AUDIO_BEGIN, b"\0", BAD_LENGTH),
    samples(AUDIO_WRITE, 0, 1, BAD_STATE),
    say(AUDIO_WRITE, bytes(4), BAD_LENGTH),
    say(AUDIO_WRITE, bytes(5), BAD_LENGTH),
    say(AUDIO_WRITE, bytes(7), BAD_LENGTH),
    say(AUDIO_END, b"", BAD_STATE),
    say(AUDIO_END, b"\0", BAD_LENGTH),
    say(STREAM_START, b"", BAD_LENGTH),
    say(STREAM_START, b"\0"),
    say(STREAM_START, b"\2", BAD_VALUE),
    say(STREAM_START, b"\xff", BAD_VALUE),
    say(STREAM_START, b"\0\0", BAD_LENGTH),
    samples(STREAM_WRITE, 0, 1, BAD_STATE),
    say(STREAM_WRITE, bytes(5), BAD_LENGTH),
    say(STREAM_STOP),
    say(STREAM_STOP, b"\0", BAD_LENGTH),
    probe_write(0, 0, BAD_LENGTH),
    say(PROBE_WRITE, bytes(5), BAD_LENGTH),
    probe_write(0, 511),
    probe_write(WINDOW - 1, 1),
    probe_write(WINDOW - 1, 2, BAD_OFFSET),
    probe_write(WINDOW, 1, BAD_OFFSET),
    probe_write(0xFFFF, 511, BAD_OFFSET),
    say(PROBE_READ, struct.pack("<BH", 0, 0), BAD_LENGTH),
    say(PROBE_READ, struct.pack("<BHHB", 0, 0, 1, 0), BAD_LENGTH),
    *(probe_read(stage, 0, MOST_VALUES) for stage in range(STAGES)),
    probe_read(STAGES, 0, 1, BAD_VALUE),
    probe_read(255, 0, 1, BAD_VALUE),
    probe_read(0, 0, 0, BAD_VALUE),
    probe_read(0, 0, MOST_VALUES + 1, BAD_VALUE),
    probe_read(0, WINDOW - 1, 1),
    probe_read(0, WINDOW, 1, BAD_OFFSET),
    probe_read(4, WINDOW + 3, MOST_VALUES),
    probe_read(4, WINDOW + 4, 1, BAD_OFFSET),
    probe_read(0, 0xFFFF, 1, BAD_OFFSET),
    say(0x7F, b"?", UNKNOWN),
)

# what the board in Python knows nothing of
FIRMWARE = (
    say(CRASH_READ, b"", BAD_LENGTH),
    say(CRASH_READ, b"\2", BAD_VALUE),
    say(SELF_TEST),
    say(SELF_TEST, b"\0", BAD_LENGTH),
    say(REBOOT, b"", BAD_LENGTH),
    say(REBOOT, b"\0\0", BAD_LENGTH),
    say(REBOOT, b"\2", BAD_VALUE),
    say(PROFILE_RUN),
    say(PROFILE_RUN, b"\0", BAD_LENGTH),
    say(PROFILE_READ, bytes(4), BAD_VALUE),
    say(PROFILE_READ, b"\0\0\1\0", BAD_STATE),
    say(PROFILE_READ, bytes(3), BAD_LENGTH),
    say(STREAM_START, bytes(7), BAD_LENGTH),
    stream_start(0, 0, 0, 0, 0, BAD_VALUE),
    stream_start(0, 0, 17, 0, 0, BAD_VALUE),
    stream_start(0, 0, 16, 100, 0),
    stream_start(0, 0, 1, 101, 0, BAD_VALUE),
    say(STREAM_STATUS, b"", BAD_STATE),
    say(STREAM_STATUS, b"\0", BAD_LENGTH),
    say(0x0F, b"", UNKNOWN),
)

# after 100 samples of a clip
PIECES = (
    samples(AUDIO_WRITE, 100, 10),
    samples(AUDIO_WRITE, 0, 100),
    samples(AUDIO_WRITE, 50, 50),
    samples(AUDIO_WRITE, 101, 10, BAD_OFFSET),
    samples(AUDIO_WRITE, 99, 2, BAD_OFFSET),
    samples(AUDIO_WRITE, 0, 101, BAD_OFFSET),
    samples(AUDIO_WRITE, 999, 2, BAD_OFFSET),
    samples(AUDIO_WRITE, 1000, 1, BAD_OFFSET),
    samples(AUDIO_WRITE, -1, 1, BAD_OFFSET),
)

# after 100 samples of a stream: offsets are modulo 2^32
STREAMED = (
    samples(STREAM_WRITE, 100, 1),
    samples(STREAM_WRITE, 0, 100),
    samples(STREAM_WRITE, -60, 50),
    samples(STREAM_WRITE, 101, 50, BAD_OFFSET),
    samples(STREAM_WRITE, 99, 2, BAD_OFFSET),
    samples(AUDIO_WRITE, 100, 1, BAD_STATE),
    say(AUDIO_END, b"", BAD_STATE),
)

START_CLIP, START_STREAM = say(AUDIO_BEGIN), say(STREAM_START, b"\0")
HEARD = (START_CLIP, *clip(AUDIO_WRITE), say(AUDIO_END))

WHOLE: dict[str, Conversation] = {
    "a clip, and its answer again": (*HEARD, say(AUDIO_END)),
    "a clip one sample short": (START_CLIP, samples(AUDIO_WRITE, 0, 510), say(AUDIO_END, b"", BAD_STATE)),
    "no samples after a clip": (*HEARD, samples(AUDIO_WRITE, 500, 500, BAD_STATE)),
    "the answer is forgotten by a new clip": (*HEARD, START_CLIP, say(AUDIO_END, b"", BAD_STATE)),
    "the answer is forgotten by a stream": (*HEARD, START_STREAM, say(AUDIO_END, b"", BAD_STATE)),
    "the answer is forgotten by a probe": (*HEARD, probe_write(0, 1), say(AUDIO_END, b"", BAD_STATE)),
    "the answer outlives features": (*HEARD, say(FEATURES_WRITE, bytes(3)), say(FEATURES_RUN), say(AUDIO_END)),
    "the answer outlives an end of no stream": (*HEARD, say(STREAM_STOP), say(AUDIO_END)),
    "a refused start ends nothing": (*HEARD, say(STREAM_START, b"\2", BAD_VALUE), say(AUDIO_END)),
    "a refused probe ends nothing": (*HEARD, probe_write(WINDOW, 1, BAD_OFFSET), say(AUDIO_END)),
    "features within a clip": (
        *(START_CLIP, samples(AUDIO_WRITE, 0, 500), say(FEATURES_RUN), features_read(0, CELLS)),
        *(samples(AUDIO_WRITE, 500, 500), say(AUDIO_END)),
    ),
    "a clip starts over": (START_CLIP, samples(AUDIO_WRITE, 0, 300), *HEARD),
    "a clip ends a stream": (START_STREAM, START_CLIP, samples(STREAM_WRITE, 0, 1, BAD_STATE)),
    "a stream ends a clip": (START_CLIP, START_STREAM, samples(AUDIO_WRITE, 0, 1, BAD_STATE)),
    "a stream starts over": (START_STREAM, samples(STREAM_WRITE, 0, 300), START_STREAM, samples(STREAM_WRITE, 0, 1)),
    "a stream goes on after a clip": (START_STREAM, *clip(STREAM_WRITE), samples(STREAM_WRITE, CLIP_SAMPLES, 1)),
    "a stream stops": (START_STREAM, say(STREAM_STOP), say(STREAM_STOP), samples(STREAM_WRITE, 0, 1, BAD_STATE)),
    "the end of no stream leaves a clip": (START_CLIP, say(STREAM_STOP), samples(AUDIO_WRITE, 0, 1)),
    "a probe ends a clip": (START_CLIP, probe_read(0, 0, 1), samples(AUDIO_WRITE, 0, 1, BAD_STATE)),
    "a probe ends a stream": (START_STREAM, probe_write(0, 1), samples(STREAM_WRITE, 0, 1, BAD_STATE)),
}


def conversations() -> dict[str, Conversation]:
    """Return all cases by name."""
    named = dict(WHOLE)
    for group, start, cases in (
        ("at rest", (), AT_REST),
        ("firmware", (), FIRMWARE),
        ("in a clip", (START_CLIP, samples(AUDIO_WRITE, 0, 100)), PIECES),
        ("in a stream", (START_STREAM, samples(STREAM_WRITE, 0, 100)), STREAMED),
    ):
        for case in cases:
            head = f"{case.payload[:8].hex()}{'...' if len(case.payload) > 8 else ''} ({len(case.payload)})"
            named[f"{group}: {case.request:02x} {head}"] = (*start, case)
    return named
