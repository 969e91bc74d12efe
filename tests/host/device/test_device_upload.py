"""Writing a Nano 33 BLE through a simulated boot loader, with all that goes wrong on a cable and in a hurry."""

import json
import random
import struct
from pathlib import Path

import pytest
from serial.tools.list_ports_common import ListPortInfo

from fake_board import INFO
from fake_samba import BOOT_LOADER, FOR_MOVED, GONE, MOVED, RUNNING, SERIAL, ZEPHYR, FakeNano, Trouble
from tinyscene.device.nano import samba, upload, usb as nano_usb
from tinyscene.errors import LinkError, ToolError
from tinyscene.paths import FIRMWARE

IMAGE = struct.pack("<2I", 0x20004000, 0x00010201) + random.Random(1).randbytes(5 * 4096 + 100)
PAGES = 6


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for what does not come as long as people do."""
    monkeypatch.setattr(upload, "APPEAR_SECONDS", 1.0)
    monkeypatch.setattr(samba, "_QUICK", 0.2)
    monkeypatch.setattr(samba, "_PATIENT", 1.0)
    monkeypatch.setattr(samba, "_OPEN_SECONDS", 0.3)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "firmware.bin"
    path.write_bytes(IMAGE)
    return path


def flash(nano: FakeNano, image: Path, monkeypatch: pytest.MonkeyPatch, port: str | None = None) -> None:
    monkeypatch.setattr(upload.list_ports, "comports", nano.ports)
    with nano:
        upload.report(image, port, INFO.identity)


def whole(nano: FakeNano) -> bool:
    """Whether the flash has the image and is erased behind it."""
    return nano.flash.startswith(IMAGE) and set(nano.flash[len(IMAGE) :]) == {0xFF}


@pytest.mark.parametrize("mode", [RUNNING, BOOT_LOADER])
@pytest.mark.parametrize("serial_number", [SERIAL, None])
def test_a_board_is_written_compared_and_started(
    image: Path,
    mode: int,
    serial_number: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nano = FakeNano(IMAGE, mode=mode, serial_number=serial_number)
    flash(nano, image, monkeypatch)
    assert whole(nano)
    assert nano.commands == "NVIX" + "SYY" * PAGES + "Z" * PAGES + "K"
    assert f"fake carries bundle student, identity {INFO.identity}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mode", "boot_loader", "said"),
    [
        (ZEPHYR, BOOT_LOADER, "sketch of Arduino's Zephyr core: this program replaces its loader, without which"),
        (0x035A, BOOT_LOADER, "Burn Bootloader brings it back"),
        (FOR_MOVED, MOVED, "MicroPython or OpenMV: this program replaces it and its SoftDevice"),
        (MOVED, MOVED, "boot loader at the end of the flash: this program replaces what was at 0x10000"),
        (RUNNING, MOVED, ""),
        (FOR_MOVED, FOR_MOVED, "MicroPython or OpenMV"),  # the numbers of both are shared: the port is asked
        (MOVED, BOOT_LOADER, "boot loader at the end of the flash"),
    ],
)
def test_boards_of_newer_cores_are_found_and_what_is_replaced_is_said(
    image: Path,
    mode: int,
    boot_loader: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    nano = FakeNano(IMAGE, mode=mode, boot_loader=boot_loader)
    flash(nano, image, monkeypatch)
    assert whole(nano)
    warning = capsys.readouterr().err
    assert said in warning
    assert ("replaces" in warning) == bool(said)


def test_a_boot_loader_at_the_end_of_the_flash_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(IMAGE.ljust(nano_usb.MOVED - 0x10000 + 1, b"\1"))
    nano = FakeNano(IMAGE, mode=MOVED, boot_loader=MOVED)
    with pytest.raises(
        LinkError, match=r"reaches to where the boot loader of .* is, at 0xe0000, and nothing was written"
    ):
        flash(nano, large, monkeypatch)
    assert "X" not in nano.commands


def test_the_build_knows_the_same_products() -> None:
    """PlatformIO looks for the board's port by them."""
    board = json.loads((FIRMWARE / "platform" / "boards" / "nano33ble.json").read_text())
    assert {(int(vendor, 16), int(number, 16)) for vendor, number in board["build"]["hwids"]} == {
        (nano_usb.VENDOR, number) for number in nano_usb.PRODUCTS
    }


