"""A board that runs its exact image under Unicorn: core, memory and interrupts, and how to talk to it.

The boards are in board_models.py. Time does not pass unless `cycles` counts it.
"""

import itertools
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
    UC_ARM_REG_IPSR,
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

from tinyscene.device import Demultiplexer, Frame, encode
from tinyscene.errors import LinkError, ToolError
from tinyscene.firmware import ANSWER, Board, Request, Status, Unicorn

RAM = 0x20000000
PERIPHERALS = ((0x40000000, 0x100000), (0x48000000, 0x10000), (0x50000000, 0x10000), (0xE0000000, 0x100000))
NVIC_ISER, NVIC_ICER, NVIC_BYTES = 0xE000E100, 0xE000E180, 32
AIRCR = 0xE000ED0C
DWT_CYCCNT = 0xE0001004
IT_STATE = 0x0600FC00  # bits of the program status register: ARMv7-M, B1.4.2
_SEQUENCE = _SESSION = 1  # of all requests: one that is repeated is answered again
WFI = b"\x30\xbf"
_ARGUMENTS = (UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3)
STACKED = (*_ARGUMENTS, UC_ARM_REG_R12, UC_ARM_REG_LR, UC_ARM_REG_PC, UC_ARM_REG_CPSR)


def section(file: ELFFile, name: str) -> Any:
    """Return a section of an image.

    Raises:
        ToolError: the image has no section of that name.
    """
    found = file.get_section_by_name(name)
    if found is None:
        raise ToolError(f"the image has no section {name}; build it again")
    return found


