"""Fixtures that every test may use: the real clips where they are there, and a small synthetic data set everywhere."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tinyscene.data import synth
from tinyscene.paths import REPOSITORY

SHARED_DATA = REPOSITORY.parent / "shared" / "data"
UNPACKED = REPOSITORY / "build" / "tests"


class ByFile(LoadScopeScheduling):
    """With `pytest -n 2`, a file's tests stay in one worker, which makes its fixtures once; so do all of tests/system.

    Those run PlatformIO, and two at once would get in each other's way in its folder of packages.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return "tests/system" if file.startswith("tests/system/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Tell pytest-xdist to schedule so."""
    return ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many generated networks were compared with TensorFlow Lite."""
    counts: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            counts.update({name: value for name, value in report.user_properties if name.startswith("networks on ")})
    if counts:
        found = ", ".join(f"{name.removeprefix('networks on ')} {count}" for name, count in sorted(counts.items()))
        terminalreporter.write_line(f"generated networks compared with TensorFlow Lite: {found}")


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


@pytest.fixture(scope="session")
def random_networks() -> dict[str, bytes]:
    """Student and baseline with random weights, as INT8 .tflite files."""
    from tinyscene.compiler import complexity

    return {name: complexity.converted(name) for name in ("student", "baseline")}
