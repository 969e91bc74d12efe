"""A board's own code with faulty_main.c instead of the classifier: built in a second, without PlatformIO."""

import subprocess
from pathlib import Path

from tinyscene.paths import FIRMWARE, FIRMWARE_LIB
from tinyscene.toolchain import mps2_image
from tinyscene.toolchain.native import WARNINGS

BOARDS = FIRMWARE / "boards"
COMMON = [
    *sorted((BOARDS / "common").glob("*.c")),
    FIRMWARE_LIB / "health" / "crash.c",
    FIRMWARE_LIB / "link" / "crc32.c",
    Path(__file__).with_name("faulty_main.c"),
]


def build(image: Path, board: str, fault: str, baud: int = 115200) -> None:
    """Build a program that boots and then does what the C statements `fault` say.

    Raises:
        subprocess.CalledProcessError: the compiler refused; what it said is in its `stderr`.
    """
    folder = BOARDS / board
    sources = [*COMMON, *(path for path in sorted(folder.glob("*.c")) if path.name != "semihost.c")]
    code = [*mps2_image.MACHINE_FLAGS, *mps2_image.C_FLAGS, *WARNINGS, "-Wno-infinite-recursion", f"-I{BOARDS}"]
    code += [f"-I{FIRMWARE_LIB / name}" for name in ("health", "link", "scene")]
    code += [f"-DBOARD_BAUD={baud}u", f"-DFAULT={fault}"]
    link = [*mps2_image.LINK_FLAGS, f"-L{BOARDS / 'common'}", f"-T{folder / 'linker.ld'}"]
    command = [*mps2_image.C_COMPILER, *code, *link, *map(str, sources), "-o", str(image)]
    subprocess.run(command, check=True, capture_output=True, text=True)
