"""A fault, or a main loop that stands still, is said over the serial port and remembered by the board that restarts."""

import subprocess
import threading
from pathlib import Path

import pytest
from small_firmware import build

from tinyscene.device.health import CrashKind
from tinyscene.toolchain import mps2_image

FAULTS = {
    "reads from nowhere": "return *(volatile int *)0xF0000000",
    "calls what is no Thumb code": "((void (*)(void))0x00000100)()",
    "divides code": '__asm volatile("udf #0")',
    "overflows the stack": "return deeper(0)",
    "has an interrupt without a handler": "*(volatile uint32_t *)0xE000E100 = 1u << 20; "
    "*(volatile uint32_t *)0xE000E200 = 1u << 20; board_idle()",
    "stands still": "for (;;) {}",
    "stands still without interrupts": "interrupts_off(); for (;;) {}",
}
INSTRUCTION_NS = 1024  # so that the watchdogs' half a minute is 30 million instructions


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_told_and_the_board_restarts(fault: str, tmp_path: Path) -> None:
    image = tmp_path / "faulty.elf"
    build(image, "mps2", FAULTS[fault])
    command = [mps2_image.EMULATOR, "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "stdio"]
    command += ["-icount", f"shift={INSTRUCTION_NS.bit_length() - 1},align=off,sleep=off", "-kernel", str(image)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as emulator:
        watchdog = threading.Timer(120, emulator.kill)
        watchdog.start()
        assert emulator.stdout is not None
        lines = [emulator.stdout.readline().decode() for _ in range(5)]
        watchdog.cancel()
        emulator.kill()
    hang = fault.startswith("stands still")
    overflow = fault == "overflows the stack"
    assert lines[0] == hello(CrashKind.NONE, 0, 0, 0)
    assert lines[1].startswith(f"\0# {'watchdog' if hang else 'fault'} cfsr=")
    assert lines[1].endswith("\r\n")
    fields = dict(field.split("=") for field in lines[1].split()[2:])
    assert ("pc" not in fields) == overflow  # the frame has not been stacked
    assert bool(int(fields["cfsr"], 16) & 0xFF) == overflow  # a memory management fault: at the guard
    kind = CrashKind.WATCHDOG if hang else CrashKind.FAULT
    counter = int(fields.get("pc", "0"), 16)
    assert lines[2] == hello(kind, 1, 0x11, counter)
    assert lines[3] == lines[1]
    assert lines[4] == hello(kind, 2, 0x11, counter)


def hello(kind: CrashKind, count: int, request: int, counter: int) -> str:
    """Return what the program says when it boots."""
    return f"hello kind={kind:08x} count={count:08x} request={request:08x} pc={counter:08x}\r\n"
