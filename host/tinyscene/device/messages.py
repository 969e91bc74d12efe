"""Requests of the serial protocol and their answers: the payloads of the frames, packed and unpacked.

All numbers on the wire are little endian; docs/PROTOCOL.md is the specification.
"""

import enum
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tinyscene.device.protocol import ProtocolError
from tinyscene.frontend import Stage

_INFO = struct.Struct("<B8sIIIHHBBfiI")
_STATISTICS = struct.Struct("<6I")
_FEATURES_WRITE = struct.Struct("<H")
_FEATURES_READ = struct.Struct("<HH")
_PROFILE_RUN = struct.Struct("<IIH")
_PROFILE_READ = struct.Struct("<HH")
_SAMPLES_WRITE = struct.Struct("<I")
_FEATURES_RUN = struct.Struct("<I")
_AUDIO_END = struct.Struct("<II")
_STREAM_START = struct.Struct("<BHBBb")
_STREAM_STATUS = struct.Struct("<IIhhB")
_REJECTED = 0xFF
_PROBE_WRITE = struct.Struct("<H")
_PROBE_READ = struct.Struct("<BHH")
_PROBE_TOTAL = struct.Struct("<H")
_OUTPUT_KINDS: tuple[Literal["logits"], Literal["probabilities"]] = ("logits", "probabilities")


@dataclass(frozen=True, kw_only=True)
class DeviceInfo:
    """A board's description of itself.

    Attributes:
        protocol: version of the protocol.
        identity: 16 hex digits, `Bundle.identity` of the bundle in its firmware.
        clock_hz: clock of its processor.
        sample_rate, clip_samples: rate and clip length of the audio that it takes, mono PCM16.
        mels, frames: shape of its INT8 image.
        output_kind, output_scale, output_zero_point: how to read its INT8 outputs, as in a bundle.
        max_payload: largest payload of its frames, in bytes.
        board, firmware, bundle: name of the board, version of the firmware, and name of the bundle.
        labels: the scenes, in the order of its outputs.
        build: identifier of a build of one firmware version; empty if the firmware is too old to report it.
    """

    protocol: int
    identity: str
    clock_hz: int
    sample_rate: int
    clip_samples: int
    mels: int
    frames: int
    output_kind: Literal["logits", "probabilities"]
    output_scale: float
    output_zero_point: int
    max_payload: int
    board: str
    firmware: str
    bundle: str
    labels: tuple[str, ...]
    build: str = ""

    @property
    def features(self) -> int:
        """Bytes of its INT8 image."""
        return self.mels * self.frames

    def pack(self) -> bytes:
        """Return the body of the answer to INFO (without the status)."""
        numbers = _INFO.pack(
            self.protocol,
            bytes.fromhex(self.identity),
            self.clock_hz,
            self.sample_rate,
            self.clip_samples,
            self.mels,
            self.frames,
            len(self.labels),
            _OUTPUT_KINDS.index(self.output_kind),
            self.output_scale,
            self.output_zero_point,
            self.max_payload,
        )
        strings = [_pack_string(text, "<B") for text in (self.board, self.firmware, self.bundle)]
        labels = _pack_string("\t".join(self.labels), "<H")
        return b"".join([numbers, *strings, labels, _pack_string(self.build, "<B")])

    @classmethod
    def unpack(cls, body: bytes) -> "DeviceInfo":
        """Read the body of the answer to INFO.

        Raises:
            ProtocolError: the body is too short or too long, or contradicts itself.
        """
        try:
            protocol, identity, clock, rate, samples, mels, frames, classes, kind, scale, zero, limit = (
                _INFO.unpack_from(body)
            )
            rest = body[_INFO.size :]
            strings = []
            for length in ("<B", "<B", "<B", "<H"):
                text, rest = _unpack_string(rest, length)
                strings.append(text)
            build, rest = _unpack_string(rest, "<B") if rest else ("", rest)
        except (struct.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"the board's description is damaged: {error}") from error
        labels = tuple(strings[3].split("\t"))
        if rest or len(labels) != classes or kind >= len(_OUTPUT_KINDS):
            raise ProtocolError("the board's description contradicts itself")
        return cls(
            protocol=protocol,
            identity=identity.hex(),
            clock_hz=clock,
            sample_rate=rate,
            clip_samples=samples,
            mels=mels,
            frames=frames,
            output_kind=_OUTPUT_KINDS[kind],
            output_scale=scale,
            output_zero_point=zero,
            max_payload=limit,
            board=strings[0],
            firmware=strings[1],
            bundle=strings[2],
            labels=labels,
            build=build,
        )


