"""The bound of the stack, on images small enough to be counted by hand."""

import subprocess
from pathlib import Path

import pytest

from tinyscene.errors import ToolError
from tinyscene.firmware import stack_usage
from tinyscene.paths import FIRMWARE
from tinyscene.toolchain import mps2_image

BOARDS = FIRMWARE / "boards"
PROGRAM = """
#include <stdint.h>
#include <string.h>
struct port { int (*write)(int); };
int work(volatile uint8_t *bytes);
int board_write(int value);
volatile struct port port;
%s
int main(void) {
    volatile uint8_t bytes[400];
    bytes[0] = 1;
    return work(bytes) + bytes[0];
}
"""
PLAIN = """
int work(volatile uint8_t *bytes) { volatile uint8_t more[800]; more[0] = bytes[0]; return more[0]; }
"""
POINTER = """
int board_write(int value) { volatile uint8_t more[1600]; more[0] = (uint8_t)value; return more[0]; }
int work(volatile uint8_t *bytes) { port.write = board_write; return port.write(bytes[0]) + 1; }
"""


def build(folder: Path, definitions: str) -> Path:
    """Build a program in a folder that looks like a checkout, as the firmware is built; returns its image."""
    source = folder / "firmware" / "boards" / "toy" / "main.c"
    image = folder / ".pio" / "build" / "toy" / "firmware.elf"
    source.parent.mkdir(parents=True)
    image.parent.mkdir(parents=True)
    source.write_text(PROGRAM % definitions)
    flags = [*mps2_image.MACHINE_FLAGS, "-std=c11", "-Os", "-fno-inline", "-fcallgraph-info=su", "-ffunction-sections"]
    objects = []
    startup = (BOARDS / "common" / "startup_common.c", BOARDS / "mps2" / "startup.c")
    for code in (source.relative_to(folder), *startup):
        objects.append(str(image.parent / f"{code.stem}.o"))
        command = [mps2_image.COMPILER, *flags, "-Wno-infinite-recursion", "-c", str(code), "-o", objects[-1]]
        subprocess.run(command, check=True, cwd=folder)
    link = [*mps2_image.LINK_FLAGS, f"-L{BOARDS / 'common'}", f"-T{BOARDS / 'mps2' / 'linker.ld'}"]
    subprocess.run(
        [mps2_image.COMPILER, *mps2_image.MACHINE_FLAGS, *link, *objects, "-o", str(image)], check=True, cwd=folder
    )
    return image


def test_frames_add_up_along_the_deepest_path(tmp_path: Path) -> None:
    usage = stack_usage.of_image(build(tmp_path, PLAIN))
    assert usage.path == ("startup", "main", "work")
    assert 1200 <= usage.program <= 1200 + 3 * 24
    assert usage.available == 16384
    assert usage.total == usage.program + usage.interrupts + usage.fault + 2 * 108


def test_what_a_pointer_can_reach_counts(tmp_path: Path) -> None:
    usage = stack_usage.of_image(build(tmp_path, POINTER))
    assert usage.path == ("startup", "main", "work", "board_write")
    assert 2000 <= usage.program <= 2000 + 4 * 24


def test_library_functions_count_by_their_instructions(tmp_path: Path) -> None:
    """newlib's memset pushes registers; the compiler's files do not tell."""
    code = "int work(volatile uint8_t *bytes) { memset((void *)bytes, bytes[1], 400); return bytes[3]; }"
    usage = stack_usage.of_image(build(tmp_path, code))
    assert usage.path[:3] == ("startup", "main", "work")
    assert usage.path[3] == "memset"


@pytest.mark.parametrize(
    ("definitions", "words"),
    [
        (
            "int work(volatile uint8_t *bytes) { int deep = bytes[0] ? work(bytes + 1) : 0; return deep * bytes[1]; }",
            "calls itself: work > work",
        ),
        (
            "int work(volatile uint8_t *bytes) { uint8_t more[bytes[0]]; memset(more, 1, bytes[0]); return more[9]; }",
            "frame of work has no bound",
        ),
        (
            POINTER.replace("return port.write(", "int (*mystery)(int) = port.write; return mystery("),
            r"main\.c:\d+ calls through a pointer that is not known: .*mystery.*INDIRECT",
        ),
    ],
)
def test_what_has_no_bound_is_refused(tmp_path: Path, definitions: str, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        stack_usage.of_image(build(tmp_path, definitions))


def test_without_the_compilers_files_the_remedy_is_named(tmp_path: Path) -> None:
    image = build(tmp_path, PLAIN)
    for path in image.parent.glob("*.ci"):
        path.unlink()
    with pytest.raises(ToolError, match=r"no call graphs .*build the image again"):
        stack_usage.of_image(image)
