"""The CMSIS-DSP sources: fetched once, by hash, completely or not at all."""

import dataclasses
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tinyscene.errors import ToolError
from tinyscene.toolchain import cmsis_dsp


def make_archive(folder: Path, files: dict[str, str], *, links: dict[str, str] | None = None) -> cmsis_dsp.Pin:
    """Write cmsisdsp-0.0.1.tar.gz with these members, and return its pin."""
    path = folder / "cmsisdsp-0.0.1.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return cmsis_dsp.Pin("0.0.1", hashlib.sha256(path.read_bytes()).hexdigest())


def test_only_the_c_files_are_extracted(tmp_path):
    files = {
        "p/Include/a.h": "a",
        "p/Source/F/b.c": "b",
        "p/LICENSE": "l",
        "p/setup.py": "no",
        "p/Source/c.cmake": "no",
    }
    pin = make_archive(tmp_path, files)
    folder = cmsis_dsp.fetch(tmp_path / "cmsis-dsp", pin)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"Include/a.h", "Source/F/b.c", "LICENSE", ".sha256"}
    assert {path.name for path in tmp_path.iterdir()} == {"cmsis-dsp", "cmsisdsp-0.0.1.tar.gz"}


def test_nothing_is_written_outside_the_folder(tmp_path):
    evil = {"p/Source/../../../evil.c": "x", "/Source/evil.c": "x", "p/Source/ok.c": "x"}
    dependencies = tmp_path / "deps"
    dependencies.mkdir()
    pin = make_archive(dependencies, evil, links={"p/Source/link.c": "/etc/passwd"})
    folder = cmsis_dsp.fetch(dependencies / "cmsis-dsp", pin)
    assert sorted(tmp_path.rglob("*.c")) == [folder / "Source" / "evil.c", folder / "Source" / "ok.c"]


def test_a_complete_folder_is_left_alone_and_another_version_is_replaced(tmp_path):
    pin = make_archive(tmp_path, {"p/Source/old.c": "1"})
    folder = cmsis_dsp.fetch(tmp_path / "cmsis-dsp", pin)
    (tmp_path / pin.archive).unlink()
    assert cmsis_dsp.fetch(folder, pin) == folder  # neither archive nor network is needed
    newer = make_archive(tmp_path, {"p/Source/new.c": "2"})
    cmsis_dsp.fetch(folder, newer)
    assert [path.name for path in folder.rglob("*.c")] == ["new.c"]


def test_another_archive_is_refused_and_the_sources_stay(tmp_path):
    pin = make_archive(tmp_path, {"p/Source/old.c": "1"})
    folder = cmsis_dsp.fetch(tmp_path / "cmsis-dsp", pin)
    with pytest.raises(ToolError, match=r"cmsisdsp-0\.0\.1\.tar\.gz does not have the SHA-256.*remove it"):
        cmsis_dsp.fetch(folder, dataclasses.replace(pin, sha256="0" * 64))
    assert (folder / "Source" / "old.c").read_text() == "1"


def test_offline_is_one_sentence_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ToolError, match=rf"cannot download .* copy that file into {tmp_path}, and run") as caught:
        cmsis_dsp.fetch(tmp_path / "cmsis-dsp")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
