"""The wrong answers that were surest are kept for the report, with their sound only where its licence is free."""

from pathlib import Path

import numpy as np
import pytest

import runs
from tinyscene.data.clip_audio import read_clip
from tinyscene.data.dataset import SCENES, Clip, Dataset
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import misheard
from tinyscene.frontend.config import preset
from tinyscene.training import provenance


@pytest.fixture
def dataset(synthetic: Path) -> Dataset:
    """Synthetic clips."""
    return Dataset(synthetic)


def answers(clips: list[Clip], wrong: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that hold their number, and probabilities: the first clips wrong, and surer with their number."""
    count = len(clips)
    images = np.arange(count, dtype=np.float32)[:, None, None] * np.ones(preset("p1").shape, np.float32)
    probabilities = np.full((count, len(SCENES)), 0.01)
    true = np.array([SCENES.index(str(clip.scene)) for clip in clips])
    given = (true + (np.arange(count) < wrong)) % len(SCENES)
    probabilities[np.arange(count), given] = 0.5 + 0.4 * np.arange(count) / count
    return images, probabilities


@pytest.mark.parametrize("free", [True, False])
def test_the_surest_wrong_answers_are_kept(dataset: Dataset, free: bool, tmp_path: Path) -> None:
    clips = list(dataset.split(1, "evaluate"))
    images, probabilities = answers(clips, wrong=15)
    made, path = runs.bundle(), tmp_path / "misheard.npz"
    misheard.write(path, made, clips, images, probabilities, dataset if free else None)
    kept = misheard.read(path)
    assert kept is not None
    assert [clip.filename for clip in kept] == [clips[number].filename for number in range(14, 2, -1)]
    assert all(clip.true == clips[14 - place].scene and clip.given != clip.true for place, clip in enumerate(kept))
    assert kept[0].probability == pytest.approx(probabilities[14].max())
    assert (kept[0].image == made.quantised_features(images[14])).all()
    sound = read_clip(dataset.path(clips[14]))
    assert len(kept[0].samples) == (44100 if free else 0)
    if free:
        np.testing.assert_allclose(kept[0].samples / 32768, sound, atol=1 / 32768)


def test_no_wrong_answer_is_no_clip(dataset: Dataset, tmp_path: Path) -> None:
    clips = list(dataset.split(1, "evaluate"))
    misheard.write(tmp_path / "misheard.npz", runs.bundle(), clips, *answers(clips, wrong=0))
    assert misheard.read(tmp_path / "misheard.npz") == []


def test_what_is_missing_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "misheard.npz"
    assert misheard.read(path) is None
    path.write_bytes(b"{")
    with pytest.raises(TinysceneError, match=r"misheard\.npz is damaged"):
        misheard.read(path)


def test_synthetic_sound_may_be_passed_on(synthetic: Path) -> None:
    assert provenance._licence(synthetic / "LICENSE.txt") == provenance.PUBLIC_DOMAIN
