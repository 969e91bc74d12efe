"""The firmware's own C behind a line that hurts one byte in a hundred: every answer is right, or there is none."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from serial.urlhandler import protocol_socket

import link_soak
from fake_board import FakePort
from native_board import NativeBoard
from noisy_line import NoisyLine, Trouble
from tinyscene.device import board as board_module
from tinyscene.device.board import Board
from tinyscene.device.chunks import SMALLEST, Chunks
from tinyscene.device.link import Link, UnansweredError
from tinyscene.device.pace import Attempts, Pace


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board answers at once, and pyserial does not sleep when it closes a socket."""
    monkeypatch.setattr(board_module, "RUN_TIMEOUT", link_soak.TIMEOUT)
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda _: None))


def test_one_byte_in_a_hundred_hurt() -> None:
    """Bytes lost, flipped, doubled, late; stalls, and resets in mid-frame. By hand: tests/tools/link_soak.py."""
    trouble = replace(link_soak.ONE_PERCENT, seed=2, reset_every=4000)
    board = NativeBoard()
    questions = [question for question in link_soak.native_questions(2) if question.__name__ != "probe"]
    with FakePort(board) as port, NoisyLine(port.url, trouble, board.boot) as line:
        tally = link_soak.soak(line, questions, requests=400, seed=2)
    assert tally.wrong == 0
    assert tally.answers > 5
    assert 0.007 < tally.hurt / tally.passed < 0.013
    assert tally.resets > 0
    assert tally.repetitions > 100


def test_what_the_line_repeats_changes_no_answer() -> None:
    """Old requests come once more between the later ones, of every type and of earlier sessions, too."""
    board, answers, repeated = NativeBoard(), 0, Counter[int]()
    questions = link_soak.native_questions(3)
    with FakePort(board) as port, NoisyLine(port.url, Trouble(repeat=0.25), board.boot) as line:
        while answers < 300:
            tally = link_soak.soak(line, questions, requests=100, seed=answers)
            assert tally.wrong == 0
            answers += tally.answers
        repeated = line.repeated
    assert set(repeated) == {request.value for request in link_soak.ASKED}
    assert min(repeated.values()) >= 10


def test_three_bytes_in_a_hundred_hurt() -> None:
    """The short greeting comes through, the description comes in pieces, and so does all else."""
    board = NativeBoard()
    questions = [question for question in link_soak.native_questions(4) if question.__name__ != "probe"]
    with FakePort(board) as port, NoisyLine(port.url, Trouble(lose=0.01, flip=0.01, double=0.01)) as line:
        tally = link_soak.soak(line, questions, requests=300, seed=4)
    assert (tally.wrong, tally.errors) == (0, 0)
    assert tally.answers > 5
    assert 0.025 < tally.hurt / tally.passed < 0.035


def test_a_line_that_nothing_survives_ends_in_a_named_error() -> None:
    """Within bounded time."""
    board = NativeBoard()
    with FakePort(board) as port, NoisyLine(port.url, Trouble(flip=0.2)) as line, Link(line.url, timeout=0.01) as link:
        with pytest.raises(UnansweredError, match="no answer to HELLO"):
            Board(link)
        assert link.errors > 0


def test_long_frames_become_short_ones_and_long_again() -> None:
    """Where a fifth of the shortest frames is lost the pieces shrink; on the clean line after it they grow."""
    board = NativeBoard()
    sent = np.random.default_rng(1).integers(-32768, 32768, 1000).astype(np.int16)
    with FakePort(board) as port:
        with NoisyLine(port.url, Trouble(flip=0.01)) as line, Link(line.url, timeout=0.05) as link:
            client = Board(link)
            client.classify_audio(sent)
            assert client._chunks._bytes <= 4 * SMALLEST
        chunks = client._chunks
    assert list(chunks.transfer(100_000, 1022, 1, lambda *_: None))[-1] == 100_000
    assert chunks._bytes == 1024


class Script:
    """A link that answers or not as a test says."""

    repetitions = 0


def transfer(largest: int, answers: Callable[[int, int], bool]) -> list[tuple[int, int, int | None]]:
    """Return the pieces of 100 two-byte items that were tried."""
    tried = []

    def exchange(begin: int, end: int, attempts: int | None) -> None:
        tried.append((begin, end, attempts))
        if not answers(begin, end):
            raise UnansweredError("no")

    chunks = Chunks(Script(), 64)  # type: ignore[arg-type]
    assert list(chunks.transfer(100, largest, 2, exchange))[-1] == 100
    return tried


def test_pieces_of_a_failed_piece_end_where_it_ended() -> None:
    """The board may have the whole piece, and then refuses one that reaches beyond it."""
    tried = transfer(30, lambda begin, end: end - begin <= 16 or begin >= 30)
    assert tried[:4] == [(0, 30, 2), (0, 16, 2), (16, 30, 2), (30, 46, 2)]
    assert {end for _, end, _ in tried} >= {30}


def test_the_smallest_piece_is_tried_as_often_as_any_request() -> None:
    """Larger ones are given up early."""
    tried = transfer(32, lambda begin, end: end - begin <= 8)
    assert [attempts for _, _, attempts in tried[:3]] == [2, 2, None]
    with pytest.raises(UnansweredError):
        transfer(32, lambda *_: False)


def test_patience_follows_the_answers() -> None:
    """A known request is waited for in proportion; late answers make the host wait longer."""
    pace = Pace()
    assert pace.patience(1, 1.0) == 1.0
    pace.answered(1, 0.01)
    assert pace.patience(1, 1.0) == pytest.approx(0.14)
    pace.came_late(1)
    assert pace.patience(1, 1.0) == pytest.approx(0.18)
    pace.came_late(2)
    assert pace.patience(2, 3.0) == 3.0
    pace.answered(1, 5.0)
    assert pace.patience(1, 1.0) == 1.0


def test_attempts_end_by_count_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence: each wait is twice as long; both enough attempts and enough time, unless told how many."""
    now = 100.0
    monkeypatch.setattr("tinyscene.device.pace.time", SimpleNamespace(monotonic=lambda: now))
    tries, few = Attempts(0.1, 1.0), Attempts(0.1, 1.0, most=2)
    waits = []
    while not tries.exhausted:
        tries.made += 1
        few.made += 1
        assert few.exhausted == (few.made >= 2)
        waits.append(tries.patience)
        now += tries.patience
        tries.had_silence()
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6] + 14 * [2.0])
