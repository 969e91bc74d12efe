"""An upper bound of the stack that a built image can take, from the compiler's frames and the calls in the image.

Frames come from GCC's call graph files (`-fcallgraph-info=su`), those of library functions from the instructions that
move the stack pointer. Direct calls are read from the disassembled image. A call through a pointer can reach every
function of one folder whose address is taken somewhere, which the objects' relocations show; INDIRECT and the boards'
files name that folder, or start of a path, by the source line of the call. The sum is an upper bound, as the deepest
path may never be taken.
"""

import re
import struct
import subprocess
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from tinyscene.errors import ToolError
from tinyscene.firmware import boards

# Pattern of the source line of a call through a pointer, and start of the paths of the functions that it can reach.
INDIRECT = (
    (
        r"\bport(\.|->)\w+\(|\bmicrophone(\.|->)\w+\(|\bwrite\(|\bclock\(|\bboard_boot_loader\(|\bleave\(",
        "firmware/boards/",
    ),
    (r"\bhandle\(device,", "firmware/lib/usb/"),
    (r"\bhandle\(scene,", "firmware/lib/scene/"),
    (r"\bbundle->(run|profile)\(", "firmware/generated/"),
    (r"->function\(|\bconvolve\(", "firmware/lib/engine/"),
    (r"\bPASSES\[\w+\]\(", "firmware/lib/frontend/"),
)
# ARMv7-M, B1.5.6: eight registers, S0 to S15, FPSCR, a reserved word, and a word to align the stack to 8 bytes.
EXCEPTION_FRAME = 4 * (8 + 16 + 2) + 4
RESET, FAULT = "startup", "startup_fault_entry"

_ADDRESS_RELOCATIONS = (2, 47, 48)  # R_ARM_ABS32, R_ARM_THM_MOVW_ABS_NC, R_ARM_THM_MOVT_ABS
_NO_CALLS = (".rel.debug", ".rel.ARM", ".rel.vectors")
_OBJDUMP = ("arm-none-eabi-objdump", "-d", "--no-show-raw-insn")
_NODE = re.compile(r'node: \{ title: "[^"]*" label: "(?P<name>[^"\\]+)\\n(?P<file>[^":]+)[^"]*\\n(?P<frame>\d+) bytes')
_DYNAMIC = re.compile(r'label: "(?P<name>[^"\\]+)\\n[^"]*bytes \(dynamic\)')
_TITLED = re.compile(r'node: \{ title: "(?P<title>[^"]+)" label: "[^"]*\\n\d+ bytes')
_INDIRECT = re.compile(
    r'edge: \{ sourcename: "(?P<caller>[^"]+)" targetname: "__indirect_call" label: "(?P<file>[^":]+):(?P<line>\d+)'
)
_HEADER = re.compile(r"^(?P<address>[0-9a-f]+) <(?P<name>.+)>:$")
_INSTRUCTION = re.compile(r"^ +[0-9a-f]+:\t(?P<mnemonic>\S+)\t?(?P<operands>.*)$")
_REGISTERS = re.compile(r"\{(.*)\}")


def _indirect() -> Iterator[tuple[str, str]]:
    """Yield the entries of INDIRECT, and those that the boards add."""
    yield from INDIRECT
    for board in boards.every().values():
        yield from ((each.call, each.reaches) for each in board.indirect)


@dataclass
class Function:
    """A function of the image: its name, the bytes of its own frame, and the addresses that it can call."""

    name: str
    frame: int = 0
    calls: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class StackUsage:
    """Stack bytes in the worst case.

    Attributes:
        program: bytes of the program, from reset through main().
        path: functions on the deepest path of the program, the outermost first.
        interrupts: bytes of the deepest interrupt, on top of one of a board's `giving_way` if the image has it.
        fault: bytes of the report of a fault, which can come on top of all that.
        available: size of the stack.
    """

    program: int
    path: tuple[str, ...]
    interrupts: int
    fault: int
    available: int

    @property
    def total(self) -> int:
        """The sum, with the registers that the core saves for an interrupt and for a fault."""
        return self.program + EXCEPTION_FRAME + self.interrupts + EXCEPTION_FRAME + self.fault


