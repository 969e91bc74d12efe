"""`tinyscene device crash`: function and line of a crash, as the toolchain's own addr2line names them."""

import json
import re
import subprocess
import threading
from pathlib import Path

import pytest

from clean_checkout import CleanCheckout
from tinyscene.device import crash_places
from tinyscene.device.emulators.board_models import Stm32L496
from tinyscene.device.emulators.emulate import HOST, listen, serve
from tinyscene.errors import ToolError
from tinyscene.firmware.source_lines import SourceLines

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]

HARD_FAULT = 3  # exception


@pytest.fixture(scope="module")
def image(checkout: CleanCheckout) -> Path:
    """The image of a board."""
    return checkout.built("stm32l496")


@pytest.fixture(scope="module")
def crashed(image: Path) -> str:
    """The URL of a board that met a fault while it waited, and restarted."""
    machine = Stm32L496(image)
    machine.run()
    assert machine.take_exception(HARD_FAULT)
    machine.reset()
    listener = listen(0)
    threading.Thread(target=serve, args=(machine, listener), daemon=True).start()
    return f"socket://{HOST}:{listener.getsockname()[1]}"


def test_every_instruction_is_where_addr2line_says(image: Path) -> None:
    lines = SourceLines.load(image)
    addresses = [address for first, end, _ in lines.functions for address in range(first, end, 2)]
    said = subprocess.run(
        ["arm-none-eabi-addr2line", "-e", image],
        input="\n".join(map(hex, addresses)),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(said) == len(addresses) > 10_000
    differ = [
        (hex(address), answer, place)
        for address, answer in zip(addresses, said, strict=True)
        if (place := lines.at(address)) is None
        or _there(answer) not in (None, (Path(place.file or "").name, place.line))
    ]
    assert differ == []


def _there(answer: str) -> tuple[str, int] | None:
    """Read addr2line's answer; None: it knows no line."""
    found = re.fullmatch(r"(.+):(\d+)( \(discriminator \d+\))?", answer)
    return (Path(found[1]).name, int(found[2])) if found and int(found[2]) else None


def test_a_crash_is_shown_with_function_and_line(
    crashed: str, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crash_places.report(crashed, image, as_json=tmp_path / "crash.json")
    said = capsys.readouterr().out
    assert "last crash: fault" in said
    waits = re.search(r"^pc: +(\w+) \((firmware/\S+\.[ch]):(\d+)\)$", said, re.MULTILINE)
    assert waits, said
    assert (Path(__file__).parents[2] / waits[2]).is_file()
    assert json.loads((tmp_path / "crash.json").read_text())["places"]["pc"] in said


def test_another_image_is_refused(crashed: str, checkout: CleanCheckout, tmp_path: Path) -> None:
    other = checkout.built("nano33ble")
    with pytest.raises(ToolError, match=r"is not the image that the board runs, build [0-9a-f]{12} gcc"):
        crash_places.report(crashed, other)
    with pytest.raises(ToolError, match="cannot be read"):
        crash_places.report(crashed, tmp_path / "missing.elf")
    (tmp_path / "no.elf").write_bytes(b"text")
    with pytest.raises(ToolError, match="is not an ELF image"):
        SourceLines.load(tmp_path / "no.elf")


def test_an_unknown_build_is_shown_without_places(
    crashed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crash_places, "BUILDS", tmp_path)
    crash_places.report(crashed, forget=True)
    said = capsys.readouterr()
    assert "last crash: fault" in said.out
    assert "name the flashed ELF file with --elf" in " ".join(said.err.split())
    crash_places.report(crashed)
    assert "last crash: none" in capsys.readouterr().out
