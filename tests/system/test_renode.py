"""Both boards' images in Renode, by the robot tests of firmware/renode; only where renode-test is on the PATH."""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clean_checkout import CleanCheckout
from tiny_bundle import tiny_bundle
from tinyscene.data.dataset import SCENES
from tinyscene.frontend.config import preset
from tinyscene.frontend.host import HostFrontend
from tinyscene.networks import conversion
from tinyscene.paths import REPOSITORY

RENODE_TEST = shutil.which("renode-test")
FOLDER = REPOSITORY / "firmware" / "renode"
RATE, SETTLING = 41667, 5 * 1024  # of the Nano's microphone

pytestmark = pytest.mark.xdist_group("pio")


def test_descriptions_download_nothing_and_name_files_that_exist() -> None:
    """Also where Renode is not: what a script includes is there, and no address of the network is in any."""
    for path in sorted(FOLDER.glob("*.re[sp]*")):
        text = path.read_text()
        assert "http" not in text
        for name in re.findall(r"\$ORIGIN/([\w.]+)$", text, re.MULTILINE):
            assert (FOLDER / name).is_file()


@pytest.fixture
def microphone(checkout: CleanCheckout, tmp_path: Path) -> list[str]:
    """Variables of the microphone's test: an image at its rate, two seconds of sound, and what the host hears."""
    bundle = tiny_bundle("listener", frontend=dataclasses.replace(preset("p1"), sample_rate=RATE, clip_samples=RATE))
    bundle.save(tmp_path / "listener", "# card\n")
    checkout.run("run", "-e", "nano33ble", TINYSCENE_BUNDLE=str(tmp_path / "listener"))
    image = checkout.built("nano33ble").rename(tmp_path / "listener.elf")
    samples = np.random.default_rng(1).normal(0, 3000, 3 * RATE).astype("<i2")
    samples.tofile(tmp_path / "sound.raw")
    clip = samples[SETTLING : SETTLING + RATE].astype(np.int16)
    heard = HostFrontend(bundle.frontend, bundle.normalisation, bundle.input).features(clip)
    scene = bundle.classes[int(conversion.run_reference(bundle.model, heard[None, :, :, None])[0].argmax())]
    values = {"MICROPHONE_IMAGE": image, "SOUND": tmp_path / "sound.raw", "SCENE": scene}
    return [word for name, value in values.items() for word in ("--variable", f"{name}:{value}")]


@pytest.mark.skipif(RENODE_TEST is None, reason="not run: renode-test is not on the PATH; install Renode 1.15 or newer")
def test_boards_in_renode(checkout: CleanCheckout, microphone: list[str], tmp_path: Path) -> None:
    assert RENODE_TEST is not None
    tiny_bundle("ten", classes=SCENES).save(tmp_path / "ten", "# card\n")
    checkout.run("run", TINYSCENE_BUNDLE=str(tmp_path / "ten"))
    images = tmp_path / "images"
    shutil.copytree(checkout.folder / ".pio" / "build", images)
    checkout.run("run", TINYSCENE_BUNDLE="models/student")  # as the other tests expect it
    command = tmp_path / "tinyscene"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tinyscene "$@"\n')
    command.chmod(0o755)
    variables = {
        "TINYSCENE": command,
        "IMAGES": images,
        "BUNDLE": tmp_path / "ten",
        "SCRATCH": tmp_path / "scratch",
    }
    given = [word for name, value in variables.items() for word in ("--variable", f"{name}:{value}")]
    result = subprocess.run(
        [RENODE_TEST, "-r", str(tmp_path / "results"), *given, *microphone, str(FOLDER / "boards.robot")],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "host")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
