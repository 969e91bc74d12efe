"""Which CMSIS-Packs are wanted: packs.toml beside this file."""

import dataclasses
import tomllib
from pathlib import Path

from tinyscene import files

PINS = Path(__file__).with_name("packs.toml")


@dataclasses.dataclass(frozen=True, slots=True)
class Pin:
    """The one release of a pack that is accepted.

    Attributes:
        vendor: as in the pack's file name.
        name: likewise.
        version: likewise.
        url: folder that the .pack file is downloaded from, with the slash at its end.
        sha256: of the .pack file, in hexadecimal; "" where it is not known.
    """

    vendor: str
    name: str
    version: str
    url: str
    sha256: str

    @property
    def id(self) -> str:
        """Vendor and name, such as "ARM.CMSIS-NN"."""
        return f"{self.vendor}.{self.name}"

    @property
    def archive(self) -> str:
        """File name of the pack, such as "ARM.CMSIS-NN.7.0.0.pack"."""
        return f"{self.id}.{self.version}.pack"

    def __str__(self) -> str:
        """Return what people call it."""
        return f"{self.id} {self.version}"


def pinned() -> list[Pin]:
    """Return the packs that are wanted, in the order of the file."""
    return [Pin(**entry) for entry in tomllib.loads(PINS.read_text())["pack"]]


def write_hashes(hashes: dict[str, str]) -> None:
    """Write SHA-256 hashes, by the packs' `archive`, into the file; its comments stay."""
    head, *entries = PINS.read_text().split("[[pack]]\n")
    for index, pin in enumerate(pinned()):
        if pin.archive in hashes:
            entries[index] = entries[index].replace(f'sha256 = "{pin.sha256}"', f'sha256 = "{hashes[pin.archive]}"')
    files.write_text(PINS, "[[pack]]\n".join([head, *entries]))
