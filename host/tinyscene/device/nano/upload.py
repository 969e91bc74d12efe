"""Write a program to an Arduino Nano 33 BLE over its USB cable: start the boot loader, erase, write, compare, start.

A board counts as written only when every page has the right checksum and the started program itself confirms it. If
anything goes wrong before that, everything is repeated; the boot loader is never overwritten, so that a board can
always be rescued by a double tap on its button.
"""

import contextlib
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import serial
from rich.progress import Progress
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from tinyscene.console import console, error_console, progress_bar
from tinyscene.device.board import Board
from tinyscene.device.description import DeviceInfo
from tinyscene.device.link import Link
from tinyscene.device.nano import usb
from tinyscene.device.nano.samba import PAGE_BYTES, SamBa, VanishedError, crc16
from tinyscene.device.port_errors import PORT_ERRORS, vanished
from tinyscene.errors import LinkError, ToolError

PROGRAM = range(0x10000, 0x100000)  # the flash behind the boot loader
RAM = range(0x20000000, 0x20040001)
ATTEMPTS = 3
APPEAR_SECONDS = 15.0  # time for a port to come back after a reset
_TOUCH_BAUD = 1200
_RESCUE = "press the board's reset button twice, quickly, and repeat the command"


def report(image: Path, port: str | None, identity: str | None) -> None:
    """Write an image, start it, and print what the board is then.

    Args:
        image: flat binary, linked for the flash behind the boot loader.
        port: name of the board's serial port; None: the only one there is.
        identity: identity of the bundle that the board must carry afterwards; None: any.

    Raises:
        ToolError: no such image.
        LinkError: no board, another board, or it could not be written.
    """
    pages = read_image(image)
    try:
        info = upload(pages, port, identity)
    except KeyboardInterrupt:
        error_console.print(f"stopped: the board may be half written; {_RESCUE}")
        raise
    console.print(f"written: {info.board} carries bundle {info.bundle}, identity {info.identity}")


def read_image(path: Path) -> list[bytes]:
    """Return the pages of an image, the last one padded with the value of erased flash.

    Raises:
        ToolError: the image cannot be read, or would not start behind the boot loader.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ToolError(f"cannot read {path}: {error.strerror}; build it with: pio run -e nano33ble") from error
    stack, reset = struct.unpack_from("<2I", data.ljust(8, b"\0"))
    if stack not in RAM or reset not in PROGRAM or not reset & 1 or len(data) > len(PROGRAM):
        raise ToolError(
            f"{path} is not a program for this board, which needs a flat binary of at most {len(PROGRAM):,} bytes "
            f"linked at {PROGRAM.start:#x}; build it with: pio run -e nano33ble"
        )
    return [data[start : start + PAGE_BYTES].ljust(PAGE_BYTES, b"\xff") for start in range(0, len(data), PAGE_BYTES)]


def upload(pages: list[bytes], port: str | None, identity: str | None) -> DeviceInfo:
    """Write, compare and start; return the started program's description of itself.

    Raises:
        LinkError: no board, another board, or it could not be written in ATTEMPTS attempts.
    """
    found = enter_boot_loader(port)
    _require_room(pages, found)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _write(found.device, pages)
            break
        except VanishedError as error:
            if attempt == ATTEMPTS:
                raise LinkError(
                    f"the board was not written, in {ATTEMPTS} attempts: {error}; "
                    f"do not trust what it does now: {_RESCUE}"
                ) from error
            error_console.print(f"{error}; once more, from the beginning")
            found = _wait_for("boot loader", usb.may_be_boot_loader, found)
    return _started(_wait_for("program that was written", usb.is_running, found), identity)


def _require_room(pages: list[bytes], found: ListPortInfo) -> None:
    product = usb.product(found)
    end = product.end if product else PROGRAM.stop
    if PROGRAM.start + len(pages) * PAGE_BYTES > end:
        raise LinkError(
            f"the program of {len(pages) * PAGE_BYTES:,} bytes reaches to where the boot loader of {found.device} is, "
            f"at {end:#x}, and nothing was written; export a smaller network, or move the boot loader back with "
            "Arduino's sketch Nano33_updateBLandSoftDevice"
        )


def enter_boot_loader(port: str | None) -> ListPortInfo:
    """Return the port of a board's boot loader, started if necessary.

    Raises:
        LinkError: there is no board, there are several, or the boot loader does not appear.
    """
    boards = [info for info in list_ports.comports() if usb.product(info)]
    named = [info for info in boards if port in (None, info.device)]
    if not named and port:
        raise LinkError(
            f"{port} is not a Nano 33 BLE; those are: {', '.join(info.device for info in boards) or 'none'}; "
            "if its program has hung, press its reset button twice, quickly"
        )
    if not named:
        raise LinkError(f"no Nano 33 BLE is connected; check that its cable has data lines, or {_RESCUE}")
    if len(named) > 1:
        raise LinkError(f"several boards are connected; choose one with --port: {', '.join(i.device for i in named)}")
    (board,) = named
    _warn(board)
    if _is_boot_loader(board):
        return board
    error_console.print(f"{board.device}: starting the boot loader")
    _touch(board.device)
    return _wait_for("boot loader", lambda info: usb.may_be_boot_loader(info) and info.pid != board.pid, board)


def _warn(board: ListPortInfo) -> None:
    """Say what is replaced, if anything is that is not simply a program."""
    product = usb.product(board)
    if product and product.replaced:
        error_console.print(
            f"{board.device} is {product.name}: this program replaces {product.replaced}",
            style="yellow",
            soft_wrap=True,
        )


def _is_boot_loader(board: ListPortInfo) -> bool:
    """Whether a board is in its boot loader; where its product does not say, the port is asked."""
    product = usb.product(board)
    if product is None or product.is_boot_loader is not None:
        return bool(product and product.is_boot_loader)
    try:
        SamBa(board.device).close()
    except VanishedError:
        return False
    return True


def _touch(port: str) -> None:
    """Open and close a port at 1200 baud: Arduino's sign for "start your boot loader"."""
    try:
        with serial.Serial(port, _TOUCH_BAUD) as line, contextlib.suppress(*PORT_ERRORS):  # it may be gone at once
            line.dtr = False
    except PORT_ERRORS as error:
        if vanished(error):  # the board saw the rate before the port was open in every respect
            return
        raise LinkError(f"cannot open {port}: {error}; close the program that uses it, or {_RESCUE}") from error


