"""The STM32L496's exact image on the nearest machine that QEMU has, an STM32L475, where QEMU is new enough for it."""

import pytest

from clean_checkout import CleanCheckout
from tinyscene.bundle.bundle import Bundle
from tinyscene.device.board import Board
from tinyscene.device.emulators.emulator import Emulator
from tinyscene.device.link import Link
from tinyscene.errors import ToolError
from tinyscene.firmware.protocol import Request

ENV = "stm32l496"
MOVED = b"\x00\x00" + bytes(range(64))

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]


def test_the_exact_image_answers_in_qemu(checkout: CleanCheckout) -> None:
    bundle = Bundle.load(checkout.folder / "models" / "student")
    try:
        emulator = Emulator(checkout.built(ENV), ENV)
        emulator.start()
    except ToolError as error:
        if "does not know" in str(error):
            pytest.skip(f"not run: {error}")
        raise
    try:
        with Link(emulator.url) as link:
            board = Board(link, bundle.identity)
            # its flash never says that the wait states are in force: the image stays at the clock that needs none
            assert (board.info.board, board.info.clock_hz) == (ENV, 4_000_000)
            assert any(f"board={ENV}" in line for line in link.lines)
            link.request(Request.FEATURES_WRITE, MOVED)
            assert board.statistics().frames_ok >= 3
            emulator.reset()
            assert Board(link, bundle.identity).statistics().frames_ok <= 2
    finally:
        emulator.stop()
