"""The feature cache: right images, nothing computed twice, nothing lost to a kill, a full disk or a rotten file."""

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.data.dataset import Clip, Dataset
from tinyscene.errors import ConfigError, DatasetError, TinysceneError, ToolError
from tinyscene.frontend import (
    cache as feature_cache,
    config as frontend_config,
    engines as feature_engines,
    features,
    host as frontend_host,
    pools,
)

CONFIG = frontend_config.preset("p1")
IDENTITY = feature_engines.identity(CONFIG, "c")


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Fifty-six clips of noise, read only."""
    root = tmp_path_factory.mktemp("noise")
    (root / "audio").mkdir()
    random = np.random.default_rng(1)
    for i in range(56):
        samples = random.normal(0, 0.05, 44100)
        soundfile.write(root / "audio" / f"park-lyon-{i}-{i}-0-a.wav", samples, 44100, "PCM_24")
    return Dataset(root)


@pytest.fixture
def few(noise: Dataset, tmp_path: Path) -> tuple[Dataset, list[Clip]]:
    """Four clips of it that may be changed."""
    (tmp_path / "data" / "audio").mkdir(parents=True)
    for path in sorted((noise.root / "audio").iterdir())[:4]:
        shutil.copy(path, tmp_path / "data" / "audio")
    dataset = Dataset(tmp_path / "data")
    return dataset, list(dataset.clips())


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose features this process computes, as it goes."""
    names: list[str] = []
    compute = features.log_mel_of_file

    def record(path: Path, *how: object):
        names.append(path.name)
        return compute(path, *how)

    monkeypatch.setattr(features, "log_mel_of_file", record)
    return names


def names(clips: list[Clip]) -> list[str]:
    return [Path(clip.filename).name for clip in clips]


def extract(few: tuple[Dataset, list[Clip]], tmp_path: Path, **options) -> features.FeatureStore:
    dataset, clips = few
    return features.extract(dataset, clips, CONFIG, cache=tmp_path / "cache", **options)


def cache_file(tmp_path: Path, name: str) -> Path:
    return tmp_path / "cache" / IDENTITY / name


@pytest.mark.parametrize("engine", feature_engines.ENGINES)
def test_images_are_those_of_the_16_bit_samples_in_the_order_asked_for(few, tmp_path, engine):
    dataset, clips = few
    asked = [clips[2], clips[0], clips[2]]
    store = features.extract(dataset, asked, CONFIG, engine=engine, cache=tmp_path / "cache")
    host = frontend_host.HostFrontend(CONFIG)
    expected = []
    for clip in asked:
        samples, _ = soundfile.read(dataset.path(clip), dtype="float64")
        pcm = np.rint(samples * 32768)
        image = host.log_mel(pcm.astype(np.int16)) if engine == "c" else frontend_config.log_mel(pcm / 32768, CONFIG)
        expected.append(image)
    np.testing.assert_array_equal(store.images[:], expected)
    np.testing.assert_array_equal(store[clips[0]], expected[1])
    assert store.computed == 2


def test_the_engines_do_not_share_features(few, tmp_path, computed):
    c, librosa = (extract(few, tmp_path, engine=engine) for engine in ("c", "librosa"))
    assert len(computed) == 8
    assert c.folder != librosa.folder
    assert not np.array_equal(c.images[:], librosa.images[:])
    np.testing.assert_allclose(c.images[:], librosa.images[:], atol=1e-3)
    assert [extract(few, tmp_path, engine=engine).computed for engine in ("c", "librosa")] == [0, 0]


