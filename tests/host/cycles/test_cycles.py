"""The model behind `tinyscene cycles`: what instructions and flash cost, and how a running image is added up."""

import subprocess
from pathlib import Path

import pytest

from tinyscene.cycles import estimate, flash, timing
from tinyscene.cycles.counter import Count, Counter
from tinyscene.cycles.flash import Nrf52840Flash, Stm32L4Flash
from tinyscene.cycles.image import NETWORK, OTHERS
from tinyscene.cycles.timing import Instruction
from tinyscene.device.emulators.board_models import Stm32L496
from tinyscene.errors import ToolError
from tinyscene.paths import FIRMWARE
from tinyscene.toolchain import mps2_image

STEP = """
    ldrd r2, r3, [r1], #8
    ldrd r12, lr, [r0], #8
    smlad r4, r12, r2, r4
    smlad r5, r12, r3, r5
    smlad r6, lr, r2, r6
    smlad r7, lr, r3, r7
    ldrd r12, lr, [r0], #8
    smlad r8, r12, r2, r8
    smlad r9, r12, r3, r9
    smlad r10, lr, r2, r10
    smlad r11, lr, r3, r11
"""

# code, cycles of each instruction; the first five are the manual's own examples (Arm 100166, 3.3.3)
SNIPPETS = {
    "loads are pipelined": ("ldr r0, [r1]; ldr r2, [r3]", [2, 1]),
    "three loads": ("ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]", [2, 1, 1]),
    "a load, then its value is stored": ("ldr r0, [r1, r2]; str r0, [r3, #20]", [2, 1]),
    "a store with a register as offset": ("ldr r0, [r1, r2]; str r1, [r3, r2]", [2, 2]),
    "three registers loaded": ("ldmia r3!, {r0, r1, r2}", [4]),
    "an address that was just loaded": ("ldr r0, [r1]; ldrb r2, [r0]", [2, 2]),
    "a base that was just changed": ("ldr r0, [r1], #4; ldr r2, [r3]; ldr r4, [r5, #4]!", [2, 2, 2]),
    "nothing after a store": ("strh r0, [r1]; ldr r2, [r3]", [1, 2]),
    "high registers": ("ldr r10, [r11]; ldr r2, [r10]; ldr r3, [r12]", [2, 2, 1]),
    "a step of the convolution": (STEP, [3, 3, 1, 1, 1, 1, 3, 1, 1, 1, 1]),
    "push and pop": ("push {r4-r11, lr}; strd r0, r1, [sp, #8]; pop {r4-r7, pc}", [10, 3, 6]),
    "arithmetic": ("mul r0, r1, r2; smull r0, r1, r2, r3; mls r0, r1, r2, r3; sdiv r0, r1, r2", [1, 1, 1, 7]),
    "an IT block": ("cmp r0, r1; ite lt; movlt r0, r1; ldrge r0, [r1]", [1, 1, 1, 2]),
    "float": ("vldr s0, [r0]; vldr.64 d1, [r0]; vadd.f32 s2, s0, s1; vmul.f32 s3, s2, s1", [2, 3, 1, 2]),
    "float, nothing late": ("vmul.f32 s0, s1, s2; vadd.f32 s3, s1, s2; vmov r0, s0; vmov r0, r1, s0, s1", [1, 1, 1, 2]),
    "sums of products": ("vfma.f32 s0, s1, s2; vfma.f32 s0, s3, s4; vstr s0, [r0]", [3, 4, 3]),
    "long": ("vdiv.f32 s0, s1, s2; vsqrt.f32 s3, s4; vcvt.f32.s32 s3, s3", [14, 14, 2]),
    "float registers saved": ("vpush {d8-d11}; vpop {s16-s18}; vldmia r0!, {s0, s1}", [9, 4, 3]),
    "barely branches": ("bics r0, r1; bls 1f; teq r0, r1; 1: mls r0, r1, r2, r3", [1, 1, 1, 1]),
    "branches": ("cbz r0, 1f; bl 1f; 1: tbb [pc, r0]; bx lr", [1, 1, 2, 1]),
}


