"""Augmentation of training batches in NumPy: images [batch, n_mels, frames] float32, standardised per mel band.

Every function draws from the given generator and changes nothing in place, so that the same generator and the same
batch give the same result on every Keras back end.
"""

import numpy as np
from numpy.typing import NDArray

from tinyscene.augment.settings import AugmentConfig

Images = NDArray[np.float32]
Generator = np.random.Generator


def batch(
    images: Images,
    targets: NDArray[np.float32],
    config: AugmentConfig,
    rng: Generator,
    decibel: NDArray[np.float32] | None = None,
) -> tuple[Images, NDArray[np.float32]]:
    """Augment one batch as the configuration says: roll, gain, Freq-MixStyle, mixup, noise, then masks.

    Args:
        images: [batch, n_mels, frames].
        targets: class probabilities [batch, classes], or those of the labels and of the teachers side by side,
            [batch, 2 * classes]; both are blended alike.
        config: the augmentations and their strengths.
        rng: generator, seeded by the caller.
        decibel: what one dB is in each standardised band [n_mels]; needed for a gain.

    Returns:
        (images, targets) of the same shapes.
    """
    if config.time_roll:
        images = time_roll(images, config.time_roll, rng)
    if config.gain and decibel is not None:
        images = gain(images, config.gain, decibel, rng)
    if config.freq_mixstyle:
        images = freq_mixstyle(images, config.freq_mixstyle, config.freq_mixstyle_alpha, rng)
    if config.mixup:
        images, targets = mixup(images, targets, config.mixup, rng)
    if config.noise:
        images = noise(images, config.noise, rng)
    if config.frequency_masks:
        images = mask(images, 1, config.frequency_masks, config.frequency_mask_width, rng)
    if config.time_masks:
        images = mask(images, 2, config.time_masks, config.time_mask_width, rng)
    return images, targets


def time_roll(images: Images, frames: int, rng: Generator) -> Images:
    """Roll every image along time, circularly, by up to `frames` frames either way."""
    shifts = rng.integers(-frames, frames, size=len(images), endpoint=True)
    columns = (np.arange(images.shape[2]) - shifts[:, None]) % images.shape[2]
    return np.take_along_axis(images, columns[:, None, :], axis=2)


def gain(images: Images, largest: float, decibel: NDArray[np.float32], rng: Generator) -> Images:
    """Make every clip louder or quieter, by up to `largest` dB either way: an offset of its log-mel image.

    Args:
        images: [batch, n_mels, frames].
        largest: largest gain, dB.
        decibel: what one dB is in each standardised band [n_mels].
        rng: generator, seeded by the caller.
    """
    offsets = rng.uniform(-largest, largest, size=(len(images), 1, 1)).astype(np.float32)
    return images + offsets * decibel[:, None]


def noise(images: Images, largest: float, rng: Generator) -> Images:
    """Add Gaussian noise to every image, with a standard deviation between 0 and `largest` standardised units."""
    deviations = rng.uniform(0, largest, size=(len(images), 1, 1)).astype(np.float32)
    return images + deviations * rng.standard_normal(images.shape, np.float32)


def balanced_rows(devices: NDArray[np.str_], balance: float, rng: Generator) -> NDArray[np.int64]:
    """Draw as many clips as there are, those of rare recording devices more often, in random order.

    Systematic resampling: each clip and each device is drawn floor(expected) or ceil(expected) times.

    Args:
        devices: device of every clip.
        balance: 0: every clip once; 1: every device as often as any other; in between: weights to that power.
        rng: generator, seeded by the caller.

    Returns:
        Rows [clips], with repetitions.
    """
    _, inverse, counts = np.unique(devices, return_inverse=True, return_counts=True)
    order = rng.permutation(len(devices))
    if not balance:
        return order
    order = order[np.argsort(inverse[order], kind="stable")]  # device by device, so that each gets its share
    weights = (1.0 / counts[inverse[order]]) ** balance
    ends = np.cumsum(weights / weights.sum())
    positions = (np.arange(len(devices)) + rng.random()) / len(devices)
    drawn = np.minimum(np.searchsorted(ends, positions, side="right"), len(devices) - 1)
    return rng.permutation(order[drawn])


def mask(images: Images, axis: int, count: int, width: int, rng: Generator) -> Images:
    """Set `count` stripes of 0 to `width` rows (axis 1) or columns (axis 2) of each image to 0, the mean.

    SpecAugment: Park et al., 2019.
    """
    size = images.shape[axis]
    positions = np.arange(size)
    keep = np.ones((len(images), size), bool)
    for _ in range(count):
        widths = rng.integers(0, min(width, size), size=len(images), endpoint=True)
        starts = rng.integers(0, size - widths, endpoint=True)
        keep &= (positions < starts[:, None]) | (positions >= (starts + widths)[:, None])
    return images * np.expand_dims(keep, 3 - axis).astype(np.float32)


def mixup(
    images: Images, targets: NDArray[np.float32], alpha: float, rng: Generator
) -> tuple[Images, NDArray[np.float32]]:
    """Blend each image and its target with another one of the batch; shares drawn from Beta(alpha, alpha).

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.
    """
    share = rng.beta(alpha, alpha, size=len(images)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    other = rng.permutation(len(images))
    mixed = share[:, None, None] * images + (1 - share[:, None, None]) * images[other]
    return mixed, share[:, None] * targets + (1 - share[:, None]) * targets[other]


def freq_mixstyle(images: Images, probability: float, alpha: float, rng: Generator) -> Images:
    """Give images a per-band mean and deviation that blend their own with those of another image of the batch.

    The recording device colours whole bands; this keeps the network from relying on it. Schmid et al., "CP-JKU
    Submission to DCASE22", 2022.

    Args:
        images: [batch, n_mels, frames].
        probability: probability of changing a batch.
        alpha: shares are drawn from Beta(alpha, alpha).
        rng: generator, seeded by the caller.
    """
    changes = rng.random() < probability
    share = rng.beta(alpha, alpha, size=(len(images), 1, 1)).astype(np.float32)
    other = rng.permutation(len(images))
    if not changes:
        return images
    mean = images.mean(axis=2, keepdims=True)
    deviation = images.std(axis=2, keepdims=True) + np.float32(1e-6)
    mixed_mean = share * mean + (1 - share) * mean[other]
    mixed_deviation = share * deviation + (1 - share) * deviation[other]
    return (images - mean) / deviation * mixed_deviation + mixed_mean
