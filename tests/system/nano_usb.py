"""The USBD peripheral of the nRF52840 with a host at the other end, for the exact image of the Nano 33 BLE.

The host is as quick as a host can be: it takes and acknowledges each packet at once, unless `reading` is off. What the
product specification or the errata forbid becomes an AssertionError at the end of `run`. Numbers: nRF52840 Product
Specification 1.7, 5.3 and 6.35.
"""

import struct
from collections import deque
from pathlib import Path

from unicorn import Uc

from tinyscene.device.emulators.board_machine import RAM
from tinyscene.device.emulators.board_models import Nano33Ble

AIRCR, CYCCNT = 0xE000ED0C, 0xE0001004
USBDETECTED, USBREMOVED, USBPWRRDY, USBREGSTATUS = 0x4000011C, 0x40000120, 0x40000124, 0x40000438
UNLOCK, ERRATA_171, ERRATA_187, ERRATA_199 = 0x4006EC00, 0x4006EC14, 0x4006ED14, 0x40027C1C
USBD = 0x40027000
STARTEPIN, STARTEPOUT, EP0RCVOUT, EP0STATUS, EP0STALL = USBD + 0x04, USBD + 0x28, USBD + 0x4C, USBD + 0x50, USBD + 0x54
USBRESET, ENDEPIN, EP0DATADONE, ENDEPOUT = USBD + 0x100, USBD + 0x108, USBD + 0x128, USBD + 0x130
SOF, USBEVENT, EP0SETUP, EPDATA = USBD + 0x154, USBD + 0x158, USBD + 0x15C, USBD + 0x160
INTENSET, INTENCLR, EVENTCAUSE, EPDATASTATUS = USBD + 0x304, USBD + 0x308, USBD + 0x400, USBD + 0x46C
SETUP, SIZE, ENABLE, USBPULLUP = USBD + 0x480, USBD + 0x4A0, USBD + 0x500, USBD + 0x504
DTOGGLE, EPINEN, EPOUTEN, EPSTALL = USBD + 0x50C, USBD + 0x510, USBD + 0x514, USBD + 0x518
EVENTS = {USBRESET: 0, EP0DATADONE: 10, SOF: 21, USBEVENT: 22, EP0SETUP: 23, EPDATA: 24}  # their interrupts' bits
LIMITED = (range(0x04, 0x58), range(0x480, 0x4C0), range(0x504, 0x508), range(0x50C, 0x51C))  # 6.35.2
SUSPEND, RESUME, READY = 1 << 8, 1 << 9, 1 << 11
CYCLES_A_LOOK = 20_000  # so that waits of milliseconds are over after some looks
POWER_INTERRUPT, USBD_INTERRUPT = 0, 39
DATA = 2
PACKET = 64


class StalledError(Exception):
    """The device refused a control transfer."""


