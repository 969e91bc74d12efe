"""Write tests/protocol_cases.json: byte streams, and what a receiver must make of them (docs/PROTOCOL.md).

The streams are made with PyPI's `cobs` and with zlib, not with our own code;
what to expect of each is said here by hand. The requests of conversations, and the status of each answer, are in
conversation_cases.py.
"""

import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

from cobs import cobs

from tinyscene.firmware.protocol import ANSWER, MAX_PAYLOAD, VERSION, Request as Ask

DELIMITER = b"\0"
SESSION = 0x5A5A
OVERHEAD = 6 + 4  # bytes of header and CRC
BANNER = "# tinyscene 0.1.0 board=mps2 bundle=student identity=0123456789abcdef protocol=2\r\n"
RESULT = "airport:0.02\tbus:0.83\tmetro:0.15\r\n"


def raw(kind: int, sequence: int, payload: bytes = b"", version: int = VERSION) -> bytes:
    """Return a frame before COBS."""
    body = struct.pack("<BBHH", version, kind, sequence, SESSION) + payload
    return body + struct.pack("<I", zlib.crc32(body))


def encoded(kind: int, sequence: int, payload: bytes = b"", version: int = VERSION) -> bytes:
    """Return a frame's chunk, without delimiters."""
    return cobs.encode(raw(kind, sequence, payload, version))


