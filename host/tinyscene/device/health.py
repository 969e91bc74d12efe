"""What a board reports about its health: its last crash (CRASH_READ) and the result of its self-test (SELF_TEST)."""

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tinyscene.device.description import MOST_HZ
from tinyscene.device.link import Link, RefusedError
from tinyscene.device.protocol import ProtocolError, unpack_exactly
from tinyscene.firmware import Request, Status

_CRASH = struct.Struct("<3B6I")
_SELF_TEST = struct.Struct("<B7I")

_KEEP, _FORGET = b"\0", b"\1"  # CRASH_READ's payload

# ARMv7-M Architecture Reference Manual, B3.2.15 and B3.2.16; FORCED (HFSR, 30) only says that CFSR has the reason
_CFSR_BITS = {
    0: "fetched an instruction where it must not",
    1: "read or wrote memory where it must not",
    3: "memory protection at the return from an interrupt",
    4: "memory protection at the entry of an interrupt: the stack overflowed",
    5: "memory protection while the float registers were saved: the stack overflowed",
    8: "fetched an instruction from an address without memory",
    9: "read or wrote an address without memory",
    10: "wrote to an address without memory, some instructions earlier",
    11: "an address without memory at the return from an interrupt",
    12: "an address without memory at the entry of an interrupt: the stack overflowed",
    13: "an address without memory while the float registers were saved",
    16: "an undefined instruction",
    17: "left Thumb state: a call through a pointer that is none, or with an even address",
    18: "a damaged return address of an interrupt",
    19: "a coprocessor or float instruction that is switched off",
    24: "an unaligned access",
    25: "a division by zero",
}
_HFSR_BITS = {1: "the vector table could not be read", 31: "a breakpoint without a debugger"}

Word = TypeVar("Word", bound=enum.IntEnum)
Answer = TypeVar("Answer")


class ResetCause(enum.IntEnum):
    """Why a board started."""

    UNKNOWN = 0
    POWER = 1
    PIN = 2
    SOFTWARE = 3
    WATCHDOG = 4
    LOCKUP = 5
    OTHER = 6


class CrashKind(enum.IntEnum):
    """What made a board restart; UNWITNESSED: its hardware did, without a record of where the program was."""

    NONE = 0
    FAULT = 1
    WATCHDOG = 2
    UNWITNESSED = 3


