"""The exact images of the STM32L496 and the nRF52840 under Unicorn: memory, clock, UART and its interrupt.

Only what the firmware touches is modelled; every other register is plain memory. Time does not pass, unless somebody
counts it (`cycles`).
"""

import struct
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from unicorn import (
    UC_ARCH_ARM,
    UC_HOOK_BLOCK,
    UC_HOOK_CODE,
    UC_HOOK_MEM_READ,
    UC_HOOK_MEM_WRITE,
    UC_MODE_MCLASS,
    UC_MODE_THUMB,
    Uc,
)
from unicorn.arm_const import (
    UC_ARM_REG_CPSR,
    UC_ARM_REG_LR,
    UC_ARM_REG_PC,
    UC_ARM_REG_R0,
    UC_ARM_REG_R1,
    UC_ARM_REG_R2,
    UC_ARM_REG_R3,
    UC_ARM_REG_R12,
    UC_ARM_REG_SP,
    UC_ARM_REG_XPSR,
    UC_CPU_ARM_CORTEX_M4,
)

from tinyscene.device.messages import ANSWER, Request, Status
from tinyscene.device.protocol import Demultiplexer, Frame, encode
from tinyscene.errors import LinkError, ToolError

RAM = 0x20000000
PERIPHERALS = ((0x40000000, 0x100000), (0x48000000, 0x10000), (0x50000000, 0x10000), (0xE0000000, 0x100000))
NVIC_ISER = 0xE000E100
DWT_CYCCNT = 0xE0001004
IT_STATE = 0x0600FC00  # of the program status register: ARMv7-M, B1.4.2
WFI = b"\x30\xbf"
_ARGUMENTS = (UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3)
STACKED = (*_ARGUMENTS, UC_ARM_REG_R12, UC_ARM_REG_LR, UC_ARM_REG_PC, UC_ARM_REG_CPSR)


def section(file: ELFFile, name: str) -> Any:
    """Return a section of an image.

    Raises:
        ToolError: it has none of that name.
    """
    found = file.get_section_by_name(name)
    if found is None:
        raise ToolError(f"the image has no section {name}; build it again")
    return found


