"""Where in the source an address of a built image is, from its symbols and its DWARF line table."""

import bisect
import dataclasses
import os
from pathlib import Path

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.lineprogram import LineProgram
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tinyscene.errors import ToolError


@dataclasses.dataclass(frozen=True)
class Place:
    """A place in the source.

    Attributes:
        function: name of the function.
        file, line: its line; None and 0 where the image has no line table for it, as for code of the C library.
    """

    function: str
    file: str | None = None
    line: int = 0

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})" if self.file else self.function


@dataclasses.dataclass(frozen=True)
class SourceLines:
    """The functions and lines of an image.

    Attributes:
        functions: (first address, one after the last, name), by address.
        lines: (first address, one after the last, file, line), by address.
    """

    functions: tuple[tuple[int, int, str], ...]
    lines: tuple[tuple[int, int, str, int], ...]

    @classmethod
    def load(cls, elf: Path) -> "SourceLines":
        """Read an image.

        Raises:
            ToolError: it cannot be read, is not an ELF file or is damaged.
        """
        try:
            with elf.open("rb") as stream:
                image = ELFFile(stream)
                return cls(_functions(image), _lines(image))
        except OSError as error:
            raise ToolError(f"{elf} cannot be read ({error.strerror}); name the image that was flashed") from error
        except (ELFError, DWARFError, KeyError, ValueError) as error:
            raise ToolError(f"{elf} is not an ELF image, or a damaged one ({error}); build it again") from error

    def at(self, address: int) -> Place | None:
        """Return the place of an instruction, of either parity; None: outside of the image's code."""
        address &= ~1
        function = _holding(self.functions, address)
        if function is None:
            return None
        line = _holding(self.lines, address)
        return Place(function[2], line[2], line[3]) if line else Place(function[2])


def _holding(ranges: tuple, address: int) -> tuple | None:
    index = bisect.bisect_right(ranges, address, key=lambda entry: entry[0]) - 1
    return ranges[index] if index >= 0 and address < ranges[index][1] else None


def _functions(image: ELFFile) -> tuple[tuple[int, int, str], ...]:
    table = image.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return ()
    return tuple(
        sorted(
            (symbol["st_value"] & ~1, (symbol["st_value"] & ~1) + symbol["st_size"], symbol.name)
            for symbol in table.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]
        )
    )


def _lines(image: ELFFile) -> tuple[tuple[int, int, str, int], ...]:
    if not image.has_dwarf_info():
        return ()
    dwarf = image.get_dwarf_info()
    found = []
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        folder = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
        names = _file_names(program, Path(folder.value.decode(errors="replace")) if folder else Path())
        found += _rows(program, names)
    return tuple(sorted(found))


def _rows(program: LineProgram, names: dict[int, str]) -> list[tuple[int, int, str, int]]:
    """Return the ranges of a line program; those at address 0 belong to functions that the linker left out."""
    rows = []
    start = None
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        if start is not None and start.line and state.address > start.address:
            rows.append((start.address, state.address, names.get(start.file, "?"), start.line))
        start = None if state.end_sequence else state
    return rows


def _file_names(program: LineProgram, working: Path) -> dict[int, str]:
    """Return the files of a line program by number: DWARF 5 counts files and folders from 0, earlier ones from 1."""
    first = 0 if program["version"] >= 5 else 1
    folders = [_text(each) for each in program["include_directory"]]
    if first:
        folders.insert(0, "")
    names = {}
    for number, entry in enumerate(program["file_entry"], first):
        folder = folders[entry.dir_index] if entry.dir_index < len(folders) else ""
        names[number] = _shown(working / folder / _text(entry.name), working)
    return names


def _shown(path: Path, working: Path) -> str:
    """Return a path relative to where it was compiled, and the name alone where it is of another machine."""
    path = Path(os.path.normpath(path))
    if path.is_relative_to(working):
        return str(path.relative_to(working))
    return str(path) if path.exists() else path.name


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
