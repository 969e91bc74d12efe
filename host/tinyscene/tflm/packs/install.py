"""`tinyscene packs install`: fetch the pinned packs into the store and verify them."""

import hashlib
from pathlib import Path

from tinyscene.console import console, transfer_bar
from tinyscene.errors import ToolError
from tinyscene.tflm.packs import archive, download, places, store
from tinyscene.tflm.packs.pins import Pin, pinned, write_hashes
from tinyscene.tflm.packs.store import Installed, Verified

_SAID: dict[Verified, str] = {
    "pinned": "SHA-256 verified",
    "recorded": "SHA-256 recorded, not verified: packs.toml pins none",
    "no": "not verified: it came unpacked",
}


def said(verified: Verified) -> str:
    """Return a phrase for what was verified."""
    return _SAID[verified]


def run(place: str | None = None, force: bool = False, pin_hashes: bool = False) -> None:
    """Install every pack that is missing, and print what was done.

    Args:
        place: as for `places.find`.
        force: whether to install again the packs that are already installed.
        pin_hashes: whether to write the hashes of the packs into packs.toml afterwards.

    Raises:
        ToolError: a pack cannot be fetched, or is not the pinned one; it and those after it are not installed.
    """
    with store.locked():
        for pin, location in places.find([pin for pin in pinned() if force or not store.installed(pin)], place).items():
            pack = install(pin, location)
            console.print(f"{pin}: {said(pack.verified)}", soft_wrap=True)
    packs = store.all_installed()
    console.print(f"{len(packs)} packs are installed in {store.folder()}", soft_wrap=True)
    if pin_hashes:
        write_hashes({pack.pin.archive: pack.sha256 for pack in packs if pack.sha256})
        lacking = [str(pack.pin) for pack in packs if not pack.sha256]
        but = f" but {', '.join(lacking)}, which came unpacked" if lacking else ""
        console.print(f"packs.toml pins the hashes of all packs{but}", soft_wrap=True)


def install(pin: Pin, location: places.Location) -> Installed:
    """Install one pack in one step.

    Args:
        pin: the pack.
        location: where the pack is; see `places.find`.

    Raises:
        ToolError: as for `run`.
    """
    with store.explaining():
        if isinstance(location, str):
            return _from_url(pin, location)
        return _from_path(pin, location, str(location))


def _from_url(pin: Pin, url: str) -> Installed:
    target = store.downloads() / pin.archive
    with transfer_bar() as bar:
        task = bar.add_task(str(pin), total=None)
        download.fetch(url, target, lambda here, total: bar.update(task, completed=here, total=total))
    try:
        return _from_path(pin, target, url)
    finally:
        target.unlink()  # it is installed, or not the pinned pack: never use it again


def _from_path(pin: Pin, path: Path, source: str) -> Installed:
    sha256: str | None = None
    verified: Verified = "no"
    if path.is_file():
        sha256, verified = _verify(pin, path)
    with store.installing(pin) as scratch:
        if sha256 is None:
            archive.copy(path, scratch)
        else:
            archive.unpack(path, scratch)
        archive.check(scratch, pin, source)
        if sha256 is not None and verified == "recorded":
            store.record(pin, sha256)
        return store.place(scratch, pin, source, sha256, verified)


def _verify(pin: Pin, path: Path) -> tuple[str, Verified]:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    recorded = store.recorded().get(pin.archive)
    if pin.sha256 and sha256 != pin.sha256:
        raise ToolError(
            f"{path} does not have the SHA-256 that packs.toml pins for {pin}; "
            "remove it and fetch it from a source you trust"
        )
    if not pin.sha256 and recorded is not None and sha256 != recorded:
        raise ToolError(
            f"{path} is not the {pin.archive} that was installed here first: its SHA-256 is {sha256}, "
            f"{store.lock_file()} has {recorded}; fetch that one, or remove its line there if you trust the new one"
        )
    return sha256, "pinned" if pin.sha256 else "recorded"
