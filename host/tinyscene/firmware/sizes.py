"""What takes the flash and the RAM of a built image, by group: read from the linker's map.

`make size` builds the boards and prints the tables; `tinyscene size BOARD...` prints those of images that are already
built.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from rich.table import Table

from tinyscene.console import console
from tinyscene.errors import ToolError
from tinyscene.firmware import stack_usage
from tinyscene.paths import PROJECT

BUILDS = PROJECT / ".pio" / "build"

# Pattern of "object file:section", group. The first one that matches counts.
_GROUPS = (
    (r"src/main\.o:\.bss\.(history|work)", "front end: state and buffers"),
    (r"src/main\.o:\.bss\.image", "network: input image"),
    (r"src/main\.o:\.bss\.arena", "network: arena"),
    (r"generated/frontend_tables\.o:", "front end: tables"),
    (r"lib/frontend/", "front end: code"),
    (r"generated/model[^/]*\.o:\.rodata", "network: constants"),
    (r"generated/model[^/]*\.o:", "network: code"),
    (r"lib/engine/|lib/tflm/|libtflm-\w+\.a\(", "network: code"),
    (r"src/main\.o:|lib/scene/|lib/link/|lib/health/|generated/bundle\.o:", "scene and link"),
    (r"boards/|lib/usb/", "board"),
    (r"\.stack$", "stack and its guard"),
    (r"lib(c|m|gcc)[^/]*\.a\(", "C library"),
)
_OTHERS = "others and alignment"

_OUTPUT = re.compile(r"^(?P<name>\.[\w.]+)\s+0x(?P<address>[0-9a-f]+)\s+0x(?P<size>[0-9a-f]+)", re.MULTILINE)
_INPUT = re.compile(
    r"^ (?P<name>\.[\w.$-]+|COMMON)\s+0x(?P<address>[0-9a-f]+)\s+0x(?P<size>[0-9a-f]+) (?P<file>\S.*)$", re.MULTILINE
)
_FLASH = {".vectors", ".text", ".constants", ".constants_crc", ".rodata", ".ARM.extab", ".ARM.exidx", ".data"}
_RAM = {".stack", ".noinit", ".data", ".bss"}


class Sizes(NamedTuple):
    """Bytes by group."""

    flash: Counter[str]
    ram: Counter[str]


def of_map(text: str) -> Sizes:
    """Return the sizes in a map of GNU ld; every byte of the image's sections is in exactly one group.

    Raises:
        ToolError: the text is not such a map.
    """
    _, found, body = text.partition("Linker script and memory map")
    outputs = list(_OUTPUT.finditer(body))
    if not found or not any(output["name"] == ".text" for output in outputs):
        raise ToolError(
            "this is not a map of GNU ld with sections of firmware/boards/common/sections.ld; build the image again"
        )
    sizes = Sizes(Counter(), Counter())
    for output, following in zip(outputs, [*outputs[1:], None], strict=True):
        part = body[output.end() : following.start() if following else len(body)]
        groups = _groups(output["name"], int(output["size"], 16), part)
        for memory, names in ((sizes.flash, _FLASH), (sizes.ram, _RAM)):
            if output["name"] in names:
                memory.update(groups)
    return sizes


def _groups(output: str, size: int, text: str) -> Counter[str]:
    groups: Counter[str] = Counter()
    for section in _INPUT.finditer(text):
        groups[_group(f"{section['file']}:{section['name']}")] += int(section["size"], 16)
    groups[_group(output)] += size - groups.total()
    return +groups


def _group(name: str) -> str:
    return next((group for pattern, group in _GROUPS if re.search(pattern, name)), _OTHERS)


def code_files(text: str) -> dict[range, str]:
    """Return the object file of each stretch of addresses with code, from a map of GNU ld."""
    _, _, body = text.partition("Linker script and memory map")
    return {
        range(address, address + int(section["size"], 16)): section["file"]
        for section in _INPUT.finditer(body)
        if section["name"].startswith(".text") and (address := int(section["address"], 16))
    }


def of_environment(env: str) -> Sizes:
    """Return the sizes of an image that `pio run` has built.

    Raises:
        ToolError: it is not built, or the map is damaged.
    """
    path = BUILDS / env / "firmware.map"
    try:
        return of_map(path.read_text(errors="replace"))
    except OSError as error:
        raise ToolError(
            f"{path} cannot be read ({error.strerror}); build it with: make firmware BOARD={env}"
        ) from error


def table(env: str, sizes: Sizes) -> Table:
    """Return the sizes as a table."""
    result = Table(env, box=None, header_style="bold", show_footer=True)
    for name, memory in (("flash", sizes.flash), ("RAM", sizes.ram)):
        result.add_column(name, f"{memory.total():,}", justify="right")
    result.columns[0].footer = "bytes"
    names = dict.fromkeys([*(group for _, group in _GROUPS), _OTHERS])
    for name in names:
        if sizes.flash[name] or sizes.ram[name]:
            result.add_row(name, *(f"{memory[name]:,}" if memory[name] else "-" for memory in sizes))
    return result


def stack_line(env: str) -> str:
    """Return a sentence on how much stack an image can need at most, and where.

    Raises:
        ToolError: the stack usage has no bound.
    """
    usage = stack_usage.of_image(BUILDS / env / "firmware.elf")
    return (
        f"stack: at most {usage.total:,} of {usage.available:,} bytes: program {usage.program:,}, interrupts "
        f"{usage.interrupts:,}, fault report {usage.fault:,}, registers saved for these "
        f"{2 * stack_usage.EXCEPTION_FRAME:,}; deepest in {' > '.join(usage.path[-4:])}"
    )


def report(environments: Iterable[str]) -> None:
    """Print a table for each image; default: all that are built."""
    chosen = list(environments) or sorted(path.parent.name for path in BUILDS.glob("*/firmware.map"))
    if not chosen:
        raise ToolError(f"no image is built in {BUILDS}; run: make firmware")
    for env in chosen:
        console.print(table(env, of_environment(env)))
        console.print(stack_line(env))
        console.print()
