"""Features of clips and of their copies through microphones, as one set of images that stays on disk."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene.augment.lists import Recording
from tinyscene.augment.waveform import Microphone
from tinyscene.data import Dataset
from tinyscene.frontend import FeatureImages, FrontendConfig, features


@dataclasses.dataclass(frozen=True)
class RecordingImages:
    """Images of recordings in the order of the recordings, read from disk when indexed by rows.

    Attributes:
        stores: images of the originals, and of the copies through each microphone.
        store_of: number of each recording's store, [recordings].
        row_of: row of each recording in its store, [recordings].
    """

    stores: tuple[FeatureImages, ...]
    store_of: NDArray[np.int64]
    row_of: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(recordings, n_mels, frames)."""
        return len(self), *self.stores[0].shape[1:]

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.store_of)

    def take(self, chosen: NDArray[np.bool_]) -> "RecordingImages":
        """Return the images of the recordings chosen by a mask [recordings], still on disk."""
        return RecordingImages(self.stores, self.store_of[chosen], self.row_of[chosen])

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """Return the images [rows, n_mels, frames] of a slice or an array of numbers, read into memory."""
        store_of, row_of = self.store_of[index], self.row_of[index]
        images = np.empty((len(store_of), *self.shape[1:]), np.float32)
        for number, store in enumerate(self.stores):
            here = store_of == number
            images[here] = store[row_of[here]]
        return images


def extract(
    dataset: Dataset, recordings: Sequence[Recording], config: FrontendConfig, microphones: Iterable[Microphone]
) -> RecordingImages:
    """Return the features of recordings, computing those that are not cached; see `features.extract`.

    Args:
        dataset: data set of the clips.
        recordings: originals and copies in any order.
        config: the front end.
        microphones: the microphones that the copies name.

    Raises:
        DatasetError, ConfigError, ToolError, TinysceneError: as for `features.extract`.
    """
    variants = {microphone.name: microphone for microphone in microphones}
    named: set[str | None] = {recording.microphone for recording in recordings}
    names = sorted(named or {None}, key=lambda name: name or "")
    number_of = {name: number for number, name in enumerate(names)}
    store_of = np.array([number_of[recording.microphone] for recording in recordings], np.int64)
    row_of = np.empty(len(recordings), np.int64)
    stores = []
    for name, number in number_of.items():
        rows = np.flatnonzero(store_of == number)
        clips = [recordings[int(row)].clip for row in rows]
        variant = None if name is None else variants[name]
        stores.append(features.extract(dataset, clips, config, variant=variant).images)
        row_of[rows] = np.arange(len(rows))
    return RecordingImages(tuple(stores), store_of, row_of)
