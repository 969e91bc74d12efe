"""Workers of this machine and of a Dask cluster: bounded work, the same features, and nothing lost with a worker."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import distributed
import joblib
import numpy as np
import pytest
import soundfile

from tinyscene.data.dataset import Clip, Dataset
from tinyscene.errors import DatasetError, ToolError
from tinyscene.frontend import cache as feature_cache, config as frontend_config, features, pools

CONFIG = frontend_config.preset("p1")
DASK = Path(sys.executable).parent / "dask"
CLIPS, BATCH = 96, 16


def use(pool: AbstractContextManager[Executor], function: Callable[[int], Any]) -> Any:
    """Have one thing done in a pool."""
    with pool as executor:
        (result,) = pools.unordered(executor, function, [-1], 1)
    return result


def test_work_is_bounded_and_all_of_it_is_done() -> None:
    submitted, most = 0, 0

    class Counting(ThreadPoolExecutor):
        def submit(self, *arguments: object, **options: object) -> Future:
            nonlocal submitted
            submitted += 1
            return super().submit(*arguments, **options)

    results = []
    with Counting(3) as executor:
        for result in pools.unordered(executor, abs, range(-50, 0), at_once=5):
            time.sleep(0.001)  # the workers are quicker
            most = max(most, submitted - len(results))
            results.append(result)
    assert sorted(results) == list(range(1, 51))
    assert most == 5


def test_a_killed_worker_is_one_sentence_and_the_next_call_has_new_ones() -> None:
    with pytest.raises(ToolError, match=r"a worker process was killed.*to resume, run the same command") as caught:
        use(pools.processes(2), lambda _: os.kill(os.getpid(), signal.SIGKILL))
    assert "\n" not in str(caught.value)
    assert use(pools.processes(2), abs) == 1


def test_joblib_finds_its_own_workers_afterwards() -> None:
    """Training does so: features first, then a fold in each process."""
    assert use(pools.processes(2), abs) == 1
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(number) for number in (-1, -2)) == [1, 2]
    assert use(pools.processes(2), abs) == 1


def test_an_exception_ends_the_workers() -> None:
    pool = pools.processes(1)
    worker = pool.__enter__().submit(os.getpid).result()
    assert not pool.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not Path(f"/proc/{worker}").exists()


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Clips of noise, read only."""
    root = tmp_path_factory.mktemp("noise")
    (root / "audio").mkdir()
    random = np.random.default_rng(1)
    for i in range(CLIPS):
        soundfile.write(root / "audio" / f"park-lyon-{i}-{i}-0-a.wav", random.normal(0, 0.05, 44100), 44100, "PCM_24")
    return Dataset(root)