def _pack_string(text: str, length: str) -> bytes:
    data = text.encode()
    return struct.pack(length, len(data)) + data


def _unpack_string(body: bytes, length: str) -> tuple[str, bytes]:
    (count,) = struct.unpack_from(length, body)
    start = struct.calcsize(length)
    if len(body) < start + count:
        raise struct.error("a string is cut off")
    return body[start : start + count].decode(), body[start + count :]


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
        return cls(*_unpack(_STATISTICS, body, exactly=True))


@dataclass(frozen=True)
class Inference:
    """The prediction for one clip: INT8 outputs [classes], and how long the board took, in microseconds.

    `frontend_microseconds` is None if the host sent features.
    """

    outputs: NDArray[np.int8]
    model_microseconds: int
    frontend_microseconds: int | None = None

    @classmethod
    def unpack_features_run(cls, body: bytes) -> "Inference":
        """Read the body of the answer to FEATURES_RUN."""
        (model,) = _unpack(_FEATURES_RUN, body)
        return cls(np.frombuffer(body, np.int8, offset=_FEATURES_RUN.size), model)

    @classmethod
    def unpack_audio_end(cls, body: bytes) -> "Inference":
        """Read the body of the answer to AUDIO_END."""
        frontend, model = _unpack(_AUDIO_END, body)
        return cls(np.frombuffer(body, np.int8, offset=_AUDIO_END.size), model, frontend)


@dataclass(frozen=True)
class ProfileRun:
    """Ticks of the board's clock for the parts of a clip; number of its model's layers; INT8 outputs [classes]."""

    frontend_ticks: int
    model_ticks: int
    layers: int
    outputs: NDArray[np.int8]

    @classmethod
    def unpack(cls, body: bytes) -> "ProfileRun":
        """Read the body of the answer to PROFILE_RUN."""
        frontend, model, layers = _unpack(_PROFILE_RUN, body)
        return cls(frontend, model, layers, np.frombuffer(body, np.int8, offset=_PROFILE_RUN.size))


def profile_read(offset: int, count: int) -> bytes:
    """Return the payload of PROFILE_READ: `count` layers from `offset` on."""
    return _PROFILE_READ.pack(offset, count)


def unpack_profile_read(body: bytes, count: int) -> tuple[int, ...]:
    """Read the body of the answer to PROFILE_READ: the ticks of `count` layers."""
    return _unpack(struct.Struct(f"<{count}I"), body, exactly=True)


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


def unpack_probe_read(body: bytes) -> tuple[int, NDArray[np.float32]]:
    """Read the body of the answer to PROBE_READ: the number of the stage's values, and the requested ones."""
    (total,) = _unpack(_PROBE_TOTAL, body)
    values = body[_PROBE_TOTAL.size :]
    if not values or len(values) % 4 or len(values) // 4 > total:
        raise ProtocolError(f"{len(values)} bytes of values where {total} values were expected")
    return total, np.frombuffer(values, "<f4").astype(np.float32)


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
    def unpack(cls, body: bytes) -> "StreamStatus":
        """Read the body of the answer to STREAM_STATUS."""
        results, dropped, level, peak, scene = _unpack(_STREAM_STATUS, body, exactly=True)
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
        if not (label and colon):
            return None
    return values


def _unpack(layout: struct.Struct, body: bytes, *, exactly: bool = False) -> tuple[int, ...]:
    if len(body) < layout.size or (exactly and len(body) != layout.size):
        raise ProtocolError(f"an answer of {len(body)} bytes where {layout.size} were expected")
    return layout.unpack_from(body)
