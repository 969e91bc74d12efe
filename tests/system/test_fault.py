"""A fault of the firmware is said over the serial port, and the board starts again."""

import subprocess
import threading
from pathlib import Path

import pytest

from tinyscene import test_image
from tinyscene.paths import FIRMWARE

BOARDS = FIRMWARE / "boards"
SOURCES = [
    *(BOARDS / "common").glob("*.c"),
    BOARDS / "mps2" / "startup.c",
    BOARDS / "mps2" / "board.c",
    Path(__file__).with_name("faulty_main.c"),
]
FAULTS = {
    "reads from nowhere": "return *(volatile int *)0xF0000000",
    "calls what is no Thumb code": "((void (*)(void))0x00000100)()",
    "divides code": '__asm volatile("udf #0")',
    "overflows the stack": "return deeper(0)",
    "has an interrupt without a handler": "*(volatile uint32_t *)0xE000E100 = 1u << 20; "
    "*(volatile uint32_t *)0xE000E200 = 1u << 20; board_idle()",
}


def build(image: Path, fault: str) -> None:
    """Build the program that makes a fault; like a test image, with a board instead of semihosting."""
    code = [*test_image.MACHINE_FLAGS, *test_image.C_FLAGS, "-Wno-infinite-recursion", f"-I{BOARDS}"]
    link = [*test_image.LINK_FLAGS, f"-L{BOARDS / 'common'}", f"-T{BOARDS / 'mps2' / 'linker.ld'}"]
    command = [test_image.COMPILER, *code, f"-DFAULT={fault}", *link, *map(str, SOURCES), "-o", str(image)]
    subprocess.run(command, check=True)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_told_and_the_board_restarts(fault: str, tmp_path: Path) -> None:
    image = tmp_path / "faulty.elf"
    build(image, FAULTS[fault])
    command = [test_image.EMULATOR, "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "stdio"]
    command += ["-kernel", str(image)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as emulator:
        watchdog = threading.Timer(120, emulator.kill)
        watchdog.start()
        assert emulator.stdout is not None
        lines = [emulator.stdout.readline() for _ in range(4)]
        watchdog.cancel()
        emulator.kill()
    assert lines[0] == b"hello\r\n"
    assert lines[1].startswith(b"\0# fault cfsr=")
    assert lines[1].endswith(b"\r\n")
    overflow = fault == "overflows the stack"
    assert (b" pc=" not in lines[1]) == overflow  # the frame has not been stacked
    status = int(lines[1].split(b"cfsr=")[1][:8], 16)
    assert bool(status & 0xFF) == overflow  # a memory management fault: at the guard
    assert lines[2:] == lines[:2]
