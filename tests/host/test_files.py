"""A file is the old one or the new one, whatever goes wrong while it is written."""

import errno
import json
import os
import resource
import subprocess
import sys
import unicodedata
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


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A pipe without a writer would block for ever, /dev/zero has no end."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    for path, what in ((pipe, "a pipe"), (link, "a device"), (tmp_path, "directory")):
        with pytest.raises(OSError, match=what):
            files.open_regular(path)
    (tmp_path / "file").write_bytes(b"12345")
    assert files.read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="larger than"):
        files.read_bounded(tmp_path / "file", 4)


def test_toml_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfname = 1\n")
    assert files.read_toml(path) == {"name": 1}
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        files.read_toml(path)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_in_the_other_normal_form(tmp_path: Path, form: str) -> None:
    there = tmp_path / unicodedata.normalize(form, "Zürich") / unicodedata.normalize(form, "é.wav")
    there.parent.mkdir()
    there.touch()
    for asked in ("NFC", "NFD"):
        assert files.as_on_disk(Path(unicodedata.normalize(asked, str(there)))) == there
    assert files.as_on_disk(tmp_path / "ü.wav") == tmp_path / "ü.wav"


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """As root, a rename would put a plain file in the place of the machine's /dev/null."""
    node = tmp_path / "null"
    os.mkfifo(node)
    reader = os.open(node, os.O_RDONLY | os.O_NONBLOCK)
    files.write_text(node, "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    assert node.is_fifo()
    before = Path("/dev/null").stat()
    files.write_text(Path("/dev/null"), "text")
    assert Path("/dev/null").stat().st_ino == before.st_ino
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_is_written_to(name: str, tmp_path: Path) -> None:
    program = f"from pathlib import Path; from tinyscene import files; files.write_json(Path({name!r}), [1])"
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert json.loads(piped.stdout) == [1]
    with (tmp_path / "said").open("wb") as stream:  # redirected: the file keeps its place and what is in it
        stream.write(b"before\n")
        stream.flush()
        subprocess.run([sys.executable, "-c", program], stdout=stream, check=True)
    assert (tmp_path / "said").read_bytes().startswith(b"before\n[")
    assert [path.name for path in tmp_path.iterdir()] == ["said"]


def test_a_link_is_followed_and_permissions_stay(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "x.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o604)
    link.symlink_to(target)
    files.write_text(link, "new")
    assert (target.read_text(), link.is_symlink(), target.stat().st_mode & 0o777) == ("new", True, 0o604)


def test_what_a_killed_process_left_is_gone_after_the_next_write(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f".x.bin.partial{number or ''}.bin").write_bytes(b"half")
    files.write_bytes(tmp_path / "x.bin", b"whole")
    only_file(tmp_path, "x.bin", b"whole")


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    with files.replacing(path) as first:
        first.write_bytes(b"first")
        with files.replacing(path) as second:
            assert first != second
            second.write_bytes(b"second")
        assert path.read_bytes() == b"second"
    only_file(tmp_path, "x.bin", b"first")


def test_a_scratch_folder_is_empty_and_removed(tmp_path: Path) -> None:
    left = tmp_path / ".x.partial"
    (left / "inside").mkdir(parents=True)
    (left / "link").symlink_to(tmp_path)
    with files.scratch_folder(tmp_path, "x") as folder:
        assert (folder, list(folder.iterdir())) == (left, [])
        with files.scratch_folder(tmp_path, "x") as other:
            assert other != folder
    assert list(tmp_path.iterdir()) == []
