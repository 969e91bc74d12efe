"""Long verbs that are killed at random moments, and that find no room: the same result once they may finish.

`make test-slow` runs it, or `python -m pytest -m slow tests/system/test_kills_and_full_disks.py -k "features"`.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fake_board import FakePort
from long_verbs import VERBS, Verb

pytestmark = pytest.mark.slow

KILLS = 20
SHARES = (0.02, 0.5, 0.9)  # of what the verb writes, for which there is room


@contextlib.contextmanager
def board_of(verb: Verb, folder: Path) -> Iterator[str]:
    """The port of the board that the verb asks; nothing if it asks none."""
    if verb.board is None:
        yield ""
        return
    with FakePort(verb.board(folder), answer_after=0.002) as port:
        yield port.url


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for its end; return its exit status and what it said on standard error."""
    _, said = process.communicate(timeout=900)
    return process.returncode, said


def state(folder: Path) -> set[tuple[str, int, int]]:
    """What lies in a folder, to see a change."""
    seen = set()
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            seen.add((str(path), status.st_size, status.st_mtime_ns))
    return seen


def until_it_writes(process: "subprocess.Popen[str]", folder: Path) -> float:
    """Wait until something changes in the folder, or it has ended; return when that was."""
    before = state(folder)
    while process.poll() is None and state(folder) == before:
        time.sleep(0.01)
    return time.monotonic()


def temporary_files(folder: Path) -> list[str]:
    """What a command leaves that does not clean up."""
    hidden = [str(path) for path in folder.rglob(".*") if path.name != ".tinyscene.json"]  # of an installed pack
    return hidden + [str(path) for path in (folder / "tmp").iterdir() if "tinyscene" in path.name]


@pytest.fixture(scope="module", params=VERBS, ids=lambda verb: verb.name)
def verb(request: pytest.FixtureRequest) -> Verb:
    return request.param


@pytest.fixture(scope="module")
def prepared(verb: Verb, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the verb needs; copied, and not worked in."""
    folder = tmp_path_factory.mktemp("prepared")
    verb.prepare(folder)
    return folder


@pytest.fixture(scope="module")
def whole(verb: Verb, prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, float, int, Path]:
    """An uninterrupted run: result, seconds from its first to its last byte, bytes that it added, and its folder."""
    folder = tmp_path_factory.mktemp("whole") / "work"
    shutil.copytree(prepared, folder)
    before = size_of(folder)
    with board_of(verb, folder) as port:
        process = verb.start(folder, port)
        first = until_it_writes(process, folder)
        status, said = finish(process)
    assert status == 0, said
    assert temporary_files(folder) == []
    return verb.result(folder), time.monotonic() - first, size_of(folder) - before, folder


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def begin(prepared: Path, whole: Path, folder: Path) -> None:
    """Begin anew in a folder; a row of an experiment keeps the scale that was measured for the whole run."""
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    for scale in whole.rglob("scale.json"):
        copy = folder / scale.relative_to(whole)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(scale, copy)


def test_kills(verb: Verb, prepared: Path, whole: tuple[object, float, int, Path], tmp_path: Path) -> None:
    """Twenty, each after the one before was resumed; whenever it gets through in between it begins anew."""
    expected, seconds, _, reference = whole
    moments, killed = random.Random(verb.name), 0
    begin(prepared, reference, tmp_path)
    with board_of(verb, tmp_path) as port:
        while killed < KILLS:
            process = verb.start(tmp_path, port)
            until_it_writes(process, tmp_path)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0, seconds))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                killed += 1
            status, said = finish(process)
            assert status in (0, -signal.SIGKILL), said
            if status == 0:
                assert verb.result(tmp_path) == expected
                assert temporary_files(tmp_path) == []
                begin(prepared, reference, tmp_path)
        status, said = finish(verb.start(tmp_path, port))
    assert status == 0, said
    assert verb.result(tmp_path) == expected
    assert temporary_files(tmp_path) == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A function that makes a file system of so many bytes, or changes its size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def resize(size: int) -> Path:
        nonlocal mounted
        options = f"{'remount,' * mounted}size={size // 4096 * 4096}"
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", folder], check=False, capture_output=True, text=True
        )
        if made.returncode:
            pytest.skip(f"a small file system cannot be made here ({made.stderr.strip()}); run it as root")
        mounted = True
        return folder

    yield resize
    if mounted:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("share", SHARES)
def test_full_disk(
    verb: Verb,
    prepared: Path,
    whole: tuple[object, float, int, Path],
    disk: Callable[[int], Path],
    share: float,
) -> None:
    """One sentence with the place and the remedy; once there is room the same command finishes."""
    expected, _, added, reference = whole
    folder = disk(1 << 33)
    begin(prepared, reference, folder)
    usage = shutil.disk_usage(folder).used
    disk(usage + max(8192, int(share * added)))
    with board_of(verb, folder) as port:
        status, said = finish(verb.start(folder, port))
        if status == 0:
            pytest.skip(f"{verb.name} needs less room than it did before")
        assert "Traceback" not in said
        sentences = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(sentences) == 1, said[-3000:]
        assert "No space left on device" in sentences[0]
        assert "free some space" in sentences[0]
        assert status == 1
        disk(1 << 33)
        status, said = finish(verb.start(folder, port))
    assert status == 0, said
    assert verb.result(folder) == expected
    assert temporary_files(folder) == []
