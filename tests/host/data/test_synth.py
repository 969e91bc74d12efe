"""The synthetic data set: official in form, the same for the same seed, resumable, learnable but not trivial."""

import dataclasses
import hashlib
import itertools
import json
import shutil
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from tinyscene.cli import app
from tinyscene.data import synth, synth_sources
from tinyscene.data.dataset import SCENES, Dataset, read_clip
from tinyscene.errors import DatasetError
from tinyscene.frontend import config as frontend_config

SOURCES = sorted({part.source for recipe in synth.RECIPES.values() for part in recipe}, key=lambda it: it.__name__)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_it_has_the_official_form(synthetic: Path) -> None:
    dataset = Dataset(synthetic)
    clips = list(dataset.clips())
    assert len(clips) == 120
    assert [sum(clip.scene == scene for clip in clips) for scene in SCENES] == [12] * 10
    assert {clip.device for clip in clips} == set(synth.DEVICES)
    assert len({clip.city for clip in clips}) > 3
    assert dataset.folds() == [1, 2, 3]
    tested = []
    for fold in dataset.folds():
        train, test = list(dataset.split(fold, "train")), list(dataset.split(fold, "evaluate"))
        assert not {clip.location for clip in train} & {clip.location for clip in test}
        assert not {clip.device for clip in train} & set(synth.UNSEEN_DEVICES)
        assert {clip.scene for clip in train} == {clip.scene for clip in test} == set(SCENES)
        assert [clip.filename for clip in dataset.split(fold, "test")] == [clip.filename for clip in test]
        tested += [clip.filename for clip in test]
    assert sorted(tested) == sorted(clip.filename for clip in clips), "every clip is tested once"
    assert (synthetic / "meta.csv").read_bytes().startswith(b"filename\tscene_label\tidentifier\tsource_label\r\n")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a set of two scenes, which is quick to write."""
    monkeypatch.setattr(synth, "SCENES", ("airport", "bus"))
    return tmp_path / "set"


def test_same_seed_same_bytes_and_another_seed_another_set(small: Path, tmp_path: Path) -> None:
    synth.write_dataset(small, clips_per_scene=4, seed=5)
    synth.write_dataset(tmp_path / "again", clips_per_scene=4, seed=5)
    assert digests(small) == digests(tmp_path / "again")
    synth.write_dataset(tmp_path / "other", clips_per_scene=4, seed=6)
    others = digests(tmp_path / "other").values()
    assert not set(others) & {value for name, value in digests(small).items() if name.startswith("audio")}


def test_an_interrupted_run_goes_on(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render, rendered, calls = synth.render, [], itertools.count()

    def stop_after_three(plan: synth.ClipPlan, seed: int) -> np.ndarray:
        if next(calls) >= 3:
            raise KeyboardInterrupt
        return render(plan, seed)

    monkeypatch.setattr(synth, "render", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        synth.write_dataset(small, clips_per_scene=4, seed=5)
    assert not (small / "meta.csv").exists()
    assert not (small / "evaluation_setup").exists()
    kept = sorted((small / "audio").glob("*.wav"))
    assert len(kept) == 3
    kept[0].write_bytes(kept[0].read_bytes()[:1000])
    (small / "audio" / ".left-over.wav").touch()

    def render_again(plan: synth.ClipPlan, seed: int) -> np.ndarray:
        rendered.append(plan.filename)
        return render(plan, seed)

    monkeypatch.setattr(synth, "render", render_again)
    synth.write_dataset(small, clips_per_scene=4, seed=5)
    assert len(rendered) == 8 - 3 + 1, "whole clips are kept, the cut one is made again"
    assert not list((small / "audio").glob(".*"))
    monkeypatch.setattr(synth, "render", render)
    resumed = digests(small)
    shutil.rmtree(small)
    synth.write_dataset(small, clips_per_scene=4, seed=5)
    assert digests(small) == resumed


def test_it_overwrites_nothing_else(small: Path, tmp_path: Path) -> None:
    synth.write_dataset(small, clips_per_scene=4, seed=5)
    before = digests(small)
    with pytest.raises(
        DatasetError, match=r"holds another synthetic data set .*'seed': 5.*; remove it or name another"
    ):
        synth.write_dataset(small, clips_per_scene=4, seed=6)
    assert digests(small) == before
    (small / synth.STAMP_FILE).write_text("{")
    with pytest.raises(DatasetError, match="holds another synthetic data set"):
        synth.write_dataset(small, clips_per_scene=4, seed=5)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").touch()
    with pytest.raises(DatasetError, match="mine is not empty and not a synthetic data set; name another folder"):
        synth.write_dataset(mine)
    with pytest.raises(DatasetError, match=r"thesis\.txt is a file; name a folder"):
        synth.write_dataset(mine / "thesis.txt")
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]


def test_command(small: Path) -> None:
    result = CliRunner().invoke(app, ["data", "synth", str(small), "--clips-per-scene", "10", "--seed", "3"])
    assert result.exit_code == 0
    assert "20 clips of 2 scenes in " in result.stdout
    assert json.loads((small / synth.STAMP_FILE).read_text())["seed"] == 3


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_sources(source: synth_sources.Source) -> None:
    for seed in range(4):
        signal = source(np.random.default_rng(seed))
        assert signal.shape == (44100,)
        assert signal.dtype == np.float64
        assert np.sqrt(np.mean(signal**2)) == pytest.approx(1)
    assert not np.array_equal(signal, source(np.random.default_rng(9)))


def test_a_clip_is_audible_and_rarely_clipped(synthetic: Path) -> None:
    dataset = Dataset(synthetic)
    signals = np.stack([read_clip(dataset.path(clip)) for clip in dataset.clips()])
    levels = 20 * np.log10(np.sqrt(np.mean(signals**2, axis=1)))
    assert -60 < levels.min() < levels.max() < -6
    assert np.mean(np.abs(signals) > 0.999) < 1e-4


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_has_a_sound_that_tells_it(scene: str) -> None:
    """Nearly every clip has it, about as loud as the loudest, and other scenes have it at most faintly."""
    loudest = max(part.level for part in synth.RECIPES[scene])
    steady = [part for part in synth.RECIPES[scene] if part.probability >= 0.95 and part.level >= loudest - 3]
    others = [part for other, recipe in synth.RECIPES.items() if other != scene for part in recipe]
    assert [
        mine for mine in steady if all(mine.level >= part.level + 6 for part in others if part.source is mine.source)
    ], f"nothing in {scene} tells it from the others"


def test_what_follows_a_bang_is_not_lifted_above_it() -> None:
    """Device c compresses levels: its slow filter of the power rings after a bang, which must not turn up the rest."""
    bang = np.where(synth_sources.TIME % 0.5 < 0.05, 0.3, 0.01) * np.random.default_rng(1).standard_normal(44100)
    heard = np.abs(synth._record(np.random.default_rng(2), bang, "c"))
    assert heard[4000:20000].max() < heard[:2000].max()


def test_the_device_is_heard_and_is_the_same_in_every_set() -> None:
    plan = next(synth.plan_clips(10, seed=1))
    images = {
        name: frontend_config.log_mel(
            synth.render(dataclasses.replace(plan, device=name), 1) / np.float32(32768), frontend_config.preset("base")
        ).mean(axis=1)
        for name in sorted(set(synth.DEVICES))
    }
    names = list(images)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            difference = images[first] - images[second]
            assert np.std(difference) > 1, f"{first} and {second} sound the same (dB)"


def test_a_linear_classifier_learns_but_does_not_solve_it() -> None:
    config = frontend_config.preset("p1")
    plans = list(synth.plan_clips(36, seed=1))

    def image(plan: synth.ClipPlan) -> np.ndarray:
        return frontend_config.log_mel(synth.render(plan, 1) / np.float32(32768), config)

    images = np.stack(joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(image)(plan) for plan in plans))
    labels = np.array([plan.scene for plan in plans])
    statistics = np.concatenate([images.mean(axis=2), images.std(axis=2)], axis=1)
    for features, strength in ((statistics, 0.1), (images.reshape(len(images), -1), 3e-4)):
        right = []
        for fold in range(1, synth.FOLDS + 1):
            test = np.array([plan.test_fold == fold for plan in plans])
            train = ~test & np.array([plan.device not in synth.UNSEEN_DEVICES for plan in plans])
            # all principal components: a rotation, so that thousands of features cost no more than the clips' number
            model = make_pipeline(StandardScaler(), PCA(), LogisticRegression(C=strength, max_iter=1000))
            model.fit(features[train], labels[train])
            right.extend(model.predict(features[test]) == labels[test])
        print(f"{features.shape[1]} features: {np.mean(right):.3f}")
        assert 0.4 < np.mean(right) < 0.95
