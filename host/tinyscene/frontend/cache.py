"""Feature images of one front end on disk: rows are added, never changed, and each is checked by CRC when it is read.

Two files in a folder: `images.f32`, one row of float32 after the other, and `journal`, a header and one record for each
row: key of the clip, CRC-32 of the row. A row is written before its record, so that a process killed at any moment
loses at most the row it was writing; a damaged row or record counts as absent.
"""

import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.console import error_console
from tinyscene.errors import TinysceneError

KEY_BYTES = 16
_HEADER = struct.Struct("<8sIII")  # magic, version, rows and columns of an image
_RECORD = struct.Struct(f"<{KEY_BYTES}sI")
_MAGIC = b"tsfeats\n"
_VERSION = 3


def bytes_of_a_clip(shape: tuple[int, int]) -> int:
    """Return the bytes of an image [n_mels, frames] on disk: its row and its record."""
    return 4 * shape[0] * shape[1] + _RECORD.size


class FeatureCache:
    """The images of one front end.

    Attributes:
        folder: folder of the two files; made when the first image is added.
        shape: (n_mels, frames) of an image.
    """

    def __init__(self, folder: Path, shape: tuple[int, int]) -> None:
        """Name a cache; nothing is read or written yet."""
        self.folder = Path(folder)
        self.shape = shape
        self._images = self.folder / "images.f32"
        self._journal = self.folder / "journal"
        self._row_bytes = 4 * shape[0] * shape[1]

    def find(self, keys: Iterable[bytes]) -> dict[bytes, int]:
        """Return the row of every cached key whose data is undamaged.

        Raises:
            TinysceneError: the folder cannot be read.
        """
        with self._explaining("read"):
            records = self._records()
            there = {key: records[key] for key in keys if key in records}
            if not there or not self._images.is_file():
                return {}
            # read, not mapped: the pages of a mapping count as this process's memory
            with self._images.open("rb", 0) as images:
                data = bytearray(self._row_bytes)
                return {key: row for key, (row, crc) in there.items() if self._holds(images.fileno(), row, crc, data)}

    def _holds(self, images: int, row: int, crc: int, data: bytearray) -> bool:
        """Return whether a row is whole and has this CRC; `data` is the buffer to read it into."""
        return os.preadv(images, [data], row * self._row_bytes) == self._row_bytes and zlib.crc32(data) == crc

    def rows(self) -> NDArray[np.float32]:
        """Return all rows written so far, [rows, n_mels, frames], mapped from the file; read only."""
        try:
            count = self._images.stat().st_size // self._row_bytes
        except FileNotFoundError:
            count = 0
        if count == 0:
            return np.zeros((0, *self.shape), np.float32)
        return np.memmap(self._images, np.float32, "r", shape=(count, *self.shape))

    @contextmanager
    def adding(self, keys: Iterable[bytes]) -> Iterator["Writer"]:
        """Lock the cache for adding images, after waiting for any other process that adds to it.

        Args:
            keys: keys that are wanted; the writer's `missing` are those not cached once the lock is ours.

        Raises:
            TinysceneError: the folder cannot be written.
        """
        with self._explaining("write"):
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "lock").open("w") as lock:
                self._wait_for(lock.fileno())
                count = self._repair()
                keys = dict.fromkeys(keys)
                there = self.find(keys)
                with self._images.open("r+b", 0) as images, self._journal.open("r+b", 0) as journal:
                    writer = Writer(images.fileno(), journal.fileno(), count, self.shape)
                    writer.missing = [key for key in keys if key not in there]
                    yield writer

    @contextmanager
    def _explaining(self, verb: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "free some space" if full else "check its permissions"
            raise TinysceneError(
                f"cannot {verb} the features in {self.folder}: {error.strerror or error}; "
                f"{remedy}, or point TINYSCENE_CACHE to another place"
            ) from error

    def _wait_for(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            error_console.print(f"waiting for another process that adds features to {self.folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)

    def _repair(self) -> int:
        """Repair both files so that images can be added, and return how many rows the journal has."""
        data = self._journal.read_bytes() if self._journal.is_file() else b""
        if data[: _HEADER.size] != self._header() or not self._images.is_file():
            self._images.unlink(missing_ok=True)  # others may have it mapped: make a new file, do not shorten this one
            self._images.touch()
            files.write_bytes(self._journal, self._header())
            return 0
        count = (len(data) - _HEADER.size) // _RECORD.size
        os.truncate(self._journal, _HEADER.size + count * _RECORD.size)
        return count

    def _header(self) -> bytes:
        return _HEADER.pack(_MAGIC, _VERSION, *self.shape)

    def _records(self) -> dict[bytes, tuple[int, int]]:
        """Return row and CRC by key; the latest record of a key counts."""
        try:
            data = self._journal.read_bytes()
        except FileNotFoundError:
            return {}
        if data[: _HEADER.size] != self._header():
            return {}
        body = data[_HEADER.size :]
        whole = body[: len(body) // _RECORD.size * _RECORD.size]
        return {key: (row, crc) for row, (key, crc) in enumerate(_RECORD.iter_unpack(whole))}


class Writer:
    """Adds images to a locked cache.

    Attributes:
        missing: keys that are wanted and not cached.
    """

    missing: list[bytes]

    def __init__(self, images: int, journal: int, count: int, shape: tuple[int, int]) -> None:
        """Add after `count` rows; the arguments are open file descriptors."""
        self._images, self._journal, self._count, self._shape = images, journal, count, shape

    def add(self, key: bytes, image: NDArray[np.float32]) -> None:
        """Write an image [n_mels, frames], then its record.

        Raises:
            OSError: most often, no space is left.
        """
        if image.shape != self._shape or image.dtype != np.float32:
            raise ValueError(f"an image is float32 {self._shape}, not {image.dtype} {image.shape}")
        data = np.ascontiguousarray(image).tobytes()
        _write_all(self._images, data, self._count * len(data))
        record = _RECORD.pack(key, zlib.crc32(data))
        _write_all(self._journal, record, _HEADER.size + self._count * _RECORD.size)
        self._count += 1


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
