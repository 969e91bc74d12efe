"""An image whose network is compiled for speed computes the same bytes, and the choice stays until another is made."""

from pathlib import Path

import numpy as np
import pytest

from clean_checkout import CleanCheckout
from tinyscene.bundle.bundle import Bundle
from tinyscene.device.board import Board
from tinyscene.device.emulators.emulator import Emulator
from tinyscene.device.link import Link
from tinyscene.networks import conversion
from tinyscene.paths import REPOSITORY

pytestmark = pytest.mark.xdist_group("pio")


def test_image_for_speed_gives_the_references_bytes(tmp_path: Path) -> None:
    bundle = Bundle.load(REPOSITORY / "models" / "student")
    checkout = CleanCheckout(tmp_path)
    choice = {"TINYSCENE_BUNDLE": str(REPOSITORY / "models" / "student"), "TINYSCENE_OPTIMIZE": "speed"}
    assert f"identity {bundle.identity}, for speed" in checkout.run("run", "-e", "mps2", **choice)
    assert "engine_winograd" in (checkout.folder / "firmware" / "generated" / "model.c").read_text()
    again = checkout.run("run", "-e", "mps2")
    assert ", for speed" in again
    assert "Compiling" not in again
    image = np.random.default_rng(1).integers(-128, 128, bundle.frontend.shape, dtype=np.int8)
    with Emulator(checkout.built("mps2")) as emulator, Link(emulator.url) as link:
        answer = Board(link, bundle.identity).classify_features(image)
    assert answer.outputs.tolist() == conversion.run_reference(bundle.model, image[None, :, :, None])[0].tolist()
