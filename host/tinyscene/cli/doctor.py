"""What tinyscene needs on this machine, what is installed, and how to get the rest."""

import dataclasses
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from rich import box
from rich.table import Table
from rich.text import Text

from tinyscene.console import console
from tinyscene.paths import PROJECT, relative_to_repository
from tinyscene.tflm.packs import pins as pack_pins, store
from tinyscene.toolchain import cmsis_dsp, native

PYTHON_VERSIONS = ((3, 11), (3, 13))  # lowest and highest version with wheels of TensorFlow 2.21
DISK_GIB = 4  # space for a full set-up, a build and a small run
SETUP = "make setup"
SHOWN = ("tensorflow", "keras", "librosa", "platformio")  # the versions that people ask for
BACK_ENDS = {"jax", "torch"}  # extras that set-up does not install


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: name of what was looked for.
        found: its version or place; None: missing or unfit.
        remedy: what to do if it is missing.
        required: whether the pipeline up to the emulated board needs it.
    """

    what: str
    found: str | None
    remedy: str
    required: bool = True


def report() -> int:
    """Print what is installed and what is missing; return 0, or 1 if something required is missing."""
    table = Table("", "what", "found", "how to get it", box=box.SIMPLE_HEAD)
    findings = list(examine())
    for finding in findings:
        missing = finding.found is None
        words = ("ok", "green") if not missing else ("missing", "red") if finding.required else ("optional", "yellow")
        table.add_row(Text(*words), finding.what, finding.found or "", finding.remedy if missing else "")
    console.print(table)
    lacking = [finding.what for finding in findings if finding.required and finding.found is None]
    console.print(f"missing: {', '.join(lacking)}" if lacking else "everything required is here")
    return int(bool(lacking))


def examine() -> Iterator[Finding]:
    """Look at this machine, one finding after the other."""
    yield _python()
    yield from _packages()
    yield _program("C compiler", native.compiler_words()[0], "gcc libc6-dev")
    yield _program("Arm compiler", "arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi")
    yield _newlib()
    yield _program("QEMU", "qemu-system-arm", "qemu-system-arm")
    yield _program("make", "make", "make")
    yield _program("clang-format (make check)", "clang-format", "clang-format", required=False)
    yield _program("OpenOCD (make flash, STM32)", "openocd", "openocd", required=False)
    yield _cmsis_dsp()
    yield _packs()
    yield from _serial()
    yield _disk()


def _python() -> Finding:
    lowest, highest = (".".join(map(str, version)) for version in PYTHON_VERSIONS)
    fits = PYTHON_VERSIONS[0] <= sys.version_info[:2] <= PYTHON_VERSIONS[1]
    return Finding(
        "Python",
        platform.python_version() if fits else None,
        f"{platform.python_version()} is here; run make setup PYTHON=... with one from {lowest} to {highest}",
    )


def _packages() -> Iterator[Finding]:
    """Yield one finding for all Python packages at their pins, and one for each that deviates."""
    pins = {
        match[1]: match[2]
        for line in importlib.metadata.requires("tinyscene") or []
        if (match := re.match(r"([\w.-]+)==([\w.]+)", line)) and _is_for_this_system(line)
    }
    wrong = {}
    for name, pinned in pins.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong[name] = f"{name} {pinned} is not installed"
        else:
            if installed != pinned:
                wrong[name] = f"{installed} is here, {pinned} is wanted"
    good = len(pins) - len(wrong)
    named = ", ".join(f"{name} {pins[name]}" for name in SHOWN if name in pins and name not in wrong)
    yield Finding("Python packages", f"{good} of {len(pins)} as pinned: {named}" if good else None, SETUP)
    for name, complaint in wrong.items():
        yield Finding(name, None, f"{complaint}: {SETUP}")


def _is_for_this_system(requirement: str) -> bool:
    """Return whether a requirement's marker, after the semicolon, holds here, with every extra that set-up installs."""
    marker = Requirement(requirement).marker
    extras = set(importlib.metadata.metadata("tinyscene").get_all("Provides-Extra") or []) - BACK_ENDS
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def _program(what: str, command: str, packages: str, *, required: bool = True) -> Finding:
    found = shutil.which(command)
    return Finding(what, found and _version(found), f"apt-get install {packages}", required)


def _version(command: str) -> str:
    """Return the first version number that a program prints, with its name; its path if it prints none."""
    result = subprocess.run(
        [command, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    number = re.search(r"\d+\.\d+(\.\d+)?", result.stdout + result.stderr)
    return f"{Path(command).name} {number[0]}" if number else command


def _newlib() -> Finding:
    """Look for newlib-nano: the Arm compiler prints a path if it has it, else only the file's name."""
    found = None
    if compiler := shutil.which("arm-none-eabi-gcc"):
        command = [compiler, "-print-file-name=nano.specs"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        found = "nano.specs" if Path(answer).is_absolute() else None
    return Finding("newlib for Arm", found, "apt-get install libnewlib-arm-none-eabi")


def _cmsis_dsp() -> Finding:
    folder = cmsis_dsp.FOLDER  # appears in one step, complete
    found = str(relative_to_repository(folder)) if folder.is_dir() else None
    return Finding("CMSIS-DSP sources", found, SETUP)


def _packs() -> Finding:
    wanted = pack_pins.pinned()
    here = [pack for pin in wanted if (pack := store.installed(pin))]
    checked = sum(pack.verified == "pinned" for pack in here)
    found = f"{len(here)} packs, {checked} of them verified" if len(here) == len(wanted) else None
    return Finding(
        "CMSIS-Packs (firmware with TensorFlow Lite Micro)", found, "tinyscene packs install", required=False
    )


def _serial() -> Iterator[Finding]:
    """Yield serial ports, and whether this user may open them; having none is fine: the board may be emulated."""
    ports = sorted(port for kind in ("ttyACM*", "ttyUSB*") for port in Path("/dev").glob(kind))
    if not ports:
        yield Finding("board on a serial port", None, "plug one in, or use an emulated one", required=False)
    for port in ports:
        allowed = os.access(port, os.R_OK | os.W_OK)
        remedy = f"sudo usermod -a -G {port.group()} $USER, then log in again"
        yield Finding(str(port), "can be opened" if allowed else None, remedy, required=False)


def _disk() -> Finding:
    free = shutil.disk_usage(PROJECT).free / 2**30
    return Finding(
        "disk space",
        f"{free:.0f} GiB free" if free >= DISK_GIB else None,
        f"only {free:.1f} GiB is free; {DISK_GIB} GiB are needed",
    )
