"""Put the CRC-32 of an image's constants into the word that the firmware compares it with when it boots.

The constants are what was generated from the bundle: section .constants of firmware/boards/common/sections.ld. The word
is all of .constants_crc. Runs in PlatformIO's Python, which has pyelftools.
"""

import struct
import zlib
from pathlib import Path

from elftools.elf.elffile import ELFFile

CONSTANTS, WORD = ".constants", ".constants_crc"


def seal(image: Path) -> int:
    """Write the CRC-32 of .constants into .constants_crc of an ELF file; returns it. Doing so again changes nothing.

    Raises:
        ValueError: the image has no such sections, or the second is not one word.
    """
    with image.open("rb") as stream:
        file = ELFFile(stream)
        constants, word = (file.get_section_by_name(name) for name in (CONSTANTS, WORD))
        if not constants or not word or word["sh_size"] != 4:
            raise ValueError(f"{image} has no sections {CONSTANTS} and {WORD} of one word; link it with sections.ld")
        crc, place = zlib.crc32(constants.data()), word["sh_offset"]
    with image.open("r+b") as stream:
        stream.seek(place)
        stream.write(struct.pack("<I", crc))
    return crc
