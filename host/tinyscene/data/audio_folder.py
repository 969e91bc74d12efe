"""Which files of a folder are audio, by their names."""

import os
from collections.abc import Iterator
from pathlib import Path

import soundfile

SUFFIXES = frozenset(f".{name.lower()}" for name in (*soundfile.available_formats(), "aif", "aifc", "oga", "opus"))


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of the folders in it, sorted; hidden ones, as macOS makes, are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place) / name for name in sorted(names) if not name.startswith("."))


def is_audio(path: Path) -> bool:
    """Whether a file's name ends as that of an audio file that can be read."""
    return path.suffix.lower() in SUFFIXES