class Machine:
    """A board, running one image; subclasses are the boards.

    Attributes:
        board: the board.
        sent: bytes that the board has sent.
        line: bytes on their way to the board; each raises the receive interrupt once the board sleeps.
        clock: function that returns the core's cycle counter; None: the counter keeps what was written to it.
    """

    board: Board

    def __init__(self, elf: Path) -> None:
        self.sent = bytearray()
        self.line: deque[int] = deque()
        self.clock: Callable[[], int] | None = None
        self._enabled = 0  # a bit for each interrupt
        self._asleep = self._reset_asked = False
        self._cpu = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self._cpu.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M4)
        self._cpu.mem_map(*self.flash)
        self._cpu.mem_map(RAM, self.memory.ram_bytes)
        self._return = sum(self.flash) - 16  # return address of handlers: the end of flash, where there is no code
        for base, size in PERIPHERALS:
            self._cpu.mem_map(base, size)
            self._cpu.hook_add(UC_HOOK_MEM_READ, self._before_read, None, base, base + size - 1)
            self._cpu.hook_add(UC_HOOK_MEM_WRITE, self._before_write, None, base, base + size - 1)
        self._load(elf)
        self.reset()

    @property
    def memory(self) -> Unicorn:
        """Memory map of the board."""
        assert self.board.unicorn is not None, f"{self.board.name}.toml has no [unicorn]"
        return self.board.unicorn

    @property
    def flash(self) -> tuple[int, int]:
        """Address and size of the board's flash."""
        return self.memory.flash_start, self.memory.flash_bytes

    def reset(self) -> None:
        """Start again, as after a reset, with RAM and the registers of peripherals unchanged."""
        stack, self._pc = struct.unpack("<2I", self._cpu.mem_read(self._vectors, 8))
        self._cpu.reg_write(UC_ARM_REG_SP, stack)
        self._cpu.reg_write(UC_ARM_REG_IPSR, 0)

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

    @property
    def counter(self) -> int:
        """Address at which the board sleeps."""
        return self._pc

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
        """Report basic blocks and reads of flash before they happen.

        Call it before the board boots: code that has already run is not watched.

        Args:
            code: addresses at which reported blocks begin.
            block: Unicorn's hook for them: called with processor, address, bytes, None.
            read: called with the address; returns whether the reading code is certainly in no IT block, which saves
                time.
        """

        def before_read(cpu: Uc, _access: int, address: int, _size: int, _value: int, _data: None) -> None:
            if read(address):
                return
            # To show the registers, Unicorn has restored the state of an IT block, and forgets to drop it again.
            state = cpu.reg_read(UC_ARM_REG_XPSR)
            if state & IT_STATE:
                cpu.reg_write(UC_ARM_REG_XPSR, state & ~IT_STATE)

        first, size = self.flash
        for addresses in code:
            self._cpu.hook_add(UC_HOOK_BLOCK, block, None, addresses.start, addresses.stop - 1)
        self._cpu.hook_add(UC_HOOK_MEM_READ, before_read, None, first, first + size - 1)

    def argument(self) -> int:
        """Return the first argument of the function that has just been entered."""
        return self._cpu.reg_read(UC_ARM_REG_R0)

    def run(self) -> None:
        """Run until the board sleeps and nothing more happens to it."""
        while True:
            self._asleep = False
            self._cpu.emu_start(self._pc | 1, self._return)
            if self._reset_asked and not self._asleep:
                self._reset_asked = False
                self.reset()
                continue
            assert self._asleep
            if self.next_interrupt() is None:
                return
            while (number := self.next_interrupt()) is not None:
                self._interrupt(number)
            self._pc += len(WFI)

    def next_interrupt(self) -> int | None:
        """Let the next event happen to the sleeping board, if there is one, and return the interrupt that it raises."""
        return self.memory.interrupt if self.line else None

    def take_exception(self, number: int) -> bool:
        """Call the handler of an exception with the interrupted program's registers on the stack, as the core does.

        Returns:
            Whether the handler asked for a reset; if not, it returned.
        """
        self._reset_asked = False
        frame = [self._cpu.reg_read(register) for register in STACKED]
        frame[STACKED.index(UC_ARM_REG_PC)] = self._pc
        stack = self._cpu.reg_read(UC_ARM_REG_SP)
        self._cpu.mem_write(stack - 32, struct.pack("<8I", *frame))
        self._cpu.reg_write(UC_ARM_REG_SP, stack - 32)
        self._cpu.reg_write(UC_ARM_REG_LR, self._return | 1)
        self._cpu.reg_write(UC_ARM_REG_IPSR, number)
        self._cpu.emu_start(self.read(self._vectors + 4 * number), self._return)
        self._cpu.reg_write(UC_ARM_REG_IPSR, 0)
        self._cpu.reg_write(UC_ARM_REG_SP, stack)
        for register, value in zip(STACKED, frame, strict=True):
            self._cpu.reg_write(register, value)
        return self._reset_asked

    def instructions_of_receiving(self, byte: int) -> int:
        """Let a byte arrive, and return how many instructions the interrupt took."""
        self.line.append(byte)
        counted = itertools.count()
        hook = self._cpu.hook_add(UC_HOOK_CODE, lambda *_: next(counted))
        self._interrupt(self.memory.interrupt)
        self._cpu.hook_del(hook)
        return next(counted)

    def _sleep(self, cpu: Uc, address: int, _size: int, _data: None) -> None:
        self._asleep = True
        self._pc = address
        cpu.emu_stop()

    def _interrupt(self, number: int) -> None:
        """Call the handler as the core does, with the registers of the interrupted program kept."""
        assert self._enabled >> number & 1, "the interrupt is not enabled"
        registers = [(register, self._cpu.reg_read(register)) for register in STACKED]
        self._cpu.reg_write(UC_ARM_REG_LR, self._return | 1)
        handler = self.read(self._vectors + 4 * (16 + number))
        if number == self.memory.interrupt:
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
        value &= 0xFFFFFFFF
        if NVIC_ISER <= address < NVIC_ISER + NVIC_BYTES:
            self._enabled |= value << 8 * (address - NVIC_ISER)
        elif NVIC_ICER <= address < NVIC_ICER + NVIC_BYTES:
            self._enabled &= ~(value << 8 * (address - NVIC_ICER))
        elif address == AIRCR:
            self._reset_asked = True
            self._cpu.emu_stop()
        self.written(address, value)

    def _raise(self) -> None:
        """Let a byte of the line arrive in the UART."""

    def value_read(self, address: int, value: int) -> int:
        """Return what the firmware reads from an address that `value` was written to."""
        raise NotImplementedError

    def written(self, address: int, value: int) -> None:
        """Apply the effect of a write."""
        raise NotImplementedError


def exchange(machine: Machine, request: Request, payload: bytes = b"") -> tuple[Status, bytes]:
    """Send a request, in a session that is opened where there is none, and return the answer's status and body.

    Raises:
        LinkError: no answer.
    """
    status, body = _exchange(machine, request, payload)
    if status is Status.BAD_SESSION:
        _exchange(machine, Request.HELLO, b"")
        status, body = _exchange(machine, request, payload)
    return status, body


def _exchange(machine: Machine, request: Request, payload: bytes) -> tuple[Status, bytes]:
    machine.sent.clear()
    machine.line.extend(encode(Frame(request, _SEQUENCE, payload, _SESSION)))
    machine.run()
    answers = [event for event in Demultiplexer().feed(bytes(machine.sent)) if isinstance(event, Frame)]
    if [(answer.type, answer.sequence) for answer in answers] != [(request | ANSWER, _SEQUENCE)]:
        raise LinkError(f"the image gave no answer to {request.name}; build it again with this version of tinyscene")
    return Status(answers[0].payload[0]), answers[0].payload[1:]


def ask(machine: Machine, request: Request, payload: bytes = b"") -> bytes:
    """Send a request and return the answer's body.

    Raises:
        LinkError: no answer, or another status than OK.
    """
    status, body = exchange(machine, request, payload)
    if status is not Status.OK:
        raise LinkError(f"the image refused {request.name}: status {status}; build it again with this version")
    return body