class NanoUsb(Nano33Ble):
    """A Nano 33 BLE whose cable is in `cable` from the start.

    Args:
        elf: the image.
        cable: whether the host is there when it boots.
        left_on: whether the boot loader has left the peripheral enabled.
        broken: the peripheral never gets ready.

    Attributes:
        received: what the host got from the bulk endpoint; packets: the lengths it came in.
        reading: whether the host takes packets from the bulk endpoint.
        was_reset: whether the board has reset itself.
    """

    def __init__(self, elf: Path, *, cable: bool = True, left_on: bool = False, broken: bool = False) -> None:
        self.received = bytearray()
        self.packets: list[int] = []
        self.reading = True
        self.was_reset = False
        self.data_restarts: list[int] = []
        self._broken = broken
        self._complaints: list[str] = []
        self._cycles = self._cause = self._data_status = self._interrupts = self._enables = 0
        self._unlocked = False
        self._transfer: tuple[int, int] | None = None  # task under way by EasyDMA, and the event at its end
        self._to_board: deque[bytes] = deque()
        self._arrived: dict[int, bytes] = {}
        self._held: bytes | None = None
        self._takes_packet = False
        self._frame_started = False
        self._answer = b""
        self._out_data = b""
        self._outcome: str | None = None
        super().__init__(elf)
        self.write(0x10000060, 0x89ABCDEF)
        self.write(0x10000064, 0x01234567)
        if left_on:
            self.write(ENABLE, 1)
            self.write(USBPULLUP, 1)
        if cable:
            self.write(USBREGSTATUS, 3)

    def run(self) -> None:
        """Run until nothing more happens, and see that nothing forbidden was done."""
        super().run()
        assert not self._complaints, self._complaints

    def plug(self, cable: bool) -> None:
        """Put the cable in, or pull it."""
        self.write(USBREGSTATUS, 3 if cable else 0)
        for event in (USBDETECTED, USBPWRRDY) if cable else (USBREMOVED,):
            self.write(event, 1)
        if not cable:
            self._takes_packet, self._held = False, None
        self.run()

    @property
    def attached(self) -> bool:
        """Whether the host sees a device."""
        return self.read(USBREGSTATUS) == 3 and self.read(ENABLE) == 1 and self.read(USBPULLUP) == 1

    def bus_reset(self) -> None:
        """Reset the bus, as a host does first."""
        assert self.attached
        self._held, self._takes_packet = None, False
        self._to_board.clear()
        self.write(USBRESET, 1)
        self.run()

    def sleep_bus(self, asleep: bool) -> None:
        """Suspend the bus, or wake it."""
        self._cause |= SUSPEND if asleep else RESUME
        self.write(USBEVENT, 1)
        self.run()

    def control(
        self, kind: int, request: int, value: int = 0, index: int = 0, length: int = 0, data: bytes = b""
    ) -> bytes:
        """Do a control transfer, with `data` from the host or with the answer that is returned."""
        setup = struct.pack("<BBHHH", kind, request, value, index, length or len(data))
        for place, byte in enumerate(setup):
            self.write(SETUP + 4 * place, byte)
        self._answer, self._out_data, self._outcome = b"", data, None
        hardware_does_it = kind == 0 and request == 5  # SET_ADDRESS
        self.write(EP0SETUP, 1)
        self.run()
        if self._outcome == "stall":
            raise StalledError
        assert self._outcome == (None if hardware_does_it else "status"), self._outcome
        return self._answer

    def enumerate(self) -> None:
        """Do what Linux does with a new device, and open its serial port."""
        self.bus_reset()
        assert len(self.control(0x80, 6, 0x0100, 0, 64)) == 18
        self.bus_reset()
        self.control(0, 5, 17)
        self.control(0x80, 6, 0x0100, 0, 18)
        (total,) = struct.unpack_from("<H", self.control(0x80, 6, 0x0200, 0, 9), 2)
        self.control(0x80, 6, 0x0200, 0, total)
        self.control(0, 9, 1)
        self.open()

    def open(self, baud: int = 115200) -> None:
        """Open the serial port."""
        self.control(0x21, 0x22, 3)
        self.control(0x21, 0x20, data=struct.pack("<IBBB", baud, 0, 0, 8))

    def close(self) -> None:
        """Close the serial port."""
        self.control(0x21, 0x22, 0)

    def send(self, data: bytes) -> None:
        """Send bytes to the bulk endpoint."""
        self._to_board.extend(data[start : start + PACKET] for start in range(0, len(data), PACKET))
        self.run()

    def read_again(self) -> None:
        """Take packets again, the one that waits first."""
        self.reading = True
        if self._held is not None:
            self._deliver()
        self.run()

    def next_interrupt(self) -> int | None:
        """Let the host do the next thing."""
        if self.was_reset:
            return None
        if self.line:
            return self.memory.interrupt
        if any(self.read(event) for event in (USBDETECTED, USBREMOVED, USBPWRRDY)):
            return POWER_INTERRUPT
        if self._to_board and self._takes_packet and self.read(EPOUTEN) >> DATA & 1:
            self._takes_packet = False
            self._arrive(DATA, self._to_board.popleft())
            self._data_status |= 1 << 16 + DATA
            self.write(EPDATA, 1)
        pending = any(self.read(event) and self._interrupts >> bit & 1 for event, bit in EVENTS.items())
        if not pending and self._interrupts >> EVENTS[SOF] & 1 and not self._frame_started:
            self._frame_started = pending = True
            self.write(SOF, 1)
        return USBD_INTERRUPT if pending else None

    def _sleep(self, cpu: Uc, address: int, size: int, data: None) -> None:
        self._frame_started = False
        super()._sleep(cpu, address, size, data)

    def value_read(self, address: int, value: int) -> int:
        """Clocks go on, status registers have their own rules, and a transfer ends when somebody looks."""
        if address == CYCCNT:
            self._cycles = (self._cycles + CYCLES_A_LOOK) % 2**32
            return self._cycles
        if address == EVENTCAUSE:
            return self._cause
        if address == EPDATASTATUS:
            return self._data_status
        if self._transfer and address == self._transfer[1]:
            self._end_transfer()
            return 1
        return super().value_read(address, value)

    def written(self, address: int, value: int) -> None:
        """Do what writing causes."""
        super().written(address, value)
        if address == AIRCR and value & 4:
            self.was_reset = self._asleep = True
            self._cpu.emu_stop()
        elif address == UNLOCK:
            self._require(value == 0x9375, "a wrong key")
            self._unlocked = not self._unlocked
        elif address in (ERRATA_171, ERRATA_187):
            self._require(self._unlocked, f"{address:#x} is written while it is locked")
        elif address >> 12 == USBD >> 12:
            self._usbd_written(address, value)

    def _usbd_written(self, address: int, value: int) -> None:
        offset = address - USBD
        if any(offset in limited for limited in LIMITED):
            self._require(self.read(ENABLE) == 1 and self.read(USBREGSTATUS) == 3, f"access fault at {address:#x}")
        if offset < 0x58:
            self._require(self._transfer is None, f"task {offset:#x} during DMA: errata 199")
        if STARTEPIN <= address < STARTEPIN + 32:
            self._start_transfer(address, ENDEPIN + address - STARTEPIN)
        elif STARTEPOUT <= address < STARTEPOUT + 32:
            self._start_transfer(address, ENDEPOUT + address - STARTEPOUT)
        elif address == EP0STATUS:
            self._end_control("status")
        elif address == EP0STALL:
            self._end_control("stall")
        elif address == EP0RCVOUT:
            self._arrive(0, self._out_data)
            self.write(EP0DATADONE, 1)
        elif address == SIZE + 4 * DATA:
            self._takes_packet = True
        elif address == INTENSET:
            self._interrupts |= value
        elif address == INTENCLR:
            self._interrupts &= ~value
        elif address == EVENTCAUSE:
            self._cause &= ~value
        elif address == EPDATASTATUS:
            self._data_status &= ~value
        elif address == DTOGGLE and value & 0x300:
            self.data_restarts.append(value)
        elif address == ENABLE:
            self._switch(value)
        elif address == USBPULLUP and value:
            self._require(self._enables >= 2, "errata 223: enabled once only")
            self._require(self.read(USBREGSTATUS) == 3, "the regulator is not ready")
            self._require(self.read(0x40000000) == 1, "the crystal was not started")

    def _switch(self, on: int) -> None:
        self._enables += on
        ready = self.read(ERRATA_187) == 3 and self.read(ERRATA_171) == 0xC0 and not self._unlocked
        if on and ready and not self._broken:
            self._cause |= READY
            self.write(USBEVENT, 1)

    def _start_transfer(self, task: int, end: int) -> None:
        self._require(self._transfer is None, "two transfers at once")
        self._require(self.read(ERRATA_199) == 0x82, "errata 199")
        self._transfer = (task, end)

    def _end_transfer(self) -> None:
        assert self._transfer
        task, _ = self._transfer
        self._transfer = None
        towards_host = task < STARTEPOUT
        endpoint = (task - (STARTEPIN if towards_host else STARTEPOUT)) // 4
        registers = USBD + (0x600 if towards_host else 0x700) + 0x14 * endpoint
        pointer, count = self.read(registers), self.read(registers + 4)
        self._require(RAM <= pointer <= RAM + self.memory.ram_bytes - count, f"DMA at {pointer:#x}")
        if towards_host:
            self._to_host(endpoint, bytes(self._cpu.mem_read(pointer, count)))
            return
        packet = self._arrived.pop(endpoint)
        self._require(count == len(packet), f"{count} of {len(packet)} bytes")
        self._cpu.mem_write(pointer, packet)
        self._takes_packet |= endpoint == DATA

    def _to_host(self, endpoint: int, packet: bytes) -> None:
        self._require(len(packet) <= PACKET, f"a packet of {len(packet)} bytes")
        if endpoint == 0:
            self._answer += packet
            self.write(EP0DATADONE, 1)
            return
        self._require(endpoint == DATA and self.read(EPINEN) >> DATA & 1 == 1, f"endpoint {endpoint}")
        self._require(self._held is None, "the last packet is overwritten")
        self._held = packet
        if self.reading:
            self._deliver()

    def _deliver(self) -> None:
        assert self._held is not None
        self.received += self._held
        self.packets.append(len(self._held))
        self._held = None
        self._data_status |= 1 << DATA
        self.write(EPDATA, 1)

    def _arrive(self, endpoint: int, packet: bytes) -> None:
        self._arrived[endpoint] = packet
        self.write(SIZE + 4 * endpoint, len(packet))

    def _end_control(self, outcome: str) -> None:
        self._require(self._outcome is None, f"{outcome} after {self._outcome}")
        self._outcome = outcome

    def _require(self, holds: bool, complaint: str) -> None:
        """Note what is wrong; an exception would be lost in the emulator."""
        if not holds:
            self._complaints.append(complaint)
