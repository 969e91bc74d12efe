"""The host's link against a board in Python whose line loses and flips bytes, stalls, restarts and vanishes."""

import struct
import termios
import zlib
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import serial
from cobs import cobs
from serial.tools.list_ports_common import ListPortInfo
from serial.urlhandler import protocol_socket

from conversation_cases import CLIP_SAMPLES, FRAMES, MELS, conversations
from fake_board import INFO, WINDOW, FakeBoard, FakePort, Faults, outputs_of, stage_of
from tinyscene.device import link as link_module, monitor
from tinyscene.device.board import Board
from tinyscene.device.link import Link, RefusedError
from tinyscene.device.messages import unpack_probe_read
from tinyscene.device.pace import REPETITIONS
from tinyscene.device.protocol import ProtocolError
from tinyscene.errors import LinkError
from tinyscene.firmware.protocol import Request, Status
from tinyscene.frontend.stage import Stage

CONVERSATIONS = {  # without what the board in Python or the host does not know
    name: exchanges
    for name, exchanges in conversations().items()
    if not name.startswith("firmware") and all(exchange.request in set(Request) for exchange in exchanges)
}
NOISE = {"lose": 0.0001, "flip": 0.0001, "double": 0.0001}  # a quarter of the longest frames


@pytest.fixture(autouse=True)
def quick_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not sleep 0.3 s, as pyserial does whenever it closes a socket."""
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def board() -> FakeBoard:
    """A board at rest."""
    return FakeBoard(INFO)


@pytest.fixture
def generator() -> np.random.Generator:
    """Random clips, the same in every run."""
    return np.random.default_rng(1)


def images(generator: np.random.Generator, count: int) -> Iterator[np.ndarray]:
    """Yield INT8 images of the board's shape."""
    for _ in range(count):
        yield generator.integers(-128, 128, (INFO.mels, INFO.frames)).astype(np.int8)


def assert_right(answer: np.ndarray, sent: np.ndarray) -> None:
    """The answer is that of the very bytes sent."""
    assert answer.tolist() == outputs_of(sent.tobytes(), len(INFO.labels)).tolist()


def assert_seen(values: dict[Stage, np.ndarray], frame: np.ndarray) -> None:
    """The stages are those of the very samples sent."""
    assert list(values) == list(Stage)
    for stage, seen in values.items():
        assert seen.dtype == np.float32
        assert seen.tolist() == stage_of(stage, frame).tolist()


@pytest.mark.parametrize("terminal", [False, True])
def test_conversation(board: FakeBoard, generator: np.random.Generator, terminal: bool) -> None:
    """Description, counters, both ways of classifying and reading back, over TCP and over a terminal device."""
    with FakePort(board, terminal=terminal) as port, Link(port.url) as link:
        client = Board(link)
        assert client.info == INFO
        (image,) = images(generator, 1)
        answer = client.classify_features(image)
        assert_right(answer.outputs, image)
        assert answer.model_microseconds == 1234
        assert (client.read_features() == image).all()
        samples = generator.integers(-32768, 32768, INFO.clip_samples).astype(np.int16)
        assert_right(client.classify_audio(samples).outputs, samples)
        frame = samples[:WINDOW]
        assert_seen(client.probe(frame), frame)
        statistics = client.statistics()
        assert statistics.inferences == 2
        assert statistics.frames_ok == sum(board.asked.values())
        assert link.repetitions == link.stale == link.errors == 0


@pytest.mark.parametrize("seed", range(3))
def test_noise_gives_no_wrong_answer(board: FakeBoard, generator: np.random.Generator, seed: int) -> None:
    """With bytes lost, flipped and doubled both ways, every clip is answered, and rightly."""
    faults = {"to_board": Faults(seed, **NOISE), "to_host": Faults(seed + 100, **NOISE)}
    with FakePort(board, **faults) as port, Link(port.url, timeout=0.05) as link:
        client = Board(link)
        client._run_timeout = 0.05
        for image in images(generator, 12):
            assert_right(client.classify_features(image).outputs, image)
        for _ in range(4):
            samples = generator.integers(-32768, 32768, INFO.clip_samples).astype(np.int16)
            assert_right(client.classify_audio(samples).outputs, samples)
            frame = samples[-WINDOW:]
            assert_seen(client.probe(frame), frame)
        assert link.repetitions > 0


def test_late_answers_are_not_taken_for_later_ones(board: FakeBoard, generator: np.random.Generator) -> None:
    """Answers that come after their request was sent again are ignored where they do not belong."""
    with FakePort(board, answer_after=0.03) as port, Link(port.url, timeout=0.02) as link:
        client = Board(link)
        for image in images(generator, 2):
            assert_right(client.classify_features(image).outputs, image)
        assert link.stale > 0