@pytest.fixture(scope="module")
def expected(noise: Dataset, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Their features, computed in this process."""
    return features.extract(noise, list(noise.clips()), CONFIG, workers=1, cache=tmp_path_factory.mktemp("one")).images[
        :
    ]


@contextmanager
def dask(folder: Path, *words: object) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command of Dask until the block ends."""
    with (folder / f"{words[0]}.log").open("w") as log:
        process = subprocess.Popen([DASK, *map(str, words), "--no-dashboard"], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def dask_scheduler(folder: Path) -> Iterator[str]:
    """Run a scheduler at any free port, and yield its address."""
    contact = folder / "scheduler.json"
    with dask(folder, "scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", contact) as process:
        while not contact.exists() or not contact.read_text():
            assert process.poll() is None, (folder / "scheduler.log").read_text()
            time.sleep(0.05)
        yield json.loads(contact.read_text())["address"]


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a cluster of two worker processes, started by the commands of docs/HOWTO-cluster.md."""
    folder = tmp_path_factory.mktemp("cluster")
    with (
        dask_scheduler(folder) as address,
        dask(folder, "worker", address, "--nworkers", 2, "--nthreads", 1, "--local-directory", folder),
    ):
        yield address


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand out six batches, so that both workers have something to do."""
    monkeypatch.setattr(features, "CLUSTER_BATCH", BATCH)


@pytest.fixture
def client(scheduler: str) -> Iterator[distributed.Client]:
    """A second client, to look at the cluster; both workers are there."""
    with distributed.Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


def extract(noise: Dataset, clips: list[Clip], scheduler: str, tmp_path: Path) -> features.FeatureStore:
    return features.extract(noise, clips, CONFIG, scheduler=scheduler, cache=tmp_path / "cache")


def test_two_workers_compute_what_one_process_does(noise, expected, scheduler, client, tmp_path) -> None:
    with distributed.get_task_stream(client) as stream:
        store = extract(noise, list(noise.clips()), scheduler, tmp_path)
    np.testing.assert_array_equal(store.images[:], expected)
    assert store.computed == CLIPS
    assert store.elsewhere > 0
    ours = [task for task in stream.data if task["key"].startswith("_compute_batch")]
    assert len(ours) == CLIPS // BATCH
    assert len({task["worker"] for task in ours}) == 2, "both took part"
    assert extract(noise, list(noise.clips()), scheduler, tmp_path).computed == 0


def test_the_work_of_a_killed_worker_is_done_again(noise, expected, scheduler, client, tmp_path, monkeypatch) -> None:
    victim = next(iter(client.run(os.getpid).values()))
    os.kill(victim, signal.SIGSTOP)  # it has batches in its hands for certain when it is killed
    add, killed = feature_cache.Writer.add, []

    def kill_then_add(*arguments: object) -> None:
        if not killed:
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)
        add(*arguments)

    monkeypatch.setattr(feature_cache.Writer, "add", kill_then_add)
    store = extract(noise, list(noise.clips()), scheduler, tmp_path)
    assert killed
    np.testing.assert_array_equal(store.images[:], expected)


def test_a_bad_clip_is_one_sentence_that_says_who_saw_it(noise, scheduler, tmp_path) -> None:
    root = tmp_path / "data"
    (root / "audio").mkdir(parents=True)
    for path in (noise.root / "audio").iterdir():
        (root / "audio" / path.name).symlink_to(path)
    bad = next(iter(Dataset(root).clips())).filename
    (root / bad).unlink()
    (root / bad).write_bytes(b"RIFF")
    with pytest.raises(
        DatasetError, match=rf"{Path(bad).name}.*restore it.*\(as {os.uname().nodename} sees it\)"
    ) as caught:
        extract(Dataset(root), list(Dataset(root).clips()), scheduler, tmp_path)
    assert "\n" not in str(caught.value)


def test_ctrl_c_leaves_the_cluster_idle_and_the_rest_for_the_next_call(
    noise, expected, scheduler, client, tmp_path, monkeypatch
) -> None:
    add, count = feature_cache.Writer.add, 0

    def interrupt(*arguments: object) -> None:
        nonlocal count
        count += 1
        if count > 20:
            raise KeyboardInterrupt
        add(*arguments)

    monkeypatch.setattr(feature_cache.Writer, "add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract(noise, list(noise.clips()), scheduler, tmp_path)
    monkeypatch.setattr(feature_cache.Writer, "add", add)
    while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
        time.sleep(0.05)
    store = extract(noise, list(noise.clips()), scheduler, tmp_path)
    assert store.computed == CLIPS - 20
    np.testing.assert_array_equal(store.images[:], expected)


def test_a_worker_with_other_code_refuses() -> None:
    with pytest.raises(ToolError, match=r"has another version of the front end.*install the same tinyscene"):
        features._compute_batch([], CONFIG, "c", "c-0123456789abcdef", remote=True)


def test_a_worker_that_lacks_something_says_which(noise, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise ToolError("no C compiler; install one")

    monkeypatch.setattr(features, "log_mel_of_file", refuse)
    work = [(b"key", str(noise.root))]
    identity = features.engines.identity(CONFIG, "c")
    for remote, place in ((True, f"{os.uname().nodename}: "), (False, "")):
        with pytest.raises(ToolError) as caught:
            features._compute_batch(work, CONFIG, "c", identity, remote)
        assert str(caught.value) == f"{place}no C compiler; install one"


def test_workers_without_our_code_are_one_sentence(scheduler) -> None:
    def import_ours(_: object) -> None:
        raise ModuleNotFoundError("No module named 'tinyscene'")

    with pytest.raises(ToolError, match=r"gave up \(ModuleNotFoundError: No module named 'tinyscene'\); see that"):
        use(pools.cluster(scheduler), import_ours)


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pools, "ANSWER_SECONDS", 1)
    for address in ("tcp://127.0.0.1:1", "moon://base"):
        with pytest.raises(ToolError, match=rf"no Dask scheduler answers at '{address}'.*dask scheduler"):
            use(pools.cluster(address), abs)
    monkeypatch.setattr(pools, "WORKER_SECONDS", 0.1)
    with (
        dask_scheduler(tmp_path) as empty,
        pytest.raises(ToolError, match=rf"has no workers; start some with: dask worker {empty}"),
    ):
        use(pools.cluster(empty), abs)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ToolError, match=r"Dask is not installed.*pip install '\.\[distributed\]'"):
        use(pools.cluster("tcp://127.0.0.1:1"), abs)
