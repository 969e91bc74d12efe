"""A change of a clip's waveform before its features are computed, as the cache of features sees it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float32]


class Variant(Protocol):
    """A change of the waveforms of clips."""

    @property
    def title(self) -> str:
        """Name for the progress display."""

    @property
    def identity(self) -> str:
        """A name, fit for a folder, of all that determines the result."""

    def apply(self, signal: Signal) -> Signal:
        """Return the changed waveform [samples]."""