@pytest.mark.parametrize("at", range(2, 14))
def test_restart_anywhere_in_two_clips(board: FakeBoard, generator: np.random.Generator, at: int) -> None:
    """The board restarts at any request and its connection with it: the clip is sent again."""
    with FakePort(board, restart_at=(at,)) as port, Link(port.url, timeout=0.2) as link:
        client = Board(link, INFO.identity)
        (image,) = images(generator, 1)
        assert_right(client.classify_features(image).outputs, image)
        samples = generator.integers(-32768, 32768, INFO.clip_samples).astype(np.int16)
        assert_right(client.classify_audio(samples).outputs, samples)
        assert port.connections == 2


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("at", [4, 5, 6, 7, 12, 20, 21])
def test_restart_anywhere_in_a_frame(board: FakeBoard, generator: np.random.Generator, at: int, seen: bool) -> None:
    """A board that forgets the samples is sent them again: no stage of silence is taken for the frame's."""
    faults = {"restart_at": (at,)} if seen else {"reset_at": (at,), "banner": False}
    frame = generator.integers(-32768, 32768, WINDOW).astype(np.int16)
    with FakePort(board, **faults) as port, Link(port.url, timeout=0.1) as link:
        client = Board(link, INFO.identity)
        assert_seen(client.probe(frame), frame)


def test_the_image_that_a_clip_gave_is_shown_with_its_answer(board: FakeBoard, generator: np.random.Generator) -> None:
    """The fake front end leaves the image as it is."""
    (image,) = images(generator, 1)
    samples = generator.integers(-32768, 32768, INFO.clip_samples).astype(np.int16)
    with FakePort(board) as port, Link(port.url) as link:
        client = Board(link)
        client.classify_features(image)
        answer, shown = client.classify_and_show(samples)
        assert_right(answer.outputs, samples)
        assert (shown == image).all()


def test_firmware_that_knows_no_probe(board: FakeBoard) -> None:
    """Older firmware is told from a broken one."""
    board.refuse[Request.PROBE_WRITE] = Status.UNKNOWN_REQUEST
    with (
        FakePort(board) as port,
        Link(port.url) as link,
        pytest.raises(RefusedError, match="does not know this request"),
    ):
        Board(link).probe(np.zeros(WINDOW, np.int16))


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"\1", struct.pack("<H", 2), struct.pack("<Hf", 0, 1.0), struct.pack("<H3s", 2, b"abc")),
        *(struct.pack("<Hf", 2, 1.0), struct.pack("<H3f", 2, 1.0, 2.0, 3.0)),
    ],
)
def test_damaged_values_are_refused(body: bytes) -> None:
    """No values, half a value, or more than there are."""
    with pytest.raises(ProtocolError):
        unpack_probe_read(body, 0, 255)


@pytest.mark.parametrize("banner", [True, False])
@pytest.mark.parametrize("at", range(2, 10))
def test_unseen_reset_in_a_clip(board: FakeBoard, generator: np.random.Generator, at: int, banner: bool) -> None:
    """The board resets behind a connection that stays, and its boot line may get lost: no half image is scored."""
    with FakePort(board, reset_at=(at,), banner=banner) as port, Link(port.url, timeout=0.05) as link:
        client = Board(link)
        client._run_timeout = 0.05
        for image in images(generator, 2):
            assert_right(client.classify_features(image).outputs, image)
        assert client.transfers_repeated <= 2


@pytest.mark.parametrize("at", range(6, 9))
@pytest.mark.parametrize("seen", [True, False])
def test_restart_with_another_bundle_is_refused(
    board: FakeBoard, generator: np.random.Generator, at: int, seen: bool
) -> None:
    """A board that comes back with another bundle, between clips or within one, is not scored."""
    faults = {"restart_at": (at,)} if seen else {"reset_at": (at,), "banner": False}
    with FakePort(board, **faults) as port, Link(port.url, timeout=0.1) as link:
        client = Board(link, INFO.identity)
        client.classify_features(next(images(generator, 1)))
        board.info = replace(INFO, identity="fedcba9876543210")
        with pytest.raises(LinkError, match="fedcba9876543210, not 0123456789abcdef"):
            client.classify_features(next(images(generator, 1)))


def test_board_that_never_stays_up(board: FakeBoard, generator: np.random.Generator) -> None:
    """A board that restarts in every clip ends in an error, not in a loop."""
    with FakePort(board, restart_at=tuple(range(3, 200, 3))) as port, Link(port.url, timeout=0.1) as link:
        client = Board(link)
        with pytest.raises(LinkError, match="restarted 5 times"):
            client.classify_features(next(images(generator, 1)))


