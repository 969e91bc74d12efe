"""Compile the firmware's portable C for this machine and load it, so that Python calls the same code as the board."""

import ctypes
import hashlib
import os
import shlex
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from tinyscene import files
from tinyscene.errors import ToolError
from tinyscene.paths import cache_directory
from tinyscene.toolchain import compiling

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
# Without contraction: the host must round as the board does, whatever fused instructions each of them has.
C_FLAGS = ("-std=c11", "-O2", "-ffp-contract=off", *WARNINGS)
# A library calls its own functions, not those of the same name in a library that was loaded with RTLD_GLOBAL.
LINK_FLAGS = ("-shared", "-Wl,-Bsymbolic")


def compiler_words() -> list[str]:
    """Return the host C compiler as a user names it, `$CC`, else `cc`: its program, then arguments, as in `make`.

    Raises:
        ToolError: `$CC` cannot be split into words.
    """
    try:
        return shlex.split(os.environ.get("CC", "")) or ["cc"]
    except ValueError as error:
        raise ToolError(
            f"CC is {os.environ['CC']!r}, which cannot be split into words ({error}); correct it"
        ) from error


def host_compiler() -> list[str]:
    """Return the command of the host C compiler: its path, and the arguments of `$CC`.

    Raises:
        ToolError: there is no compiler, or `$CC` is not a command.
    """
    name, *arguments = compiler_words()
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"no C compiler ({name}) on the PATH; install one with: apt-get install gcc")
    return [found, *arguments]


def build_library(
    name: str,
    sources: Sequence[Path],
    include: Iterable[Path] = (),
    flags: Iterable[str] = (),
    *,
    mode: int = ctypes.DEFAULT_MODE,
) -> ctypes.CDLL:
    """Compile C sources into a shared library for this machine, once for each content, and load it.

    Args:
        name: name of the library, for messages and the cache.
        sources: our C files, compiled with `-Wall -Wextra -Wconversion -Werror`.
        include: folders searched for headers; their headers count in the cache key.
        flags: further compiler flags, such as `-DNAME=value`.
        mode: ctypes.RTLD_GLOBAL if libraries loaded later use this one's symbols.

    Raises:
        ToolError: no compiler, or the compiler refused the code (its first lines are in the message).
        TinysceneError: the cache cannot be written.
    """
    include, flags = list(include), list(flags)
    compiler = host_compiler()
    key = _content_key(sources, include, [*compiler, *C_FLAGS, *LINK_FLAGS, *flags])
    library = cache_directory() / "native" / f"{name}-{key}.so"
    if not library.exists():
        with files.making(library) as made:  # other processes may build the library at the same time
            _compile(compiler, name, sources, include, flags, made)
    return ctypes.CDLL(str(library), mode)


def _compile(
    compiler: Sequence[str],
    name: str,
    sources: Sequence[Path],
    include: Sequence[Path],
    flags: Sequence[str],
    library: Path,
) -> None:
    scratch, refused = library.parent, f"the C compiler refused {name}"
    includes = [f"-I{folder}" for folder in include]
    objects: list[str] = []
    for source in sources:
        objects.append(str(scratch / f"{len(objects)}.o"))
        command = [*compiler, *C_FLAGS, "-fPIC", *flags, *includes, "-c", str(source), "-o", objects[-1]]
        compiling.run(command, refused, scratch)
    compiling.run([*compiler, *LINK_FLAGS, *flags, *objects, "-lm", "-o", str(library)], refused, scratch)


def _content_key(sources: Iterable[Path], include: Iterable[Path], words: Iterable[str]) -> str:
    digest = hashlib.sha256("\0".join(words).encode())
    headers = [header for folder in include for header in sorted(Path(folder).rglob("*.h"))]
    for path in [*sources, *headers]:
        digest.update(str(path).encode())
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]