def sent(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    """Return a frame as it is sent."""
    return DELIMITER + encoded(kind, sequence, payload) + DELIMITER


def frame(kind: int, sequence: int, payload: bytes = b"") -> dict[str, Any]:
    """Return the expectation of a frame."""
    return {"kind": "frame", "type": kind, "sequence": sequence, "session": SESSION, "payload_hex": payload.hex()}


def text(line: str) -> dict[str, Any]:
    """Return the expectation of text."""
    return {"kind": "text", "text": line}


def case(name: str, stream: bytes, *expect: dict[str, Any], **errors: int) -> dict[str, Any]:
    """Return one entry of the table; errors that are not named are 0."""
    counts = {"crc": 0, "oversize": 0, "malformed": 0, "version": 0} | errors
    return {"name": name, "stream_hex": stream.hex(), "expect": list(expect), "errors": counts}


def good(name: str, kind: int, sequence: int, payload: bytes = b"") -> dict[str, Any]:
    """Return the case of one undamaged frame."""
    return case(name, sent(kind, sequence, payload), frame(kind, sequence, payload))


def every_type() -> list[dict[str, Any]]:
    """Return each request and a plausible answer to it."""
    samples = struct.pack("<4h", 0, -1, 32767, -32768)
    outputs = struct.pack("<10b", *range(-128, 122, 25))
    information = struct.pack(
        "<B8sIIIHHBBfiI", VERSION, bytes(range(8)), 25_000_000, 44100, 44100, 80, 51, 10, 0, 0.125, -3, 1024
    )
    for string in (b"mps2", b"0.1.0", b"student"):
        information += bytes([len(string)]) + string
    information += struct.pack("<H", 8) + b"bus\ttram" + b"\x19" + b"35c22f6a612a gcc 12.2.1 -O2"[:25]
    return [
        good("HELLO", Ask.HELLO, 1),
        good(
            "HELLO answer",
            Ask.HELLO | ANSWER,
            1,
            b"\0" + bytes(range(8)) + struct.pack("<HBH", 4080, 10, len(information)),
        ),
        good("INFO", Ask.INFO, 0x1234, struct.pack("<HH", 0, len(information))),
        good("INFO answer", Ask.INFO | ANSWER, 0x1234, b"\0" + information),
        good("STATISTICS", Ask.STATISTICS, 1),
        good(
            "STATISTICS answer",
            Ask.STATISTICS | ANSWER,
            1,
            b"\0" + struct.pack("<6I", 7, 0, 0, 256, 65536, 0xFFFFFFFF),
        ),
        good("REBOOT", Ask.REBOOT, 1, b"\1"),
        good("REBOOT answer, bad_state", Ask.REBOOT | ANSWER, 1, b"\4"),
        good("CRASH_READ", Ask.CRASH_READ, 15, b"\0"),
        good(
            "CRASH_READ answer",
            Ask.CRASH_READ | ANSWER,
            15,
            struct.pack("<4B6I", 0, 3, 1, Ask.FEATURES_RUN, 2, 0x08001234, 0x08004321, 0x20003FD0, 0x8200, 0x40000000),
        ),
        good("SELF_TEST", Ask.SELF_TEST, 16),
        good(
            "SELF_TEST answer",
            Ask.SELF_TEST | ANSWER,
            16,
            struct.pack("<2B7I", 0, 1, 97644, 0x3AE8F646, 20000, 80_000_000, 80_000_000, 16384, 2048),
        ),
        good("FEATURES_WRITE", Ask.FEATURES_WRITE, 2, struct.pack("<H4b", 4076, -128, -1, 0, 127)),
        good("FEATURES_WRITE answer", Ask.FEATURES_WRITE | ANSWER, 2, b"\0"),
        good("FEATURES_RUN", Ask.FEATURES_RUN, 3),
        good(
            "FEATURES_RUN answer",
            Ask.FEATURES_RUN | ANSWER,
            3,
            b"\0" + struct.pack("<II", 123456, 0xCBF43926) + outputs,
        ),
        good("FEATURES_READ", Ask.FEATURES_READ, 4, struct.pack("<HH", 0, 4)),
        good("FEATURES_READ answer", Ask.FEATURES_READ | ANSWER, 4, b"\0" + struct.pack("<4b", -128, -1, 0, 127)),
        good("PROFILE_RUN", Ask.PROFILE_RUN, 15),
        good(
            "PROFILE_RUN answer",
            Ask.PROFILE_RUN | ANSWER,
            15,
            b"\0" + struct.pack("<IIHI", 1000, 0xFFFFFFFF, 15, 0xCBF43926) + outputs,
        ),
        good("PROFILE_READ", Ask.PROFILE_READ, 16, struct.pack("<HH", 0, 15)),
        good("PROFILE_READ answer", Ask.PROFILE_READ | ANSWER, 16, b"\0" + struct.pack("<3I", 0, 256, 12_491_400)),
        good("AUDIO_BEGIN", Ask.AUDIO_BEGIN, 5),
        good("AUDIO_WRITE", Ask.AUDIO_WRITE, 6, struct.pack("<I", 44096) + samples),
        good("AUDIO_END", Ask.AUDIO_END, 7),
        good(
            "AUDIO_END answer",
            Ask.AUDIO_END | ANSWER,
            7,
            b"\0" + struct.pack("<IIII", 98765, 43210, 0x01020304, 0xCBF43926) + outputs,
        ),
        good("FEATURES_RUN answer, bad_model", Ask.FEATURES_RUN | ANSWER, 8, b"\x08"),
        good("AUDIO_END answer, bad_state", Ask.AUDIO_END | ANSWER, 8, b"\4"),
        good("STREAM_START", Ask.STREAM_START, 9, b"\0"),
        good("STREAM_WRITE", Ask.STREAM_WRITE, 10, struct.pack("<I", 0) + samples),
        good("STREAM_STOP", Ask.STREAM_STOP, 11),
        good("STREAM_START from the microphone", Ask.STREAM_START, 15, struct.pack("<BHBBb", 1, 25, 4, 60, -6)),
        good("STREAM_STATUS", Ask.STREAM_STATUS, 16),
        good(
            "STREAM_STATUS answer",
            Ask.STREAM_STATUS | ANSWER,
            16,
            b"\0" + struct.pack("<IIhhB", 7, 0, -312, -100, 255),
        ),
        good("PROBE_WRITE", Ask.PROBE_WRITE, 12, struct.pack("<H", 1760) + samples),
        good("PROBE_READ", Ask.PROBE_READ, 13, struct.pack("<BHH", 1, 1530, 255)),
        good("PROBE_READ answer", Ask.PROBE_READ | ANSWER, 13, struct.pack("<BH3f", 0, 1764, 0.0, -1.5, 1e-30)),
        good("FEATURES_WRITE answer, stale", Ask.FEATURES_WRITE | ANSWER, 17, b"\x09"),
        good("FEATURES_WRITE answer, bad_session", Ask.FEATURES_WRITE | ANSWER, 18, b"\x0a"),
        good("unknown type", 0x7F, 14, b"?"),
    ]


def payloads() -> list[dict[str, Any]]:
    """Return payloads that try COBS: zeros, runs around its block of 254, the largest."""
    cases = [
        good("sequence 0", Ask.INFO, 0),
        good("sequence 65535", Ask.INFO, 65535),
        good("payload of one zero", Ask.FEATURES_WRITE, 0, b"\0"),
        good("payload of 16 zeros", Ask.FEATURES_WRITE, 0, bytes(16)),
        good("payload of ones", Ask.FEATURES_WRITE, 0x0101, b"\1" * 40),
        good("payload of 0xFF", Ask.FEATURES_WRITE, 0xFFFF, b"\xff" * 300),
        good("payload that looks like a frame", Ask.FEATURES_WRITE, 13, sent(Ask.INFO, 13)),
        good("payload that looks like text", Ask.FEATURES_WRITE, 13, BANNER.encode()),
        good("largest payload, zeros", Ask.FEATURES_WRITE, 14, bytes(MAX_PAYLOAD)),
        good("largest payload, no zeros", Ask.FEATURES_WRITE, 14, bytes(1 + i % 255 for i in range(MAX_PAYLOAD))),
        good("largest payload, random", Ask.FEATURES_WRITE, 14, random.Random(1).randbytes(MAX_PAYLOAD)),
    ]
    for length in (253, 254, 255, 256, 507, 508, 509):
        run = bytes(1 + i % 255 for i in range(length))
        cases.append(good(f"run of {length} bytes between zeros", Ask.AUDIO_WRITE, 15, b"\0" + run + b"\0"))
    for length in (253, 254, 255, 508):
        sequence = next(
            n for n in range(0x0101, 0xFFFF) if 0 not in raw(Ask.AUDIO_WRITE, n, b"\7" * (length - OVERHEAD))
        )
        cases.append(
            good(f"frame of {length} bytes without a zero", Ask.AUDIO_WRITE, sequence, b"\7" * (length - OVERHEAD))
        )
    return cases


def sequences() -> list[dict[str, Any]]:
    """Return several frames and text in one stream."""
    one, two = frame(Ask.INFO, 1), frame(Ask.FEATURES_RUN, 2)
    return [
        case("nothing", b""),
        case("delimiters only", bytes(20)),
        case("two frames", sent(Ask.INFO, 1) + sent(Ask.FEATURES_RUN, 2), one, two),
        case("two frames share a delimiter", sent(Ask.INFO, 1)[:-1] + sent(Ask.FEATURES_RUN, 2), one, two),
        case("the same frame twice", sent(Ask.INFO, 1) * 2, one, one),
        case("no delimiter before the first frame", sent(Ask.INFO, 1)[1:], one),
        case("a frame not ended yet", sent(Ask.INFO, 1) + sent(Ask.FEATURES_RUN, 2)[:-1], one),
        case("text alone", BANNER.encode() + DELIMITER, text(BANNER)),
        case("text before a frame", BANNER.encode() + sent(Ask.INFO, 1), text(BANNER), one),
        case(
            "text between frames",
            sent(Ask.INFO, 1) + RESULT.encode() + RESULT.encode() + sent(Ask.FEATURES_RUN, 2),
            one,
            text(RESULT + RESULT),
            two,
        ),
        case(
            "text longer than a frame",
            (RESULT * 60).encode() + sent(Ask.INFO, 1),
            text(RESULT * 60),
            one,
        ),
        case("text of one character", b"?" + sent(Ask.INFO, 1), text("?"), one),
        case(
            "text of all characters",
            bytes(range(32, 127)) + b"\t\r\n\0",
            text(bytes(range(32, 127)).decode() + "\t\r\n"),
        ),
    ]


def damage() -> list[dict[str, Any]]:
    """Return streams with damage, each followed by a good frame that must come through."""
    victim = sent(Ask.FEATURES_WRITE, 0x0203, bytes(range(1, 101)))
    after, next_frame = sent(Ask.INFO, 1), frame(Ask.INFO, 1)
    wrong_crc = bytearray(raw(Ask.FEATURES_WRITE, 0x0203, b"abc"))
    wrong_crc[-1] ^= 0x80
    one_bit = bytearray(victim)
    one_bit[50] ^= 0x10
    code = bytearray(victim)
    code[1] = 0xF0
    swapped = bytearray(victim)
    swapped[10], swapped[11] = swapped[11], swapped[10]
    text_hit = bytearray(RESULT.encode())
    text_hit[5] ^= 0x80
    too_long = sent(Ask.FEATURES_WRITE, 16, bytes(i % 256 for i in range(MAX_PAYLOAD + 1)))
    too_long_zeros = sent(Ask.FEATURES_WRITE, 16, bytes(MAX_PAYLOAD + 1))
    noise = bytes(random.Random(2).choices(range(128, 256), k=50))
    return [
        case("tail of a frame, then a frame", victim[40:] + after, next_frame, malformed=1),
        case("noise, then a frame", noise + after, next_frame, malformed=1),
        case("long noise, then a frame", b"\x80" * 3000 + after, next_frame, oversize=1),
        case("truncated, the next one follows", victim[:60] + after, next_frame, malformed=1),
        case("truncated to two bytes", victim[:3] + after, next_frame, malformed=1),
        case("wrong CRC", DELIMITER + cobs.encode(bytes(wrong_crc)) + after, next_frame, crc=1),
        case("one bit flipped", bytes(one_bit) + after, next_frame, crc=1),
        case("COBS code too large", bytes(code) + after, next_frame, malformed=1),
        case("two bytes swapped", bytes(swapped) + after, next_frame, crc=1),
        case("one byte lost", victim[:30] + victim[31:] + after, next_frame, malformed=1),
        case("one byte too many", victim[:30] + b"\x55" + victim[30:] + after, next_frame, malformed=1),
        case("zero inside", victim[:30] + DELIMITER + victim[30:] + after, next_frame, malformed=2),
        case("delimiter lost between frames", victim[:-1] + after[1:] + after, next_frame, crc=1),
        case("text without a delimiter before a frame", RESULT.encode() + after[1:] + after, next_frame, malformed=1),
        case("text with a hurt byte", bytes(text_hit) + after, next_frame, malformed=1),
        case("version 3", DELIMITER + encoded(Ask.INFO, 17, b"", version=3) + after, next_frame, version=1),
        case("version 1, of 8 bytes", DELIMITER + short_header(1) + after, next_frame, version=1),
        case(
            "a header of version 1 under another number", DELIMITER + short_header(2) + after, next_frame, malformed=1
        ),
        case("version 0", DELIMITER + encoded(Ask.INFO, 17, b"", version=0) + after, next_frame, version=1),
        case("too short: 7 bytes", DELIMITER + cobs.encode(raw(Ask.INFO, 18)[3:]) + after, next_frame, malformed=1),
        case("too short: a right CRC over 3 bytes", DELIMITER + short_frame() + after, next_frame, malformed=1),
        case("payload of 1025 bytes", too_long + after, next_frame, oversize=1),
        case("payload of 1025 zeros", too_long_zeros + after, next_frame, oversize=1),
        case("hurt twice in a row", bytes(one_bit) + bytes(one_bit) + after, next_frame, crc=2),
        case(
            "text, damage, frame, text",
            RESULT.encode() + bytes(one_bit) + after + RESULT.encode() + DELIMITER,
            text(RESULT),
            next_frame,
            text(RESULT),
            crc=1,
        ),
    ]


def short_frame() -> bytes:
    """Return the chunk of three bytes with their CRC: right, but no frame."""
    body = b"\1\1\1"
    return cobs.encode(body + struct.pack("<I", zlib.crc32(body)))


def short_header(version: int) -> bytes:
    """Return the chunk of a frame with version 1's header: version, type, sequence."""
    body = struct.pack("<BBH", version, Ask.INFO, 17)
    return cobs.encode(body + struct.pack("<I", zlib.crc32(body)))


def table() -> list[dict[str, Any]]:
    """Return all cases."""
    return every_type() + payloads() + sequences() + damage()


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(entry) for entry in table())
    Path(__file__).parents[1].joinpath("protocol_cases.json").write_text(f"[\n{lines}\n]\n")