def test_refused_request_is_named(board: FakeBoard) -> None:
    """A status other than OK becomes an error with the request and the reason."""
    board.refuse[Request.FEATURES_RUN] = Status.INTERNAL
    with FakePort(board) as port, Link(port.url) as link:
        client = Board(link)
        with pytest.raises(RefusedError, match=r"FEATURES_RUN: it failed internally \(status 7\)"):
            client.classify_features(np.zeros((INFO.mels, INFO.frames), np.int8))


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_refusal_of_the_table(name: str) -> None:
    """The host tells each status, and the board in Python refuses what the firmware refuses."""
    board = FakeBoard(replace(INFO, mels=MELS, frames=FRAMES, clip_samples=CLIP_SAMPLES))
    with FakePort(board) as port, Link(port.url) as link:
        for exchange in CONVERSATIONS[name]:
            status = Status.OK
            try:
                link.request(Request(exchange.request), exchange.payload)
            except RefusedError as error:
                status = error.status
            assert status == exchange.status


def test_board_that_keeps_losing_its_state(board: FakeBoard) -> None:
    """A refusal that repeating the clip does not cure is reported in the end."""
    board.refuse[Request.AUDIO_END] = Status.BAD_STATE
    with FakePort(board) as port, Link(port.url) as link:
        client = Board(link)
        with pytest.raises(RefusedError, match="AUDIO_END"):
            client.classify_audio(np.zeros(INFO.clip_samples, np.int16))


def test_wrong_identity(board: FakeBoard) -> None:
    """Another bundle than ours is refused at once."""
    expected = r"'student' with identity 0123456789abcdef, not ffff.*tinyscene export"
    with FakePort(board) as port, Link(port.url) as link, pytest.raises(LinkError, match=expected):
        Board(link, "ffffffffffffffff")


@pytest.mark.parametrize("shape", [(40, 50), (51, 40), (40 * 51,)])
def test_wrong_shapes_are_not_sent(board: FakeBoard, shape: tuple[int, ...]) -> None:
    """An image or a clip that is not the board's is refused before anything is sent."""
    with FakePort(board) as port, Link(port.url) as link:
        client = Board(link)
        with pytest.raises(LinkError, match=r"\(40, 51\)"):
            client.classify_features(np.zeros(shape, np.int8))
        with pytest.raises(LinkError, match=r"\(3000,\)"):
            client.classify_audio(np.zeros(2999, np.int16))
        assert set(board.asked) == {Request.HELLO, Request.INFO}


def test_no_answer(board: FakeBoard) -> None:
    """Silence ends in an error that says what to look at, after the agreed attempts."""
    with FakePort(board, to_board=Faults(lose=1.0)) as port, Link(port.url, timeout=0.01) as link:
        with pytest.raises(
            LinkError, match=r"no answer to HELLO .* after \d+ attempts.*see docs/HOWTO-board-does-not-answer"
        ):
            link.request(Request.STATISTICS)
        assert link.repetitions >= REPETITIONS


def test_echo_is_no_answer() -> None:
    """A line that echoes what we send does not answer."""
    with Link("loop://", timeout=0.01) as link, pytest.raises(LinkError, match="no answer"):
        link.request(Request.INFO)


@pytest.mark.parametrize("terminal", [False, True])
def test_port_that_vanishes_for_good(board: FakeBoard, terminal: bool) -> None:
    """A pulled cable ends in an error within the time given."""
    with FakePort(board, terminal=terminal) as port, Link(port.url, reconnect_seconds=0.3, timeout=0.2) as link:
        Board(link)
        port.vanish()
        with pytest.raises(LinkError, match=r"vanished .* did not come back within 0.3 s"):
            link.request(Request.INFO)


def test_text_lines_are_delivered(board: FakeBoard, generator: np.random.Generator) -> None:
    """A stream's lines reach the callback, one a clip, before the stream ends."""
    lines: list[str] = []
    samples = generator.integers(-32768, 32768, 3 * INFO.clip_samples + 100).astype(np.int16)
    with FakePort(board) as port, Link(port.url, on_text=lines.append) as link:
        sent = list(Board(link).stream(samples))
    assert sent[-1] == len(samples)
    assert len(lines) == 3
    for clip, line in enumerate(lines):
        part = samples[clip * INFO.clip_samples : (clip + 1) * INFO.clip_samples]
        best = INFO.labels[int(outputs_of(part.tobytes(), 3).argmax())]
        assert f"{best}:1.00" in line.split("\t")


def test_stream_to_a_board_that_restarts(board: FakeBoard) -> None:
    """A stream cannot go on where the board has forgotten it."""
    silence = np.zeros(INFO.clip_samples, np.int16)
    with FakePort(board, restart_at=(5,)) as port, Link(port.url, timeout=0.1) as link:
        playing = Board(link).stream(silence)
        with pytest.raises(LinkError, match="restarted while it was listening"):
            list(playing)


