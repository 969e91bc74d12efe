"""Starting an emulated board: what can be wrong before it runs. What it does then is in tests/system."""

import socket
from pathlib import Path

import pytest

from tinyscene.device.emulators import emulate, emulator
from tinyscene.device.emulators.emulate import run
from tinyscene.device.emulators.emulator import Emulator, built_image
from tinyscene.errors import ToolError


@pytest.mark.parametrize(
    ("env", "engine", "said"),
    [
        ("nano33ble", "qemu", "qemu cannot emulate nano33ble; choose --emulator unicorn or renode"),
        ("mps3", None, "no emulator knows the environment 'mps3'; choose disco_l496, mps2, nano33ble, stm32l496"),
        ("mps2", "renode", "renode cannot emulate mps2; choose --emulator qemu"),
    ],
)
def test_what_cannot_be_emulated(env: str, engine: str | None, said: str) -> None:
    """The message says what is available."""
    with pytest.raises(ToolError, match=said):
        run(env, engine, 0)


@pytest.mark.parametrize(("env", "slow"), [("mps2", False), ("stm32l496", True)])
def test_a_line_too_slow_for_scores_is_said(
    env: str, slow: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anybody waits for an answer that does not come."""

    class Started:
        url, exit_code = "socket://127.0.0.1:1", 0

        def __init__(self, *_: object) -> None: ...
        def __enter__(self) -> "Started":
            return self

        def __exit__(self, *_: object) -> None: ...
        def wait(self) -> None: ...

    monkeypatch.setattr(emulate, "Emulator", Started)
    emulate._in_qemu(Path("firmware.elf"), env, 0)
    said = " ".join(capsys.readouterr().err.split())
    assert ("enough for `tinyscene device info`, not for scores" in said) == slow


def test_nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an image the message says how to build one."""
    monkeypatch.setattr(emulator, "PROJECT", tmp_path)
    with pytest.raises(ToolError, match=r"firmware\.elf is not there; build it with: pio run -e mps2"):
        built_image("mps2")
    image = tmp_path / ".pio" / "build" / "mps2" / "firmware.elf"
    image.parent.mkdir(parents=True)
    image.touch()
    assert built_image("mps2") == image


def test_qemu_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to install it."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="apt-get install qemu-system-arm"):
        Emulator(Path("firmware.elf")).start()


def test_qemu_is_too_old_for_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which version has it."""
    program = tmp_path / emulator.PROGRAM
    program.write_text("#!/bin/sh\necho 'mps2-an386   Arm MPS2 with AN386 FPGA image for Cortex-M4'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="does not know b-l475e-iot01a; install QEMU 10 or newer"):
        Emulator(tmp_path / "firmware.elf", "stm32l496").start()


def test_image_that_is_not_there(tmp_path: Path) -> None:
    """QEMU's own reason is passed on, its first line only."""
    with pytest.raises(ToolError, match=r"could not run .*firmware\.elf: .") as error:
        Emulator(tmp_path / "firmware.elf").start()
    assert "\n" not in str(error.value)


def test_image_that_locks_up(tmp_path: Path) -> None:
    """QEMU ends by itself, before it has said that it runs or a moment later: its reason is kept either way."""
    path = tmp_path / "firmware.elf"
    path.write_bytes(b"\x7fELF" + bytes(60))
    try:
        with Emulator(path) as emulator:
            assert emulator.wait(60)
            assert emulator.exit_code
            said = emulator.complaints()
    except ToolError as error:
        said = str(error)
    assert "Lockup" in said


def test_port_is_taken() -> None:
    """A port that another program has, or that is none, is named."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ToolError, match=f"TCP port {port} .*choose another --port"):
            Emulator(Path("firmware.elf"), port=port).start()
    with pytest.raises(ToolError, match=r"TCP port 70000 .*choose another --port"):
        Emulator(Path("firmware.elf"), port=70000).start()


def test_renode_is_missing_or_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says where to get it, or what it said last."""
    monkeypatch.setattr(emulator, "built_image", lambda _: tmp_path / "my image (1).elf")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"renode is not on the PATH; install it from renode\.io"):
        run("nano33ble", "renode", 0)
    script = """#!/bin/sh\nprintf '%s' "$5" >"${0%/*}/said"\necho first\necho last words\nexit 3\n"""
    (tmp_path / "renode").write_text(script)
    (tmp_path / "renode").chmod(0o755)
    with pytest.raises(ToolError, match="renode ended with code 3: last words"):
        run("nano33ble", "renode", 0)
    assert (tmp_path / "said").read_text().startswith(f"$bin=@{tmp_path}/my\\ image\\ (1).elf; ")