def of_image(elf: Path) -> StackUsage:
    """Return the worst-case stack usage of an image that `pio run` has built.

    Args:
        elf: .pio/build/ENV/firmware.elf of a checkout, with the compiler's .ci files below its folder.

    Raises:
        ToolError: a file is missing; there is a call through a pointer that INDIRECT does not know, a recursion, or a
            frame whose size is known only at run time.
    """
    graph = _CallGraph(elf)
    giving_way = {name for board in boards.every().values() for name in board.giving_way}
    depths = {address: graph.deepest(address)[0] for address in graph.handlers}
    below = {address: depth for address, depth in depths.items() if graph.functions[address].name in giving_way}
    above = max((depth for address, depth in depths.items() if address not in below), default=0)
    interrupts = above + max((depth + EXCEPTION_FRAME for depth in below.values()), default=0)
    program, path = graph.deepest(graph.address(RESET))
    fault, _ = graph.deepest(graph.address(FAULT))
    return StackUsage(program, path, interrupts, fault, graph.stack_bytes)


class _CallGraph:
    """The functions of an image by address, and their calls."""

    def __init__(self, elf: Path) -> None:
        self._elf = elf
        self._root = elf.resolve().parents[3]
        self._files: dict[str, set[str]] = {}  # function name: source files that define a function of that name
        self._depths: dict[int, tuple[int, tuple[str, ...]]] = {}
        self.functions = dict(self._disassemble())
        self._starts = sorted(self.functions)
        self._add_calls()
        self._add_compiler_facts()

    def address(self, name: str) -> int:
        """Return the address of the only function with a name."""
        found = [address for address, function in self.functions.items() if function.name == name]
        if len(found) != 1:
            raise ToolError(f"{self._elf} has {len(found)} functions {name}; link it with firmware/boards/common")
        return found[0]

    @property
    def stack_bytes(self) -> int:
        """Size of the stack that the linker script reserves."""
        with self._elf.open("rb") as stream:
            symbols = ELFFile(stream).get_section_by_name(".symtab")
            assert isinstance(symbols, SymbolTableSection)
            places = {symbol.name: symbol["st_value"] for symbol in symbols.iter_symbols()}
        return places["__stack_top"] - places["__stack_bottom"]

    @property
    def handlers(self) -> set[int]:
        """Addresses of the handlers in the vector table, except those of reset and faults."""
        with self._elf.open("rb") as stream:
            vectors = ELFFile(stream).get_section_by_name(".vectors")
            assert vectors is not None
            words = {word & ~1 for (word,) in struct.iter_unpack("<I", vectors.data())}
        return (words - {self.address("startup_reset"), self.address(FAULT)}) & self.functions.keys()

    def deepest(self, address: int, above: tuple[int, ...] = ()) -> tuple[int, tuple[str, ...]]:
        """Return the bytes of the deepest path that starts at a function, its own frame included, and the path."""
        function = self.functions[address]
        if address in above:
            names = [self.functions[caller].name for caller in above[above.index(address) :]]
            raise ToolError(f"the firmware calls itself: {' > '.join([*names, function.name])}; its stack has no bound")
        if address not in self._depths:
            below = [self.deepest(callee, (*above, address)) for callee in sorted(function.calls)]
            size, path = max(below, default=(0, ()), key=lambda found: found[0])
            self._depths[address] = function.frame + size, (function.name, *path)
        return self._depths[address]

    def _disassemble(self) -> Iterator[tuple[int, Function]]:
        try:
            listing = subprocess.run([*_OBJDUMP, self._elf], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise ToolError(
                f"{self._elf} cannot be disassembled ({error}); build it again, with: make firmware"
            ) from error
        self._code: dict[int, list[tuple[str, str]]] = {}
        address = 0
        for line in listing.splitlines():
            if header := _HEADER.match(line):
                address = int(header["address"], 16)
                self._code[address] = []
                yield address, Function(header["name"])
            elif (instruction := _INSTRUCTION.match(line)) and address in self._code:
                self._code[address].append((instruction["mnemonic"], instruction["operands"]))

    def _add_calls(self) -> None:
        """Add direct calls, and for now the frames that the instructions show."""
        for address, instructions in self._code.items():
            for mnemonic, operands in instructions:
                self.functions[address].frame += _pushed(mnemonic, operands)
                if mnemonic.startswith(("b", "cb")) and (target := re.search(r"\b([0-9a-f]+) <", operands)):
                    callee = self._starts[bisect_right(self._starts, int(target[1], 16)) - 1]
                    if callee != address or mnemonic == "bl":
                        self.functions[address].calls.add(callee)

    def _add_compiler_facts(self) -> None:
        """Replace frames with the compiler's, and add what calls through pointers can reach."""
        texts = [path.read_text(errors="replace") for path in sorted(self._elf.parent.rglob("*.ci"))]
        if not texts:
            raise ToolError(f"{self._elf.parent} has no call graphs (.ci) of the compiler; build the image again")
        frames: dict[str, int] = {}
        for text in texts:
            if dynamic := _DYNAMIC.search(text):
                raise ToolError(f"the frame of {dynamic['name']} has no bound; give its array a constant size")
            for node, title in zip(_NODE.finditer(text), _TITLED.finditer(text), strict=True):
                name = _plain(title["title"])
                frames[name] = max(frames.get(name, 0), int(node["frame"]))
                self._files.setdefault(name, set()).add(node["file"])
        reached: dict[str, set[int]] = {}
        for edge in (edge for text in texts for edge in _INDIRECT.finditer(text)):
            reached.setdefault(_plain(edge["caller"]), set()).update(self._reached(edge["file"], int(edge["line"])))
        for function in self.functions.values():
            function.frame = frames.get(function.name, function.frame)
            function.calls |= reached.get(function.name, set())

    def _reached(self, file: str, line: int) -> set[int]:
        """Return the functions that a call through a pointer can reach."""
        text = (self._root / file).read_text().splitlines()[line - 1]
        folder = next((folder for pattern, folder in _indirect() if re.search(pattern, text)), None)
        if folder is None:
            raise ToolError(
                f"{file}:{line} calls through a pointer that is not known: {text.strip()}; "
                "add what it can reach to INDIRECT of host/tinyscene/firmware/stack_usage.py, or to its board's file"
            )
        names = {name for name, files in self._files.items() if any(path.startswith(folder) for path in files)}
        names &= self._taken
        return {address for address, function in self.functions.items() if function.name in names}

    @cached_property
    def _taken(self) -> set[str]:
        """Names of functions whose address is in code or data, from the objects' relocations."""
        names: set[str] = set()
        for path in sorted(self._elf.parent.rglob("*.o")):
            with path.open("rb") as stream:
                file = ELFFile(stream)
                for section in file.iter_sections():
                    # only the core calls the functions in the vector table
                    if isinstance(section, RelocationSection) and not section.name.startswith(_NO_CALLS):
                        names.update(_addresses(file, section))
        return names


def _addresses(file: ELFFile, section: RelocationSection) -> Iterator[str]:
    """Names of the symbols whose address a section of relocations takes.

    The assembler refers to functions by name, even static ones, as the linker must know which code is Thumb; jump
    tables refer to a whole section.
    """
    symbols = file.get_section(section["sh_link"])
    assert isinstance(symbols, SymbolTableSection)
    for relocation in section.iter_relocations():
        if relocation["r_info_type"] in _ADDRESS_RELOCATIONS:
            yield symbols.get_symbol(relocation["r_info_sym"]).name


def _plain(title: str) -> str:
    """Return a function's name without the file in front of a static function's name."""
    return title.rpartition(":")[2]


def _pushed(mnemonic: str, operands: str) -> int:
    """Return the bytes by which an instruction makes the stack grow."""
    if mnemonic.startswith(("push", "vpush", "vstmdb", "stmdb")) and ("push" in mnemonic or operands.startswith("sp!")):
        registers = _REGISTERS.search(operands)
        assert registers is not None
        return sum(_registers(part) for part in registers[1].split(","))
    if mnemonic.startswith("sub") and (amount := re.match(r"sp, (?:sp, )?#(\d+)", operands)):
        return int(amount[1])
    if mnemonic.startswith("str") and (amount := re.search(r"\[sp, #-(\d+)\]!", operands)):
        return int(amount[1])
    return 0


def _registers(part: str) -> int:
    """Return the bytes of a register, or of a range of them such as r4-r7, s16-s31 or d8-d15."""
    first, _, last = part.strip().partition("-")
    count = int(last[1:]) - int(first[1:]) + 1 if last else 1
    return count * (8 if first.startswith("d") else 4)
