"""What a board says of itself: HELLO's short answer, and the description that INFO reads in pieces.

Every field of an answer has a range, which is checked here, once.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tinyscene.device.protocol import ProtocolError, unpack_exactly
from tinyscene.firmware import MAX_PAYLOAD, Request

_HELLO = struct.Struct("<8sHBH")
_INFO_READ = struct.Struct("<HH")
_DESCRIPTION = struct.Struct("<B8sIIIHHBBfiI")
_OUTPUT_KINDS: tuple[Literal["logits"], Literal["probabilities"]] = ("logits", "probabilities")
MOST_INFO = MAX_PAYLOAD - 1  # bytes of the description in one answer, after the status
MOST_HZ = 2_000_000_000  # of a processor's clock
_RATES = (1_000, 192_000)  # Hz
_MOST_SECONDS = 60  # of a clip
_LEAST_PAYLOAD = 16


@dataclass(frozen=True)
class Greeting:
    """A board's answer to HELLO.

    Attributes:
        identity: 16 hex digits, `Bundle.identity` of the bundle in its firmware.
        features: bytes of its INT8 image.
        classes: number of its outputs.
        description_bytes: what INFO can read; 0: the bundle in its flash is damaged, and the rest means nothing.
    """

    identity: str
    features: int
    classes: int
    description_bytes: int

    @classmethod
    def unpack(cls, body: bytes) -> "Greeting":
        """Read the body of the answer to HELLO.

        Raises:
            ProtocolError: another length than expected.
        """
        identity, features, classes, described = unpack_exactly(_HELLO, body)
        return cls(identity.hex(), features, classes, described)

    def pack(self) -> bytes:
        """Return the body of the answer to HELLO."""
        return _HELLO.pack(bytes.fromhex(self.identity), self.features, self.classes, self.description_bytes)


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
        build: identifier of a build of one firmware version.
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

    @property
    def greeting(self) -> Greeting:
        """The answer to HELLO that goes with it."""
        return Greeting(self.identity, self.features, len(self.labels), len(self.pack()))

    def pack(self) -> bytes:
        """Return the bytes that INFO reads."""
        numbers = _DESCRIPTION.pack(
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
    def unpack(cls, description: bytes) -> "DeviceInfo":
        """Read the bytes that INFO reads.

        Raises:
            ProtocolError: they are too few or too many, or a field has a value that no board has.
        """
        try:
            protocol, identity, clock, rate, samples, mels, frames, classes, kind, scale, zero, limit = (
                _DESCRIPTION.unpack_from(description)
            )
            rest = description[_DESCRIPTION.size :]
            strings = []
            for length in ("<B", "<B", "<B", "<H", "<B"):
                text, rest = _unpack_string(rest, length)
                strings.append(text)
        except (struct.error, UnicodeDecodeError) as error:
            raise ProtocolError(f"the board's description is damaged: {error}") from error
        board, firmware, bundle, joined, build = strings
        labels = tuple(joined.split("\t"))
        _require(not rest, "length", f"{len(rest)} bytes too long")
        _require(len(labels) == classes, "classes", f"{classes} for {len(labels)} labels")
        _require(0 < clock <= MOST_HZ, "clock", f"{clock} Hz")
        _require(_RATES[0] <= rate <= _RATES[1], "sample rate", f"{rate} Hz")
        _require(0 < samples <= _MOST_SECONDS * rate, "clip", f"{samples} samples at {rate} Hz")
        _require(0 < mels * frames <= 0xFFFF, "image", f"{mels} x {frames} values")
        _require(kind < len(_OUTPUT_KINDS), "kind of outputs", str(kind))
        _require(math.isfinite(scale) and scale > 0, "output scale", str(scale))
        _require(-128 <= zero <= 127, "output zero point", str(zero))
        _require(_LEAST_PAYLOAD <= limit <= 0xFFFF, "greatest payload", f"{limit} bytes")
        for what, text in (("board", board), ("bundle", bundle), *(("label", label) for label in labels)):
            _require(bool(text), what, "an empty name")
        for text in (board, firmware, bundle, build, *labels):
            _require(text.isascii() and text.isprintable(), "text", repr(text))
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
            board=board,
            firmware=firmware,
            bundle=bundle,
            labels=labels,
            build=build,
        )


def info_read(offset: int, count: int) -> bytes:
    """Return the payload of INFO: `count` bytes of the description, from byte `offset` on."""
    return _INFO_READ.pack(offset, count)


def read_description(ask: Callable[[Request, bytes], bytes]) -> DeviceInfo:
    """Ask a board on a line without faults for its greeting and its description.

    Args:
        ask: sends a request with a payload and returns the answer's body.

    Raises:
        ProtocolError: the answers are none.
    """
    count = Greeting.unpack(ask(Request.HELLO, b"")).description_bytes
    pieces = (ask(Request.INFO, info_read(at, min(MOST_INFO, count - at))) for at in range(0, count, MOST_INFO))
    return DeviceInfo.unpack(b"".join(pieces))


def _require(holds: bool, what: str, found: str) -> None:
    if not holds:
        raise ProtocolError(f"the board describes itself with an impossible {what}: {found}")


def _pack_string(text: str, length: str) -> bytes:
    data = text.encode()
    return struct.pack(length, len(data)) + data


def _unpack_string(body: bytes, length: str) -> tuple[str, bytes]:
    (count,) = struct.unpack_from(length, body)
    start = struct.calcsize(length)
    if len(body) < start + count:
        raise struct.error("a string is cut off")
    return body[start : start + count].decode(), body[start + count :]