@pytest.mark.parametrize("changed", ["frontend_stages.c", "frontend_fft.h", "table"])
def test_other_c_code_has_features_of_its_own(tmp_path, monkeypatch, changed):
    before = frontend_host.digest(CONFIG)
    assert before in IDENTITY
    if changed == "table":
        monkeypatch.setattr(frontend_host.frontend_tables, "_RESOLUTION_DB", -61)
    else:
        library = tmp_path / "frontend"
        shutil.copytree(frontend_host.LIBRARY, library)
        monkeypatch.setattr(frontend_host, "LIBRARY", library)
        monkeypatch.setattr(frontend_host, "SOURCES", tuple(library / path.name for path in frontend_host.SOURCES))
        assert frontend_host.digest(CONFIG) == before
        with (library / changed).open("a") as stream:
            stream.write("\n")
    assert frontend_host.digest(CONFIG) != before


def test_without_a_c_compiler_the_default_engine_says_so_and_librosa_works(few, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    feature_engines._host_frontend.cache_clear()
    with pytest.raises(ToolError, match=r"no C compiler \(no-such-compiler\).*install one with"):
        extract(few, tmp_path)
    assert not (tmp_path / "cache").exists()
    assert extract(few, tmp_path, engine="librosa").computed == 4


def test_an_unknown_engine_is_refused(few, tmp_path):
    with pytest.raises(ConfigError, match="no front end 'rust'; choose one of c, librosa"):
        extract(few, tmp_path, engine="rust")


def test_every_thread_has_a_c_front_end_of_its_own(monkeypatch):
    """Its working memory is in it; the threads of a Dask worker share all else."""
    used = []
    monkeypatch.setattr(frontend_host.HostFrontend, "log_mel", lambda self, _: used.append(self))
    barrier = threading.Barrier(2)
    feature_engines.prepare(CONFIG, "c")
    used.clear()

    def compute(_: int) -> None:
        barrier.wait()
        feature_engines.log_mel(np.zeros(CONFIG.clip_samples, np.int16), CONFIG, "c")
        feature_engines.log_mel(np.zeros(CONFIG.clip_samples, np.int16), CONFIG, "c")
        barrier.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compute, range(2)))
    assert len(used) == 4
    assert len(set(map(id, used))) == 2


def test_images_index_like_an_array(few, tmp_path):
    images = extract(few, tmp_path).images
    array = np.asarray(images)
    assert images.shape == array.shape == (4, *CONFIG.shape)
    assert images.dtype == array.dtype == np.float32
    assert len(images) == 4
    for index in (1, -1, slice(1, 3), [3, 0], np.array([True, False, True, False]), (2, 5), (slice(0, 2), 5, 7)):
        np.testing.assert_array_equal(images[index], array[index])
    np.testing.assert_array_equal(list(images), array)
    with pytest.raises(IndexError):
        images[4]


def test_workers_compute_the_same(noise, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "FEW", 0)
    clips = list(noise.clips())
    one = features.extract(noise, clips, CONFIG, workers=1, cache=tmp_path / "one")
    two = features.extract(noise, clips, CONFIG, workers=2, cache=tmp_path / "two")
    np.testing.assert_array_equal(one.images[:], two.images[:])


def test_nothing_is_computed_twice(few, tmp_path, computed):
    extract(few, tmp_path)
    assert computed == names(few[1])
    extract(few, tmp_path)
    assert len(computed) == 4


def test_another_configuration_has_its_own_features(few, tmp_path, computed):
    extract(few, tmp_path)
    store = features.extract(*few, frontend_config.preset("base"), cache=tmp_path / "cache")
    assert store.images.shape == (4, 40, 51)
    assert len(computed) == 8


def test_a_changed_clip_is_computed_again(few, tmp_path, computed):
    before = extract(few, tmp_path).images[:]
    dataset, clips = few
    soundfile.write(dataset.path(clips[1]), np.zeros(44100), 44100, "PCM_24")
    after = extract(few, tmp_path).images
    assert computed[4:] == names(clips[1:2])
    assert (after[1] == -100).all()
    np.testing.assert_array_equal(after[[0, 2, 3]], before[[0, 2, 3]])


