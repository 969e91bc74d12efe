"""The command line, run in the process of a test."""

import sys

import pytest

from tinyscene import cli


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run `tinyscene WORDS`; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["tinyscene", *map(str, words)])
    try:
        cli.main()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0