def test_the_checksum_is_that_of_xmodem() -> None:
    assert samba.crc16(b"123456789") == 0x31C3  # the catalogue's check value of CRC-16/XMODEM


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(garbage=b"# tinyscene 0.1.0 \xff\0\n\r"),
        Trouble(garbage=b"# tinyscene 0.1.0 \xff\0\n\r", seconds=0.05),  # each answer would be taken for the next one's
        Trouble(seconds=0.01),
        Trouble(wrong_pages={0x2000: 1}),
        Trouble(vanish_at=[0x3000]),
        Trouble(vanish_at=[0x0000, 0x5000]),
        Trouble(vanish_at=[0x1000], wrong_pages={0x5000: 1}),
    ],
    ids=repr,
)
def test_what_can_be_repeated_is(image: Path, trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    nano = FakeNano(IMAGE, trouble)
    flash(nano, image, monkeypatch)
    assert whole(nano)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (Trouble(wrong_pages={0x2000: 99}), "not written, in 3 attempts: the page at 0x2000 has checksum"),
        (Trouble(vanish_at=[0x1000, 0x1000, 0x1000]), "not written, in 3 attempts: .* vanished"),
        (Trouble(vanish_at=[0x1000], stay_away=True), "boot loader did not show up within 1 s; press .* twice"),
        (Trouble(refuse_erase=True), r"not written, in 3 attempts: .* did not erase the flash: it answered b'\?'"),
        (Trouble(never_starts=True), "program that was written did not show up"),
        (Trouble(chip="ATSAMD21G18A"), "has a ATSAMD21G18A, not an nRF52840; .* nothing was written"),
        (Trouble(chip=""), "has a chip without a name"),
        (Trouble(version="v1.1 [Arduino:XYZ] Feb 2016"), "lacks the commands I, K; update it with"),
        (Trouble(version="\xe9\xe8garbage"), "is not Arduino's boot loader"),
        (Trouble(deaf_to_touch=True), "boot loader did not show up within 1 s; press .* twice"),
    ],
    ids=repr,
)
def test_what_cannot_be_mended_is_told(
    image: Path, trouble: Trouble, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LinkError, match=message):
        flash(FakeNano(IMAGE, trouble), image, monkeypatch)
    assert "written:" not in capsys.readouterr().out


def test_another_board_is_not_touched(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nano = FakeNano(IMAGE, Trouble(chip="ATSAMD21G18A"), mode=BOOT_LOADER)
    before = bytes(nano.flash)
    with pytest.raises(LinkError, match="not a Nano 33 BLE"):
        flash(nano, image, monkeypatch)
    assert (bytes(nano.flash), nano.commands) == (before, "NVI")


def test_a_board_with_another_bundle_in_the_end_is_not_good(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nano = FakeNano(IMAGE)
    monkeypatch.setattr(upload.list_ports, "comports", nano.ports)
    with nano, pytest.raises(LinkError, match=r"carries bundle 'student' with identity .*, not 00"):
        upload.report(image, None, "00" * 8)


def test_which_board_must_be_clear(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = FakeNano(IMAGE), FakeNano(IMAGE, serial_number="1111111111111111")
    with first, second:
        monkeypatch.setattr(upload.list_ports, "comports", lambda: first.ports() + second.ports())
        with pytest.raises(LinkError, match="several boards are connected; choose one with --port: /dev/pts"):
            upload.report(image, None, INFO.identity)
        with pytest.raises(LinkError, match="/dev/ttyS99 is not a Nano 33 BLE; those are: /dev/pts"):
            upload.report(image, "/dev/ttyS99", INFO.identity)
        upload.report(image, second.ports()[1].device, INFO.identity)
        assert (first.commands, whole(second)) == ("", True)


def test_no_board(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LinkError, match="no Nano 33 BLE is connected; check that its cable has data lines"):
        flash(FakeNano(IMAGE, mode=GONE), image, monkeypatch)


def test_a_port_that_cannot_be_opened(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = ListPortInfo("/dev/ttyS98")
    info.vid, info.pid = nano_usb.VENDOR, nano_usb.RUNNING
    monkeypatch.setattr(upload.list_ports, "comports", lambda: [info])
    with pytest.raises(LinkError, match="cannot open /dev/ttyS98"):
        upload.report(image, None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x7fELF" + bytes(100),
        struct.pack("<2I", 0x20004000, 0x00000201),  # linked at 0
        struct.pack("<2I", 0x20004000, 0x00010200),  # no Thumb code
        struct.pack("<2I", 0x30000000, 0x00010201),
        IMAGE + bytes(960 * 1024),
    ],
    ids=len,
)
def test_what_would_not_start_is_not_written(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "firmware.bin"
    path.write_bytes(data)
    with pytest.raises(ToolError, match="is not a program for this board"):
        upload.report(path, None, None)


def test_an_image_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"cannot read .*nowhere.bin: No such file"):
        upload.report(tmp_path / "nowhere.bin", None, None)


def test_ctrl_c_tells_how_to_save_the_board(
    image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(samba.SamBa, "checksum", interrupt)
    with pytest.raises(KeyboardInterrupt):
        flash(FakeNano(IMAGE), image, monkeypatch)
    assert "half written; press the board's reset button twice, quickly, and repeat" in " ".join(
        capsys.readouterr().err.split()
    )
