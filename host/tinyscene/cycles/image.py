"""Which part owns the code of a built firmware image, from its symbols and the linker's map."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tinyscene.device.emulators import section
from tinyscene.errors import ToolError
from tinyscene.firmware import sizes

FRONT_END, NETWORK, OTHERS = "front end", "network", "others"
BETWEEN_LAYERS = "between the layers"
ALIGNMENT = 16  # largest number of bytes between two functions

# Text in the name of an object file: its part. The engine's functions but one work for the layer that is being
# computed, and those of the C library for their caller.
_PARTS = {
    "lib/frontend/": FRONT_END,
    "generated/frontend": FRONT_END,
    "generated/model": NETWORK,
    "lib/engine/engine_run.o": NETWORK,
    "lib/scene/": OTHERS,
}
# Runs only between calls of lib/scene, at every byte of the serial line: watching it is not worth the time.
_UNWATCHED = ("lib/link/", "boards/", "src/")


@dataclasses.dataclass(frozen=True)
class Image:
    """Functions and layers of an image.

    Attributes:
        functions: names of functions by address.
        layers: numbers of operators by address of their parameters.
        files: object files by the addresses of their code.
    """

    functions: Mapping[int, str]
    layers: Mapping[int, int]
    files: Mapping[range, str]

    @classmethod
    def load(cls, elf: Path) -> "Image":
        """Read an image and the map in its folder.

        Raises:
            ToolError: there is no map.
        """
        with elf.open("rb") as stream:
            symbols = [(s.name, s["st_value"]) for s in section(ELFFile(stream), ".symtab").iter_symbols()]
        path = elf.with_suffix(".map")
        try:
            text = path.read_text(errors="replace")
        except OSError as error:
            raise ToolError(f"{path} cannot be read ({error.strerror}); build the image again") from error
        functions = {address & ~1: name for name, address in symbols if address & 1}  # Thumb
        layers = {
            address: int(name.removeprefix("layer_"))
            for name, address in symbols
            if name.startswith("layer_") and name.removeprefix("layer_").isdigit()
        }
        return cls(functions, layers, sizes.code_files(text))

    @property
    def watched(self) -> list[range]:
        """The addresses of the code to count, without that of the serial line."""
        merged: list[range] = []
        chosen = (r for r, file in self.files.items() if r and not any(pattern in file for pattern in _UNWATCHED))
        for addresses in sorted(chosen, key=lambda r: r.start):
            if merged and addresses.start - merged[-1].stop < ALIGNMENT:
                merged[-1] = range(merged[-1].start, addresses.stop)
            else:
                merged.append(addresses)
        return merged

    def part(self, address: int) -> str | None:
        """Return the part that an instruction belongs to; None: the part of its caller."""
        file = self._file(address)
        return next((part for pattern, part in _PARTS.items() if pattern in file), None)

    def returns_watched(self, address: int) -> bool:
        """Whether an instruction belongs to a function that only watched code calls."""
        return self.part(address) in (FRONT_END, NETWORK) or "lib/engine/" in self._file(address)

    def _file(self, address: int) -> str:
        return next((file for addresses, file in self.files.items() if address in addresses), "")

    def function(self, address: int) -> str:
        """Return the function of an instruction."""
        return self.functions[max(start for start in self.functions if start <= address)]
