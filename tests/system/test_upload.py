"""`pio run -t upload` to the STM32L496: what OpenOCD is told, and that the board is asked what it runs afterwards.

OpenOCD is a script that writes down its arguments; the board is the emulated one, with the same bundle in it.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from clean_checkout import CleanCheckout
from images import seal
from tiny_bundle import tiny_bundle
from tinyscene.device.emulators.emulator import Emulator

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]

OPENOCD = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["OPENOCD_LOG"], "w") as log:
    json.dump(sys.argv[1:], log)
sys.exit(int(os.environ.get("OPENOCD_CODE", "0")))
"""


@pytest.fixture
def mps2(checkout: CleanCheckout) -> Path:
    """The emulated board's image with the same bundle, whatever another test has built."""
    checkout.run("run", "-e", "mps2", TINYSCENE_BUNDLE="models/student")
    return checkout.built("mps2")


def upload(
    checkout: CleanCheckout, folder: Path, port: str, env: str = "stm32l496", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Upload with our OpenOCD; its arguments are in openocd.json of `folder` then."""
    program = folder / "openocd"
    program.write_text(OPENOCD)
    program.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    environment |= {"PATH": path, "OPENOCD_LOG": str(folder / "openocd.json")}
    return checkout.pio("run", "-e", env, "-t", "upload", "--upload-port", port, **environment)


def test_it_is_verified_and_the_board_asked(checkout: CleanCheckout, mps2: Path, tmp_path: Path) -> None:
    with Emulator(mps2) as board:
        result = upload(checkout, tmp_path, board.url)
    assert result.returncode == 0, result.stdout + result.stderr
    identity = tiny_bundle().identity
    assert f"mps2 at {board.url} runs bundle tiny, identity {identity}, at 25 MHz" in result.stdout
    script, command = json.loads((tmp_path / "openocd.json").read_text())[1::2]
    assert script == "board/st_nucleo_l4.cfg"
    assert command == "program {.pio/build/stm32l496/firmware.elf} verify reset exit"


def test_another_bundle_on_the_board_is_an_error(checkout: CleanCheckout, mps2: Path, tmp_path: Path) -> None:
    image, identity = tmp_path / "other.elf", tiny_bundle().identity
    image.write_bytes(mps2.read_bytes().replace(bytes.fromhex(identity), bytes(8)))
    seal(image)
    with Emulator(image) as board:
        result = upload(checkout, tmp_path, board.url)
    assert result.returncode != 0
    assert f"carries bundle 'tiny' with identity {'00' * 8}, not {identity}" in result.stderr


def test_where_openocd_fails_the_board_is_not_asked(checkout: CleanCheckout, tmp_path: Path) -> None:
    result = upload(checkout, tmp_path, "socket://127.0.0.1:1", OPENOCD_CODE="1")
    assert result.returncode != 0
    assert "Asking the board" not in result.stdout
