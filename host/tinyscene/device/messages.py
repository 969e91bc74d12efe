"""Requests of the serial protocol and their answers: the payloads of the frames, packed and unpacked.

All numbers on the wire are little endian; docs/PROTOCOL.md is the specification.
"""

import enum
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyscene.device.protocol import ProtocolError, unpack_exactly
from tinyscene.frontend import Stage

_STATISTICS = struct.Struct("<6I")
_FEATURES_WRITE = struct.Struct("<H")
_FEATURES_READ = struct.Struct("<HH")
_PROFILE_RUN = struct.Struct("<IIHI")
_PROFILE_READ = struct.Struct("<HH")
_SAMPLES_WRITE = struct.Struct("<I")
_FEATURES_RUN = struct.Struct("<II")
_AUDIO_END = struct.Struct("<IIII")
_STREAM_START = struct.Struct("<BHBBb")
_STREAM_STATUS = struct.Struct("<IIhhB")
_REJECTED = 0xFF
_PROBE_WRITE = struct.Struct("<H")
_PROBE_READ = struct.Struct("<BHH")
_PROBE_TOTAL = struct.Struct("<H")


@dataclass(frozen=True)
class Statistics:
    """What a board has counted since it started."""

    frames_ok: int
    crc_errors: int
    overruns: int
    oversize: int
    inferences: int
    malformed: int

    @classmethod
    def unpack(cls, body: bytes) -> "Statistics":
        """Read the body of the answer to STATISTICS."""
        return cls(*unpack_exactly(_STATISTICS, body))


@dataclass(frozen=True)
class Inference:
    """The prediction for one clip.

    Attributes:
        outputs: INT8 [classes].
        model_microseconds: how long the board took for the model.
        frontend_microseconds: how long the board took for the front end; None if the host sent features.
        image_crc, samples_crc: CRC-32 of the image and of the clip's PCM16 that the outputs belong to, as the board's
            answer says; None: it says nothing of it.
    """

    outputs: NDArray[np.int8]
    model_microseconds: int
    frontend_microseconds: int | None = None
    image_crc: int | None = None
    samples_crc: int | None = None

    @classmethod
    def unpack_features_run(cls, body: bytes, classes: int) -> "Inference":
        """Read the body of the answer to FEATURES_RUN."""
        (model, image), outputs = _unpack_outputs(_FEATURES_RUN, body, classes)
        return cls(outputs, model, image_crc=image)

    @classmethod
    def unpack_audio_end(cls, body: bytes, classes: int) -> "Inference":
        """Read the body of the answer to AUDIO_END."""
        (frontend, model, samples, image), outputs = _unpack_outputs(_AUDIO_END, body, classes)
        return cls(outputs, model, frontend, image, samples)


@dataclass(frozen=True)
class ProfileRun:
    """A run of the model that was measured layer by layer.

    Attributes:
        frontend_ticks, model_ticks: ticks of the board's clock for the parts of a clip.
        layers: number of its model's layers.
        image_crc: CRC-32 of the image that the outputs belong to.
        outputs: INT8 [classes].
    """

    frontend_ticks: int
    model_ticks: int
    layers: int
    image_crc: int
    outputs: NDArray[np.int8]

    @classmethod
    def unpack(cls, body: bytes, classes: int) -> "ProfileRun":
        """Read the body of the answer to PROFILE_RUN."""
        (frontend, model, layers, image), outputs = _unpack_outputs(_PROFILE_RUN, body, classes)
        return cls(frontend, model, layers, image, outputs)


def profile_read(offset: int, count: int) -> bytes:
    """Return the payload of PROFILE_READ: `count` layers from `offset` on."""
    return _PROFILE_READ.pack(offset, count)


def unpack_profile_read(body: bytes, count: int) -> tuple[int, ...]:
    """Read the body of the answer to PROFILE_READ: the ticks of `count` layers."""
    return unpack_exactly(struct.Struct(f"<{count}I"), body)


def features_write(offset: int, values: bytes) -> bytes:
    """Return the payload of FEATURES_WRITE: INT8 values of the image, row-major, from cell `offset` on."""
    return _FEATURES_WRITE.pack(offset) + values


def features_read(offset: int, count: int) -> bytes:
    """Return the payload of FEATURES_READ."""
    return _FEATURES_READ.pack(offset, count)


