"""Fixtures that every test may use: the real clips where they are there, and a small synthetic data set everywhere."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tinyscene import synth
from tinyscene.paths import REPOSITORY

SHARED_DATA = REPOSITORY.parent / "shared" / "data"
UNPACKED = REPOSITORY / "build" / "tests"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `pytest -n 2 --dist loadgroup`, keep a file's tests in one worker, which then makes its fixtures once.

    Files that run PlatformIO say `pytestmark = pytest.mark.xdist_group("emulated board")`: two at once would get in
    each other's way in PlatformIO's folder of packages.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder ../shared/data beside the repository, with tau_mini, tau2022_lists and micirp."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real clips are not here: no folder ../shared/data beside the repository")
    return SHARED_DATA


@pytest.fixture(scope="session")
def tau_mini(shared_data: Path) -> Path:
    """1,041 real clips in the official layout, unpacked once; read only, copy what you change."""
    unpack = shared_data / "unpack"
    version = hashlib.sha256(unpack.read_bytes() + (shared_data / "tau_mini" / "meta.csv").read_bytes()).hexdigest()
    folder = UNPACKED / f"tau_mini-{version[:8]}"
    if not folder.is_dir():
        UNPACKED.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=UNPACKED))
        subprocess.run([sys.executable, unpack, temporary], check=True, stdout=subprocess.DEVNULL)
        try:
            temporary.replace(folder)
        except OSError:  # another worker was first
            shutil.rmtree(temporary)
    return folder


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic data set of 12 clips a scene, the same in every run; read only, copy what you change."""
    folder = tmp_path_factory.mktemp("synthetic")
    synth.write_dataset(folder, clips_per_scene=12, seed=1)
    return folder