def _wait_for(what: str, wanted: Callable[[ListPortInfo], bool], before: ListPortInfo) -> ListPortInfo:
    """Wait for the same board as something else, and return its port."""
    deadline = time.monotonic() + APPEAR_SECONDS
    while True:
        for info in list_ports.comports():
            if wanted(info) and _is_same(info, before):
                return info
        if time.monotonic() >= deadline:
            raise LinkError(f"the board's {what} did not show up within {APPEAR_SECONDS:g} s; {_RESCUE}")
        time.sleep(min(0.2, APPEAR_SECONDS / 10))


def _is_same(one: ListPortInfo, other: ListPortInfo) -> bool:
    """Whether two ports belong to one board, judged by their serial numbers.

    Both numbers are made of the chip's two random words. The boot loader puts zeros before them; the order in which it
    and programs use them is not documented.
    """
    numbers = [info.serial_number[-16:].upper() for info in (one, other) if info.serial_number]
    return len({frozenset((number[:8], number[8:])) for number in numbers}) < 2


def _write(port: str, pages: list[bytes]) -> None:
    with SamBa(port) as boot_loader, progress_bar() as progress:
        boot_loader.erase()
        for address, page in _shown(progress, "writing", pages):
            boot_loader.write_page(address, page)
        for address, page in _shown(progress, "comparing", pages):
            found, expected = boot_loader.checksum(address, len(page)), crc16(page)
            if found != expected:
                raise VanishedError(f"the page at {address:#x} has checksum {found:#06x}, not {expected:#06x}")
        boot_loader.reset()


def _shown(progress: Progress, what: str, pages: list[bytes]) -> Iterator[tuple[int, bytes]]:
    for number, page in enumerate(progress.track(pages, description=what)):
        yield number * PAGE_BYTES, page


def _started(found: ListPortInfo, identity: str | None) -> DeviceInfo:
    """Ask the started program what it is."""
    with Link(found.device) as link:
        return Board(link, identity).info
