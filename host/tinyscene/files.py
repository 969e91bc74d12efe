"""Open and write files: only regular ones are read, and a full disk or a kill leaves the old file or the new one.

What is written goes to a temporary file first, which its writer locks. One that a killed process left behind has no
lock, and the next writer of the same file takes it over: nothing stays behind once the command has run again.
"""

import contextlib
import errno
import fcntl
import itertools
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import tomllib
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tinyscene import places
from tinyscene.errors import TinysceneError
from tinyscene.paths import cache_directory

STANDARD_OUTPUT = Path("-")  # as a file to write
LARGEST_TOML = 1 << 24  # bytes; the largest bundle.toml that we know has 2 % of it


# Reading


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file, or a link to one, for reading; never waits for a pipe or a device.

    Raises:
        OSError: there is none, or it is something else; `strerror` says what.
    """
    require_regular(path)  # before it is opened: opening a device may have an effect
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_regular(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def require_regular(path: Path) -> None:
    """Refuse what is no regular file, or no link to one, for those who open it by its name.

    Raises:
        OSError: as for `open_regular`.
    """
    _require_regular(Path(path).stat(), path)


def _require_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        kind = places.special(status.st_mode) or "something else"
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))


def read_bounded(path: Path, largest: int) -> bytes:
    """Return the content of a regular file of at most `largest` bytes.

    Raises:
        OSError: as for `open_regular`, or it is larger.
    """
    with open_regular(path) as stream:
        data = stream.read(largest + 1)
    if len(data) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest >> 10:,} KiB", str(path))
    return data


def read_toml(path: Path) -> dict[str, Any]:
    """Return the contents of a TOML file, with or without a byte order mark.

    Raises:
        OSError: as for `read_bounded`.
        ValueError: it is not UTF-8, or not TOML.
    """
    try:
        table = tomllib.loads(read_bounded(path, LARGEST_TOML).decode("utf-8-sig"))
        _require_64_bits(table)
    except RecursionError as error:
        raise ValueError("its values are nested too deeply") from error
    return table


def _require_64_bits(value: Any) -> None:
    """Refuse whole numbers that TOML does not have, and that no arithmetic here expects."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _require_64_bits(inner)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a whole number in it has more than 64 bits")


def reason(error: Exception) -> str:
    """Return what an error of `open_regular` and the like says, without its number and path."""
    return getattr(error, "strerror", None) or str(error)


