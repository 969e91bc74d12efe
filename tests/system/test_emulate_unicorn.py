"""`tinyscene emulate` in Unicorn: the boards' exact images behind a TCP port, for everything that speaks to a board."""

import socket
import threading

import pytest

from clean_checkout import CleanCheckout
from tiny_bundle import tiny_bundle
from tinyscene.device import verification
from tinyscene.device.board import Board
from tinyscene.device.emulators import emulate
from tinyscene.device.emulators.board_models import BOARDS
from tinyscene.device.link import Link
from tinyscene.firmware.protocol import Request

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]


@pytest.mark.parametrize("env", ["stm32l496", "nano33ble"])
def test_a_board_answers_one_client_after_the_other(
    env: str, checkout: CleanCheckout, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server((emulate.HOST, 0)) as listener:
        arguments = (BOARDS[env](checkout.built(env)), listener)
        threading.Thread(target=emulate.serve, args=arguments, daemon=True).start()
        url = f"socket://{emulate.HOST}:{listener.getsockname()[1]}"
        with Link(url) as link:
            assert Board(link).info.board == env
            assert any(f"board={env}" in line for line in link.lines)
        assert verification.report(url, checkout.folder / "models" / "student", None) == 0
        assert f"{env} agrees at every stage" in capsys.readouterr().out
        with Link(url) as link:
            link.tell(Request.REBOOT, b"\0")
            assert Board(link).info.identity == tiny_bundle().identity
            assert any(f"board={env}" in line for line in link.lines)
