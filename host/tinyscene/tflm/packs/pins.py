"""The CMSIS-Packs that are wanted, from packs.toml in this folder."""

import dataclasses
from pathlib import Path

from tinyscene import files

PINS = Path(__file__).with_name("packs.toml")


@dataclasses.dataclass(frozen=True, slots=True)
class Pin:
    """The one release of a pack that is accepted.

    Attributes:
        vendor: vendor, as in the pack's file name.
        name: name, as in the pack's file name.
        version: version, as in the pack's file name.
        url: folder that the .pack file is downloaded from, with a slash at the end.
        sha256: SHA-256 of the .pack file, in hexadecimal; "" if it is not known.
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
        """Return its name for people."""
        return f"{self.id} {self.version}"


def pinned() -> list[Pin]:
    """Return the pinned packs, in the order of the file."""
    return [Pin(**entry) for entry in files.read_toml(PINS)["pack"]]


def write_hashes(hashes: dict[str, str]) -> None:
    """Write SHA-256 hashes, by the packs' `archive`, into the file; its comments stay."""
    head, *entries = PINS.read_text().split("[[pack]]\n")
    for index, pin in enumerate(pinned()):
        if pin.archive in hashes:
            entries[index] = entries[index].replace(f'sha256 = "{pin.sha256}"', f'sha256 = "{hashes[pin.archive]}"')
    files.write_text(PINS, "[[pack]]\n".join([head, *entries]))