def flip_byte(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


ROW = 4 * 80 * 51
HEADER = RECORD = 20


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        pytest.param(lambda images, _: flip_byte(images, ROW + 100), [1], id="a row has rotted"),
        pytest.param(lambda images, _: os.truncate(images, 3 * ROW + 5), [3], id="rows are cut off"),
        pytest.param(lambda images, _: images.unlink(), [0, 1, 2, 3], id="rows are gone"),
        pytest.param(lambda _, journal: flip_byte(journal, HEADER + RECORD * 2), [2], id="a key has rotted"),
        pytest.param(lambda _, journal: flip_byte(journal, HEADER + RECORD * 2 + 17), [2], id="a CRC has rotted"),
        pytest.param(lambda _, journal: os.truncate(journal, HEADER + RECORD * 3 + 7), [3], id="a record is cut off"),
        pytest.param(lambda _, journal: flip_byte(journal, 8), [0, 1, 2, 3], id="another version"),
        pytest.param(lambda _, journal: journal.write_bytes(b""), [0, 1, 2, 3], id="an empty journal"),
        pytest.param(lambda _, journal: journal.unlink(), [0, 1, 2, 3], id="no journal"),
    ],
)
def test_what_has_rotted_is_computed_again(few, tmp_path, computed, damage, lost):
    before = extract(few, tmp_path).images[:]
    damage(cache_file(tmp_path, "images.f32"), cache_file(tmp_path, "journal"))
    after = extract(few, tmp_path)
    assert computed[4:] == [names(few[1])[i] for i in lost]
    np.testing.assert_array_equal(after.images[:], before)
    extract(few, tmp_path)
    assert len(computed) == 4 + len(lost)


def test_images_in_use_survive_a_rebuild(few, tmp_path):
    store = extract(few, tmp_path)
    before = store.images[:]
    cache_file(tmp_path, "journal").write_bytes(b"")
    features.extract(few[0], few[1][3:], CONFIG, cache=tmp_path / "cache")
    np.testing.assert_array_equal(store.images[:], before)


def test_memory_does_not_grow_with_the_clips(noise, tmp_path, monkeypatch):
    """1,500 images are 24 MB; the reader of the workers' results is slower than they are."""
    (tmp_path / "data" / "audio").mkdir(parents=True)
    original = noise.path(next(iter(noise.clips())))
    for i in range(1500):
        (tmp_path / "data" / "audio" / f"park-lyon-{i}-{i}-0-a.wav").hardlink_to(original)
    dataset = Dataset(tmp_path / "data")
    clips = list(dataset.clips())
    monkeypatch.setattr(features, "FEW", 0)
    monkeypatch.setattr(features, "log_mel_of_file", lambda *_: np.zeros(CONFIG.shape, np.float32))
    monkeypatch.setattr(pools, "processes", ThreadPoolExecutor)
    tracemalloc.start()
    try:
        store = features.extract(dataset, clips, CONFIG, workers=2, cache=tmp_path / "cache")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert store.computed == 1500
    assert peak < 8e6


KILLED = """
import sys, time
from pathlib import Path
from tinyscene.frontend import cache as feature_cache, config as frontend, features
from tinyscene.data import Dataset
features.FEW = 0
add = feature_cache.Writer.add
feature_cache.Writer.add = lambda *arguments: (time.sleep(0.02), add(*arguments))
dataset = Dataset(Path(sys.argv[1]))
features.extract(dataset, list(dataset.clips()), frontend.preset("p1"), workers=2, cache=Path(sys.argv[2]))
"""


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_after_kill_9_only_what_is_missing_is_computed_and_no_worker_stays(noise, tmp_path, computed):
    command = [sys.executable, "-c", KILLED, str(noise.root), str(tmp_path / "cache")]
    journal = cache_file(tmp_path, "journal")
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not journal.is_file() or journal.stat().st_size <= HEADER + RECORD * features.BATCH:
            assert process.poll() is None
            time.sleep(0.01)
        workers = children(process.pid)
        process.send_signal(signal.SIGKILL)
    done = (journal.stat().st_size - HEADER) // RECORD
    clips = list(noise.clips())
    assert 0 < done < len(clips)
    store = features.extract(noise, clips, CONFIG, workers=1, cache=tmp_path / "cache")
    assert len(computed) == len(clips) - done
    np.testing.assert_array_equal(store.images[-1], features.log_mel_of_file(noise.path(clips[-1]), CONFIG, "c"))
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        time.sleep(0.1)


