"""Built images, damaged on purpose or made good again."""

import runpy
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tinyscene.paths import FIRMWARE

# as PlatformIO does after linking
seal = runpy.run_path(str(FIRMWARE / "platform" / "builder" / "seal.py"))["seal"]


def with_flipped_bit(image: Path, place: float) -> bytes:
    """Return an ELF file with one bit of its constants flipped, at `place` from 0 (their start) to 1 (their end)."""
    with image.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".constants")
        position = section["sh_offset"] + round(place * (section["sh_size"] - 1))
    content = bytearray(image.read_bytes())
    content[position] ^= 1
    return bytes(content)
