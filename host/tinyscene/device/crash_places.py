"""What a debugger would show of a board's last crash: function and line, from the image that was flashed."""

import dataclasses
from pathlib import Path

from tinyscene import files
from tinyscene.console import console, error_console
from tinyscene.device import health
from tinyscene.device.board import Board
from tinyscene.device.description import DeviceInfo
from tinyscene.device.health import Crash, CrashKind
from tinyscene.device.link import Link, RefusedError
from tinyscene.errors import LinkError, ToolError
from tinyscene.firmware import BUILDS, SourceLines, Status

_EXCEPTION_RETURN = 0xFFFFFFE0  # EXC_RETURN values and above, ARMv7-M Architecture Reference Manual, B1.5.8


def report(port: str, elf: Path | None = None, forget: bool = False, as_json: Path | None = None) -> None:
    """Print a board's last crash, what it means and where it was: the command `tinyscene device crash`.

    Args:
        port: pyserial URL of the board.
        elf: the image that was flashed, of any firmware; None: looked for among the built ones, by its build.
        forget: whether to make the board forget the crash afterwards.
        as_json: file to write the same to; None: no file.

    Raises:
        LinkError: no answer, or firmware that is too old.
        ToolError: `elf` is no image, or of another build than the board's.
    """
    with Link(port) as link:
        crash, info = health.last_crash(link), _info(link)
        if crash is None:
            raise LinkError(f"the firmware at {port} is too old to record crashes; flash it again")
        image = _image(info, elf) if crash.pc or elf else None
        where = places(crash, SourceLines.load(image)) if image else {}
        if forget:
            health.forget_crash(link)
    _print(crash, where, info, image)
    if as_json:
        files.write_json(as_json, dataclasses.asdict(crash) | {"reasons": crash.reasons, "places": where})


def places(crash: Crash, lines: SourceLines) -> dict[str, str]:
    """Return where the registers pc and lr of a crash point to; a register that points to no code is left out.

    lr holds the address after a call; the call is what is named. After a function's first call it may be an old one.
    """
    addresses = {"pc": crash.pc, "lr": (crash.lr & ~1) - 2 if 2 < crash.lr < _EXCEPTION_RETURN else 0}
    found = {name: lines.at(address) for name, address in addresses.items() if address}
    return {name: str(place) for name, place in found.items() if place}


def _info(link: Link) -> DeviceInfo | None:
    """Ask the board what it is; None: its bundle is damaged, so that it does not say."""
    try:
        return Board(link).info
    except RefusedError as error:
        if error.status is Status.BAD_MODEL:
            return None
        raise


def _image(info: DeviceInfo | None, elf: Path | None) -> Path | None:
    """Return the image of the board's build; None: it is not among the built ones."""
    build = info.build if info else ""
    if elf:
        if build and not _is_of(elf, build):
            raise ToolError(
                f"{elf} is not the image that the board runs, build {build}; name that one, or flash this one"
            )
        return elf
    built = sorted(BUILDS.glob("*/firmware.elf"), key=lambda path: not (info and path.parent.name == info.board))
    return next((path for path in built if build and _is_of(path, build)), None)


def _is_of(elf: Path, build: str) -> bool:
    try:
        return build.encode() + b"\0" in elf.read_bytes()
    except OSError as error:
        raise ToolError(f"{elf} cannot be read ({error.strerror}); name the image that was flashed") from error


def _print(crash: Crash, where: dict[str, str], info: DeviceInfo | None, image: Path | None) -> None:
    lines = [f"last reset: {crash.reset_cause.name.lower()}", f"last crash: {crash.describe()}"]
    lines += [f"reason:     {reason}" for reason in crash.reasons]
    lines += [f"{register}:         {place}" for register, place in where.items()]
    for line in lines:
        console.print(line, soft_wrap=True)
    if crash.kind not in (CrashKind.NONE, CrashKind.UNWITNESSED) and image is None:
        build = f"build {info.build}" if info and info.build else "what the board runs"
        error_console.print(
            f"no image of {build} is in {BUILDS}; name the flashed ELF file with --elf to see function and line",
            soft_wrap=True,
        )
