"""Cached variants of the training clips, and the choice among them: at times a variant stands in for a clip."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene.augment.recordings import RecordingImages
from tinyscene.augment.settings import AugmentConfig
from tinyscene.augment.waveform import PitchShift, TimeStretch, microphones
from tinyscene.data import Clip, Dataset
from tinyscene.errors import ConfigError
from tinyscene.frontend import FeatureImages, FrontendConfig, Variant, features

Images = NDArray[np.float32] | FeatureImages | RecordingImages


@dataclasses.dataclass(frozen=True)
class VariantGroup:
    """Variants that may replace a clip, each as likely as the others of the group.

    Attributes:
        probability: probability of a replacement by any of them, each time that the clip is used.
        images: images of each variant, [clips, n_mels, frames], in the order of the clips.
    """

    probability: float
    images: tuple[Images, ...]

    def take(self, chosen: NDArray[np.bool_]) -> "VariantGroup":
        """Return the group for the clips chosen by a mask [clips]."""
        return VariantGroup(self.probability, tuple(take(images, chosen) for images in self.images))


def take(images: Images, chosen: NDArray[np.bool_]) -> Images:
    """Return the images chosen by a mask [clips]; those on disk stay there."""
    return images[chosen] if isinstance(images, np.ndarray) else images.take(chosen)


def wanted(config: AugmentConfig) -> list[tuple[float, Sequence[Variant]]]:
    """Return the groups of variants that a configuration asks for, with their probabilities.

    Raises:
        ConfigError: the impulse responses cannot be read.
    """
    groups: list[tuple[float, Sequence[Variant]]] = []
    if config.impulse_responses is not None:
        try:
            responses = microphones(Path(config.impulse_responses), config.microphones)
        except ConfigError as error:
            raise ConfigError(f"{error}, or remove impulse_responses from the configuration") from error
        groups.append((config.impulse_response_probability, responses))
    if config.time_stretch:
        rates = [TimeStretch(1 - config.time_stretch), TimeStretch(1 + config.time_stretch)]
        groups.append((config.time_stretch_probability, rates))
    if config.pitch_shift:
        shifts = [PitchShift(-config.pitch_shift), PitchShift(config.pitch_shift)]
        groups.append((config.pitch_shift_probability, shifts))
    return groups


def extract(
    dataset: Dataset, clips: Sequence[Clip], frontend: FrontendConfig, config: AugmentConfig
) -> tuple[VariantGroup, ...]:
    """Return the groups that a configuration asks for, with the features of all clips; computes those not cached.

    Raises:
        ConfigError: the impulse responses cannot be read.
        DatasetError, ToolError, TinysceneError: as for `features.extract`.
    """
    return tuple(
        VariantGroup(
            probability,
            tuple(features.extract(dataset, clips, frontend, variant=variant).images for variant in variants),
        )
        for probability, variants in wanted(config)
    )


def choose(
    images: Images, groups: Sequence[VariantGroup], rows: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the images of clips [rows, n_mels, frames], each of the clip itself or of one variant.

    Args:
        images: images of the clips themselves.
        groups: groups whose probabilities add up to at most 1; with the rest, the clip itself is taken.
        rows: numbers of the clips.
        rng: generator, seeded by the caller.
    """
    chosen = np.array(images[rows], np.float32)
    if not groups:
        return chosen
    group_of = np.searchsorted(np.cumsum([group.probability for group in groups]), rng.random(len(rows)), side="right")
    place = rng.random(len(rows))
    for number, group in enumerate(groups):
        variant_of = (place * len(group.images)).astype(np.int64)
        for position, variant in enumerate(group.images):
            here = (group_of == number) & (variant_of == position)
            chosen[here] = variant[rows[here]]
    return chosen
