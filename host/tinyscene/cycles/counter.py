"""Adds up the instructions and cycles of a running image, by layer of the network and function of the front end."""

import dataclasses
from pathlib import Path

from unicorn import Uc

from tinyscene.cycles import flash as memories, timing
from tinyscene.cycles.flash import Flash, Lines
from tinyscene.cycles.image import BETWEEN_LAYERS, FRONT_END, NETWORK, OTHERS, Image
from tinyscene.device.emulators import Machine
from tinyscene.errors import ToolError


@dataclasses.dataclass(slots=True)
class Count:
    """Instructions, cycles without waits, and cycles spent waiting for flash."""

    instructions: int = 0
    cycles: int = 0
    waits: int = 0

    @property
    def total(self) -> int:
        """All cycles."""
        return self.cycles + self.waits


Owner = tuple[str, str | int]
"""A part, and in it a function's name, or the number of a layer's operator."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Block:
    """A basic block: its cost, whether it ends in a branch, and its owner (None: the owner of the block before)."""

    instructions: int
    cycles: int
    refill: int
    lines: Lines
    owner: Owner | None
    begins_engine_function: bool
    unconditional: bool  # no IT block in it, nor in unwatched code that may follow


class Counter:
    """Watches a machine that has not booted yet; counts from `start` on.

    Args:
        machine: the board.
        elf: the image that it runs.

    Attributes:
        counts: counts by owner.
    """

    def __init__(self, machine: Machine, elf: Path) -> None:
        self.counts: dict[Owner, Count] = {}
        self._machine = machine
        self._image = Image.load(elf)
        self._instructions = timing.disassemble(elf)
        self._blocks: dict[tuple[int, int], _Block] = {}
        self._flash: Flash | None = None
        self._next = 0  # address after the last block
        self._refill = self._lead = 0  # last block's cycles if it jumps, and cycles of its last word of flash
        self._count = Count()
        self._unconditional = False
        machine.watch(self._image.watched, self._block, self._read)

    def start(self, flash: Flash) -> None:
        """Count from zero, with a flash memory of these wait states; the cycle counter of the core shows the sum."""
        self.counts = {}
        self._count = self._of((OTHERS, ""))
        self._flash = flash
        self._blocks = {}
        self._machine.clock = lambda: self.sum().total

    def sum(self, part: str | None = None) -> Count:
        """Return the sum of a part, or of all."""
        chosen = [count for owner, count in self.counts.items() if part in (None, owner[0])]
        return Count(*(sum(getattr(count, f.name) for count in chosen) for f in dataclasses.fields(Count)))

    def _of(self, owner: Owner) -> Count:
        return self.counts.setdefault(owner, Count())

    def _block(self, _cpu: Uc, address: int, size: int, _data: None) -> None:
        """Unicorn's hook, before a basic block runs."""
        flash = self._flash
        if flash is None:
            return
        block = self._blocks.get((address, size)) or self._costed(flash, address, size)
        jumped = address != self._next
        if jumped:
            self._count.cycles += self._refill
        if block.owner:
            self._count = self._of(block.owner)
        elif block.begins_engine_function:
            layer = self._image.layers.get(self._machine.argument())
            if layer is not None:
                self._count = self._of((NETWORK, layer))
        count = self._count
        count.instructions += block.instructions
        count.cycles += block.cycles
        count.waits += flash.fetch(block.lines, 0 if jumped else self._lead)
        self._next = address + size
        self._refill = block.refill
        self._unconditional = block.unconditional
        self._lead = block.lines[-1].words[-1].cycles

    def _read(self, address: int) -> bool:
        """Hook before a constant is read; see `Machine.watch`."""
        if self._flash:
            self._count.waits += self._flash.read(address)
        return self._unconditional

    def _costed(self, flash: Flash, address: int, size: int) -> _Block:
        instructions, place = [], address
        while place < address + size:
            if place not in self._instructions:
                raise ToolError(
                    f"no instruction at {place:#x} of the image; build it again, and report this if it stays"
                )
            instructions.append(self._instructions[place])
            place += instructions[-1].size
        cycles = timing.cycles(instructions)
        part = self._image.part(address)
        name: str = BETWEEN_LAYERS if part == NETWORK else self._image.function(address) if part == FRONT_END else ""
        block = self._blocks[address, size] = _Block(
            instructions=len(instructions),
            cycles=sum(cycles),
            refill=timing.REFILL if instructions[-1].branches else 0,
            lines=memories.split(flash, instructions, cycles),
            owner=(part, name) if part else None,
            begins_engine_function=address in self._image.functions,
            unconditional=self._image.returns_watched(address)
            and not any(one.name[:2] == "it" for one in instructions),
        )
        return block
