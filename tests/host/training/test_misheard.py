"""The wrong answers that were surest are kept for the report, with their sound only where its licence is free."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import runs
from tinyscene.data.clip_audio import read_clip
from tinyscene.data.dataset import SCENES, Dataset
from tinyscene.errors import TinysceneError
from tinyscene.frontend.config import preset
from tinyscene.training import config as run_config, misheard, provenance, run_files
from tinyscene.training.config import NetworkConfig, RunConfig
from tinyscene.training.parts import Part


@pytest.fixture
def part(synthetic: Path, tmp_path: Path) -> Part:
    """A part of a run whose test clips are synthetic."""
    student = NetworkConfig(network="student", epochs=1)
    settings = RunConfig(
        name="x",
        seed=1,
        frontend=preset("p1"),
        data=run_config.DataConfig(folds=1),
        teachers=(),
        student=student,
        distillation=None,
        augment=run_config.AugmentConfig(),
    )
    (part, *_) = runs.parts_of(tmp_path, settings, Dataset(synthetic))
    return part


def answers(part: Part, wrong: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that hold their number, and probabilities: the first clips wrong, and surer with their number."""
    count = len(part.test)
    images = np.arange(count, dtype=np.float32)[:, None, None] * np.ones(preset("p1").shape, np.float32)
    probabilities = np.full((count, len(SCENES)), 0.01)
    given = (part.labels_of(part.test) + (np.arange(count) < wrong)) % len(SCENES)
    probabilities[np.arange(count), given] = 0.5 + 0.4 * np.arange(count) / count
    return images, probabilities


@pytest.mark.parametrize("free", [True, False])
def test_the_surest_wrong_answers_are_kept(part: Part, free: bool) -> None:
    licence = provenance.PUBLIC_DOMAIN if free else "see the data set's LICENSE.txt"
    part = dataclasses.replace(part, run=dataclasses.replace(part.run, origin={"data_licence": licence}))
    images, probabilities = answers(part, wrong=15)
    made = runs.bundle()
    misheard.write(part, made, images, probabilities)
    kept = misheard.read(part.folder)
    assert kept is not None
    assert [clip.filename for clip in kept] == [part.test[number].filename for number in range(14, 2, -1)]
    assert all(clip.true == part.test[14 - place].scene and clip.given != clip.true for place, clip in enumerate(kept))
    assert kept[0].probability == pytest.approx(probabilities[14].max())
    assert (kept[0].image == made.quantised_features(images[14])).all()
    sound = read_clip(part.run.dataset.path(part.test[14]))
    assert len(kept[0].samples) == (44100 if free else 0)
    if free:
        np.testing.assert_allclose(kept[0].samples / 32768, sound, atol=1 / 32768)


def test_no_wrong_answer_is_no_clip(part: Part) -> None:
    misheard.write(part, runs.bundle(), *answers(part, wrong=0))
    assert misheard.read(part.folder) == []


def test_what_is_missing_or_damaged(tmp_path: Path) -> None:
    assert misheard.read(tmp_path) is None
    (tmp_path / run_files.MISHEARD).write_bytes(b"{")
    with pytest.raises(TinysceneError, match=r"misheard\.npz is damaged"):
        misheard.read(tmp_path)


def test_synthetic_sound_may_be_passed_on(synthetic: Path) -> None:
    assert provenance._licence(synthetic / "LICENSE.txt") == provenance.PUBLIC_DOMAIN
