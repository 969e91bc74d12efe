"""The nRF52840's PDM interface with a microphone that plays samples: nRF52840 Product Specification 1.7, 6.15."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene.device.emulators.board_models import Nano33Ble

START, STOP = 0x4001D000, 0x4001D004
STARTED, END = 0x4001D100, 0x4001D108
INTENSET, INTENCLR, ENABLE = 0x4001D304, 0x4001D308, 0x4001D500
PTR, MAXCNT = 0x4001D560, 0x4001D564
INTERRUPT = 29


class ListeningNano(Nano33Ble):
    """A Nano 33 BLE Sense; `run` ends when its microphone has played all whole blocks of `heard` and the board sleeps.

    The peripheral takes PTR over when a block starts, and writes the block when it ends: an address that comes too
    late, or a block that is read too early, gives wrong samples.

    Attributes:
        heard: samples still to come.
    """

    def __init__(self, elf: Path) -> None:
        self.heard: NDArray[np.int16] = np.empty(0, np.int16)
        self._target: int | None = None
        self._starting = False
        self._enabled_events = 0
        super().__init__(elf)

    def next_interrupt(self) -> int | None:
        """The line first; then the next block ends, and one more starts."""
        if self.line or self._target is None:
            return super().next_interrupt()
        if self.read(STARTED) or self.read(END):
            return INTERRUPT  # the handler has not run yet
        count = self.read(MAXCNT)
        if self._starting:
            self._starting = False
        elif len(self.heard) >= count:
            block, self.heard = self.heard[:count], self.heard[count:]
            self._cpu.mem_write(self._target, block.astype("<i2").tobytes())
            self.write(END, 1)
        else:
            return None
        self._target = self.read(PTR)
        self.write(STARTED, 1)
        assert self._enabled_events == 0b101, "STARTED and END raise no interrupt"
        return INTERRUPT

    def written(self, address: int, value: int) -> None:
        """Do what the tasks and masks cause."""
        super().written(address, value)
        if address == INTENSET:
            self._enabled_events |= value
        elif address == INTENCLR:
            self._enabled_events &= ~value
        elif address == START:
            assert self.read(ENABLE) == 1, "PDM is started but not enabled"
            self._starting, self._target = True, 0
        elif address == STOP:
            self._target = None
