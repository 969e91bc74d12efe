"""`pio run` with TensorFlow Lite Micro as the runtime, for real, but with a small pack in place of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from clean_checkout import CleanCheckout
from tiny_bundle import tiny_bundle
from tinyscene.device.board import Board
from tinyscene.device.emulators.emulator import Emulator
from tinyscene.device.link import Link
from tinyscene.errors import ToolError
from tinyscene.paths import REPOSITORY
from tinyscene.tflm import library

pytestmark = pytest.mark.xdist_group("pio")

PACK = REPOSITORY / "tests" / "tiny_tflm"
PINS = '[[pack]]\nvendor = "tests"\nname = "tiny"\nversion = "1.0.0"\nurl = "http://127.0.0.1:9/"\nsha256 = ""\n'


def test_without_packs_the_build_names_the_remedy(checkout: CleanCheckout, tmp_path: Path) -> None:
    result = checkout.pio("run", "-e", "mps2_tflm", TINYSCENE_CACHE=str(tmp_path))
    assert result.returncode != 0
    assert "tinyscene packs install" in " ".join((result.stdout + result.stderr).split())
    assert "Traceback" not in result.stdout + result.stderr


def test_a_build_boots_and_answers_as_its_runtime_does(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    try:
        library.compilers()
    except ToolError as missing:
        pytest.skip(str(missing))
    checkout = CleanCheckout(tmp_path_factory.mktemp("tflm"))
    bundle = tiny_bundle()
    bundle.save(checkout.folder / "models" / "student", "# card\n")
    (checkout.folder / "host" / "tinyscene" / "tflm" / "packs" / "packs.toml").write_text(PINS)
    cache = {"TINYSCENE_CACHE": str(tmp_path)}
    python = {**os.environ, **cache, "PYTHONPATH": str(checkout.folder / "host")}
    install = [sys.executable, "-m", "tinyscene", "packs", "install", "--from", str(PACK.parent)]
    subprocess.run(install, env=python, check=True, capture_output=True)

    printed = checkout.run("run", "-e", "mps2_tflm", **cache)
    assert f"Bundle: tiny, identity {bundle.identity}, for memory, cmsis-nn" in printed
    assert "warning:" not in printed
    header = (checkout.folder / "firmware" / "generated_tflm" / "model.h").read_text()
    assert "#define MODEL_ARENA_BYTES 4112 " in header  # 4101 bytes, to 16
    assert not (checkout.folder / "firmware" / "generated").exists()
    with checkout.built("mps2_tflm").open("rb") as stream:
        elf = ELFFile(stream)
        symbols = {symbol.name for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
        assert elf.get_section_by_name(".init_array") is None
        assert bundle.model in elf.get_section_by_name(".constants").data()
    assert not {"malloc", "_sbrk", "printf", "_Znwj", "_ZdlPv", "_ZdlPvj", "engine_run"} & symbols

    images = np.random.default_rng(1).integers(-128, 128, (3, 80, 51), np.int8)
    with Emulator(checkout.built("mps2_tflm"), "mps2_tflm") as emulator, Link(emulator.url) as link:
        board = Board(link, bundle.identity)
        board.identify()
        for image in images:
            assert board.classify_features(image).outputs.tolist() == image.reshape(-1)[:5].tolist()
        assert len(board.profile(np.zeros(44100, np.int16))[1]) == 3

    assert "Compiling" not in checkout.run("run", "-e", "mps2_tflm", **cache)
