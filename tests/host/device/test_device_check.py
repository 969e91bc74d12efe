"""How a board is: `device check` after flashing, and what `device info` shows of its health."""

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports
from serial.urlhandler import protocol_socket

from fake_board import INFO, FakeBoard, FakePort
from tiny_bundle import tiny_bundle
from tinyscene.device import baud, check, monitor
from tinyscene.device.link import Link
from tinyscene.errors import LinkError, ToolError
from tinyscene.firmware import export
from tinyscene.firmware.protocol import Request, Status

IDENTITY = tiny_bundle().identity
CRASH = (3, 1, 0x11, 2, 0x08001234, 0x08004321, 0x20003FD0, 0x8200, 0x40000000)


def self_test(whole: bool = True, clock: int = 80_000_000) -> bytes:
    """Return the body of an answer to SELF_TEST."""
    return struct.pack("<B7I", whole, 97644, 0x3AE8F646, 20000, clock, 80_000_000, 16384, 1500)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not sleep as pyserial does whenever it closes a socket."""
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture
def board() -> FakeBoard:
    """A board with the small bundle, in good health."""
    return FakeBoard(replace(INFO, identity=IDENTITY, bundle="tiny"), tells={Request.SELF_TEST: self_test()})


@pytest.fixture
def port(board: FakeBoard) -> Iterator[FakePort]:
    """It, on a line."""
    with FakePort(board, terminal=True) as port:
        yield port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The small bundle on disk."""
    tiny_bundle().save(tmp_path / "tiny", "# card\n")
    return tmp_path / "tiny"


def st_link(device: str, vendor: int = 0x0483, product: int | None = 0x374B) -> SimpleNamespace:
    """Return a port as pyserial lists them."""
    return SimpleNamespace(device=device, vid=vendor, pid=product, description="")


def test_the_right_bundle_is_told(port: FakePort, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.report(folder, port.url) == 0
    captured = capsys.readouterr()
    assert f"fake at {port.url} runs bundle tiny, identity {IDENTITY}" in captured.out
    assert captured.err == ""


def test_the_bundle_exported_last_is_the_default(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "read_record", lambda: {"identity": IDENTITY})
    assert check.report(None, port.url) == 0
    monkeypatch.setattr(export, "read_record", dict)
    with pytest.raises(ToolError, match="name the bundle: tinyscene device check --bundle BUNDLE"):
        check.report(None, port.url)


def test_another_bundle_is_an_error(port: FakePort, tmp_path: Path) -> None:
    other = tiny_bundle("other", seed=2)
    other.save(tmp_path / "other", "# card\n")
    with pytest.raises(LinkError, match=f"identity {IDENTITY}, not {other.identity}"):
        check.report(tmp_path / "other", port.url)


def test_a_damaged_bundle_is_an_error(board: FakeBoard, port: FakePort, folder: Path) -> None:
    board.tells[Request.SELF_TEST] = self_test(whole=False)
    board.refuse[Request.INFO] = Status.BAD_MODEL
    with pytest.raises(LinkError, match=r"damaged, so that it refuses to compute; flash it again"):
        check.report(folder, port.url)


def test_a_slow_clock_is_told(
    board: FakeBoard, port: FakePort, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board.tells[Request.SELF_TEST] = self_test(clock=4_000_000)
    assert check.report(folder, port.url) == 0
    assert "its core runs at 4 MHz instead of 80 MHz" in capsys.readouterr().err


def test_a_board_of_older_firmware_is_checked_too(board: FakeBoard, port: FakePort, folder: Path) -> None:
    board.tells.clear()
    assert check.report(folder, port.url) == 0


def test_the_port_is_that_of_the_only_st_link(
    port: FakePort, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [st_link("/dev/ttyS0", 0, None), st_link("/dev/ttyACM7", 0x0483, 0x5740), st_link("/dev/ttyACM8", 0x2341)]
    found = [*others, st_link(port.url)]
    monkeypatch.setattr(list_ports, "comports", lambda: found)
    assert check.report(folder, None) == 0
    found.append(st_link("/dev/ttyACM9"))
    with pytest.raises(LinkError, match=r"several ST-LINKs \(.*, /dev/ttyACM9\); choose one with --port"):
        check.report(folder, None)
    del found[len(others) :]
    assert check.report(folder, None) == check.NO_PORT
    assert "no ST-LINK serial port found; the board was not checked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("crash", "words"),
    [
        (CRASH, "2 since power-up, the last one: fault during FEATURES_RUN, pc=08001234 lr=08004321 sp=20003fd0"),
        ((4, 3, 0x7E, 1, 0, 0, 0, 0, 0), "unwitnessed during request 0x7e"),
        ((3, 2, 0, 1, *CRASH[4:]), "watchdog, pc=08001234 lr=08004321 sp=20003fd0"),
        ((1, 0, 0, 0, 0, 0, 0, 0, 0), "none"),
    ],
)
def test_info_tells_the_last_crash(
    board: FakeBoard,
    port: FakePort,
    crash: tuple[int, ...],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    board.tells[Request.CRASH_READ] = struct.pack("<3B6I", *crash)
    monitor.info(port.url, tmp_path / "info.json")
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"last crash {words}" in printed
    told = json.loads((tmp_path / "info.json").read_text())["crash"]
    assert tuple(told.values()) == crash


def test_info_can_make_it_forget(board: FakeBoard, port: FakePort) -> None:
    board.tells[Request.CRASH_READ] = struct.pack("<3B6I", *CRASH)
    monitor.info(port.url, None)
    assert board.asked[Request.CRASH_READ] == 1
    monitor.info(port.url, None, forget_crash=True)
    assert board.asked[Request.CRASH_READ] == 3


@pytest.mark.parametrize(
    "body", [b"", bytes(26), struct.pack("<3B6I", 7, *CRASH[1:]), struct.pack("<3B6I", 3, 4, *CRASH[2:])]
)
def test_what_is_no_answer_is_refused(board: FakeBoard, port: FakePort, body: bytes) -> None:
    board.tells[Request.CRASH_READ] = body
    with pytest.raises(LinkError, match="flash firmware of this version of tinyscene"):
        monitor.info(port.url, None)


def test_ports_are_opened_at_the_speed_of_the_firmware(
    port: FakePort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert baud.monitor_speed() == 115200
    settings = tmp_path / "platformio.ini"
    settings.write_text("[platformio]\nsrc_dir = x%y\n[env]\nmonitor_speed = 921600\n")
    monkeypatch.setattr(baud, "SETTINGS", settings)
    with Link(port.url) as link:
        assert link._port.baudrate == 921600
    for content in ("", "[env]\nmonitor_speed = fast\n", "nonsense"):
        settings.write_text(content)
        with pytest.raises(LinkError, match=r"sets no baud rate .*monitor_speed = 115200"):
            Link(port.url)
