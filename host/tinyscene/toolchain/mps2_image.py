"""Build a bare-metal test image for the emulated board and run it in QEMU: files in, files and an exit code out."""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tinyscene.errors import ToolError
from tinyscene.paths import FIRMWARE
from tinyscene.toolchain import compiling
from tinyscene.toolchain.native import WARNINGS

BOARD = FIRMWARE / "boards" / "mps2"
COMMON = FIRMWARE / "boards" / "common"
COMPILER = "arm-none-eabi-gcc"
DISASSEMBLER = "arm-none-eabi-objdump"
EMULATOR = "qemu-system-arm"
MACHINE_FLAGS = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
C_COMPILER = (COMPILER, "-std=c11")
# C++ without what a board does not have: heap, exceptions, RTTI, code that runs before or after main()
CXX_COMPILER = (
    "arm-none-eabi-g++",
    "-std=c++17",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-threadsafe-statics",
    "-fno-use-cxa-atexit",
    "-fno-asynchronous-unwind-tables",
)
C_FLAGS = ("-O2", "-g", "-ffp-contract=off", "-ffunction-sections", "-fdata-sections")
LINK_FLAGS = ("-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments")


def build(
    image: Path,
    sources: Sequence[Path],
    include: Iterable[Path] = (),
    flags: Iterable[str] = (),
    *,
    third_party: Sequence[Path] = (),
    libraries: Sequence[Path] = (),
    stack_bytes: int = 16384,
) -> Path:
    """Compile a test image: start-up, semihosting and the given sources, one of which has main().

    Args:
        image: the ELF file to write; objects go into its folder.
        sources: our C and C++ files, compiled with `-Wall -Wextra -Wconversion -Werror`.
        include: folders searched for headers, besides firmware/boards/mps2.
        flags: further compiler flags, such as `-DNAME=value` or `-O3`; they come after `-O2`.
        third_party: C files of others, compiled without our warnings.
        libraries: static libraries to link.
        stack_bytes: size of the stack.

    Returns:
        `image`.

    Raises:
        ToolError: the cross compiler is missing, or refused the code (its first lines are in the message).
    """
    objects = image.parent / f"{image.stem}-objects"
    objects.mkdir(parents=True, exist_ok=True)
    options = [*MACHINE_FLAGS, *C_FLAGS, *flags, *(f"-I{folder}" for folder in (BOARD, *include))]
    ours = [COMMON / "startup_common.c", BOARD / "startup.c", BOARD / "semihost.c", *sources]
    compiled: list[str] = []
    for files, warnings in ((ours, WARNINGS), (third_party, ("-w",))):
        for source in files:
            compiled.append(str(objects / f"{len(compiled)}.o"))
            compiler = C_COMPILER if source.suffix == ".c" else CXX_COMPILER
            _compile([*compiler, *options, *warnings, "-c", str(source), "-o", compiled[-1]], image)
    script = [f"-L{COMMON}", f"-T{BOARD / 'linker.ld'}", f"-Wl,--defsym=__stack_bytes={stack_bytes}"]
    objects_and_libraries = [*compiled, *map(str, libraries), "-lm"]
    _compile([COMPILER, *MACHINE_FLAGS, *LINK_FLAGS, *script, *objects_and_libraries, "-o", str(image)], image)
    return image


def run(image: Path, folder: Path, timeout: float = 600) -> int:
    """Run a test image with instruction counting on.

    Args:
        image: result of `build`.
        folder: working directory, in which the image's semihosting opens files.
        timeout: seconds after which the image counts as hanging.

    Returns:
        Result of main(), 0..255; 125 after a fault (SEMIHOST_FAULT).

    Raises:
        ToolError: QEMU is missing, or the image did not end in time.
    """
    command = [tool(EMULATOR), "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "null"]
    command += ["-semihosting-config", "enable=on,target=native", "-icount", "shift=6,align=off,sleep=off"]
    try:
        result = subprocess.run(
            [*command, "-kernel", str(image.resolve())], cwd=folder, timeout=timeout, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{image} did not end within {timeout:.0f} s in {EMULATOR}; debug it with its -s -S") from error
    return result.returncode


def tool(name: str) -> str:
    """Return the path of a program that this module names.

    Raises:
        ToolError: the program is missing.
    """
    found = shutil.which(name)
    if found is None:
        packages = {
            COMPILER: "gcc-arm-none-eabi",
            CXX_COMPILER[0]: "gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib",
            DISASSEMBLER: "binutils-arm-none-eabi",
            EMULATOR: "qemu-system-arm",
        }
        package = packages[name]
        raise ToolError(f"no {name} on the PATH; install it with: apt-get install {package}")
    return found


def _compile(command: Sequence[str], image: Path) -> None:
    compiling.run([tool(command[0]), *command[1:]], f"{command[0]} refused {image.name}", image.parent)
