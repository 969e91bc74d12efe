"""Where tinyscene is installed without its checkout: a PlatformIO project in the folder in which it is run."""

from pathlib import Path

from tinyscene import files
from tinyscene.paths import FIRMWARE, IS_INSTALLED, PROJECT, REPOSITORY

SETTINGS = "platformio.ini"


def prepare(folder: Path = PROJECT) -> None:
    """Make sure that `pio run` finds its project; nothing to do in a checkout, which is one.

    The firmware's sources are brought to those of this package. A platformio.ini that is there stays, as people write
    their settings into it.

    Raises:
        TinysceneError: the folder cannot be written.
    """
    if not IS_INSTALLED:
        return
    for source in sorted(path for path in FIRMWARE.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        _bring(source, folder / "firmware" / source.relative_to(FIRMWARE))
    if not (folder / SETTINGS).exists():
        _bring(REPOSITORY / SETTINGS, folder / SETTINGS)


def _bring(source: Path, target: Path) -> None:
    content = source.read_bytes()
    if not target.is_file() or target.read_bytes() != content:
        files.write_bytes(target, content)
