"""A compiler that fails: for its code, or for want of room; and where it puts its temporary files."""

import sys
from pathlib import Path

import pytest

from tinyscene.errors import ToolError
from tinyscene.toolchain import compiling


def program(code: str) -> list[str]:
    """Return a command that stands for a compiler."""
    return [sys.executable, "-c", f"import os, sys, tempfile; {code}"]


def test_what_it_refuses_is_said_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^the C compiler refused x: x\.c:1: error: expected ';'$"):
        compiling.run(program("sys.exit(\"x.c:1: error: expected ';'\")"), "the C compiler refused x", tmp_path)


def test_a_full_disk_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        compiling.run(program("sys.exit('/tmp/cc.s: No space left on device')"), "the C compiler refused x", tmp_path)


def test_its_temporary_files_are_ours(tmp_path: Path) -> None:
    compiling.run(program("tempfile.mkstemp(prefix='cc')"), "", tmp_path)
    assert [path.name[:2] for path in tmp_path.iterdir()] == ["cc"]
