"""The flash memories of the boards: how many cycles the core waits for instructions and constants.

A model is set up from the registers that the firmware has written. Assumptions about what the manuals do not specify
are in docs/ENGINE.md, "Cycles".
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from tinyscene.cycles.timing import Instruction
from tinyscene.device.emulators import Machine


class Word(NamedTuple):
    """The part of a basic block in one word of flash: the word's number in its line, and the cycles of the part."""

    number: int
    cycles: int


class Line(NamedTuple):
    """The part of a basic block in one line of the instruction cache: the line's address, and a bit for each word."""

    address: int
    bits: int
    words: tuple[Word, ...]


Lines = tuple[Line, ...]


class Flash(Protocol):
    """Wait states, and the contents of the caches.

    Attributes:
        line_bytes, word_bytes: size of a line of the instruction cache, and of what is read at once.
    """

    line_bytes: int
    word_bytes: int

    def fetch(self, lines: Lines, lead: int) -> int:
        """Return the cycles that a basic block waits for its instructions.

        Args:
            lines: result of `split` for the block.
            lead: cycles spent in the word before, if the block follows it in memory; 0 after a jump.
        """

    def read(self, address: int) -> int:
        """Return the cycles that a read of a constant waits."""


def split(flash: Flash, instructions: Sequence[Instruction], cycles: Sequence[int]) -> Lines:
    """Return the lines and words of a basic block; an instruction counts towards the word that it begins in."""
    size = flash.word_bytes
    end = instructions[-1].address + instructions[-1].size
    spent = dict.fromkeys(range(instructions[0].address // size * size, end, size), 0)
    for one, taken in zip(instructions, cycles, strict=True):
        spent[one.address // size * size] += taken
    lines: dict[int, list[Word]] = {}
    for address, taken in spent.items():
        line, offset = divmod(address, flash.line_bytes)
        lines.setdefault(line * flash.line_bytes, []).append(Word(offset // size, taken))
    return tuple(
        Line(address, sum(1 << word.number for word in words), tuple(words)) for address, words in lines.items()
    )


class _Cache:
    """Lines of words; the least recently used line is replaced, and a word is loaded when it is missed."""

    def __init__(self, lines: int) -> None:
        self.lines = lines
        self._held: dict[int, int] = {}  # address: a bit for each word; the most recently used last

    def use(self, address: int, bits: int) -> int:
        """Return the words of a line that are held, as bits; afterwards all of `bits` are held."""
        held = self._held.pop(address, 0)
        self._held[address] = held | bits
        if len(self._held) > self.lines:
            del self._held[next(iter(self._held))]
        return held


class Stm32L4Flash:
    """ST RM0351, 3.3: 64-bit words, prefetch, instruction cache of 32 and data cache of 8 lines of four words, LRU.

    Args:
        wait_states: wait states in FLASH_ACR.
        prefetch, instruction_cache, data_cache: whether they are switched on.
    """

    line_bytes, word_bytes = 32, 8
    ACR = 0x40022000
    PRFTEN, ICEN, DCEN = 1 << 8, 1 << 9, 1 << 10

    def __init__(
        self, wait_states: int, prefetch: bool = True, instruction_cache: bool = True, data_cache: bool = True
    ) -> None:
        self._wait_states = wait_states
        self._prefetch = prefetch
        self._instructions = _Cache(32 if instruction_cache else 0)
        self._data = _Cache(8 if data_cache else 0)

    @classmethod
    def of(cls, machine: Machine) -> "Stm32L4Flash":
        """Return the memory as the firmware has set it up."""
        acr = machine.read(cls.ACR)
        return cls(acr & 7, bool(acr & cls.PRFTEN), bool(acr & cls.ICEN), bool(acr & cls.DCEN))

    def fetch(self, lines: Lines, lead: int) -> int:
        """The next word is read while the core executes the word in front of it."""
        waited = 0
        for address, bits, words in lines:
            held = self._instructions.use(address, bits)
            if held & bits != bits:
                for number, taken in words:
                    if not held >> number & 1:
                        ahead = max(lead - 1, 0) if self._prefetch else 0
                        waited += max(self._wait_states - ahead, 0)
                    lead = taken
            lead = words[-1].cycles
        return waited

    def read(self, address: int) -> int:
        """Constants are not read ahead."""
        number = address % self.line_bytes // self.word_bytes
        held = self._data.use(address - address % self.line_bytes, 1 << number)
        return 0 if held >> number & 1 else self._wait_states


class Nrf52840Flash:
    """Nordic nRF52840 PS 1.7, 4.1.1 and 4.3: an instruction cache of 2 KB, off after reset; constants are not cached.

    Two wait states without the cache, three for a miss with it. The cache's organisation is that published for the
    nRF5340: two ways, lines of 128 bits, LRU.

    Args:
        cache: whether the cache is switched on.
    """

    line_bytes = word_bytes = 16
    ICACHECNF = 0x4001E540
    SETS, WAYS = 64, 2
    FETCH_BYTES = 4

    def __init__(self, cache: bool = True) -> None:
        self._wait_states = 3 if cache else 2
        self._sets = [_Cache(self.WAYS) for _ in range(self.SETS)] if cache else []
        if not cache:
            self.line_bytes = self.word_bytes = self.FETCH_BYTES

    @classmethod
    def of(cls, machine: Machine) -> "Nrf52840Flash":
        """Return the memory as the firmware has set it up."""
        return cls(bool(machine.read(cls.ICACHECNF) & 1))

    def fetch(self, lines: Lines, lead: int) -> int:  # noqa: ARG002
        """Every line that is not held costs the wait states once; there is no prefetch."""
        if not self._sets:
            return self._wait_states * len(lines)
        missed = sum(
            not self._sets[address // self.line_bytes % self.SETS].use(address, bits) for address, bits, _ in lines
        )
        return self._wait_states * missed

    def read(self, address: int) -> int:  # noqa: ARG002
        """Every read waits."""
        return self._wait_states


# by the name in a board's file
FLASHES: dict[str, Callable[[Machine], Flash]] = {"stm32l4": Stm32L4Flash.of, "nrf52840": Nrf52840Flash.of}


def of_machine(machine: Machine) -> Flash:
    """Return the memory of a board as its firmware has set it up."""
    assert machine.board.cycles is not None, f"{machine.board.name}.toml has no [cycles]"
    return FLASHES[machine.board.cycles.flash](machine)
