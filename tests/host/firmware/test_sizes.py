"""Sizes by group, from a linker's map."""

import re

import pytest

from tinyscene.errors import ToolError
from tinyscene.firmware import sizes

MAP = """\
Discarded input sections

 .text.unused   0x00000000      0x100 .pio/build/toy/lib/frontend/frontend.o

Memory Configuration

Linker script and memory map

.vectors        0x08000000      0x1ac
 .vectors       0x08000000      0x1ac .pio/build/toy/boards/toy/startup.o

.text           0x080001ac       0x80
 .text.frontend_feed
                0x080001ac       0x40 .pio/build/toy/lib/frontend/frontend.o
                0x080001ac                frontend_feed
 *fill*         0x080001ec        0x4
 .text          0x080001f0       0x3c /usr/lib/arm-none-eabi/lib/libc_nano.a(lib_a-memcpy.o)

.rodata         0x08000230       0x30
 .rodata.window
                0x08000230       0x20 .pio/build/toy/generated/frontend_tables.o
 .rodata.str1.1
                0x08000250       0x10 .pio/build/toy/src/main.o

.stack          0x20000000      0x400
                0x20000000                __stack_guard = .

.data           0x20000400        0x8 load address 0x08000260
 .data.state    0x20000400        0x8 .pio/build/toy/boards/toy/board.o

.bss            0x20000410       0x60
 .bss.work      0x20000410       0x20 .pio/build/toy/src/main.o
 .bss.history   0x20000430       0x10 .pio/build/toy/src/main.o
 .bss.arena     0x20000440       0x30 .pio/build/toy/src/main.o

.debug_info     0x00000000     0x1000
 .debug_info    0x00000000     0x1000 .pio/build/toy/src/main.o
"""


def test_every_byte_is_in_one_group():
    flash, ram = sizes.of_map(MAP)
    assert flash == {
        "board": 0x1AC + 8,
        "front end: code": 0x40,
        "C library": 0x3C,
        "others and alignment": 4,
        "front end: tables": 0x20,
        "scene and link": 0x10,
    }
    assert ram == {
        "stack and its guard": 0x400,
        "board": 8,
        "front end: state and buffers": 0x30,
        "network: arena": 0x30,
    }
    assert flash.total() == 0x1AC + 0x80 + 0x30 + 8
    assert ram.total() == 0x400 + 8 + 0x60


def test_the_table_shows_groups_and_totals(capsys):
    sizes.console.print(sizes.table("toy", sizes.of_map(MAP)))
    printed = capsys.readouterr().out
    assert re.search(r"network: arena +- +48", printed)
    assert re.search(r"bytes +612 +1,128", printed)


@pytest.mark.parametrize("text", ["", "no map", MAP.replace(".text ", ".code ")])
def test_what_is_no_map_is_refused(text):
    with pytest.raises(ToolError, match=r"not a map of GNU ld.*build the image again"):
        sizes.of_map(text)


def test_an_image_that_is_not_built_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "BUILDS", tmp_path)
    with pytest.raises(ToolError, match=r"toy/firmware\.map cannot be read .*make firmware BOARD=toy"):
        sizes.report(["toy"])
    with pytest.raises(ToolError, match=r"no image is built in .*make firmware"):
        sizes.report([])
