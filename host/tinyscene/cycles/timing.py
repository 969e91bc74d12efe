"""Cycles of instructions on a Cortex-M4 whose memory never waits, from the disassembly of an image.

Source: Arm 100166, Cortex-M4 Technical Reference Manual r0p1: 3.3.1 (table 3-1, instructions), 3.3.3 (loads and stores)
and 7.2.3 (table 7-1, floating point). Where the manual gives a range, a constant below is the value used.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tinyscene.errors import ToolError
from tinyscene.toolchain import mps2_image

REFILL = 2  # P of table 3-1, 1 to 3: refill of the pipeline after a taken branch
DIVISION = 7  # SDIV, UDIV: 2 to 12, depending on the quotient's length

_LINE = re.compile(
    r"^ *(?P<address>[0-9a-f]+):\t(?P<code>[0-9a-f ]+?) *\t(?P<name>[a-z]\S*)(?:\t(?P<operands>[^@;]*))?"
)
_REGISTER = re.compile(r"\b(?:r\d+|s\d+|d\d+|sb|sl|fp|ip|sp|lr|pc)\b")
_RANGE = re.compile(r"\b([rsd])(\d+)-[rsd](\d+)\b")
_CONDITIONS = ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"]

_BRANCHES = {"b": 1, "bl": 1, "bx": 1, "blx": 1, "cbz": 1, "cbnz": 1, "tbb": 2, "tbh": 2}
_LOADS = {"ldr", "ldrb", "ldrh", "ldrsb", "ldrsh"}
_STORES = {"str", "strb", "strh"}
_FLOAT_TRANSFERS = {"vldr", "vstr"}
_MULTIPLE = {"ldm", "ldmia", "ldmdb", "stm", "stmia", "stmdb", "push", "pop"}
_MULTIPLE |= {"vldm", "vldmia", "vldmdb", "vstm", "vstmia", "vstmdb", "vpush", "vpop"}
_ACCUMULATING = {"vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"}
_LATE = {"vadd", "vsub", "vmul", "vnmul", "vdiv", "vsqrt", "vcvt"} | _ACCUMULATING  # their results come a cycle later
_FIXED = {"sdiv": DIVISION, "udiv": DIVISION, "vdiv": 14, "vsqrt": 14, "ldrd": 3, "strd": 3}
_FIXED |= dict.fromkeys(_ACCUMULATING, 3)
_ONLY_READING = {"vstr", "vcmp", "vcmpe", "vstm", "vstmia", "vstmdb", "vpush"}
_KNOWN = _LATE | _LOADS | _STORES | _FLOAT_TRANSFERS | _MULTIPLE | _ONLY_READING | {"vmov", *_BRANCHES, *_FIXED}


class Instruction(NamedTuple):
    """A line of the disassembly: address and size in bytes, name and operands as objdump writes them."""

    address: int
    size: int
    name: str
    operands: str

    @property
    def kind(self) -> str:
        """The name without condition, width and type, if that matters here."""
        name = self.name.partition(".")[0]
        return name[:-2] if name not in _KNOWN and name[-2:] in _CONDITIONS else name

    @property
    def registers(self) -> list[str]:
        """All registers among the operands, in order, ranges written out."""
        text = _RANGE.sub(
            lambda match: ", ".join(f"{match[1]}{n}" for n in range(int(match[2]), int(match[3]) + 1)), self.operands
        )
        return _REGISTER.findall(text)

    @property
    def branches(self) -> bool:
        """Whether it may write the program counter."""
        loads_pc = self.kind in {"pop", "ldm", "ldmia", "ldmdb"} and "pc" in self.registers
        return self.kind in _BRANCHES or loads_pc or self.registers[:1] == ["pc"]


def disassemble(elf: Path) -> dict[int, Instruction]:
    """Return the instructions of an image by address.

    Raises:
        ToolError: the toolchain's objdump is missing or cannot read the file.
    """
    command = [mps2_image.tool(mps2_image.DISASSEMBLER), "-d", str(elf)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ToolError(f"{command[0]} cannot read {elf} ({result.stderr.strip()[:200]}); build the image again")
    return {line.address: line for line in parse(result.stdout)}


def parse(text: str) -> list[Instruction]:
    """Return the instructions in the output of `objdump -d`."""
    return [
        Instruction(
            int(m["address"], 16), len(m["code"].replace(" ", "")) // 2, m["name"], (m["operands"] or "").strip()
        )
        for m in map(_LINE.match, text.splitlines())
        if m
    ]


def cycles(instructions: Sequence[Instruction]) -> list[int]:
    """Return the cycles of each instruction of a basic block, without the REFILL after a taken branch at its end.

    Conditional instructions count as if they ran. Nothing is assumed about the code before the block.
    """
    before = [None, *instructions[:-1]]
    return [
        _alone(one) + _late(one, last) - _pipelined(one, last) for one, last in zip(instructions, before, strict=True)
    ]


def _alone(one: Instruction) -> int:
    kind = one.kind
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _BRANCHES:
        return _BRANCHES[kind]
    if kind in _LOADS:
        return 2
    if kind in _STORES:  # 3.3.3: the write buffer takes the value, unless the address is a sum of registers
        return 2 if _offset_is_register(one) else 1
    if kind in _FLOAT_TRANSFERS:
        return 3 if one.registers[0].startswith("d") else 2
    if kind in _MULTIPLE:
        return 1 + _words(one)
    if kind == "vmov":  # two registers of the core at once
        return 2 if sum(name[0] not in "sd" or name in ("sp", "sb", "sl") for name in one.registers) == 2 else 1
    return 1


def _words(one: Instruction) -> int:
    listed = one.registers if one.kind in ("push", "pop", "vpush", "vpop") else one.registers[1:]
    return sum(2 if name[0] == "d" else 1 for name in listed)


def _address(one: Instruction) -> str:
    return one.operands.partition("[")[2].partition("]")[0]


def _offset_is_register(one: Instruction) -> bool:
    return len(_REGISTER.findall(_address(one))) > 1


def _updates_base(one: Instruction) -> bool:
    return one.operands.endswith("!") or "]," in one.operands


def _pipelined(one: Instruction, last: Instruction | None) -> int:
    """3.3.3: a load right after a load takes a cycle less, unless its address depends on the first one's value."""
    if last is None or last.kind not in _LOADS or _updates_base(last):
        return 0
    fits = one.kind in _LOADS and not _updates_base(one)
    return int(fits and last.registers[0] not in _REGISTER.findall(_address(one)))


def _late(one: Instruction, last: Instruction | None) -> int:
    """7.2.3: a cycle more for an instruction that uses the result of floating-point arithmetic right before it."""
    if last is None or last.kind not in _LATE:
        return 0
    reads_first = one.kind in _ACCUMULATING or one.kind in _ONLY_READING
    return int(last.registers[0] in (one.registers if reads_first else one.registers[1:]))
