"""The host's side of the serial protocol: the table of cases that the firmware's parser runs too, and round trips."""

import json
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fake_board import INFO
from tinyscene.device import description, messages
from tinyscene.device.description import DeviceInfo, Greeting
from tinyscene.device.messages import Inference, Statistics, parse_probabilities
from tinyscene.device.protocol import MAX_CHUNK, Defect, Demultiplexer, Frame, ProtocolError, decode, encode
from tinyscene.firmware.protocol import MAX_PAYLOAD, Request, Status

CASES = json.loads((Path(__file__).parents[2] / "protocol_cases.json").read_text())
# The host shows a line when it is complete; only then does the rest of the chunk turn out to be damaged.
SHOWN_EARLY = {"text without a delimiter before a frame": 1}

numbers = st.integers(0, 0xFFFF)
frames = st.builds(Frame, st.integers(0, 255), numbers, st.binary(max_size=MAX_PAYLOAD), numbers)
lines = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=80)


def cut(stream: bytes, how: str) -> list[bytes]:
    """Cut a stream whole, byte by byte, or at random places."""
    if how == "whole":
        return [stream]
    if how == "bytes":
        return [stream[i : i + 1] for i in range(len(stream))]
    generator = random.Random(how)
    places = sorted(generator.choices(range(len(stream) + 1), k=7))
    return [stream[begin:end] for begin, end in zip([0, *places], [*places, len(stream)], strict=True)]


def receive(pieces: list[bytes]) -> tuple[list[Frame | str], Demultiplexer]:
    """Feed the pieces to a new demultiplexer."""
    demultiplexer = Demultiplexer()
    return [event for piece in pieces for event in demultiplexer.feed(piece)], demultiplexer


def expected_events(case: dict[str, Any]) -> list[Frame | str]:
    """Return a case's expectation, with the lines of its text."""
    events: list[Frame | str] = []
    for item in case["expect"]:
        if item["kind"] == "frame":
            payload = bytes.fromhex(item["payload_hex"])
            events.append(Frame(item["type"], item["sequence"], payload, item["session"]))
        else:
            events += item["text"].split("\r\n")[:-1] if "\n" in item["text"] else [item["text"]]
    return events


