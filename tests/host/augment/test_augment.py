"""Augmentation: each function does what its paper says, to the batch it is given and to nothing else."""

import numpy as np
import pytest

from tinyscene.augment import images as augment_images
from tinyscene.augment.settings import AugmentConfig

MELS, FRAMES, CLASSES = 12, 9, 4


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(64, MELS, FRAMES)).astype(np.float32)


@pytest.fixture
def targets() -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[np.arange(64) % CLASSES]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_time_roll_is_circular_and_reaches_both_ends(images: np.ndarray) -> None:
    rolled = augment_images.time_roll(images, 2, rng())
    shifts = set()
    for before, after in zip(images, rolled, strict=True):
        matching = [shift for shift in range(-4, 5) if np.array_equal(np.roll(before, shift, axis=1), after)]
        shifts.add(matching[0])
    assert shifts == {-2, -1, 0, 1, 2}


@pytest.mark.parametrize(("axis", "size"), [(1, MELS), (2, FRAMES)])
def test_masks_are_stripes_of_zeros_no_wider_than_asked(images: np.ndarray, axis: int, size: int) -> None:
    masked = augment_images.mask(images, axis, 1, 3, rng())
    gone = (masked == 0).all(axis=3 - axis)
    assert np.array_equal(masked != 0, np.broadcast_to(~np.expand_dims(gone, 3 - axis), images.shape))
    assert set(gone.sum(axis=1)) == {0, 1, 2, 3}
    for row in gone:
        assert np.abs(np.diff(row.astype(int))).sum() <= 2, "one stripe, in one piece"
    assert gone.any(axis=0).all(), f"every one of the {size} positions can be masked"


def test_a_mask_wider_than_the_image_is_cut_to_it(images: np.ndarray) -> None:
    assert augment_images.mask(images, 2, 1, 1000, rng()).shape == images.shape


def test_mixup_blends_images_and_targets_by_the_same_share(targets: np.ndarray) -> None:
    constant = np.argmax(targets, axis=1)[:, None, None] * np.ones((1, MELS, FRAMES), np.float32)
    mixed, blended = augment_images.mixup(constant, targets, 0.4, rng())
    assert blended.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert mixed[:, 0, 0] == pytest.approx(blended @ np.arange(CLASSES), abs=1e-5)
    assert (blended.max(axis=1) < 0.99).any()
    assert (blended[np.arange(64), np.argmax(targets, axis=1)] >= 0.5 - 1e-6).all(), "the example's own share is larger"


def test_freq_mixstyle_swaps_the_statistics_of_bands_but_not_their_shape(images: np.ndarray) -> None:
    coloured = images * np.linspace(1, 3, 64, dtype=np.float32)[:, None, None] + np.arange(64)[:, None, None]
    changed = augment_images.freq_mixstyle(coloured, 1.0, 0.3, rng())

    def shape(batch: np.ndarray) -> np.ndarray:
        return (batch - batch.mean(axis=2, keepdims=True)) / batch.std(axis=2, keepdims=True)

    assert shape(changed) == pytest.approx(shape(coloured), abs=1e-3)
    assert np.abs(changed.mean(axis=2) - coloured.mean(axis=2)).max() > 1
    assert np.array_equal(augment_images.freq_mixstyle(coloured, 0.0, 0.3, rng()), coloured)


def test_a_batch_depends_on_the_generator_only_and_the_input_is_left_alone(
    images: np.ndarray, targets: np.ndarray
) -> None:
    config = AugmentConfig(
        time_roll=2, frequency_masks=1, time_masks=2, mixup=0.3, freq_mixstyle=0.9, gain=6, noise=0.1
    )
    before, decibel = images.copy(), np.ones(MELS, np.float32)
    first, second, other = (augment_images.batch(images, targets, config, rng(seed), decibel) for seed in (1, 1, 2))
    assert np.array_equal(images, before)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], other[0])
    assert first[0].dtype == first[1].dtype == np.float32


def test_a_gain_is_one_offset_a_clip_in_db(images: np.ndarray) -> None:
    decibel = np.linspace(0.05, 0.2, MELS).astype(np.float32)
    offsets = (augment_images.gain(images, 6, decibel, rng()) - images) / decibel[:, None]
    assert offsets == pytest.approx(np.broadcast_to(offsets[:, :1, :1], images.shape), abs=1e-4)
    assert -6 <= offsets.min() < -4
    assert 4 < offsets.max() <= 6


def test_noise_is_gaussian_and_no_louder_than_asked() -> None:
    added = augment_images.noise(np.zeros((64, 40, 50), np.float32), 0.3, rng())
    deviations = added.std(axis=(1, 2))
    assert 0.25 < deviations.max() < 0.31
    assert deviations.min() < 0.05
    assert np.abs(added.mean(axis=(1, 2))).max() < 0.03
    shape = added[deviations.argmax()] / deviations.max()
    assert (shape**4).mean() == pytest.approx(3, abs=0.4), "the fourth moment of a Gaussian"


def test_balanced_rows_draw_rare_devices_as_often_as_asked() -> None:
    devices = np.array(["a"] * 90 + ["b"] * 9 + ["s1"])
    assert sorted(augment_images.balanced_rows(devices, 0, rng())) == list(range(100))
    drawn = np.bincount(augment_images.balanced_rows(devices, 1, rng()), minlength=100)
    assert drawn.sum() == 100
    for part in (drawn[:90], drawn[90:99], drawn[99:]):
        assert part.sum() == pytest.approx(100 / 3, abs=1.01)
        assert part.max() - part.min() <= 1, "no clip of a device comes much more often than another"
    weights = np.array([90, 9, 1]) ** 0.5
    half = np.bincount(augment_images.balanced_rows(devices, 0.5, rng()), minlength=100)
    assert [half[:90].sum(), half[90:99].sum(), half[99]] == pytest.approx(100 * weights / weights.sum(), abs=1.01)
    assert not np.array_equal(
        augment_images.balanced_rows(devices, 1, rng(1)), augment_images.balanced_rows(devices, 1, rng(2))
    )


def test_nothing_is_done_by_default(images: np.ndarray, targets: np.ndarray) -> None:
    same, labels = augment_images.batch(images, targets, AugmentConfig(), rng())
    assert same is images
    assert labels is targets