def as_on_disk(path: Path) -> Path:
    """Return a path, or the same in Unicode's other normal forms where only that exists: macOS and Windows differ."""
    if os.fspath(path).isascii() or os.path.lexists(path):
        return path
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        forms = (part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD")))
        found /= next((form for form in forms if os.path.lexists(found / form)), part)
    return found if os.path.lexists(found) else path


# Writing


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it is flushed to disk and replaces `path`.

    A link is followed, and an existing file keeps its permissions. "-" is standard output; a pipe, a device or an open
    stream (/dev/stdout) is written to at the end, not replaced. On any exception the temporary file is removed and
    `path` stays as it was. Write into the temporary file: one that is replaced, as compilers do, is no longer locked,
    see `making`.

    Raises:
        TinysceneError: the file cannot be written (no space, no permission); the message names `path`.
    """
    path = Path(path)
    if not is_replaceable(path):
        with _streaming(path) as temporary:
            yield temporary
        return
    with writing(path):
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary, lock = _locked_temporary(target)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        _take_permissions(target, temporary)
        temporary.replace(target)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(lock)  # last: whoever gets the lock may take the file over
        _remove_left(target)


def is_replaceable(path: Path) -> bool:
    """Whether writing `path` makes or replaces a regular file; not so for "-", pipes, devices and open streams."""
    if path == STANDARD_OUTPUT or _descriptor(path) is not None:
        return False
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except OSError:
        return True  # there is nothing yet, or writing it says what is wrong


def _descriptor(path: Path) -> int | None:
    """Return the number of our open stream that a path such as /dev/stdout stands for; None: it is another file."""
    streams = re.compile(rf"/proc/{os.getpid()}(/task/\d+)?/fd|/dev/fd")
    for _ in range(40):  # links, as many as Linux follows
        parent = os.path.realpath(path.parent)
        if streams.fullmatch(parent) and path.name.isdecimal():
            return int(path.name)
        try:
            path = Path(parent) / path.readlink()
        except OSError:
            return None
    return None


@contextmanager
def _streaming(path: Path) -> Iterator[Path]:
    """Yield a temporary path whose content is written to something that cannot be replaced."""
    with writing(path), temporary_folder("output") as folder:
        temporary = folder / f"output{path.suffix}"
        yield temporary
        data = temporary.read_bytes()
        sys.stdout.flush()
        if path == STANDARD_OUTPUT:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
            return
        number = _descriptor(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY) if number is None else os.dup(number)
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            view = memoryview(data)
            while view:
                view = view[stream.write(view) :]


def _temporaries(target: Path) -> Iterator[Path]:
    return (target.with_name(f".{target.name}.partial{number or ''}{target.suffix}") for number in itertools.count())


def _locked_temporary(target: Path) -> tuple[Path, int]:
    """Return an empty file next to `target`, and its locked descriptor; it may be one that a killed process left."""
    for temporary in _temporaries(target):
        lock = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if _lock(lock, temporary):
            os.ftruncate(lock, 0)
            return temporary, lock
        os.close(lock)
    raise AssertionError("unreachable")


def _remove_left(target: Path) -> None:
    """Remove what several writers of one file left that were killed together."""
    for temporary in itertools.islice(_temporaries(target), 1, None):
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return
        if _lock(descriptor, temporary):
            temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    """Lock an open file or folder; False: another process has it, or has moved it away since it was opened."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP):
            return True  # a file system without locks
        if error.errno == errno.EWOULDBLOCK:
            return False
        raise


def _take_permissions(old: Path, new: Path) -> None:
    """Give a new file the permissions of the file that it replaces, and where we may its owner."""
    try:
        status = old.stat()
    except FileNotFoundError:
        new.chmod(0o644)
        return
    with contextlib.suppress(OSError):
        os.chown(new, status.st_uid, status.st_gid)
    new.chmod(stat.S_IMODE(status.st_mode))


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty hidden folder in `parent`, removed afterwards, or by the next call if this process is killed.

    Args:
        parent: existing folder.
        name: begins the folder's name: those of the same name that killed processes left are removed.

    Raises:
        OSError: it cannot be made.
    """
    for number in itertools.count():
        folder = parent / f".{name}.partial{number or ''}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        if _lock(descriptor, folder):
            break
        os.close(descriptor)
    try:
        _clear(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Yield an empty folder among the system's temporary files, removed as `scratch_folder` removes its own.

    Args:
        purpose: what it is for, in one word.

    Raises:
        TinysceneError: it cannot be made, or what is in it cannot be written.
    """
    parent = Path(tempfile.gettempdir())
    with writing(parent), scratch_folder(parent, f"tinyscene-{purpose}") as folder:
        yield folder


@contextmanager
def making(path: Path) -> Iterator[Path]:
    """Yield where a program that replaces its output, as compilers do, is to make `path`; then it takes that place.

    The folder there is its own: other files that are made on the way go into it, and are removed with it.

    Raises:
        TinysceneError: the file cannot be written; the message names `path`.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(path.parent, path.name) as scratch:
            yield scratch / path.name
            (scratch / path.name).replace(path)


def _clear(folder: Path) -> None:
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry)
        else:
            Path(entry).unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a TinysceneError that names `path`."""
    try:
        yield
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> TinysceneError:
    cached = Path(path).is_relative_to(cache_directory())
    elsewhere = "point TINYSCENE_CACHE to another place" if cached else "choose another place"
    remedy = places.remedy(path, error, elsewhere)
    return TinysceneError(f"cannot write {path}: {error.strerror or error}; {remedy}")


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` with `data` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Replace `path` with UTF-8 `text` in one step."""
    write_bytes(path, text.encode())


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Replace `path` with an .npz file of `arrays`, none of them of objects, in one step."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` with `value` as indented JSON in one step."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