@pytest.mark.parametrize("how", ["whole", "bytes", "random 1", "random 2", "random 3"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict[str, Any], how: str) -> None:
    """Every case of the table gives its frames, lines and errors, however the stream is cut."""
    events, demultiplexer = receive(cut(bytes.fromhex(case["stream_hex"]), how))
    assert events[SHOWN_EARLY.get(case["name"], 0) :] == expected_events(case)
    assert {defect.value: demultiplexer.errors[defect] for defect in Defect} == case["errors"]
    assert demultiplexer.frames + demultiplexer.lines == len(events)


@pytest.mark.parametrize(
    "case", [case for case in CASES if len(case["expect"]) == 1 and not any(case["errors"].values())]
)
def test_case_is_encoded_the_same(case: dict[str, Any]) -> None:
    """What the table holds as one frame is what we send for it."""
    event = expected_events(case)[0]
    if isinstance(event, Frame) and case["stream_hex"].startswith("00"):
        assert bytes.fromhex(case["stream_hex"]).startswith(encode(event)[:-1])


@given(frames)
def test_round_trip(frame: Frame) -> None:
    """What is encoded is decoded, has no zero inside and keeps within the longest chunk."""
    data = encode(frame)
    assert data[0] == data[-1] == 0
    assert 0 not in data[1:-1]
    assert len(data) - 2 <= MAX_CHUNK
    assert decode(data[1:-1]) == frame


@given(st.lists(st.one_of(frames, lines), max_size=6), st.integers(0, 1000))
def test_any_mixture_any_cut(events: list[Frame | str], seed: int) -> None:
    """Frames and lines in any order come out in that order, however they are cut."""
    stream = b"".join(encode(event) if isinstance(event, Frame) else event.encode() + b"\r\n" for event in events)
    assert receive(cut(stream, f"random {seed}"))[0] == events
    assert receive(cut(stream, "bytes"))[0] == events


@given(st.binary(max_size=3000), st.integers(0, 1000))
def test_noise_is_cut_invariant_and_ends(noise: bytes, seed: int) -> None:
    """Noise gives the same however it is cut, keeps no more than a chunk, and the next frame comes through."""
    results = []
    for how in ("whole", "bytes", f"random {seed}"):
        events, demultiplexer = receive([*cut(noise, how), encode(Frame(1, 2))])
        assert events[-1] == Frame(1, 2)
        results.append((events, demultiplexer.errors))
    assert results[0] == results[1] == results[2]


@given(frames, st.data())
def test_one_hurt_byte_never_gives_another_frame(frame: Frame, data: st.DataObject) -> None:
    """A flipped byte inside a frame gives no frame at all."""
    stream = bytearray(encode(frame))
    stream[data.draw(st.integers(1, len(stream) - 2))] ^= data.draw(st.integers(1, 255))
    events, _ = receive([bytes(stream)])
    assert [event for event in events if isinstance(event, Frame)] == []


def test_text_line_is_given_before_any_delimiter() -> None:
    """A board that streams sends no 0x00: its lines come out when they are complete."""
    demultiplexer = Demultiplexer()
    assert demultiplexer.feed(b"bus:0.8") == []
    assert demultiplexer.feed(b"3\ttram:0.17\r\nbus") == ["bus:0.83\ttram:0.17"]
    assert demultiplexer.feed(b":1.00\n\n") == ["bus:1.00"]


def test_a_result_of_255_classes_is_text() -> None:
    """And longer than any frame; what is not text is given up at once."""
    line = "\t".join(f"{'x' * 64}:0.00" for _ in range(255))
    assert receive(cut(line.encode() + b"\r\n\0", "random 1"))[0] == [line]
    assert receive(cut(line.encode() + b"\0", "random 2"))[0] == [line]
    for noise in (b"\x80" * 3000, b"x" * 40_000):
        events, demultiplexer = receive(cut(noise + b"\0", "random 3"))
        assert (events, demultiplexer.errors) == ([], {Defect.OVERSIZE: 1})


def test_frame_that_begins_like_an_empty_line() -> None:
    """A frame whose first code byte is a newline (COBS block of 10) is not taken for text."""
    frame = Frame(0x11, 0x0101, b"\1\1\1\0", 0x0101)
    data = encode(frame)
    assert data[1:2] == b"\n"
    assert receive(cut(data, "bytes"))[0] == [frame]


def test_too_large_a_payload_is_refused() -> None:
    """A payload beyond the limit is not sent."""
    with pytest.raises(ProtocolError, match="1025 bytes"):
        encode(Frame(1, 1, bytes(MAX_PAYLOAD + 1)))


def test_info_round_trip() -> None:
    """A board's description survives packing."""
    assert DeviceInfo.unpack(INFO.pack()) == INFO
    assert INFO.features == 40 * 51


def test_info_of_the_table() -> None:
    """The answers of the table read as docs/PROTOCOL.md says; ten classes for two labels are refused."""
    (hello,) = [case for case in CASES if case["name"] == "HELLO answer"]
    greeting = Greeting.unpack(bytes.fromhex(hello["expect"][0]["payload_hex"])[1:])
    (case,) = [case for case in CASES if case["name"] == "INFO answer"]
    body = bytearray.fromhex(case["expect"][0]["payload_hex"])[1:]
    with pytest.raises(ProtocolError, match="classes: 10 for 2 labels"):
        DeviceInfo.unpack(bytes(body))
    body[body.index(10, 25)] = 2
    info = DeviceInfo.unpack(bytes(body))
    assert greeting == Greeting("0001020304050607", 80 * 51, 10, len(body))
    assert (info.board, info.firmware, info.bundle, len(info.labels)) == ("mps2", "0.1.0", "student", 2)
    assert (info.mels, info.frames, info.sample_rate, info.clock_hz) == (80, 51, 44100, 25_000_000)
    assert (info.identity, info.output_scale, info.output_zero_point) == ("0001020304050607", 0.125, -3)
    assert (info.output_kind, info.max_payload, info.build) == ("logits", 1024, "35c22f6a612a gcc 12.2.1 -")


@pytest.mark.parametrize("length", [0, 10, len(INFO.pack()) - 1, len(INFO.pack()) + 1])
def test_damaged_info_is_refused(length: int) -> None:
    """A description that is cut off or too long is an error, not a wrong description."""
    with pytest.raises(ProtocolError):
        DeviceInfo.unpack((INFO.pack() + b"?")[:length])


def test_request_payloads_and_answers() -> None:
    """Payloads have the layout of docs/PROTOCOL.md."""
    assert messages.features_write(0x0102, b"\x80\x7f") == b"\x02\x01\x80\x7f"
    assert messages.features_read(1, 2) == b"\x01\x00\x02\x00"
    assert messages.samples_write(0x01020304, np.array([-1, 2], np.int16)) == b"\x04\x03\x02\x01\xff\xff\x02\x00"
    assert description.info_read(1, 2) == b"\x01\x00\x02\x00"
    run = Inference.unpack_features_run(struct.pack("<II3b", 1000, 5, -128, 0, 127), 3)
    assert (run.outputs.tolist(), run.model_microseconds, run.frontend_microseconds) == ([-128, 0, 127], 1000, None)
    assert (run.image_crc, run.samples_crc) == (5, None)
    audio = Inference.unpack_audio_end(struct.pack("<IIII1b", 7, 8, 9, 10, -1), 1)
    assert (audio.outputs.tolist(), audio.frontend_microseconds, audio.model_microseconds) == ([-1], 7, 8)
    assert (audio.samples_crc, audio.image_crc) == (9, 10)
    assert Statistics.unpack(struct.pack("<6I", *range(6))) == Statistics(0, 1, 2, 3, 4, 5)


def test_every_request_and_status_is_named() -> None:
    """Types are requests' types, and every status has its reason."""
    assert all(1 <= request <= 0x7F for request in Request)
    assert all(status.reason for status in Status)


def test_streamed_lines() -> None:
    """Result lines are read; lines for people and damaged ones are not."""
    assert parse_probabilities("bus:0.83\ttram:0.17") == {"bus": 0.83, "tram": 0.17}
    for line in ("# tinyscene 0.1.0 board=mps2", "", "bus", "bus:", ":0.5", "bus:x\ttram:0.1", "12:34:"):
        assert parse_probabilities(line) is None
