"""A Nano 33 BLE on pseudo-terminals: its boot loader, the program that it starts, and all that can go wrong between."""

import os
import pty
import re
import select
import termios
import threading
import time
import tty
from dataclasses import dataclass, field

from serial.tools.list_ports_common import ListPortInfo

from fake_board import INFO, FakeBoard
from tinyscene.device.description import DeviceInfo
from tinyscene.device.nano.samba import PAGE_BYTES, crc16

VERSION = "Arduino Bootloader (SAM-BA extended) 2.0 [Arduino:IKXYZ]"
SERIAL = "768275C7726D618B"
FLASH_BYTES = 960 * 1024
RUNNING, BOOT_LOADER, GONE = 0x805A, 0x005A, 0
MOVED, FOR_MOVED, ZEPHYR = 0x015A, 0x025A, 0x065A  # boot loader at the end of the flash, a program for it, another core


@dataclass
class Trouble:
    """What goes wrong.

    Attributes:
        version, chip: what the boot loader says of itself.
        garbage: what lies on the line before its first answer.
        refuse_erase: it answers an erasure with something else.
        wrong_pages: addresses whose checksum is wrong, each so many times.
        vanish_at: addresses at whose writing the port vanishes, each once.
        stay_away: a port that vanished does not come back.
        deaf_to_touch: the program ignores a port that is closed at 1200 baud.
        never_starts: the program that was written does not show up.
        seconds: that each answer takes.
    """

    version: str = VERSION
    chip: str = "nRF52840-QIAA"
    garbage: bytes = b""
    refuse_erase: bool = False
    wrong_pages: dict[int, int] = field(default_factory=dict)
    vanish_at: list[int] = field(default_factory=list)
    stay_away: bool = False
    deaf_to_touch: bool = False
    never_starts: bool = False
    seconds: float = 0.0


class FakeNano:
    """The board; a context in which its thread runs.

    Args:
        image: the program that says INFO where the flash begins with it.
        trouble: what goes wrong.
        mode: what the board is at first.
        boot_loader: product of its boot loader.
        serial_number: of a program; None: none.

    Attributes:
        flash: behind the boot loader.
        commands: letters of the commands that the boot loader was given, in order.
    """

    def __init__(
        self,
        image: bytes,
        trouble: Trouble | None = None,
        *,
        mode: int = RUNNING,
        boot_loader: int = BOOT_LOADER,
        serial_number: str | None = SERIAL,
        info: DeviceInfo = INFO,
    ) -> None:
        self.image = image
        self.trouble = trouble or Trouble()
        self.flash = bytearray(os.urandom(FLASH_BYTES))
        self.commands = ""
        self.mode = mode
        self.boot_loader = boot_loader
        self._serial_number = serial_number
        self._program = FakeBoard(info)
        self._buffer = bytearray(2 * PAGE_BYTES)
        self._received = b""
        self._expects: tuple[int, int] | None = None  # where in the buffer, how many bytes
        self._source = 0
        self._stop = threading.Event()
        self._master = self._slave = -1
        self._open()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "FakeNano":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._close()

    def ports(self) -> list[ListPortInfo]:
        """Return what `list_ports.comports` would, with a stranger's port before it."""
        stranger = ListPortInfo("/dev/ttyS99")
        if self.mode == GONE:
            return [stranger]
        info = ListPortInfo(os.ttyname(self._slave))
        info.vid, info.pid = 0x2341, self.mode
        zeros = "0" * 16 if self.mode == self.boot_loader else ""
        info.serial_number = self._serial_number and zeros + self._serial_number
        return [stranger, info]

    def _open(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)

    def _close(self) -> None:
        os.close(self._master)
        os.close(self._slave)

    def _become(self, mode: int) -> None:
        """Leave the bus, and come back as something else."""
        self.mode = GONE
        self._close()
        self._received, self._expects = b"", None
        time.sleep(0.02)
        self._open()
        self.mode = mode

    def _serve(self) -> None:
        while not self._stop.is_set():
            touched = self.mode != self.boot_loader and termios.tcgetattr(self._slave)[4] == termios.B1200
            if touched and not self.trouble.deaf_to_touch:
                self._become(self.boot_loader)
            elif select.select([self._master], [], [], 0.01)[0]:
                data = os.read(self._master, 4096)
                if self.mode != self.boot_loader:
                    os.write(self._master, self._program.receive(data))
                else:
                    self._received += data
                    self._obey()

    def _obey(self) -> None:
        """Do what was received in whole."""
        while self.mode == self.boot_loader:
            if self._expects:
                start, count = self._expects
                if len(self._received) < count:
                    return
                self._buffer[start : start + count] = self._received[:count]
                self._received, self._expects = self._received[count:], None
                continue
            command, end, rest = self._received.partition(b"#")
            if not end:
                return
            self._received = rest
            self._answer(command.decode())

    def _answer(self, command: str) -> None:
        letter, numbers = command[0], [int(number, 16) for number in re.findall(r"[0-9A-F]+", command[1:])]
        self.commands += letter
        time.sleep(self.trouble.seconds)
        answer = b""
        match letter:
            case "N":
                answer = self.trouble.garbage + b"\n\r"
                self.trouble.garbage = b""
            case "V":
                answer = self.trouble.version.encode() + b"\n\r"
            case "I":
                answer = self.trouble.chip.encode() + b"\n\r"
            case "X" if self.trouble.refuse_erase:
                answer = b"?\n\r"
            case "X":
                self.flash[numbers[0] :] = b"\xff" * (FLASH_BYTES - numbers[0])
                answer = b"X\n\r"
            case "S":
                self._expects = (numbers[0], numbers[1])
            case "Y" if numbers[1] == 0:
                self._source = numbers[0]
                answer = b"Y\n\r"
            case "Y":
                address, count = numbers
                if address in self.trouble.vanish_at:
                    self.trouble.vanish_at.remove(address)
                    self.flash[address : address + 100] = self._buffer[self._source : self._source + 100]
                    self._become(GONE if self.trouble.stay_away else self.boot_loader)
                    return
                # flash can only be cleared by writing: what was not erased before comes out wrong
                data = self._buffer[self._source : self._source + count]
                old = self.flash[address : address + count]
                self.flash[address : address + count] = bytes(a & b for a, b in zip(old, data, strict=True))
                answer = b"Y\n\r"
            case "Z":
                address, count = numbers
                crc = crc16(bytes(self.flash[address : address + count]))
                if self.trouble.wrong_pages.get(address):
                    self.trouble.wrong_pages[address] -= 1
                    crc ^= 1
                answer = f"Z{crc:08X}#\n\r".encode()
            case "K":
                starts = self.flash.startswith(self.image) and not self.trouble.never_starts
                self._program.boot()
                self._become(RUNNING if starts else self.boot_loader)
        if answer:
            os.write(self._master, answer)
