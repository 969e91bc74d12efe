"""Variants of clips: cached apart, and chosen as often as asked."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.augment import variants
from tinyscene.augment.settings import AugmentConfig
from tinyscene.augment.variants import VariantGroup
from tinyscene.augment.waveform import Microphone, PitchShift, TimeStretch
from tinyscene.data.dataset import Dataset, pcm16
from tinyscene.errors import ConfigError
from tinyscene.frontend import config as frontend_config, engines as feature_engines, features

CONFIG = frontend_config.preset("p1")


@pytest.fixture
def noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Two clips of noise, and a cache of features in a folder of the test's own."""
    monkeypatch.setattr(features, "cache_directory", lambda: tmp_path / "cache")
    (tmp_path / "data" / "audio").mkdir(parents=True)
    random = np.random.default_rng(1)
    for i in range(2):
        soundfile.write(tmp_path / f"data/audio/park-lyon-{i}-{i}-0-a.wav", random.normal(0, 0.05, 44100), 44100)
    return Dataset(tmp_path / "data")


def constant(value: float, clips: int = 1000) -> np.ndarray:
    return np.full((clips, 2, 3), value, np.float32) + np.arange(clips, dtype=np.float32)[:, None, None]


def test_a_clip_is_itself_or_one_of_its_variants_as_often_as_asked() -> None:
    groups = [VariantGroup(0.5, (constant(10_000), constant(20_000))), VariantGroup(0.2, (constant(30_000),))]
    rows = np.random.default_rng(0).permutation(1000)
    chosen = variants.choose(constant(0), groups, rows, np.random.default_rng(1))
    assert chosen.shape == (1000, 2, 3)
    assert np.array_equal(chosen[:, 0, 0].astype(int) % 10_000, rows), "of the same clip"
    counts = np.bincount(chosen[:, 1, 2].astype(int) // 10_000, minlength=4)
    assert counts == pytest.approx([300, 250, 250, 200], abs=50)
    assert np.array_equal(chosen, variants.choose(constant(0), groups, rows, np.random.default_rng(1)))
    certain = variants.choose(constant(0), [VariantGroup(1.0, (constant(10_000),))], rows, np.random.default_rng(1))
    assert (certain >= 10_000).all()


def test_the_images_of_variants_are_cached_apart(noise: Dataset) -> None:
    clips = list(noise.clips())
    microphone = Microphone("dull", (0.25, 0.5, 0.25))
    plain = features.extract(noise, clips, CONFIG)
    changed = features.extract(noise, clips, CONFIG, variant=microphone)
    assert (plain.computed, changed.computed) == (2, 2)
    assert changed.folder != plain.folder
    samples, _ = soundfile.read(noise.path(clips[1]), dtype="float32")
    expected = feature_engines.log_mel(pcm16(microphone.apply(samples)), CONFIG, feature_engines.DEFAULT)
    assert np.array_equal(changed.images[1], expected)
    assert features.extract(noise, clips, CONFIG, variant=microphone).computed == 0
    other = frontend_config.FrontendConfig.from_dict({**CONFIG.to_dict(), "sample_rate": 41667, "clip_samples": 41667})
    assert features.extract(noise, clips, other, variant=microphone).images.shape == (2, *other.shape)


def test_what_is_asked_for_is_extracted(noise: Dataset, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "one.wav", [0.5, 0.25], 44100)
    config = AugmentConfig(impulse_responses=str(tmp_path), impulse_response_probability=0.5, pitch_shift=1.0)
    groups = variants.extract(noise, list(noise.clips()), CONFIG, config)
    assert [(group.probability, len(group.images)) for group in groups] == [(0.5, 1), (0.2, 2)]
    assert all(images.shape == (2, *CONFIG.shape) for group in groups for images in group.images)
    (one,) = groups[0].take(np.array([False, True])).images
    assert np.array_equal(one[0], groups[0].images[0][1])
    stretched = variants.wanted(dataclasses.replace(config, impulse_responses=None, time_stretch=0.1))
    assert [list(group) for _, group in stretched] == [
        [TimeStretch(0.9), TimeStretch(1.1)],
        [PitchShift(-1.0), PitchShift(1.0)],
    ]
    assert variants.wanted(AugmentConfig()) == []
    with pytest.raises(ConfigError, match=r"nowhere has no impulse responses; .* or remove impulse_responses"):
        variants.wanted(AugmentConfig(impulse_responses=str(tmp_path / "nowhere")))
