"""The doctor finds what is here, tells how to get what is not, and says by its exit code whether that matters."""

import importlib.metadata
import shutil
import sys
from pathlib import Path

import pytest

from pack_maker import pins_text, write_unpacked
from tinyscene.cli import doctor
from tinyscene.tflm.packs import install, pins
from tinyscene.toolchain import cmsis_dsp


def finding(what: str) -> doctor.Finding:
    return next(finding for finding in doctor.examine() if finding.what == what)


def without(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == command else which(name))


def test_this_machine_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.report() == 0
    assert "everything required is here" in capsys.readouterr().out


def test_versions_are_shown() -> None:
    assert finding("Python").found == ".".join(map(str, sys.version_info[:3]))
    packages = finding("Python packages").found
    assert packages is not None
    assert f"tensorflow {importlib.metadata.version('tensorflow')}" in packages
    assert (finding("QEMU").found or "").startswith("qemu-system-arm ")


@pytest.mark.parametrize(
    ("command", "what", "remedy"),
    [
        ("qemu-system-arm", "QEMU", "apt-get install qemu-system-arm"),
        ("arm-none-eabi-gcc", "newlib for Arm", "apt-get install libnewlib-arm-none-eabi"),
    ],
)
def test_a_missing_program(
    command: str, what: str, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, command)
    assert finding(what) == doctor.Finding(what, None, remedy)
    assert doctor.report() == 1
    assert f"{what}" in capsys.readouterr().out.splitlines()[-1]


def test_a_missing_optional_program_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "openocd")
    assert doctor.report() == 0


def test_a_package_at_another_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0" if name == "keras" else version(name))
    wrong = finding("keras")
    assert wrong.found is None
    assert wrong.remedy == f"1.0 is here, {version('keras')} is wanted: make setup"
    assert doctor.report() == 1
    assert "missing: keras" in capsys.readouterr().out


def test_sources_that_were_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cmsis_dsp, "FOLDER", tmp_path / "cmsis-dsp")
    assert finding("CMSIS-DSP sources") == doctor.Finding("CMSIS-DSP sources", None, "make setup")


def test_packs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    what = "CMSIS-Packs (firmware with TensorFlow Lite Micro)"
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pins, "PINS", tmp_path / "packs.toml")
    (tmp_path / "packs.toml").write_text(pins_text())
    assert finding(what) == doctor.Finding(what, None, "tinyscene packs install", required=False)
    install.run(str(write_unpacked(tmp_path / "unpacked")))
    assert finding(what).found == "2 packs, 0 of them verified"


def test_a_requirement_for_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = ["nothing==1.0; sys_platform == 'moon' and extra == 'dev'", "numpy==9.9; extra == 'dev'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: elsewhere)
    assert [each.what for each in doctor.examine() if "is wanted" in each.remedy or "not installed" in each.remedy] == [
        "numpy"
    ]


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)  # noqa: ARG005
    assert finding("disk space").remedy == "only 1.0 GiB is free; 4 GiB are needed"
