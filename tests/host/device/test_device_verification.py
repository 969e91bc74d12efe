"""Verifying a board: one that is right passes, and one with a fault is told its first wrong stage."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from serial.urlhandler import protocol_socket
from typer.testing import CliRunner

from broken_tables import FAULTS, broken_tables
from fake_board import INFO, FakeBoard, FakePort, info_of
from tiny_bundle import tiny_bundle
from tinyscene import paths
from tinyscene.bundle.bundle import Bundle
from tinyscene.cli import app
from tinyscene.console import console
from tinyscene.device import verification
from tinyscene.errors import BundleError, ToolError
from tinyscene.firmware.protocol import Request, Status
from tinyscene.frontend import golden
from tinyscene.frontend.host import HostFrontend
from tinyscene.frontend.stage import Stage
from tinyscene.networks import conversion


class BundleBoard(FakeBoard):
    """A board that carries a bundle: the C front end of this machine, and TensorFlow Lite as its network."""

    def __init__(self, bundle: Bundle, model: bytes | None = None) -> None:
        self.frontend = HostFrontend(bundle.frontend, bundle.normalisation, bundle.input)
        self.model = model or bundle.model
        super().__init__(info_of(bundle), bundle.frontend.win_length)

    def run_image(self) -> bytes:
        image = np.frombuffer(bytes(self.image), np.int8).reshape(1, self.info.mels, self.info.frames)
        return conversion.run_reference(self.model, image)[0].tobytes()

    def run_audio(self, audio: bytes) -> bytes:
        self.image[:] = self.frontend.features(np.frombuffer(audio, "<i2").astype(np.int16)).tobytes()
        return self.run_image()

    def stage(self, stage: int) -> NDArray[np.float32]:
        return self.frontend.stage(self.frame, Stage(stage))


@pytest.fixture(autouse=True)
def quick_and_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not sleep 0.3 s, as pyserial does whenever it closes a socket; and give tables the room that they want."""
    monkeypatch.setattr(console, "_width", 120)  # COLUMNS does not reach it in a worker of pytest-xdist
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A small network behind a small front end."""
    return tiny_bundle("small", frontend=golden.CONFIGS["short_window"])


@pytest.fixture(scope="module")
def folder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle on disk."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle.save(folder, "card")
    return folder


@pytest.fixture(params=["compiler", "no compiler"])
def compiler(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """Whether verification finds a C compiler; boards that are made before it begins always do."""

    def refuse(*_: object) -> None:
        raise ToolError("no C compiler (cc) on the PATH; install one with: apt-get install gcc")

    if request.param == "no compiler":
        monkeypatch.setattr(verification, "HostFrontend", refuse)
    return request.param == "compiler"


def verified(board: FakeBoard, capsys: pytest.CaptureFixture[str], *options: object) -> tuple[int, list[str], str]:
    """Run the command; returns its exit code, its lines and its standard error."""
    with FakePort(board) as port:
        result = CliRunner().invoke(app, ["device", "verify", "--port", port.url, *map(str, options)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    said = capsys.readouterr()
    return result.exit_code, (result.stdout + said.out).splitlines(), result.stderr + said.err


def rows(lines: list[str]) -> dict[str, list[str]]:
    """Return the table's cells by stage."""
    cells = [[cell.strip() for cell in line.strip().split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert {len(row) for row in cells} == {7}, "\n".join(lines)
    assert all(stage for stage, *_ in cells), "\n".join(lines)
    return {stage: rest for stage, *rest in cells}


def test_a_right_board_agrees_at_every_stage(
    bundle: Bundle, folder: Path, compiler: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, said = verified(BundleBoard(bundle), capsys, "--bundle", folder, "--json", tmp_path / "out.json")
    assert code == 0
    assert lines[-1] == "fake agrees at every stage"
    table = rows(lines)
    assert list(table) == list(verification.LOOK_AT)
    assert {row[-1] for row in table.values()} == {"agrees"}
    assert table["windowed"][:2] == ["8", f"{8 * 294:,}"]
    assert table["outputs"][:2] == ["6", "30"]
    assert [row[4] for row in table.values()] == ["same bits" if compiler else ""] * 6 + [""]
    assert ("bits are not compared with this machine's C: no C compiler (cc)" in said) is not compiler
    result = json.loads((tmp_path / "out.json").read_text())
    assert (result["agrees"], result["first_difference"], result["bits_compared"]) == (True, None, compiler)
    assert (result["identity"], result["emulated"]) == (bundle.identity, False)
    assert len(result["stages"]) == 8 * 5 + 2 * 2 + 4


@pytest.mark.parametrize("stage", FAULTS)
def test_a_wrong_table_is_named(
    bundle: Bundle,
    folder: Path,
    stage: str,
    compiler: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with broken_tables(stage):
        board = BundleBoard(bundle)
    code, lines, _ = verified(board, capsys, "--bundle", folder, "--json", tmp_path / "out.json")
    assert code == 1
    assert lines[-1].startswith(f"the first stage that differs is {stage}: ")
    assert lines[-1].endswith(f"look at {verification.LOOK_AT[stage]}")
    assert (", and not with the bits of this machine's C; look at" in lines[-1]) is compiler
    found = rows(lines)
    before, after = list(found)[: list(found).index(stage)], found[stage]
    assert {found[name][-1] for name in before} <= {"agrees"}
    assert after[-1] == "differs"
    assert after[-2].endswith(" differ") is compiler
    assert found["outputs"][-1] == "agrees"  # on the board's own features
    assert json.loads((tmp_path / "out.json").read_text())["first_difference"] == stage


def test_another_network_is_named(bundle: Bundle, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tiny_bundle("other", seed=2, frontend=bundle.frontend)
    code, lines, _ = verified(BundleBoard(bundle, other.model), capsys, "--bundle", folder)
    assert code == 1
    assert lines[-1].startswith("the first stage that differs is outputs: ")
    assert " are those of TensorFlow Lite's reference kernels, the others are up to " in lines[-1]
    assert [row[-1] for row in rows(lines).values()] == ["agrees"] * 6 + ["differs"]


def test_another_rounding_is_found_only_by_the_bits(
    bundle: Bundle, folder: Path, compiler: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A unit in the last place, as a fused multiplication makes it."""

    class Rounding(BundleBoard):
        def stage(self, stage: int) -> NDArray[np.float32]:
            values = super().stage(stage)
            return values * np.float32(1 + 2**-23) if stage == Stage.POWER else values

    code, lines, _ = verified(Rounding(bundle), capsys, "--bundle", folder)
    assert code == (1 if compiler else 0)
    if compiler:
        assert lines[-1].startswith("the first stage that differs is power: ")
        assert " is near librosa (" in lines[-1]
        assert "but differs in bits from this machine's C; look at" in lines[-1]


def test_a_board_that_sends_no_numbers(
    bundle: Bundle, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(BundleBoard):
        def stage(self, stage: int) -> NDArray[np.float32]:
            return np.full_like(super().stage(stage), np.nan)

    code, lines, _ = verified(Broken(bundle), capsys, "--bundle", folder, "--json", tmp_path / "out.json")
    assert code == 1
    assert lines[-1].startswith("the first stage that differs is windowed: ")
    assert json.loads((tmp_path / "out.json").read_text())["stages"][0]["snr_db"] is None


def test_the_bundle_is_found_by_its_identity(
    bundle: Bundle, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In models/, beside ones that are others or broken; or where the last export says."""
    board = BundleBoard(bundle)
    monkeypatch.setattr(verification, "REPOSITORY", tmp_path)
    monkeypatch.setattr(verification.export, "read_record", dict)
    tiny_bundle("other", seed=2, frontend=bundle.frontend).save(tmp_path / "models" / "a", "card")
    (tmp_path / "models" / "b").mkdir()
    (tmp_path / "models" / "b" / "bundle.toml").write_text("format =")
    with pytest.raises(
        BundleError, match=rf"'small' with identity {bundle.identity}, .* name its folder with --bundle"
    ):
        verification.find_bundle(board.info)
    monkeypatch.setattr(verification.export, "read_record", lambda: {"bundle": str(folder)})
    assert verification.find_bundle(board.info) == bundle
    monkeypatch.setattr(verification.export, "read_record", dict)
    bundle.save(tmp_path / "models" / "c", "card")
    code, lines, _ = verified(board, capsys)
    assert (code, lines[-1]) == (0, "fake agrees at every stage")


def test_shipped_models_are_found() -> None:
    for folder in (paths.REPOSITORY / "models").iterdir():
        model = Bundle.load(folder)
        info = replace(INFO, identity=model.identity)
        assert verification.find_bundle(info) == model


def test_another_bundle_is_refused(bundle: Bundle, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = BundleBoard(bundle)
    board.info = replace(board.info, identity="fedcba9876543210")
    with pytest.raises(Exception, match=f"fedcba9876543210, not {bundle.identity}"):
        verified(board, capsys, "--bundle", folder)


def test_firmware_without_the_requests_is_refused(
    bundle: Bundle, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = BundleBoard(bundle)
    board.refuse[Request.PROBE_WRITE] = Status.UNKNOWN_REQUEST
    with pytest.raises(Exception, match="refused PROBE_WRITE: its firmware does not know this request"):
        verified(board, capsys, "--bundle", folder)


def test_tables_of_another_size_are_refused(bundle: Bundle, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Other(BundleBoard):
        def stage(self, stage: int) -> NDArray[np.float32]:
            return super().stage(stage)[:-1]

    with pytest.raises(Exception, match="293 values at stage windowed where its bundle has 294; build and flash"):
        verified(Other(bundle), capsys, "--bundle", folder)
