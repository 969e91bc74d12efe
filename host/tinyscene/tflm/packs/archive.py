"""Unpack a .pack file, or copy an unpacked pack, and check that it is the expected pack."""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tinyscene.errors import ToolError
from tinyscene.tflm.packs import pdsc
from tinyscene.tflm.packs.pins import Pin

MAX_ENTRIES = 50_000  # the largest pack of software that we know has a tenth of it
MAX_BYTES = 2**30  # largest size unpacked; CMSIS-Packs of software have a hundredth of it

_VERSION_CONTROL = ".git"


def unpack(archive: Path, folder: Path) -> None:
    """Write all files of a .pack file (a ZIP archive) into a new folder.

    Raises:
        ToolError: the file is damaged or incomplete, or has entries that would be written elsewhere; `folder` must not
            be used then.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            entries = source.infolist()
            if len(entries) > MAX_ENTRIES:
                raise ToolError(f"{archive} has {len(entries):,} entries; fetch it from a source you trust")
            for entry in entries:
                _check_entry(archive, entry)
            if sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise ToolError(
                    f"{archive} unpacks to more than {MAX_BYTES >> 20} MiB; fetch it from a source you trust"
                )
            source.extractall(folder)  # checks the CRC of each entry
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ToolError(f"{archive} is damaged or incomplete ({error}); remove it and fetch it again") from error


def copy(unpacked: Path, folder: Path) -> None:
    """Copy an unpacked pack into a new folder, without the files of version control.

    Raises:
        ToolError: it has links or other things that are neither files nor folders, or is too large; nothing was copied.
    """
    found = entries = 0
    for place, folders, names in os.walk(unpacked):
        folders[:] = [name for name in folders if name != _VERSION_CONTROL]
        for path in (Path(place) / name for name in (*folders, *names)):
            status = path.stat(follow_symlinks=False)
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                raise ToolError(
                    f"{path} is a link or a device, which a pack does not have; remove it, or unpack it again"
                )
            found, entries = found + status.st_size, entries + 1
            if found > MAX_BYTES or entries > MAX_ENTRIES:
                raise ToolError(
                    f"{unpacked} has more than {MAX_ENTRIES:,} files or {MAX_BYTES >> 20} MiB; name a pack's folder"
                )
    shutil.copytree(unpacked, folder, ignore=shutil.ignore_patterns(_VERSION_CONTROL))


def check(folder: Path, pin: Pin, source: str) -> None:
    """Check that a folder holds the expected pack.

    Raises:
        ToolError: its description is missing, or is that of another pack or version.
    """
    path = folder / f"{pin.id}.pdsc"
    if not path.is_file():
        raise ToolError(f"{source} has no {path.name} at its root; fetch {pin} from a source you trust")
    package = pdsc.read(path)
    if (package.id, package.version) != (pin.id, pin.version):
        raise ToolError(f"{source} is {package.id} {package.version}, not {pin}; fetch {pin.archive}")


def _check_entry(archive: Path, entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    link = stat.S_ISLNK(entry.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or ":" in entry.filename or link:
        raise ToolError(
            f"{archive} has an entry that leaves its folder ({entry.filename!r}); fetch it from a source you trust"
        )
