"""The boot loader of Arduino's Nano 33 BLE: its dialect of Atmel's SAM-BA, as used by Arduino's `bossac`.

Commands are text that ends in `#`; answers end in LF CR. Addresses count from the start of the program: the boot loader
adds the 64 KiB that it occupies itself.

| command             | answer             |                                                                        |
|---------------------|--------------------|------------------------------------------------------------------------|
| `N#`                | LF CR              | binary mode                                                            |
| `V#`                | text               | `Arduino Bootloader (SAM-BA extended) 2.0 [Arduino:IKXYZ]`: what it can |
| `I#`                | text               | the chip: `nRF52840-QIAA`                                              |
| `X<address>#`       | `X` LF CR          | erase from there to the end                                            |
| `S<address>,<n>#`   | none               | n bytes follow, into its RAM buffer                                    |
| `Y<address>,0#`     | `Y` LF CR          | where in the buffer the next copy begins                               |
| `Y<address>,<n>#`   | `Y` LF CR          | copy n bytes from the buffer to flash                                  |
| `Z<address>,<n>#`   | `Z<crc>#` LF CR    | CRC-16 (XMODEM) of n bytes of flash                                    |
| `K#`                | none               | reset                                                                  |
"""

import binascii
import contextlib
import re
import time
from collections.abc import Iterator

import serial

from tinyscene.device.port_errors import PORT_ERRORS
from tinyscene.errors import LinkError

PAGE_BYTES = 4096
NEEDED = "IKXYZ"  # the extensions that are used here
CHIP = "nRF52840"
_BUFFER = 0x34  # where bossac puts a page: behind the program that it would run on other chips
_END = b"\n\r"
_QUICK, _PATIENT = 1.0, 20.0  # seconds; erasing takes longest
_HANDSHAKES = 3
_SILENCE = 0.1  # seconds without a byte after which no answer is expected any more
_MOST_GARBAGE = 65536  # bytes before a handshake: a device that never falls silent is not a boot loader
_OPEN_SECONDS = 3.0  # time for the system to make a new port accessible
_BAUD = 115200  # means nothing over USB


class VanishedError(LinkError):
    """The port vanished, or the boot loader stopped answering: the upload may be tried again from the beginning."""


class SamBa:
    """A boot loader at a port, found to be one for the nRF52840.

    Args:
        port: name of the serial port.

    Attributes:
        version: its description of itself.
        chip: the chip that it reports to run on.

    Raises:
        VanishedError: the port cannot be opened, or nothing answers there.
        LinkError: another boot loader, or another chip. Nothing was written.
    """

    def __init__(self, port: str) -> None:
        self.port = port
        self._serial = self._open()
        try:
            self.version = self._shake_hands()
            self.chip = self._text("I#")
        except BaseException:
            self.close()
            raise
        if not self.chip.startswith(CHIP):
            self.close()
            raise LinkError(
                f"the board at {port} has a {self.chip or 'chip without a name'}, not an {CHIP}; "
                "this is not a Nano 33 BLE, and nothing was written: name another --port"
            )

    def __enter__(self) -> "SamBa":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the port."""
        self._serial.close()

    def erase(self) -> None:
        """Erase all but the boot loader."""
        self._ask("X00000000#", b"X", "erase the flash")

    def write_page(self, address: int, page: bytes) -> None:
        """Write PAGE_BYTES of erased flash."""
        self._send(f"S{_BUFFER:08X},{len(page):08X}#".encode())
        self._send(page)  # in a separate packet: SAM-BA fails on data in the packet of the command
        self._ask(f"Y{_BUFFER:08X},0#", b"Y", "take a page")
        self._ask(f"Y{address:08X},{len(page):08X}#", b"Y", f"write the page at {address:#x}")

    def checksum(self, address: int, count: int) -> int:
        """Return the CRC-16 of a part of the flash."""
        answer = self._answer(f"Z{address:08X},{count:08X}#", _PATIENT)
        match = re.fullmatch(rb"Z([0-9A-Fa-f]{8})#", answer)
        if not match:
            raise VanishedError(f"the boot loader at {self.port} gave {answer!r} for a checksum")
        return int(match[1], 16)

    def reset(self) -> None:
        """Start the program; the port vanishes with the boot loader, perhaps before all was seen to be sent."""
        with contextlib.suppress(*PORT_ERRORS):
            self._serial.write(b"K#")
            self._serial.flush()

    def _open(self) -> serial.SerialBase:
        deadline = time.monotonic() + _OPEN_SECONDS
        while True:
            try:
                return serial.Serial(self.port, _BAUD, timeout=_QUICK, write_timeout=_PATIENT, exclusive=True)
            except PORT_ERRORS as error:
                if time.monotonic() >= deadline:
                    raise VanishedError(f"cannot open {self.port}: {error}") from error
                time.sleep(0.1)

    def _shake_hands(self) -> str:
        """Find the boot loader after dropping left-over bytes, and return its version."""
        version = ""
        for _ in range(_HANDSHAKES):
            self._await_silence()
            self._answer("N#", _QUICK)
            version = self._text("V#")
            if match := re.search(r"\[Arduino:(\w*)\]", version):
                missing = set(NEEDED) - set(match[1])
                if missing:
                    raise LinkError(
                        f"the boot loader at {self.port} ({version}) lacks the commands {', '.join(sorted(missing))}; "
                        "update it with the Arduino IDE"
                    )
                return version
        raise VanishedError(
            f"what answers at {self.port} is not Arduino's boot loader ({version!r}); "
            "press the board's reset button twice, quickly, and repeat the command"
        )

    def _await_silence(self) -> None:
        """Drop left-over bytes, such as late answers, which would be taken for the answers of the next commands."""
        dropped = 0
        while dropped < _MOST_GARBAGE and (data := self._read(4096, _SILENCE)):
            dropped += len(data)

    def _text(self, command: str) -> str:
        return self._answer(command, _QUICK).decode("ascii", "replace").strip("\0\r\n ")

    def _ask(self, command: str, wanted: bytes, what: str) -> None:
        answer = self._answer(command, _PATIENT)
        if answer != wanted:
            raise VanishedError(f"the boot loader at {self.port} did not {what}: it answered {answer!r} to {command}")

    def _answer(self, command: str, seconds: float) -> bytes:
        self._send(command.encode())
        with self._vanishing():
            self._serial.timeout = seconds
            return self._serial.read_until(_END).removesuffix(_END)

    def _read(self, most: int, seconds: float) -> bytes:
        with self._vanishing():
            self._serial.timeout = seconds
            return self._serial.read(max(1, min(most, self._serial.in_waiting)))

    def _send(self, data: bytes) -> None:
        with self._vanishing():
            self._serial.write(data)
            self._serial.flush()

    @contextlib.contextmanager
    def _vanishing(self) -> Iterator[None]:
        try:
            yield
        except PORT_ERRORS as error:
            raise VanishedError(f"{self.port} vanished: {error}") from error


def crc16(data: bytes) -> int:
    """Return the CRC-16 of `SamBa.checksum`: polynomial 0x1021, initial value 0 (XMODEM)."""
    return binascii.crc_hqx(data, 0)
