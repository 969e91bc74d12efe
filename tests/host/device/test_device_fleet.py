"""Several boards at once: what is shared out, lost, found again and refused, against boards in Python."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from serial.urlhandler import protocol_socket

from fake_board import INFO, FakeBoard, FakePort, outputs_of
from tinyscene.device import fleet as fleet_module
from tinyscene.device.board import Board
from tinyscene.device.fleet import Answer, Fleet
from tinyscene.device.messages import Inference
from tinyscene.errors import DatasetError, LinkError
from tinyscene.firmware.protocol import Request, Status

CLIPS = 24
IMAGES = np.random.default_rng(1).integers(-128, 128, (CLIPS, INFO.mels, INFO.frames)).astype(np.int8)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost boards are looked for often, and pyserial does not sleep when it closes a socket."""
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(fleet_module, "OWN_RECONNECT_SECONDS", 0.1)
    monkeypatch.setattr(fleet_module, "RETRY_SECONDS", 0.05)


@pytest.fixture
def ports() -> Iterator[list[FakePort]]:
    """Three boards."""
    with ExitStack() as stack:
        yield [stack.enter_context(FakePort(FakeBoard(INFO))) for _ in range(3)]


def ask(board: Board, number: int) -> Inference:
    """Classify one image."""
    return board.classify_features(IMAGES[number])


def classify(
    ports: list[FakePort], asked: Callable[[Board, int], Inference] = ask, **options: float
) -> tuple[list[Answer], Fleet]:
    """Have all images classified, and check that each was once and rightly."""
    with Fleet([port.url for port in ports], INFO.identity, **options) as fleet:
        answers = list(fleet.classify(CLIPS, asked))
    assert sorted(answer.number for answer in answers) == list(range(CLIPS))
    for answer in answers:
        expected = outputs_of(IMAGES[answer.number].tobytes(), len(INFO.labels))
        assert answer.inference.outputs.tolist() == expected.tolist()
    return answers, fleet


def test_clips_are_shared_out(ports: list[FakePort]) -> None:
    """Every board works, and every clip is run once."""
    answers, fleet = classify(ports)
    counts = Counter(answer.port for answer in answers)
    assert set(counts) == {port.url for port in ports}
    for port in ports:
        assert isinstance(port.board, FakeBoard)
        assert port.board.asked[Request.FEATURES_RUN] == counts[port.url]
    assert fleet.lost == {}


def test_whoever_is_free_takes_the_next(ports: list[FakePort]) -> None:
    """While one board is busy with its first clip, the others do the rest."""
    others = threading.Semaphore(0)

    def slow(board: Board, number: int) -> Inference:
        if board.link.url == ports[0].url:
            for _ in range(CLIPS - 1):
                assert others.acquire(timeout=10)
            return ask(board, number)
        answer = ask(board, number)
        others.release()
        return answer

    answers, _ = classify(ports, slow)
    assert Counter(answer.port for answer in answers)[ports[0].url] == 1


def test_a_lost_boards_clip_goes_to_another(ports: list[FakePort], capsys: pytest.CaptureFixture[str]) -> None:
    """A board that dies for good in the middle of a clip costs nothing but its sentence."""
    died = threading.Event()

    def deadly(board: Board, number: int) -> Inference:
        if board.link.url == ports[0].url and number >= 3:
            if not died.is_set():
                ports[0].vanish()
                died.set()
        elif board.link.url != ports[0].url and number > CLIPS - 4:
            assert died.wait(5)
        return ask(board, number)

    answers, fleet = classify(ports, deadly)
    assert died.is_set()
    assert list(fleet.lost) == [ports[0].url]
    said = capsys.readouterr().err
    assert f"lost {ports[0].url}: vanished" in said
    assert "its clip goes to another board until it is back" in said
    assert Counter(answer.port for answer in answers)[ports[0].url] <= 3


def test_a_board_that_comes_back_rejoins(ports: list[FakePort], capsys: pytest.CaptureFixture[str]) -> None:
    """The others wait for nothing; the one that was away takes clips again."""
    gone, back = threading.Event(), threading.Event()

    def unsteady(board: Board, number: int) -> Inference:
        if board.link.url == ports[0].url:
            if gone.is_set():
                back.set()
            else:
                gone.set()
                raise LinkError("it was pulled out")
        elif number == CLIPS - 3:
            assert back.wait(10)
        return ask(board, number)

    answers, fleet = classify(ports[:2], unsteady)
    assert back.is_set()
    assert fleet.lost == {}
    assert f"{ports[0].url} is back" in capsys.readouterr().err
    assert ports[0].url in {answer.port for answer in answers}