class Machine:
    """A board, running one image; subclasses are the boards.

    Attributes:
        sent: what the board has sent.
        line: bytes on their way to the board; each raises the receive interrupt once the board sleeps.
        clock: what the core's cycle counter shows; None: what was written to it.
    """

    flash = (0, 0)
    ram_bytes = 0
    interrupt = 0

    def __init__(self, elf: Path) -> None:
        self.sent = bytearray()
        self.line: deque[int] = deque()
        self.clock: Callable[[], int] | None = None
        self._asleep = False
        self._cpu = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self._cpu.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M4)
        self._cpu.mem_map(*self.flash)
        self._cpu.mem_map(RAM, self.ram_bytes)
        self._return = sum(self.flash) - 16  # where handlers return to: the end of flash, where no code is
        for base, size in PERIPHERALS:
            self._cpu.mem_map(base, size)
            self._cpu.hook_add(UC_HOOK_MEM_READ, self._before_read, None, base, base + size - 1)
            self._cpu.hook_add(UC_HOOK_MEM_WRITE, self._before_write, None, base, base + size - 1)
        self._load(elf)
        stack, reset = struct.unpack("<2I", self._cpu.mem_read(self._vectors, 8))
        self._cpu.reg_write(UC_ARM_REG_SP, stack)
        self._pc = reset

    def _load(self, elf: Path) -> None:
        with elf.open("rb") as stream:
            file = ELFFile(stream)
            for segment in file.iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    self._cpu.mem_write(segment["p_paddr"], segment.data())
            self._vectors = section(file, ".vectors")["sh_addr"]
            text = section(file, ".text")
            code, start = text.data(), text["sh_addr"]
        for offset in range(0, len(code), 2):
            if code[offset : offset + 2] == WFI:
                self._cpu.hook_add(UC_HOOK_CODE, self._sleep, None, start + offset, start + offset)

    def read(self, address: int) -> int:
        """Return a register or a word of memory."""
        return struct.unpack("<I", self._cpu.mem_read(address, 4))[0]

    def write(self, address: int, value: int) -> None:
        """Set a register or a word of memory."""
        self._cpu.mem_write(address, struct.pack("<I", value))

    def watch(
        self,
        code: Iterable[range],
        block: Callable[[Uc, int, int, None], None],
        read: Callable[[int], bool],
    ) -> None:
        """Have basic blocks and reads of flash told, before they happen.

        To be called before the board boots: code that has run already is not watched.

        Args:
            code: where the blocks begin that are told.
            block: Unicorn's hook for them: called with processor, address, bytes, None.
            read: called with the address; returns whether what reads is surely in no IT block, which saves time.
        """

        def before_read(cpu: Uc, _access: int, address: int, _size: int, _value: int, _data: None) -> None:
            if read(address):
                return
            # To show us the registers, Unicorn has restored the state of an IT block, and forgets to drop it again.
            state = cpu.reg_read(UC_ARM_REG_XPSR)
            if state & IT_STATE:
                cpu.reg_write(UC_ARM_REG_XPSR, state & ~IT_STATE)

        first, size = self.flash
        for addresses in code:
            self._cpu.hook_add(UC_HOOK_BLOCK, block, None, addresses.start, addresses.stop - 1)
        self._cpu.hook_add(UC_HOOK_MEM_READ, before_read, None, first, first + size - 1)

    def argument(self) -> int:
        """Return the first argument of a function that begins."""
        return self._cpu.reg_read(UC_ARM_REG_R0)

    def run(self) -> None:
        """Run until the board sleeps with nothing left on the line."""
        while True:
            self._asleep = False
            self._cpu.emu_start(self._pc | 1, self._return)
            assert self._asleep
            if not self.line:
                return
            while self.line:
                self._receive_interrupt()
            self._pc += len(WFI)

    def _sleep(self, cpu: Uc, address: int, _size: int, _data: None) -> None:
        self._asleep = True
        self._pc = address
        cpu.emu_stop()

    def _receive_interrupt(self) -> None:
        """Call the handler as the core does, with the registers of the interrupted program kept."""
        enabled = self.read(NVIC_ISER + self.interrupt // 32 * 4)
        assert enabled >> self.interrupt % 32 & 1, "the interrupt is not enabled"
        registers = [(register, self._cpu.reg_read(register)) for register in STACKED]
        self._cpu.reg_write(UC_ARM_REG_LR, self._return | 1)
        handler = self.read(self._vectors + 4 * (16 + self.interrupt))
        self._raise()
        self._cpu.emu_start(handler, self._return)
        for register, value in registers:
            self._cpu.reg_write(register, value)

    def _before_read(self, _cpu: Uc, _access: int, address: int, _size: int, _value: int, _data: None) -> None:
        if address == DWT_CYCCNT and self.clock:
            self.write(address, self.clock() & 0xFFFFFFFF)
            return
        self.write(address, self.value_read(address, self.read(address)))

    def _before_write(self, _cpu: Uc, _access: int, address: int, _size: int, value: int, _data: None) -> None:
        self.written(address, value & 0xFFFFFFFF)

    def _raise(self) -> None:
        """A byte of the line arrives in the UART."""

    def value_read(self, address: int, value: int) -> int:
        """Return what the firmware reads where `value` was written."""
        raise NotImplementedError

    def written(self, address: int, value: int) -> None:
        """Do what writing causes."""
        raise NotImplementedError


class Stm32L496(Machine):
    """ST's Nucleo-L496ZG; with `pll` false, the PLL never locks."""

    flash = (0x08000000, 1 << 20)
    ram_bytes = 320 << 10
    interrupt = 70
    RCC_CR, RCC_CFGR = 0x40021000, 0x40021008
    LPUART1_ISR, LPUART1_RDR, LPUART1_TDR = 0x4000801C, 0x40008024, 0x40008028
    PLLON, PLLRDY = 1 << 24, 1 << 25
    RXNE, TC, TXE = 1 << 5, 1 << 6, 1 << 7

    def __init__(self, elf: Path, pll: bool = True) -> None:
        self._pll = pll
        super().__init__(elf)

    def value_read(self, address: int, value: int) -> int:
        """Ready bits follow what was asked for; the UART is always ready to send."""
        if address == self.RCC_CR:
            ready = self._pll and value & self.PLLON
            return value | self.PLLRDY if ready else value & ~self.PLLRDY
        if address == self.RCC_CFGR:
            return value & ~0xC | (value & 3) << 2
        if address == self.LPUART1_ISR:
            return self.TXE | self.TC | (self.RXNE if self.line else 0)
        if address == self.LPUART1_RDR:
            return self.line.popleft()
        return value

    def written(self, address: int, value: int) -> None:
        """Take what is sent."""
        if address == self.LPUART1_TDR:
            self.sent.append(value & 0xFF)


class Nano33Ble(Machine):
    """Arduino's Nano 33 BLE, started by its boot loader."""

    flash = (0x00000000, 1 << 20)
    ram_bytes = 256 << 10
    interrupt = 2
    HFCLKSTARTED = 0x40000100
    RXDRDY, TXDRDY, RXD, TXD = 0x40002108, 0x4000211C, 0x40002518, 0x4000251C

    def _raise(self) -> None:
        self.write(self.RXDRDY, 1)

    def value_read(self, address: int, value: int) -> int:
        """The crystal runs at once; taking a byte raises the event again while there are more."""
        if address == self.HFCLKSTARTED:
            return 1
        if address == self.RXD:
            byte = self.line.popleft()
            if self.line:
                self.write(self.RXDRDY, 1)
            return byte
        return value

    def written(self, address: int, value: int) -> None:
        """Take what is sent, and say that it was."""
        if address == self.TXD:
            self.sent.append(value & 0xFF)
            self.write(self.TXDRDY, 1)


BOARDS = {"stm32l496": Stm32L496, "nano33ble": Nano33Ble}


def ask(machine: Machine, request: Request, payload: bytes = b"") -> bytes:
    """Send a request and return the answer's body after its status.

    Raises:
        LinkError: no answer, or another status than OK.
    """
    machine.sent.clear()
    machine.line.extend(encode(Frame(request, 7, payload)))
    machine.run()
    answers = [event for event in Demultiplexer().feed(bytes(machine.sent)) if isinstance(event, Frame)]
    if [(answer.type, answer.sequence) for answer in answers] != [(request | ANSWER, 7)]:
        raise LinkError(f"the image gave no answer to {request.name}; build it again, with this version of tinyscene")
    status, body = answers[0].payload[0], answers[0].payload[1:]
    if status != Status.OK:
        raise LinkError(f"the image refused {request.name}: status {status}; build it again, with this version")
    return body