def samples_write(offset: int, samples: NDArray[np.int16]) -> bytes:
    """Return the payload of AUDIO_WRITE and STREAM_WRITE: PCM16 from sample `offset` on."""
    return _SAMPLES_WRITE.pack(offset) + samples.astype("<i2").tobytes()


def probe_write(offset: int, samples: NDArray[np.int16]) -> bytes:
    """Return the payload of PROBE_WRITE: PCM16 of one frame from sample `offset` on."""
    return _PROBE_WRITE.pack(offset) + samples.astype("<i2").tobytes()


def probe_read(stage: Stage, offset: int, count: int) -> bytes:
    """Return the payload of PROBE_READ: up to `count` values of a stage, from value `offset` on."""
    return _PROBE_READ.pack(stage, offset, count)


def most_probe_values(max_payload: int) -> int:
    """Return how many values one answer to PROBE_READ can carry."""
    return (max_payload - 1 - _PROBE_TOTAL.size) // np.dtype("<f4").itemsize  # after the status and the total


def unpack_probe_read(body: bytes, offset: int, count: int) -> tuple[int, NDArray[np.float32]]:
    """Read the body of the answer to PROBE_READ: the number of the stage's values, and the requested ones.

    Args:
        body: the answer, after its status.
        offset: first value that was asked for.
        count: number of values that were asked for; there are fewer at the stage's end.
    """
    (total,) = unpack_exactly(_PROBE_TOTAL, body[: _PROBE_TOTAL.size])
    values = body[_PROBE_TOTAL.size :]
    expected = min(count, total - offset)
    if expected <= 0 or len(values) != 4 * expected:
        raise ProtocolError(f"{len(values)} bytes of values where {max(0, expected)} values were expected")
    return total, np.frombuffer(values, "<f4").astype(np.float32)


def unpack_bytes(body: bytes, count: int) -> bytes:
    """Read the body of the answer to FEATURES_READ and INFO: as many bytes as were asked for."""
    if len(body) != count:
        raise ProtocolError(f"an answer of {len(body)} bytes where {count} were expected")
    return body


class Source(enum.IntEnum):
    """Where the samples of a stream come from."""

    SERIAL = 0
    MICROPHONE = 1


@dataclass(frozen=True)
class StreamOptions:
    """How a board should stream.

    Attributes:
        source: the serial port, or the board's microphone.
        hop: columns of the image from one result to the next; 0: a result for every clip.
        smoothing: number of results whose mean is reported, 1 to 16.
        reject: percent that the most probable class must reach.
        gain: gain of the microphone, in half decibels relative to the board's usual one.
    """

    source: Source = Source.SERIAL
    hop: int = 0
    smoothing: int = 1
    reject: int = 0
    gain: int = 0

    def pack(self) -> bytes:
        """Return the payload of STREAM_START."""
        return _STREAM_START.pack(self.source, self.hop, self.smoothing, self.reject, self.gain)


CLIP_AFTER_CLIP = StreamOptions()


@dataclass(frozen=True)
class StreamStatus:
    """The state of a stream: results so far, frames dropped, and level, peak and class of the last result.

    Level and peak are in dBFS of a full-scale square wave; `scene` is the class's index, None if it was rejected.
    """

    results: int
    dropped: int
    level: float
    peak: float
    scene: int | None

    @classmethod
    def unpack(cls, body: bytes, classes: int) -> "StreamStatus":
        """Read the body of the answer to STREAM_STATUS."""
        results, dropped, level, peak, scene = unpack_exactly(_STREAM_STATUS, body)
        if scene != _REJECTED and scene >= classes:
            raise ProtocolError(f"class {scene} of {classes}")
        return cls(results, dropped, level / 10, peak / 10, None if scene == _REJECTED else scene)


def parse_probabilities(line: str) -> dict[str, float] | None:
    """Read a streamed text line, `label:0.02<TAB>label:0.83`; None for any other line."""
    values: dict[str, float] = {}
    for field in line.split("\t"):
        label, colon, value = field.rpartition(":")
        try:
            values[label] = float(value)
        except ValueError:
            return None
        if not (label and colon and 0.0 <= values[label] <= 1.0):
            return None
    return values


def _unpack_outputs(layout: struct.Struct, body: bytes, classes: int) -> tuple[tuple[int, ...], NDArray[np.int8]]:
    if len(body) != layout.size + classes:
        raise ProtocolError(
            f"an answer of {len(body)} bytes where {layout.size + classes} were expected for {classes} classes"
        )
    return layout.unpack_from(body), np.frombuffer(body, np.int8, offset=layout.size)