@dataclass(frozen=True, kw_only=True)
class Crash:
    """A board's last crash, and the cause of its last start; `kind` NONE: there was no crash, and all else is 0.

    Attributes:
        reset_cause: cause of the last start.
        kind: kind of the crash.
        request: type of the request that was being answered, 0 for none.
        count: number of crashes since power-up, or since they were forgotten.
        pc, lr, sp: registers of the interrupted program; pc and lr are 0 if they could not be saved.
        cfsr, hfsr: fault status registers, ARMv7-M Architecture Reference Manual, B3.2.15 and B3.2.16.
    """

    reset_cause: ResetCause
    kind: CrashKind
    request: int
    count: int
    pc: int
    lr: int
    sp: int
    cfsr: int
    hfsr: int

    @property
    def reasons(self) -> list[str]:
        """What the fault status registers say, one phrase a bit; empty without a fault."""
        bits = ((self.cfsr, _CFSR_BITS), (self.hfsr, _HFSR_BITS))
        return [reason for register, names in bits for bit, reason in names.items() if register >> bit & 1]

    @classmethod
    def unpack(cls, body: bytes) -> "Crash":
        """Read the body of the answer to CRASH_READ.

        Raises:
            ProtocolError: the body has another length, or an undefined value.
        """
        cause, kind, request, *numbers = unpack_exactly(_CRASH, body)
        count, pc, lr, sp, cfsr, hfsr = numbers
        return cls(
            reset_cause=_word(ResetCause, cause),
            kind=_word(CrashKind, kind),
            request=request,
            count=count,
            pc=pc,
            lr=lr,
            sp=sp,
            cfsr=cfsr,
            hfsr=hfsr,
        )

    def describe(self) -> str:
        """Return the crash as one line; a request that is not known here appears as its number."""
        if self.kind is CrashKind.NONE:
            return "none"
        requests = {request.value: request.name for request in Request}
        during = f" during {requests.get(self.request, f'request 0x{self.request:02x}')}" if self.request else ""
        times = f"{self.count} since power-up, the last one: " if self.count > 1 else ""
        where = "" if self.kind is CrashKind.UNWITNESSED else f", pc={self.pc:08x} lr={self.lr:08x} sp={self.sp:08x}"
        status = f" cfsr={self.cfsr:08x} hfsr={self.hfsr:08x}" if self.kind is CrashKind.FAULT else ""
        return f"{times}{self.kind.name.lower()}{during}{where}{status}"


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """The result of a board's self-test.

    Attributes:
        bundle_is_whole: whether the constants of model, front end and bundle have the CRC-32 that the build recorded;
            if not, the board refuses to compute.
        constants_bytes, constants_crc: size of these constants, and that CRC-32.
        check_microseconds: duration of this check.
        clock_hz, intended_clock_hz: core clock, and the core clock if everything starts as it should.
        stack_bytes, stack_used: size of the stack, and a lower bound of the part that was used since the start.
    """

    bundle_is_whole: bool
    constants_bytes: int
    constants_crc: int
    check_microseconds: int
    clock_hz: int
    intended_clock_hz: int
    stack_bytes: int
    stack_used: int

    @classmethod
    def unpack(cls, body: bytes) -> "SelfTest":
        """Read the body of the answer to SELF_TEST.

        Raises:
            ProtocolError: the body has another length, or an undefined value.
        """
        whole, size, crc, microseconds, clock, intended, stack, used = unpack_exactly(_SELF_TEST, body)
        if whole > 1 or not 0 < clock <= MOST_HZ or not 0 < intended <= MOST_HZ or used > stack:
            raise ProtocolError(f"a self-test with impossible values: {body.hex()}")
        return cls(
            bundle_is_whole=bool(whole),
            constants_bytes=size,
            constants_crc=crc,
            check_microseconds=microseconds,
            clock_hz=clock,
            intended_clock_hz=intended,
            stack_bytes=stack,
            stack_used=used,
        )

    def complaints(self) -> list[str]:
        """Return what is not as it should be, with the remedies."""
        found = []
        if not self.bundle_is_whole:
            found.append("the bundle in its flash is damaged, so that it refuses to compute; flash it again")
        if self.clock_hz != self.intended_clock_hz:
            found.append(
                f"its core runs at {self.clock_hz / 1e6:g} MHz instead of {self.intended_clock_hz / 1e6:g} MHz: the "
                "fast clock did not start; switch its power off and on"
            )
        return found


def last_crash(link: Link) -> Crash | None:
    """Ask a board for its last crash; None: its firmware is too old to report it.

    Raises:
        LinkError: no answer, or none that can be read.
    """
    return _ask(link, Request.CRASH_READ, _KEEP, Crash.unpack)


def forget_crash(link: Link) -> None:
    """Make a board forget its last crash and start counting from zero.

    Raises:
        LinkError: no answer, or none that can be read.
    """
    _ask(link, Request.CRASH_READ, _FORGET, Crash.unpack)


def self_test(link: Link) -> SelfTest | None:
    """Have a board test itself; None: its firmware is too old for that.

    Raises:
        LinkError: no answer, or none that can be read.
    """
    return _ask(link, Request.SELF_TEST, b"", SelfTest.unpack)


def _ask(link: Link, request: Request, payload: bytes, unpack: Callable[[bytes], Answer]) -> Answer | None:
    try:
        return link.ask(request, unpack, payload)
    except RefusedError as error:
        if error.status is Status.UNKNOWN_REQUEST:
            return None
        raise


def _word(kind: type[Word], value: int) -> Word:
    try:
        return kind(value)
    except ValueError as error:
        raise ProtocolError(f"{value} is not a {kind.__name__}") from error
