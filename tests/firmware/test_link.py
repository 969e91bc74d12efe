"""The firmware's side of docs/PROTOCOL.md: every case of the table, and streams with random damage."""

import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import link_binding
import pytest
from cobs import cobs

from tinyscene.firmware.protocol import VERSION

TABLE = Path(__file__).parents[1] / "protocol_cases.json"
CASES = json.loads(TABLE.read_text())
FRAMES = [(case, frame) for case in CASES for frame in case["expect"] if frame["kind"] == "frame"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_receiver_follows_the_table(case: dict[str, Any]) -> None:
    events = link_binding.Events()
    events.feed(bytes.fromhex(case["stream_hex"]))
    expected = [event if event["kind"] == "frame" else "text" for event in case["expect"]]
    assert events.seen == expected
    assert events.errors == case["errors"]


def test_receiver_survives_the_whole_table_in_one_stream() -> None:
    events = link_binding.Events()
    for case in CASES:
        events.feed(bytes.fromhex(case["stream_hex"]) + b"\0")
    frames = [event for event in events.seen if event != "text"]
    # one case ends inside a frame, which the next delimiter ends
    assert len(frames) == len(FRAMES) + 1
    for kind in events.errors:
        assert events.errors[kind] == sum(case["errors"][kind] for case in CASES)


@pytest.mark.parametrize(("case", "frame"), [pair for pair in FRAMES if len(pair[0]["expect"]) == 1])
def test_sender_writes_what_the_table_has(case: dict[str, Any], frame: dict[str, Any]) -> None:
    payload = bytes.fromhex(frame["payload_hex"])
    sent = link_binding.send(frame["type"], frame["sequence"], payload, frame["session"])
    assert sent.strip(b"\0") in bytes.fromhex(case["stream_hex"]).split(b"\0")
    assert sent[0] == sent[-1] == 0


def test_header_of_another_version_can_be_read() -> None:
    events = link_binding.Events()
    body = struct.pack("<BBH", 1, 0x01, 0x1234)
    events.feed(cobs.encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0")
    assert events.errors["version"] == 1
    frame = events.frame()
    assert (frame["type"], frame["sequence"], frame["payload_hex"]) == (0x01, 0x1234, "")


def test_random_payloads_go_there_and_back() -> None:
    source = random.Random(1)
    for length in [*range(260), 507, 508, 509, 761, 762, 763, link_binding.MAX_PAYLOAD]:
        payload = bytes(source.choices(range(256), [8] + [1] * 255, k=length))
        sent = link_binding.send(0x7E, length, payload, 0x4321)
        body = struct.pack("<BBHH", VERSION, 0x7E, length, 0x4321) + payload
        assert sent == b"\0" + cobs.encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0"
        events = link_binding.Events()
        events.feed(sent)
        frame = {"kind": "frame", "type": 0x7E, "sequence": length, "session": 0x4321, "payload_hex": payload.hex()}
        assert events.seen == [frame]


def test_damage_never_makes_a_wrong_frame() -> None:
    """Bytes lost, flipped, doubled: what comes through is what was sent, and the stream recovers at once."""
    source = random.Random(2)
    events = link_binding.Events()
    sent_frames = []
    intact = 0
    for sequence in range(2000):
        payload = source.randbytes(source.randrange(40))
        stream = bytearray(link_binding.send(0x10, sequence, payload))
        frame = {"kind": "frame", "type": 0x10, "sequence": sequence, "session": 1, "payload_hex": payload.hex()}
        sent_frames.append(frame)
        place = source.randrange(len(stream))
        damage = source.choice(["none", "lost", "flipped", "doubled"])
        if damage == "lost":
            del stream[place]
        elif damage == "flipped":
            stream[place] ^= 1 << source.randrange(8)
        elif damage == "doubled":
            stream.insert(place, stream[place])
        else:
            intact += 1
        before = len(events.seen)
        events.feed(bytes(stream))
        if damage == "none":
            assert events.seen[before:][-1] == sent_frames[-1]
    received = [event for event in events.seen if event != "text"]
    assert all(frame in sent_frames[max(0, frame["sequence"] - 1) : frame["sequence"] + 1] for frame in received)
    assert len(received) >= intact
    assert sum(events.errors.values()) > 0


def test_crc32_continues() -> None:
    crc32 = link_binding.library().crc32
    assert crc32(0, b"123456789", 9) == 0xCBF43926
    assert crc32(crc32(0, b"1234", 4), b"56789", 5) == 0xCBF43926
