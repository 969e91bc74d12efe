"""The examples to train or score a network on: log-mel images, read from disk a batch at a time, and their labels."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinyscene.augment import Images, VariantGroup, variants
from tinyscene.data import Clip
from tinyscene.frontend import Normalisation
from tinyscene.training.logit_adjustment import NONE, log_shares

READ_AT_ONCE = 256  # images
LEAST_VARIANCE = 1e-6  # smallest variance of a mel band, in the front end's units: avoids division by zero in silence


@dataclasses.dataclass(frozen=True)
class Examples:
    """Log-mel images, read from disk a batch at a time, with their labels.

    Attributes:
        images: [n, n_mels, frames] float32, array or memory map, in the front end's units.
        labels: [n] class numbers.
        normalisation: standardisation applied to every batch.
        soft_targets: the teachers' class probabilities [n, classes], at the distillation's temperature, or None.
        devices: device that recorded each clip [n]; None: one device for all.
        cities: city of each clip [n]; None: one city for all.
        decibel: size of one dB in the front end's units.
        variants: variants of the same clips, for training batches.
    """

    images: Images
    labels: NDArray[np.int64]
    normalisation: Normalisation
    soft_targets: NDArray[np.float32] | None = None
    devices: NDArray[np.str_] | None = None
    cities: NDArray[np.str_] | None = None
    decibel: float = 1.0
    variants: tuple[VariantGroup, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def inputs(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Return the standardised images [rows, n_mels, frames]."""
        return self.normalisation.apply(np.asarray(self.images[rows]))

    def take(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Return the examples chosen by a mask [n]."""
        return dataclasses.replace(
            self,
            images=variants.take(self.images, chosen),
            labels=self.labels[chosen],
            soft_targets=None if self.soft_targets is None else self.soft_targets[chosen],
            devices=None if self.devices is None else self.devices[chosen],
            cities=None if self.cities is None else self.cities[chosen],
            variants=tuple(group.take(chosen) for group in self.variants),
        )

    def targets(self, classes: int, smoothing: float = 0.0, adjustment: str = NONE) -> NDArray[np.float32]:
        """Return the targets of the losses: [n, 2 * classes], or [n, 3 * classes] if there are soft targets.

        These are the labels' class probabilities, the terms added to the logits while labels are learnt, and the soft
        targets.

        Args:
            classes: number of classes.
            smoothing: share of a label's probability that is spread over all classes (Szegedy et al., "Rethinking the
                Inception Architecture", 2016, section 7); soft targets are not smoothed.
            adjustment: see `logit_adjustment`.
        """
        hard = np.eye(classes, dtype=np.float32)[self.labels] * np.float32(1 - smoothing) + np.float32(
            smoothing / classes
        )
        soft = [] if self.soft_targets is None else [self.soft_targets]
        return np.concatenate([hard, log_shares(adjustment, self.labels, self.cities, classes), *soft], axis=1)


def labels_of(clips: Sequence[Clip], classes: Sequence[str]) -> NDArray[np.int64]:
    """Return the clips' class numbers."""
    return np.array([classes.index(str(clip.scene)) for clip in clips], np.int64)


def normalise(images: Images) -> Normalisation:
    """Return the per-mel mean and deviation of images [n, n_mels, frames], read a few at a time."""
    count, mels, frames = images.shape
    total, squares = np.zeros(mels), np.zeros(mels)
    for start in range(0, count, READ_AT_ONCE):
        block = np.asarray(images[start : start + READ_AT_ONCE], np.float64)
        total += block.sum(axis=(0, 2))
        squares += (block**2).sum(axis=(0, 2))
    mean = total / (count * frames)
    deviation = np.sqrt(np.maximum(squares / (count * frames) - mean**2, LEAST_VARIANCE))
    return Normalisation(*(tuple(float(np.float32(value)) for value in values) for values in (mean, deviation)))