def assembled(code: str, folder: Path) -> list[Instruction]:
    source, target = folder / "snippet.s", folder / "snippet.o"
    source.write_text(".syntax unified\n" + code + "\n")
    subprocess.run([mps2_image.COMPILER, *mps2_image.MACHINE_FLAGS, "-c", source, "-o", target], check=True)
    return list(timing.disassemble(target).values())


@pytest.mark.parametrize("name", SNIPPETS)
def test_cycles_of_instructions(name: str, tmp_path: Path) -> None:
    code, expected = SNIPPETS[name]
    assert timing.cycles(assembled(code, tmp_path)) == expected


def test_which_instructions_branch(tmp_path: Path) -> None:
    """What may load the program counter ends a block; a table of addresses read through it does not."""
    code = "b 1f; 1: bxne lr; pop {r4, pc}; pop {r4}; ldr pc, [r2, #12]; ldr r0, [pc, #4]; mov pc, r0; bic r0, r1"
    found = [one.branches for one in assembled(code.replace("bxne", "it ne; bxne"), tmp_path)]
    assert found == [True, False, True, True, False, True, False, True, False]


def test_not_an_image(tmp_path: Path) -> None:
    (tmp_path / "x.elf").write_text("no ELF")
    with pytest.raises(ToolError, match=r"cannot read .*x\.elf"):
        timing.disassemble(tmp_path / "x.elf")


def nops(address: int, count: int) -> list[Instruction]:
    return [Instruction(address + 2 * number, 2, "nop", "") for number in range(count)]


def lines(memory: flash.Flash, address: int, count: int) -> flash.Lines:
    code = nops(address, count)
    return flash.split(memory, code, [1] * count)


def test_a_block_is_cut_where_the_memory_is() -> None:
    """14 halfwords from the last word of a line on: 4, 4, 4 and 2 cycles in four words."""
    assert lines(Stm32L4Flash(4), 0x08000018, 14) == (
        (0x08000000, 0b1000, ((3, 4),)),
        (0x08000020, 0b0111, ((0, 4), (1, 4), (2, 2))),
    )
    straddling = [Instruction(0x08000006, 4, "add.w", "r0, r1"), Instruction(0x0800000A, 2, "nop", "")]
    assert flash.split(Stm32L4Flash(4), straddling, [1, 1]) == ((0x08000000, 0b11, ((0, 1), (1, 1))),)


def test_stm32_instruction_cache() -> None:
    """Three words of 4 cycles: the first is waited for wholly, the others are read while the one before runs."""
    memory = Stm32L4Flash(4)
    block = lines(memory, 0x08000000, 12)
    assert memory.fetch(block, 0) == 4 + 1 + 1
    assert memory.fetch(block, 0) == 0
    assert memory.fetch(lines(memory, 0x08000018, 4), 2) == 3, "entered from the word before, after 2 cycles there"
    for line in range(1, 32):
        assert memory.fetch(lines(memory, 0x08000000 + 32 * line, 4), 0) == 4
    assert memory.fetch(block, 0) == 0, "32 lines are held"
    assert memory.fetch(lines(memory, 0x08000400, 4), 0) == 4
    assert memory.fetch(block, 0) == 0, "the one that was used longest ago has gone, not this one"
    assert memory.fetch(lines(memory, 0x08000020, 4), 0) == 4


def test_stm32_without_its_helpers() -> None:
    bare = Stm32L4Flash(4, prefetch=False, instruction_cache=False, data_cache=False)
    block = lines(bare, 0x08000000, 12)
    assert [bare.fetch(block, 0), bare.fetch(block, 0)] == [12, 12]
    assert [bare.read(0x08001000), bare.read(0x08001000)] == [4, 4]
    slow = Stm32L4Flash(0)
    assert (slow.fetch(block, 0), slow.read(0x08001000)) == (0, 0)


def test_stm32_data_cache() -> None:
    memory = Stm32L4Flash(4)
    waits = [memory.read(0x08001000 + offset) for offset in (0, 4, 8, 12, 0, 31, 32, 1)]
    assert waits == [4, 0, 4, 0, 0, 4, 4, 0]
    for line in range(2, 9):  # with the first one, eight lines: the second, used longest ago, has gone
        assert memory.read(0x08001000 + 32 * line) == 4
    assert [memory.read(0x08001000), memory.read(0x08001020)] == [0, 4]


