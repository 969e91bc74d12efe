"""`tinyscene device profile` against a board in Python; a real image is profiled in tests/system."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fake_board import INFO, FakeBoard, FakePort, Faults, info_of
from tiny_bundle import tiny_bundle
from tinyscene.bundle.bundle import Bundle
from tinyscene.cycles import profile
from tinyscene.cycles.estimate import Estimate, Row
from tinyscene.cycles.image import BETWEEN_LAYERS, FRONT_END, NETWORK
from tinyscene.device.board import Board
from tinyscene.device.link import Link
from tinyscene.device.messages import unpack_profile_read
from tinyscene.device.protocol import ProtocolError
from tinyscene.errors import LinkError
from tinyscene.firmware.protocol import Request, Status
from tinyscene.frontend import signals
from tinyscene.frontend.config import FrontendConfig

CONFIG = FrontendConfig(
    sample_rate=8000, clip_samples=3000, n_fft=512, win_length=512, hop_length=256, n_mels=40, top_db=80.0
)
CLIP = np.arange(3000, dtype=np.int16)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A bundle of three layers: CONV_2D, MEAN, FULLY_CONNECTED."""
    return tiny_bundle(frontend=CONFIG)


@pytest.fixture(scope="module")
def folder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle on disk."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle.save(folder, "card")
    return folder


def carrying(bundle: Bundle, ticks: tuple[int, ...] = (70_000, 2_000, 500)) -> FakeBoard:
    """Return a board with that bundle."""
    return FakeBoard(replace(info_of(bundle), board="stm32l496"), ticks=ticks)


def test_many_layers_are_read_in_parts_over_a_bad_line() -> None:
    """300 layers take two answers, whatever the line does."""
    board = FakeBoard(INFO)
    with FakePort(board, to_board=Faults(1, flip=2e-4), to_host=Faults(2, lose=2e-4)) as port, Link(port.url) as link:
        run, ticks = Board(link).profile(CLIP)
    assert ticks == board.ticks
    assert (run.frontend_ticks, run.model_ticks, run.layers) == (2500, sum(board.ticks) + 5, 300)
    assert board.asked[Request.PROFILE_READ] >= 2


def test_a_restart_between_run_and_read_is_noticed() -> None:
    """The board has forgotten the profile then, and is asked again from the beginning."""
    board = FakeBoard(INFO)
    with FakePort(board) as port, Link(port.url) as link:
        connected = Board(link)
        connected.profile(CLIP)
        restart = sum(board.asked.values()) + sum((len(CLIP) // 510 + 1, 1, 1, 1))
        port.reset_at.add(restart)
        assert connected.profile(CLIP)[1] == board.ticks
        assert connected.transfers_repeated == 1


def test_table_and_json(
    bundle: Bundle, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers have the compiler's names; a prediction stands beside them; a picture is drawn."""
    rows = (
        Row(FRONT_END, "frontend_fft", None, 1000, 1500, 500),
        Row(NETWORK, BETWEEN_LAYERS, None, 10, 20, 0),
        Row(NETWORK, "CONV_2D", 0, 30_000, 30_000, 5_000),
        Row(NETWORK, "MEAN", 1, 1000, 2000, 0),
    )
    expected = Estimate("stm32l496", "tiny", bundle.identity, 25_000_000, 0.375, rows)
    monkeypatch.setattr(profile.estimate, "built_image", lambda _: tmp_path)
    monkeypatch.setattr(profile.estimate, "estimate", lambda *_: expected)
    with FakePort(carrying(bundle)) as port:
        profile.report(port.url, folder, True, tmp_path / "p.png", tmp_path / "p.json")
    said = capsys.readouterr().out
    assert "75,000 ticks at 25 MHz: 3.00 ms a clip" in said
    assert "emulated" not in said
    result = json.loads((tmp_path / "p.json").read_text())
    lines = [(line["layer"], line["name"], line["ticks"], line["predicted"], line["ratio"]) for line in result["lines"]]
    assert lines == [
        (None, "front end", 2500, 2000, 1.25),
        (0, "CONV_2D", 70_000, 35_000, 2.0),
        (1, "MEAN", 2_000, 2_000, 1.0),
        (2, "FULLY_CONNECTED", 500, None, None),
    ]
    assert result["lines"][1]["ms"] == 2.8
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_another_number_of_layers(bundle: Bundle, folder: Path) -> None:
    with (
        FakePort(carrying(bundle, (1, 2))) as port,
        pytest.raises(LinkError, match="has 2 layers where its bundle has 3"),
    ):
        profile.report(port.url, folder, False, None, None)


def test_firmware_without_the_request() -> None:
    board = FakeBoard(INFO, refuse={Request.PROFILE_RUN: Status.UNKNOWN_REQUEST})
    with FakePort(board) as port, Link(port.url) as link, pytest.raises(LinkError, match="does not know this request"):
        Board(link).profile(CLIP)


def test_answers_of_another_length() -> None:
    assert unpack_profile_read(bytes(8), 2) == (0, 0)
    for length in (7, 9):
        with pytest.raises(ProtocolError, match="8 were expected"):
            unpack_profile_read(bytes(length), 2)


def test_the_clip_is_the_one_that_is_estimated(bundle: Bundle) -> None:
    """Both look at the same signal, so that soft frames do not make the difference."""
    board = carrying(bundle)
    with FakePort(board) as port, Link(port.url) as link:
        profile.measure(Board(link), bundle)
    assert board.audio == signals.clips(bundle.frontend)["noise"].tobytes()
