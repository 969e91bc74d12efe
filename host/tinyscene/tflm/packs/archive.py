"""Unpack a .pack file, or copy an unpacked pack, and check that it is the expected pack."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tinyscene.errors import ToolError
from tinyscene.tflm.packs import pdsc
from tinyscene.tflm.packs.pins import Pin

MAX_BYTES = 2**30  # largest size unpacked; CMSIS-Packs of software have a hundredth of it


def unpack(archive: Path, folder: Path) -> None:
    """Write all files of a .pack file (a ZIP archive) into a new folder.

    Raises:
        ToolError: the file is damaged or incomplete, or has entries that would be written elsewhere; `folder` must not
            be used then.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            entries = source.infolist()
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
    """Copy an unpacked pack into a new folder, without the files of version control."""
    shutil.copytree(unpacked, folder, ignore=shutil.ignore_patterns(".git"))


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