def test_nrf52840_instruction_cache() -> None:
    """Lines of 16 bytes; three whose addresses are a multiple of 1 KB apart do not fit into two ways."""
    memory = Nrf52840Flash()
    assert memory.fetch(lines(memory, 0x1000C, 4), 0) == 6
    assert memory.fetch(lines(memory, 0x1000C, 4), 9) == 0
    way = [lines(memory, 0x20000 + 0x400 * number, 8) for number in range(3)]
    assert [memory.fetch(way[number], 0) for number in (0, 1, 0, 2, 0, 1)] == [3, 3, 0, 3, 0, 3]
    assert [memory.read(0x30000), memory.read(0x30000)] == [3, 3]


def test_nrf52840_without_cache() -> None:
    """After reset every 32-bit word costs two cycles, each time."""
    memory = Nrf52840Flash(cache=False)
    block = lines(memory, 0x10000, 5)
    assert [memory.fetch(block, 0), memory.fetch(block, 0), memory.read(0x30000)] == [6, 6, 2]


MAIN = """
    .syntax unified
    .section .vectors, "a"
    .word 0x20001000, startup_reset
    .text
    .global startup_reset
    .type startup_reset, %function
    .thumb_func
startup_reset:
    ldr r0, =layer_3
    bl kernel
    wfi
"""
KERNEL = """
    .syntax unified
    .section .rodata
    .global layer_3
    .balign 4
layer_3:
    .word 10
    .text
    .global kernel
    .type kernel, %function
    .thumb_func
kernel:
    ldr r1, [r0]
1:  subs r1, #1
    bne 1b
    bx lr
"""


def test_a_running_image_is_added_up(tmp_path: Path) -> None:
    """By hand, on flash without waits and with four wait states.

    The kernel: a load, ten times a subtraction and a branch, nine taken, and the return: 2 + 10 * 2 + 9 * 2 + 3.
    Around it: a load, the call, and the instruction that sleeps: 2 + 3 + 1.
    """
    objects = []
    for folder, code in (("lib/scene", MAIN), ("lib/engine", KERNEL)):
        objects.append(tmp_path / folder / "code.s")
        objects[-1].parent.mkdir(parents=True)
        objects[-1].write_text(code)
        target = objects[-1].with_suffix(".o")
        subprocess.run([mps2_image.COMPILER, *mps2_image.MACHINE_FLAGS, "-c", objects[-1], "-o", target], check=True)
        objects[-1] = target
    elf, script = tmp_path / "image.elf", FIRMWARE / "boards" / "stm32l496" / "linker.ld"
    link = ["-nostdlib", f"-L{FIRMWARE / 'boards' / 'common'}", f"-T{script}", f"-Wl,-Map={elf.with_suffix('.map')}"]
    command = [mps2_image.COMPILER, *mps2_image.MACHINE_FLAGS, *link, "-Wl,--no-warn-rwx-segments", *objects, "-o", elf]
    subprocess.run(command, check=True)
    for wait_states in (0, 4):
        machine = Stm32L496(elf)
        counter = Counter(machine, elf)
        counter.start(Stm32L4Flash(wait_states))
        machine.run()
        layer, others = counter.counts[NETWORK, 3], counter.counts[OTHERS, ""]
        assert (layer.instructions, layer.cycles) == (22, 43)
        assert (others.instructions, others.cycles) == (3, 6)
        assert counter.sum(NETWORK) == layer
        waits = layer.waits + others.waits
        assert (waits > 0) == (wait_states > 0)
        assert counter.sum() == Count(25, 49, waits)


def test_board_that_is_not_modelled() -> None:
    with pytest.raises(ToolError, match="no model of the board 'mps2'; available: nano33ble, stm32l496"):
        estimate.built_image("mps2")


def test_nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "BUILDS", tmp_path)
    with pytest.raises(ToolError, match=r"firmware\.elf is not there; build it with: pio run -e nano33ble"):
        estimate.built_image("nano33ble")


@pytest.mark.parametrize("content", [b"", b"no ELF", b"\x7fELF" + bytes(60)])
def test_damaged_image(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "firmware.elf").write_bytes(content)
    with pytest.raises(ToolError, match=r"firmware\.elf does not run on the model of stm32l496 .*build it again"):
        estimate.estimate("stm32l496", tmp_path / "firmware.elf")
