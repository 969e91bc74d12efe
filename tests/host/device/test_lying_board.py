"""A board whose answers are not what docs/PROTOCOL.md says: one sentence, whatever it claims."""

import math
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from serial.urlhandler import protocol_socket

from fake_board import INFO, FakeBoard, FakePort
from tinyscene.device import crash_places, health, monitor, streaming
from tinyscene.device.board import Board
from tinyscene.device.description import MOST_HZ, DeviceInfo
from tinyscene.device.link import Link
from tinyscene.device.messages import parse_probabilities
from tinyscene.device.protocol import ProtocolError
from tinyscene.errors import LinkError
from tinyscene.firmware.protocol import Request

FEATURES = np.zeros((INFO.mels, INFO.frames), np.int8)
SOUND = np.zeros(INFO.clip_samples, np.int16)


@pytest.fixture(autouse=True)
def quick_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not sleep 0.3 s, as pyserial does whenever it closes a socket."""
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.parametrize(
    ("what", "fields"),
    [
        ("clock", {"clock_hz": 0}),
        ("clock", {"clock_hz": MOST_HZ + 1}),
        ("sample rate", {"sample_rate": 0}),
        ("sample rate", {"sample_rate": 2**32 - 1}),
        ("clip", {"clip_samples": 0}),
        ("clip", {"clip_samples": 2**32 - 1}),
        ("image", {"mels": 0}),
        ("image", {"frames": 0}),
        ("image", {"mels": 0xFFFF, "frames": 0xFFFF}),
        ("output scale", {"output_scale": math.nan}),
        ("output scale", {"output_scale": math.inf}),
        ("output scale", {"output_scale": 0.0}),
        ("output scale", {"output_scale": -0.1}),
        ("output zero point", {"output_zero_point": 128}),
        ("output zero point", {"output_zero_point": -129}),
        ("greatest payload", {"max_payload": 0}),
        ("greatest payload", {"max_payload": 2**32 - 1}),
        ("board", {"board": ""}),
        ("bundle", {"bundle": ""}),
        ("label", {"labels": ("bus", "", "tram")}),
        ("text", {"board": "\x1b[2J"}),
        ("text", {"firmware": "1\r\n"}),
        ("text", {"bundle": "caf\N{LATIN SMALL LETTER E WITH ACUTE}"}),
        ("text", {"labels": ("bus", "park\0", "tram")}),
        ("text", {"build": "\x07"}),
    ],
)
def test_no_field_is_beyond_its_range(what: str, fields: dict[str, Any]) -> None:
    """Whether a board that is asked for it says so, or one that comes back."""
    told = replace(INFO, **fields)
    with pytest.raises(ProtocolError, match=f"describes itself with an impossible {what}: "):
        DeviceInfo.unpack(told.pack())
    board = FakeBoard(INFO)
    board.tells[Request.HELLO] = told.greeting.pack() if told.features < 0x10000 else INFO.greeting.pack()
    board.tells[Request.INFO] = told.pack()
    with FakePort(board) as port, Link(port.url) as link, pytest.raises(LinkError, match=f"impossible {what}"):
        Board(link)


def test_the_description_must_be_that_of_the_greeting() -> None:
    """Two boards on one line, or one that changes its mind."""
    board = FakeBoard(INFO)
    board.tells[Request.HELLO] = replace(INFO.greeting, classes=4).pack()
    with FakePort(board) as port, Link(port.url) as link, pytest.raises(LinkError, match="contradicted itself 5 times"):
        Board(link)


def info(url: str, folder: Path) -> None:
    """Describe it."""
    monitor.info(url, folder / "info.json")


def classify(url: str, folder: Path) -> None:
    """Send it a file."""
    soundfile.write(folder / "clip.wav", SOUND, INFO.sample_rate)
    monitor.classify(url, folder / "clip.wav")


def stream(url: str, folder: Path) -> None:
    """Play it a file."""
    soundfile.write(folder / "clip.wav", SOUND, INFO.sample_rate)
    streaming.stream(url, folder / "clip.wav", False, streaming.Wishes(), None)


def stream_status(url: str, _: Path) -> None:
    """Ask after a stream."""
    with Link(url) as link, Board(link).listening(streaming.StreamOptions()):
        Board(link).stream_status()


def features(url: str, _: Path) -> None:
    """Send it an image, and read it."""
    with Link(url) as link:
        board = Board(link)
        board.classify_features(FEATURES)
        board.read_features()


def profile(url: str, _: Path) -> None:
    """Have it measured."""
    with Link(url) as link:
        Board(link).profile(SOUND)


def probe(url: str, _: Path) -> None:
    """Look into its front end."""
    with Link(url) as link:
        Board(link).probe(SOUND[:700])


def crash(url: str, _: Path) -> None:
    """Ask for its last crash."""
    crash_places.report(url)


def self_test(url: str, _: Path) -> None:
    """Have it test itself."""
    with Link(url) as link:
        health.self_test(link)


VERBS: list[tuple[Request, Callable[[str, Path], None]]] = [
    (Request.HELLO, info),
    (Request.INFO, info),
    (Request.STATISTICS, info),
    (Request.SELF_TEST, info),
    (Request.SELF_TEST, self_test),
    (Request.CRASH_READ, info),
    (Request.CRASH_READ, crash),
    (Request.AUDIO_END, classify),
    (Request.HELLO, stream),
    (Request.STREAM_STATUS, stream_status),
    (Request.FEATURES_RUN, features),
    (Request.FEATURES_READ, features),
    (Request.PROFILE_RUN, profile),
    (Request.PROFILE_READ, profile),
    (Request.PROBE_READ, probe),
]


@pytest.mark.parametrize("length", [0, 1, 2, 10, 12, 50, 1000])
@pytest.mark.parametrize(("request_kind", "verb"), VERBS, ids=lambda value: getattr(value, "name", None))
def test_an_answer_of_another_length(
    request_kind: Request, verb: Callable[[str, Path], None], length: int, tmp_path: Path
) -> None:
    """Is refused by every verb that reads it, by the name of the request."""
    board = FakeBoard(INFO)
    board.tells[request_kind] = bytes(length)
    said = f"answers {request_kind.name} with what is no answer|contradicted itself"
    with FakePort(board) as port, pytest.raises(LinkError, match=said):
        verb(port.url, tmp_path)


@pytest.mark.parametrize(
    ("request_kind", "body", "verb"),
    [
        (Request.SELF_TEST, struct.pack("<B7I", 2, 1, 1, 1, 1, 1, 1, 1), self_test),
        (Request.SELF_TEST, struct.pack("<B7I", 1, 1, 1, 1, 0, 1, 1, 1), self_test),
        (Request.SELF_TEST, struct.pack("<B7I", 1, 1, 1, 1, 1, MOST_HZ + 1, 1, 1), self_test),
        (Request.SELF_TEST, struct.pack("<B7I", 1, 1, 1, 1, 1, 1, 100, 101), self_test),
        (Request.CRASH_READ, struct.pack("<3B6I", 7, 0, 0, *range(6)), crash),
        (Request.CRASH_READ, struct.pack("<3B6I", 0, 4, 0, *range(6)), crash),
        (Request.STREAM_STATUS, struct.pack("<IIhhB", 1, 0, 0, 0, 3), stream_status),
    ],
)
def test_a_value_that_no_board_has(
    request_kind: Request, body: bytes, verb: Callable[[str, Path], None], tmp_path: Path
) -> None:
    """Is refused, too."""
    board = FakeBoard(INFO)
    board.tells[request_kind] = body
    with FakePort(board) as port, pytest.raises(LinkError, match=f"answers {request_kind.name} with what is no answer"):
        verb(port.url, tmp_path)


@pytest.mark.parametrize(
    ("request_kind", "body", "verb"),
    [
        (Request.FEATURES_RUN, struct.pack("<II3b", 1, 0x12345678, 0, 0, 0), features),
        (Request.AUDIO_END, struct.pack("<IIII3b", 1, 1, 0x12345678, 0, 0, 0, 0), classify),
        (Request.PROFILE_RUN, struct.pack("<IIHI3b", 1, 1, 1, 0x12345678, 0, 0, 0), profile),
    ],
)
def test_outputs_of_other_data(
    request_kind: Request, body: bytes, verb: Callable[[str, Path], None], tmp_path: Path
) -> None:
    """Are asked for again, and in the end refused."""
    board = FakeBoard(INFO)
    board.tells[request_kind] = body
    with FakePort(board) as port, pytest.raises(LinkError, match="answers for other data than it was sent"):
        verb(port.url, tmp_path)
    assert board.asked[request_kind] == 5


def test_a_streamed_probability_is_one() -> None:
    """A line of other numbers is shown as it is, not as bars."""
    for value in ("nan", "inf", "-inf", "-0.01", "1.01", "1e400"):
        assert parse_probabilities(f"bus:{value}\ttram:0.5") is None
