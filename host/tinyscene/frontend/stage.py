"""The steps of the C front end whose values it can show, one frame at a time, on the host and on a board."""

import enum


class Stage(enum.IntEnum):
    """`enum frontend_stage` of frontend.h, which describes each stage's values; the serial protocol has the same."""

    WINDOWED = 0
    SPECTRUM = 1
    POWER = 2
    MEL = 3
    LOG = 4

    def __str__(self) -> str:
        """Return the name as shown in tables and sentences."""
        return self.name.lower()

    def size(self, n_fft: int, n_mels: int) -> int:
        """Return the number of the stage's values."""
        if self in (Stage.WINDOWED, Stage.SPECTRUM):
            return n_fft
        return n_fft // 2 + 1 if self is Stage.POWER else n_mels
