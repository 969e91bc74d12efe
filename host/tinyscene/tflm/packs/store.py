"""The installed packs: one folder each, packs/VENDOR/NAME/VERSION in the user's cache, complete or absent."""

import dataclasses
import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tinyscene import files
from tinyscene.console import error_console
from tinyscene.errors import ToolError
from tinyscene.paths import cache_directory
from tinyscene.tflm.packs.pins import Pin, pinned

Verified = Literal["pinned", "recorded", "no"]
_RECEIPT = ".tinyscene.json"


@dataclasses.dataclass(frozen=True, slots=True)
class Installed:
    """A pack that is installed.

    Attributes:
        pin: the pack.
        root: its folder.
        source: where it came from.
        sha256: SHA-256 of its .pack file; None: it came unpacked.
        verified: "pinned": the hash is the one in packs.toml; "recorded": packs.toml has none, and the hash is that of
            the first install; "no": it came unpacked.
    """

    pin: Pin
    root: Path
    source: str
    sha256: str | None
    verified: Verified

    @property
    def description(self) -> Path:
        """Its .pdsc file."""
        return self.root / f"{self.pin.id}.pdsc"


def folder() -> Path:
    """Return the folder that packs are kept in."""
    return cache_directory() / "packs"


def downloads() -> Path:
    """Return the folder that .pack files are downloaded to, whole or in part."""
    return folder() / "downloads"


def lock_file() -> Path:
    """Return the file of the hashes recorded at first installs."""
    return folder() / "lock.json"


def installed(pin: Pin) -> Installed | None:
    """Return a pack if it is installed; None if it is not, or its hash is not the pinned one."""
    root = _root(pin)
    try:
        receipt = json.loads((root / _RECEIPT).read_text())
        pack = Installed(pin, root, receipt["source"], receipt["sha256"], receipt["verified"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if pin.sha256 and pack.sha256:  # it may have been pinned after the install
        return dataclasses.replace(pack, verified="pinned") if pack.sha256 == pin.sha256 else None
    return pack


def all_installed() -> list[Installed]:
    """Return all packs that packs.toml pins.

    Raises:
        ToolError: some are not installed; the message says how to get them.
    """
    packs = {pin: installed(pin) for pin in pinned()}
    missing = [str(pin) for pin, pack in packs.items() if pack is None]
    if missing:
        raise ToolError(f"these CMSIS-Packs are not installed: {', '.join(missing)}; run `tinyscene packs install`")
    return [pack for pack in packs.values() if pack is not None]


@contextmanager
def installing(pin: Pin) -> Iterator[Path]:
    """Yield an empty folder to unpack a pack into; `place` it before the block ends, or it is removed.

    Raises:
        ToolError: the cache cannot be written.
    """
    with explaining():
        folder().mkdir(parents=True, exist_ok=True)
        with files.scratch_folder(folder(), pin.id) as scratch:
            yield scratch / "pack"


def place(unpacked: Path, pin: Pin, source: str, sha256: str | None, verified: Verified) -> Installed:
    """Move an unpacked folder to the pack's place in one step, and return the pack."""
    root = _root(pin)
    files.write_json(unpacked / _RECEIPT, {"source": source, "sha256": sha256, "verified": verified})
    root.parent.mkdir(parents=True, exist_ok=True)
    if root.exists():
        root.rename(unpacked.with_name("previous"))
    unpacked.rename(root)
    return Installed(pin, root, source, sha256, verified)


def recorded() -> dict[str, str]:
    """Return the SHA-256 hashes recorded at first installs, by the packs' `archive`.

    Raises:
        ToolError: the file is damaged.
    """
    try:
        return dict(json.loads(lock_file().read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise ToolError(f"cannot read {lock_file()} ({error}); remove it to record the packs' hashes again") from error


def record(pin: Pin, sha256: str) -> None:
    """Record the hash of a pack."""
    files.write_json(lock_file(), {**recorded(), pin.archive: sha256})


@contextmanager
def locked() -> Iterator[None]:
    """Lock the store for installing, after waiting for any other process that installs.

    Raises:
        ToolError: the cache cannot be written.
    """
    with explaining():
        folder().mkdir(parents=True, exist_ok=True)
        lock = (folder() / "lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            error_console.print(f"waiting for another process that installs packs in {folder()}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def explaining() -> Iterator[None]:
    """Turn an error of the file system into one sentence."""
    try:
        yield
    except (OSError, shutil.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ToolError(
            f"cannot install packs in {folder()}: {reason}; free some space there or check its permissions, "
            "or point TINYSCENE_CACHE to another place"
        ) from error


def _root(pin: Pin) -> Path:
    return folder() / pin.vendor / pin.name / pin.version
