"""A file is the old one or the new one, whatever goes wrong while it is written."""

import errno
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tinyscene import files
from tinyscene.errors import TinysceneError

NOBODY = 65534


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Make the kernel refuse to grow any file beyond `size` bytes, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Drop root's right to write everywhere, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def only_file(folder: Path, name: str, content: bytes) -> None:
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_bytes() == content


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "x.json"
    files.write_json(path, {"a": [1, 2.5], "b": "é"})
    assert json.loads(path.read_text()) == {"a": [1, 2.5], "b": "é"}
    files.write_text(path, "second")
    only_file(path.parent, "x.json", b"second")
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with largest_file(1 << 20), pytest.raises(TinysceneError, match=r"cannot write .*x\.bin: .*; free some space"):
        files.write_bytes(path, bytes(2 << 20))
    only_file(tmp_path, "x.bin", b"old")


def test_a_disk_that_fills_while_flushing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TinysceneError, match="No space left on device"):
        files.write_bytes(path, b"new")
    only_file(tmp_path, "x.bin", b"old")


def test_any_exception_inside_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    only_file(tmp_path, "x.txt", b"old")


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with unprivileged(), pytest.raises(TinysceneError, match=r"cannot write .*x\.txt: Permission denied"):
        files.write_text(folder / "x.txt", "new")
    assert list(folder.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(TinysceneError, match=r"cannot write .*taken/x\.txt"):
        files.write_text(tmp_path / "taken" / "x.txt", "new")


def test_json_refuses_what_json_has_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "x.json", {"log_loss": float("nan")})
    assert list(tmp_path.iterdir()) == []
