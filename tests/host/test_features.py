"""The feature cache: right images, nothing computed twice, nothing lost to a kill, a full disk or a rotten file."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene import feature_cache, features, frontend
from tinyscene.dataset import Clip, Dataset
from tinyscene.errors import DatasetError, TinysceneError

CONFIG = frontend.preset("p1")


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

    def record(path: Path, config: frontend.FrontendConfig):
        names.append(path.name)
        return compute(path, config)

    monkeypatch.setattr(features, "log_mel_of_file", record)
    return names


def names(clips: list[Clip]) -> list[str]:
    return [Path(clip.filename).name for clip in clips]


def extract(few: tuple[Dataset, list[Clip]], tmp_path: Path, **options) -> features.FeatureStore:
    dataset, clips = few
    return features.extract(dataset, clips, CONFIG, cache=tmp_path / "cache", **options)


def cache_file(tmp_path: Path, name: str) -> Path:
    return tmp_path / "cache" / CONFIG.digest / name


def test_images_are_those_of_the_16_bit_samples_in_the_order_asked_for(few, tmp_path):
    dataset, clips = few
    asked = [clips[2], clips[0], clips[2]]
    store = features.extract(dataset, asked, CONFIG, cache=tmp_path / "cache")
    expected = []
    for clip in asked:
        samples, _ = soundfile.read(dataset.path(clip), dtype="float64")
        expected.append(frontend.log_mel(np.rint(samples * 32768) / 32768, CONFIG))
    np.testing.assert_array_equal(store.images[:], expected)
    np.testing.assert_array_equal(store[clips[0]], expected[1])


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


def test_workers_compute_the_same(noise, tmp_path):
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
    store = features.extract(*few, frontend.preset("base"), cache=tmp_path / "cache")
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


KILLED = """
import sys
from pathlib import Path
from tinyscene import features, frontend
from tinyscene.dataset import Dataset
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
    np.testing.assert_array_equal(store.images[-1], features.log_mel_of_file(noise.path(clips[-1]), CONFIG))
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
def test_a_bad_clip_is_named_and_those_before_it_are_kept(noise, tmp_path, computed, workers):
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


def test_a_second_process_waits_and_finds_the_work_done(few, tmp_path, computed):
    cache = feature_cache.FeatureCache(cache_file(tmp_path, "journal").parent, CONFIG.shape)
    command = [sys.executable, "-c", KILLED, str(few[0].root), str(tmp_path / "cache")]
    keys = [features.file_key(few[0].path(clip)) for clip in few[1]]
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
    check = "import sys, tinyscene.features; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
