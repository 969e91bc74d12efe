"""Where things are, in a checkout and in an installed package, and where caches go on this machine.

An installed package carries what it reads of the checkout in `_checkout` (setup.py puts it there), and writes nothing
there: what is made belongs to the folder in which tinyscene is run, or to the cache.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CARRIED = _PACKAGE / "_checkout"
IS_INSTALLED = _CARRIED.is_dir()
REPOSITORY = _CARRIED if IS_INSTALLED else _PACKAGE.parents[1]  # what is read
PROJECT = Path.cwd() if IS_INSTALLED else REPOSITORY  # what is made: runs, C, images
FIRMWARE = REPOSITORY / "firmware"
FIRMWARE_LIB = FIRMWARE / "lib"
GENERATED = PROJECT / "firmware" / "generated"


def relative_to_repository(path: Path) -> str:
    """Return a path as a run stores it: relative to PROJECT if it is inside, else unchanged."""
    resolved = Path(path).resolve()
    return str(resolved.relative_to(PROJECT) if resolved.is_relative_to(PROJECT) else resolved)


def cache_directory() -> Path:
    """Return the per-user cache: `$TINYSCENE_CACHE`, else `$XDG_CACHE_HOME/tinyscene`, else `~/.cache/tinyscene`."""
    if explicit := os.environ.get("TINYSCENE_CACHE"):
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinyscene"


DEPENDENCIES = cache_directory() / "deps" if IS_INSTALLED else REPOSITORY / ".deps"
