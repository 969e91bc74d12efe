"""What the host needs to know about each board: how it is emulated, its memory, and calls that the compiler hides.

One file for each board, firmware/platform/boards/BOARD.toml; emulators, cycle model and stack check read it here.
"""

import dataclasses
import functools
import json
from typing import Any

from tinyscene import files
from tinyscene.errors import ToolError
from tinyscene.paths import FIRMWARE
from tinyscene.sections import Section, section

FOLDER = FIRMWARE / "platform" / "boards"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Qemu:
    """A machine of QEMU that runs the board's image.

    Attributes:
        machine: QEMU's name of the machine.
        since: first version of QEMU that has it.
        serial: QEMU's number of the serial port that the image uses.
        slow_line: whether that port receives some hundred bytes a second only, as QEMU lets this board sleep on.
    """

    machine: str
    since: int
    serial: int = 0
    slow_line: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unicorn:
    """Memory map for running the image under Unicorn, see `device.emulators.board_models`.

    Attributes:
        flash_start, flash_bytes: address and size of its flash.
        ram_bytes: size of its RAM.
        interrupt: number of the UART's interrupt.
        uart: address of the UART, if the model does not know it.
    """

    flash_start: int
    flash_bytes: int
    ram_bytes: int
    interrupt: int
    uart: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cycles:
    """Settings of the cycle model: `flash` names a memory of `cycles.flash`."""

    flash: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Own:
    """What a board's firmware takes besides a bundle, and how fast it is.

    Attributes:
        ram_bytes, flash_bytes: with the stack, and without arrays that depend on the bundle.
        cycles_per_instruction: of a front end and a network, memory waits included.
    """

    ram_bytes: int
    flash_bytes: int
    cycles_per_instruction: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Power:
    """What a board's processor draws while it computes.

    Attributes:
        microamperes_per_megahertz: typical current, for each megahertz of its clock.
        volts: supply voltage.
        source: the page that says so.
    """

    microamperes_per_megahertz: float
    volts: float
    source: str

    def watts(self, clock_hz: int) -> float:
        """Return the power at a clock."""
        return 1e-12 * self.microamperes_per_megahertz * clock_hz * self.volts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Indirect:
    """Calls through a pointer.

    Attributes:
        call: pattern of the source line.
        reaches: start of the paths of the functions that it can reach.
    """

    call: str
    reaches: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Board:
    """A board.

    Attributes:
        name: its name in PlatformIO.
        ram_bytes, flash_bytes, clock_hz: its memories and its clock, from PlatformIO's file.
        own: what its firmware takes besides a bundle.
        power: what its processor draws; None: it is no hardware.
        emulated_only: whether its firmware reports that it is emulated.
        qemu, unicorn: how it is emulated; None: not by this emulator.
        cycles: how its cycles are estimated; None: they cannot be.
        giving_way: interrupt handlers that one other handler can interrupt.
        indirect: calls through pointers in its own code.
    """

    name: str
    ram_bytes: int
    flash_bytes: int
    clock_hz: int
    own: Own
    power: Power | None
    emulated_only: bool
    qemu: Qemu | None
    unicorn: Unicorn | None
    cycles: Cycles | None
    giving_way: tuple[str, ...]
    indirect: tuple[Indirect, ...]


@functools.cache
def every() -> dict[str, Board]:
    """Return all boards by name.

    Raises:
        ToolError: a file is damaged.
    """
    return {path.stem: _board(path.stem, files.read_toml(path)) for path in sorted(FOLDER.glob("*.toml"))}


def named(name: str) -> Board:
    """Return a board.

    Raises:
        ToolError: there is no board of that name.
    """
    if name not in every():
        raise ToolError(f"no board {name!r}; boards are {', '.join(every())}")
    return every()[name]


def is_emulated(name: str) -> bool:
    """Return whether a board that reports this name is certainly emulated."""
    return name in every() and every()[name].emulated_only


def of_environment(env: str) -> str:
    """Return the board of a PlatformIO environment: its name without the runtime."""
    return env.removesuffix("_tflm")


def _board(name: str, table: dict[str, Any]) -> Board:
    stack = table.get("stack", {})

    def part(key: str, kind: type[Section]) -> Section | None:
        return section(kind, f"{name}.{key}", table[key]) if key in table else None

    hardware = json.loads((FOLDER / f"{name}.json").read_text())
    return Board(
        name=name,
        ram_bytes=hardware["upload"]["maximum_ram_size"],
        flash_bytes=hardware["upload"]["maximum_size"],
        clock_hz=int(hardware["build"]["f_cpu"].removesuffix("L")),
        own=section(Own, f"{name}.own", table.get("own", {})),
        power=part("power", Power),
        emulated_only=table.get("emulated_only", False),
        qemu=part("qemu", Qemu),
        unicorn=part("unicorn", Unicorn),
        cycles=part("cycles", Cycles),
        giving_way=tuple(stack.get("giving_way", ())),
        indirect=tuple(section(Indirect, f"{name}.stack.indirect", each) for each in stack.get("indirect", ())),
    )
