"""What changes the waveform of a clip before its features are computed, as the cache of features knows it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float32]


class Variant(Protocol):
    """What changes the waveforms of clips."""

    @property
    def title(self) -> str:
        """For the progress display."""

    @property
    def identity(self) -> str:
        """A name, fit for a folder, of all that decides the result."""

    def apply(self, signal: Signal) -> Signal:
        """Return the changed waveform [samples]."""
