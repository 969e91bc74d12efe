"""Where things are in a checkout, and where caches go on this machine."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FIRMWARE = REPOSITORY / "firmware"
FIRMWARE_LIB = FIRMWARE / "lib"
GENERATED = FIRMWARE / "generated"
DEPENDENCIES = REPOSITORY / ".deps"


def relative_to_repository(path: Path) -> str:
    """Return a path as a run stores it: relative to the checkout if it is inside, else unchanged."""
    resolved = Path(path).resolve()
    return str(resolved.relative_to(REPOSITORY) if resolved.is_relative_to(REPOSITORY) else resolved)


def cache_directory() -> Path:
    """Return the per-user cache: `$TINYSCENE_CACHE`, else `$XDG_CACHE_HOME/tinyscene`, else `~/.cache/tinyscene`."""
    if explicit := os.environ.get("TINYSCENE_CACHE"):
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinyscene"