def test_a_full_disk_is_one_sentence_and_what_was_written_stays(few, tmp_path, computed, monkeypatch):
    write, calls = os.pwrite, []

    def write_until_full(descriptor, data, offset):
        calls.append(offset)
        if len(calls) > 4:  # two rows and their records
            write(descriptor, data[:100], offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", write_until_full)
    with pytest.raises(
        TinysceneError, match=r"cannot write the features in .*No space left.*free some space"
    ) as caught:
        extract(few, tmp_path)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(os, "pwrite", write)
    computed.clear()
    extract(few, tmp_path)
    assert computed == names(few[1])[2:]


def test_a_cache_that_cannot_be_made_is_one_sentence(few, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(TinysceneError, match=r"cannot read the features in .*TINYSCENE_CACHE"):
        extract(few, tmp_path)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_clip_is_named_and_those_before_it_are_kept(noise, tmp_path, computed, workers, monkeypatch):
    monkeypatch.setattr(features, "FEW", 0)
    root = tmp_path / "data"
    shutil.copytree(noise.root, root)
    dataset = Dataset(root)
    clips = list(dataset.clips())
    bad = dataset.path(clips[50])
    good = bad.read_bytes()
    bad.write_bytes(b"RIFF")
    with pytest.raises(DatasetError, match=rf"{bad.name}.*restore it"):
        features.extract(dataset, clips, CONFIG, workers=workers, cache=tmp_path / "cache")
    bad.write_bytes(good)
    computed.clear()
    features.extract(dataset, clips, CONFIG, workers=1, cache=tmp_path / "cache")
    assert bad.name in computed
    assert len(computed) <= 56 - 32  # with two workers, a batch or two may not have come back


def test_a_missing_clip_is_named(few, tmp_path):
    few[0].path(few[1][2]).unlink()
    with pytest.raises(DatasetError, match=rf"{names(few[1])[2]} cannot be read .*restore it or remove its rows"):
        extract(few, tmp_path)


def test_a_key_is_of_the_resolved_path_whatever_way_leads_to_it(few, tmp_path, monkeypatch):
    dataset, clips = few
    (tmp_path / "folder").symlink_to(dataset.path(clips[0]).parent)
    (tmp_path / "clip.wav").symlink_to(dataset.path(clips[0]))
    paths = [tmp_path / "folder" / name for name in names(clips)] + [tmp_path / "clip.wav"]
    expected = []
    for path in paths:
        status = path.stat()
        words = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
        expected.append(hashlib.blake2b(words.encode(), digest_size=16).digest())
    resolved, resolve = [], Path.resolve
    monkeypatch.setattr(Path, "resolve", lambda path: resolved.append(path) or resolve(path))
    assert features.file_keys(paths) == expected
    assert expected[0] == expected[-1]
    assert resolved == [tmp_path / "folder", tmp_path / "clip.wav"], "a folder once, and a link"


def test_a_second_process_waits_and_finds_the_work_done(few, tmp_path, computed):
    cache = feature_cache.FeatureCache(cache_file(tmp_path, "journal").parent, CONFIG.shape)
    command = [sys.executable, "-c", KILLED, str(few[0].root), str(tmp_path / "cache")]
    keys = features.file_keys([few[0].path(clip) for clip in few[1]])
    with cache.adding(keys) as writer:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert "waiting for another process" in process.stderr.readline()
        for key in writer.missing:
            writer.add(key, np.zeros(CONFIG.shape, np.float32))
    process.communicate()
    assert process.returncode == 0
    assert not extract(few, tmp_path).images[:].any()
    assert not computed


def test_workers_do_not_wait_for_tensorflow():
    check = "import sys, tinyscene.frontend.features; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