def test_lines_are_kept_without_a_callback(board: FakeBoard) -> None:
    """Whoever polls finds the boot line of a board that restarted."""
    with FakePort(board, reset_at=(3,)) as port, Link(port.url, timeout=0.1) as link:
        link.request(Request.STATISTICS)
        link.request(Request.STATISTICS)
        link.poll(0.05)
        assert list(link.lines) == [board.banner.decode().strip()]


def test_a_new_session_is_opened_when_the_sequence_ends(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one, sequences only grow; a new one changes nothing else."""
    monkeypatch.setattr(link_module, "_MOST_SEQUENCE", 5)
    sessions = set()
    with FakePort(board) as port, Link(port.url) as link:
        for _ in range(12):
            link.request(Request.STATISTICS)
            sessions.add(board.session)
        assert len(sessions) == board.asked[Request.HELLO] == 3
        assert link.repetitions == link.stale == 0


def test_a_board_of_another_version_is_named() -> None:
    """Version 1 answers version 2 in its own frames."""

    class First(FakeBoard):
        def receive(self, _: bytes) -> bytes:
            body = struct.pack("<BBHB", 1, Request.HELLO | 0x80, 1, Status.BAD_VERSION)
            return b"\0" + cobs.encode(body + struct.pack("<I", zlib.crc32(body))) + b"\0"

    said = r"speaks protocol version 1, this host 2; flash firmware"
    with FakePort(First(INFO)) as port, Link(port.url) as link, pytest.raises(LinkError, match=said):
        Board(link)


def test_what_another_program_asked_ends_the_session(board: FakeBoard, generator: np.random.Generator) -> None:
    """Even where nobody restarted: the clip is sent again in a new session."""
    (image,) = images(generator, 1)
    with FakePort(board) as port, Link(port.url) as link:
        client = Board(link)
        board.session = 0xABC if link._session != 0xABC else 0xABD
        assert link.request(Request.STATISTICS)
        board.session = 0
        assert_right(client.classify_features(image).outputs, image)
        assert client.transfers_repeated == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("socket://127.0.0.1:1", "tinyscene emulate mps2"),
        ("socket://127.0.0.1", "it does not end in a port number; start an emulator"),
        ("socket://127.0.0.1:99999", "99999 is no port number, which lie between 1 and 65535; start an emulator"),
        ("/dev/ttyNONE9", "check the cable; the ports here are: /dev/ttyACM0 (ST-LINK)"),
        ("nonsense://x", "check the cable"),
    ],
)
def test_port_that_cannot_be_opened(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to check, and which ports there are."""
    found = ListPortInfo("/dev/ttyACM0")
    found.description = "ST-LINK"
    monkeypatch.setattr(link_module.list_ports, "comports", lambda: [found])
    with pytest.raises(LinkError) as error:
        Link(url)
    assert str(error.value).startswith(f"cannot open {url}: ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("reason", "said"), [("Permission denied", "dialout"), ("Could not lock port", "another program")]
)
def test_port_that_is_not_ours(reason: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port of another group or program has its own remedy."""

    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(reason)

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(LinkError, match=said):
        Link("/dev/ttyACM0")


def test_a_port_that_vanishes_while_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyserial empties the buffer of a port that it has opened, and does not expect that to fail."""

    def vanish(*_: object, **__: object) -> None:
        raise termios.error(5, "Input/output error")

    monkeypatch.setattr(serial, "serial_for_url", vanish)
    with pytest.raises(LinkError, match="cannot open /dev/ttyACM0"):
        Link("/dev/ttyACM0")


def test_terminal_is_locked_against_a_second_program(board: FakeBoard) -> None:
    """Two programs on one terminal device would steal each other's answers."""
    with FakePort(board, terminal=True) as port, Link(port.url), pytest.raises(LinkError, match="another program"):
        Link(port.url)


@pytest.mark.parametrize("boot_loader", [False, True])
def test_reboot_is_asked_for_once(board: FakeBoard, boot_loader: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with FakePort(board, restart_at=(4,)) as port:  # the connection ends before the answer
        monitor.reboot(port.url, boot_loader)
    assert board.reboots == [boot_loader]
    expected = "fake is in its boot loader" if boot_loader else "fake restarted; it carries bundle student"
    assert expected in capsys.readouterr().out


def test_a_board_that_does_not_answer_to_reboot_is_told() -> None:
    class Silent(FakeBoard):
        def receive(self, data: bytes) -> bytes:
            answer = super().receive(data)
            return b"" if self.reboots else answer

    silent = Silent(INFO)
    with FakePort(silent) as port, Link(port.url, timeout=0.1) as link:
        with pytest.raises(LinkError, match="no answer to REBOOT"):
            link.tell(Request.REBOOT, b"\0")
        assert silent.reboots == [0]
