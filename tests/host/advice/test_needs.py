"""What a bundle takes of a board is estimated, and what does not fit is one sentence with the remedy."""

import dataclasses

import pytest

from tiny_bundle import tiny_bundle
from tinyscene.advice import needs
from tinyscene.advice.needs import Fit, Needs
from tinyscene.experiments import network_cost
from tinyscene.firmware import boards
from tinyscene.frontend import FrontendConfig
from tinyscene.frontend.config import preset

LONG = FrontendConfig(sample_rate=48000, clip_samples=1_440_000, n_fft=1920, win_length=1920, hop_length=960, n_mels=40)


def test_ram_grows_with_image_front_end_and_classes() -> None:
    bundle = tiny_bundle()
    cost = network_cost.estimate(bundle.model)
    found = needs.of(bundle.frontend, bundle.model, 5)
    assert found.seconds == 1
    # history of 1,765 samples of 16 bits, two arrays of 1,764 floats, 17 rows of probabilities
    assert found.ram_bytes == cost.ram_bytes + 2 * 1765 + 4 * (1764 + 1764) + 4 * 17 * 5
    assert needs.of(bundle.frontend, bundle.model, 200).ram_bytes - found.ram_bytes == 4 * 17 * 195
    assert 51 * 130_000 < found.instructions - cost.instructions < 51 * 160_000  # 145,509 a frame are measured


def test_what_fits_has_no_problem_and_what_does_not_says_which_memory() -> None:
    board = boards.named("nano33ble")
    fits = Fit(board, Needs(ram_bytes=20_000, flash_bytes=60_000, arena_bytes=17_000, instructions=10**7, seconds=1.0))
    assert fits.problem is None
    assert fits.joules == pytest.approx(64 * 52e-6 * 3.0 * fits.seconds)
    assert Fit(boards.named("mps2"), fits.needs).joules is None
    assert str(fits) == "nano33ble: about 111 of 256 KB RAM, 108 of 960 KB flash, 273 ms an answer"
    for changed, problem in (
        ({"ram_bytes": 160_000}, "about 248 of the 256 KB of RAM of nano33ble; choose a shorter window"),
        ({"flash_bytes": 900_000}, "about 928 of the 960 KB of flash of nano33ble"),
        ({"instructions": 4 * 10**7}, "about 1.1 s, too long for windows of 1 s; choose a lower rate"),
    ):
        fit = Fit(board, dataclasses.replace(fits.needs, **changed))
        assert fit.problem is not None
        assert problem in fit.problem


@pytest.mark.parametrize("front", [preset("p1"), LONG], ids=["one second", "thirty seconds"])
def test_every_board_has_what_an_estimate_needs(front: FrontendConfig) -> None:
    bundle = tiny_bundle(frontend=front)
    for board in boards.every().values():
        fit = Fit(board, needs.of(front, bundle.model, 5))
        assert 20_000 < fit.ram_bytes < board.ram_bytes
        assert 46_000 < fit.flash_bytes < board.flash_bytes
        assert (board.power is None) == board.emulated_only
