"""TensorFlow Lite Micro and CMSIS-NN as a static library for the Cortex-M4, compiled from the installed packs.

Every board has the same core, so one library serves them all, the measurement of the arena and the bench. The cache
keeps objects by their content, so that an interrupted build resumes, and the next model compiles only what is missing.
"""

import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tinyscene import files
from tinyscene.console import progress_bar
from tinyscene.errors import ToolError
from tinyscene.paths import cache_directory
from tinyscene.tflm.packs import selection
from tinyscene.toolchain import compiling, mps2_image

ARCHIVER = "arm-none-eabi-gcc-ar"
# No messages, which would link printf; failed checks end in abort(), which lib/tflm turns into a fault.
DEFINES = ("TF_LITE_STRIP_ERROR_STRINGS", "NDEBUG")
FLAGS = ("-O2", "-ffunction-sections", "-fdata-sections", "-ffp-contract=off", "-fno-math-errno", "-w")
KERNELS = "tensorflow/lite/micro/kernels/"
REGISTRATION = re.compile(r"^\w*TFLMRegistration\*? Register_([A-Z0-9_]+)\(", re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True)
class Library:
    """A static library, and what C++ that uses it is compiled with.

    Attributes:
        path: path of the archive.
        includes: folders searched for headers.
        defines: macros, NAME or NAME=VALUE.
        packs: versions by name of the pack.
    """

    path: Path
    includes: tuple[str, ...]
    defines: tuple[str, ...]
    packs: dict[str, str]

    @property
    def flags(self) -> list[str]:
        """The includes and macros as flags; -isystem, as their headers do not pass our warnings."""
        return [*(f"-D{define}" for define in self.defines), *(f"-isystem{folder}" for folder in self.includes)]


def build(kinds: Iterable[str]) -> Library:
    """Compile the sources of the installed packs, without kernels of other operators; the cache is used where possible.

    Args:
        kinds: TensorFlow Lite's names of the operators, such as CONV_2D.

    Raises:
        ToolError: the packs are not installed, or the cross compiler is missing or refused a file.
    """
    found = selection.resolve()
    library = Library(Path(), tuple(map(str, found.includes)), (*found.defines, *DEFINES), dict(found.packs))
    ours = {*found.config}  # clock, messages and set-up, which a project has to provide: they are not called here
    sources = [path for path in found.sources if path not in ours and is_wanted(path, frozenset(kinds))]
    folder = cache_directory() / "tflm"
    objects = _compile_all(sources, library, folder / "objects")
    digest = hashlib.sha256("\0".join(path.name for path in objects).encode()).hexdigest()[:16]
    return dataclasses.replace(library, path=_archive(objects, folder / f"libtflm-{digest}.a"))


def is_wanted(source: Path, kinds: frozenset[str]) -> bool:
    """Return whether to compile a source: not if it only registers operators that are not among `kinds`."""
    if KERNELS not in source.as_posix():
        return True
    registered = REGISTRATION.findall(source.read_text(errors="replace"))
    return not registered or any(kind in kinds or kind.removesuffix("_INT8") in kinds for kind in registered)


def compilers() -> None:
    """Raise ToolError unless there is a C++ compiler with its headers."""
    program = shutil.which(mps2_image.CXX_COMPILER[0])
    check = ["-x", "c++", "-fsyntax-only", "-include", "cstdint", os.devnull]
    if program is None or subprocess.run([program, *check], capture_output=True, check=False).returncode:
        raise ToolError(
            f"no {mps2_image.CXX_COMPILER[0]} with C++ headers on the PATH; install them with: "
            "apt-get install gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib"
        )


def _compile_all(sources: Sequence[Path], library: Library, folder: Path) -> list[Path]:
    compilers()
    wanted = {source: folder / f"{_key(source, library)}.o" for source in sources}
    missing = [source for source, target in wanted.items() if not target.exists()]
    with progress_bar(disable=not missing) as progress, ThreadPoolExecutor(os.cpu_count()) as pool:
        task = progress.add_task("TensorFlow Lite Micro", total=len(missing))
        running = [pool.submit(_compile, source, wanted[source], library) for source in missing]
        try:
            for future in running:
                future.result()
                progress.advance(task)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(wanted.values())


def _flags(source: Path) -> list[str]:
    compiler = mps2_image.C_COMPILER if source.suffix == ".c" else mps2_image.CXX_COMPILER
    return [*compiler, *mps2_image.MACHINE_FLAGS, *FLAGS]


def _key(source: Path, library: Library) -> str:
    """Return the name of an object, from its source, how it is compiled, and the packs' versions (for the headers)."""
    digest = hashlib.sha256(repr((_flags(source), library.defines, sorted(library.packs.items()))).encode())
    digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:24]


def _compile(source: Path, target: Path, library: Library) -> None:
    with files.making(target) as made:
        command = [*_flags(source), *library.flags, "-c", str(source), "-o", str(made)]
        compiling.run(command, f"{command[0]} refused {source}", made.parent)


def _archive(objects: Sequence[Path], target: Path) -> Path:
    if not target.exists():
        with files.making(target) as made:  # ar would add to a file that exists
            command = [ARCHIVER, "rcs", str(made), *map(str, objects)]
            compiling.run(command, f"{ARCHIVER} refused {target.name}", made.parent)
    return target