def test_a_board_that_comes_back_with_another_bundle_is_left_out(ports: list[FakePort]) -> None:
    """It is said which, and the others do the rest."""
    gone = threading.Event()

    def reflashed(board: Board, number: int) -> Inference:
        if board.link.url == ports[0].url:
            ports[0].board.info = replace(INFO, identity="fedcba9876543210")
            gone.set()
            raise LinkError("it was pulled out")
        assert gone.wait(5)
        return ask(board, number)

    answers, fleet = classify(ports[:2], reflashed)
    assert {answer.port for answer in answers} == {ports[1].url}
    assert "fedcba9876543210" in str(fleet.lost[ports[0].url]) or "pulled out" in str(fleet.lost[ports[0].url])


def test_a_board_that_refuses_is_left_out(ports: list[FakePort], capsys: pytest.CaptureFixture[str]) -> None:
    """Its own fault is not cured by asking again."""
    ports[0].board.refuse[Request.FEATURES_RUN] = Status.INTERNAL
    answers, _ = classify(ports)
    assert ports[0].url not in {answer.port for answer in answers}
    said = capsys.readouterr().err
    assert "failed internally" in said
    assert "it is dropped" in said


def test_a_board_that_never_answers_a_clip_is_left_out(
    ports: list[FakePort], capsys: pytest.CaptureFixture[str]
) -> None:
    """It comes back three times and no more."""
    losses = threading.Semaphore(0)

    def useless(board: Board, number: int) -> Inference:
        if board.link.url == ports[0].url:
            losses.release()
            raise LinkError("nothing came")
        if not waited:
            waited.append(number)
            for _ in range(fleet_module.FRUITLESS):
                assert losses.acquire(timeout=10)
        return ask(board, number)

    waited: list[int] = []

    classify(ports[:2], useless)
    said = capsys.readouterr().err
    assert said.count(f"lost {ports[0].url}: nothing came") == fleet_module.FRUITLESS
    assert said.count("it is dropped") == 1


def test_all_boards_lost(ports: list[FakePort]) -> None:
    """The run ends with what was last; nothing hangs."""

    def dead(board: Board, number: int) -> Inference:
        for port in ports[:2]:
            if port.url == board.link.url:
                port.vanish()
        return ask(board, number)

    with pytest.raises(LinkError, match=r"all 2 boards are lost, the last one because: socket://.* vanished"):
        classify(ports[:2], dead, reconnect_seconds=0.3)


def test_one_board_alone_is_waited_for_by_its_link(ports: list[FakePort]) -> None:
    """The error is the link's own."""

    def dead(board: Board, number: int) -> Inference:
        ports[0].vanish()
        return ask(board, number)

    with pytest.raises(LinkError, match=r"^socket://.* vanished .* did not come back within 0.3 s"):
        classify(ports[:1], dead, reconnect_seconds=0.3)


def test_another_bundle_at_the_start_is_refused(ports: list[FakePort]) -> None:
    """One of two boards: it is named, and none is asked for a clip."""
    ports[1].board.info = replace(INFO, identity="fedcba9876543210")
    with pytest.raises(LinkError, match=f"{ports[1].url} carries bundle 'student' with identity fedcba9876543210"):
        Fleet([port.url for port in ports], INFO.identity)
    for port in ports:
        assert set(port.board.asked) <= {Request.HELLO, Request.INFO}
    classify([ports[0], ports[2]])  # the ports were let go


def test_a_port_named_twice_is_refused(ports: list[FakePort]) -> None:
    """Its answers would be mixed up."""
    with pytest.raises(LinkError, match="a port is named twice"):
        Fleet([ports[0].url, ports[0].url], INFO.identity)


@pytest.mark.parametrize("error", [DatasetError("a clip is damaged"), KeyboardInterrupt(), ZeroDivisionError()])
def test_other_errors_end_the_run(ports: list[FakePort], error: BaseException) -> None:
    """What is no board's fault comes out as it is."""

    def fail(board: Board, number: int) -> Inference:
        if number == 5:
            raise error
        return ask(board, number)

    with pytest.raises(type(error)):
        classify(ports, fail)


def test_boards_that_fail_at_random(ports: list[FakePort]) -> None:
    """Each clip still comes out once."""
    chance = np.random.default_rng(3)

    def shaky(board: Board, number: int) -> Inference:
        answer = ask(board, number)
        if chance.random() < 0.15:
            raise LinkError("the answer was on its way")
        return answer

    classify(ports, shaky)
