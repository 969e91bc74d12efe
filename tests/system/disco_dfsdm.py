"""The STM32L496's DFSDM1 and DMA1 with a microphone that plays samples: ST RM0351, 6, 11 and 24.

What the registers say is what happens: a wrong shift gives wrong samples, a wrong divisor another rate. What the manual
forbids becomes an AssertionError.
"""

from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene.device.emulators.board_models import DiscoL496

MSI_HZ = 4_000_000
RCC_PLLCFGR, RCC_PLLSAI1CFGR, RCC_AHB1ENR, RCC_APB2ENR, RCC_CCIPR = (
    0x40021000 + offset for offset in (0x0C, 0x10, 0x48, 0x60, 0x88)
)
PLLSAI1ON, PLLSAI1RDY = 1 << 26, 1 << 27
GPIOE_MODER, GPIOE_AFRL, GPIOE_AFRH = 0x48001000, 0x48001020, 0x48001024
DMA_ISR, DMA_IFCR, DMA_CCR, DMA_CNDTR, DMA_CPAR, DMA_CMAR, DMA_CSELR = (
    0x40020000 + offset for offset in (0x00, 0x04, 0x44, 0x48, 0x4C, 0x50, 0xA8)
)
COMPLETE, HALF = 1 << 13, 1 << 14
CIRCULAR_HALF_WORDS = 1 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 10  # EN TCIE HTIE CIRC MINC PSIZE MSIZE
CH0CFGR1, CH2CFGR1, CH2CFGR2 = 0x40016000, 0x40016040, 0x40016044
FLT0CR1, FLT0ISR, FLT0ICR, FLT0FCR, FLT0RDATAR = (0x40016100 + offset for offset in (0x00, 0x08, 0x0C, 0x14, 0x1C))
DFSDMEN, CKOUTSRC, CHEN, DFEN, RSWSTART = 1 << 31, 1 << 30, 1 << 7, 1, 1 << 17
OVERRUN = 1 << 3
INTERRUPT = 14


class ListeningDisco(DiscoL496):
    """A 32L496GDISCOVERY; `run` ends when its microphone has played all whole blocks of `heard` and the board sleeps.

    Args:
        elf: the image.
        stuck: as for DiscoL496, or "pllsai1": it never gets ready, or "filter": it gives no sample.

    Attributes:
        heard: samples still to come, as shares of full scale in 2^-15.
        late: how many of the next interrupts come a block late.
    """

    def __init__(self, elf: Path, stuck: str = "") -> None:
        self.heard: NDArray[np.int16] = np.empty(0, np.int16)
        self.late = 0
        self._half = self._buffer = 0  # which half comes next; half words of both
        super().__init__(elf, stuck)

    @property
    def rate(self) -> Fraction:
        """Samples a second, by the registers of the clock tree and of the filter."""
        pll, sai, channel, filter_ = map(self.read, (RCC_PLLCFGR, RCC_PLLSAI1CFGR, CH0CFGR1, FLT0FCR))
        assert pll & 3 == 1, "the PLLs' input is not MSI"
        assert self.read(RCC_CCIPR) & (1 << 31 | 3 << 22) == 0, "DFSDM's clocks are not APB2 and PLLSAI1's output P"
        assert sai >> 16 & 1, "PLLSAI1's output P is off"
        assert channel & CKOUTSRC, "the microphone's clock is not the audio clock"
        vco = Fraction(MSI_HZ, (pll >> 4 & 7) + 1) * (sai >> 8 & 0x7F)
        assert 64e6 <= vco <= 344e6
        microphone = vco / (sai >> 27 or (17 if sai >> 17 & 1 else 7)) / ((channel >> 16 & 0xFF) + 1)
        assert 1e6 <= microphone <= 3.25e6
        assert self.read(FLT0CR1) >> 29 & 1, "every sample takes as long as the first"
        return microphone / ((filter_ >> 16 & 0x3FF) + 1) / ((filter_ & 0xFF) + 1)

    @property
    def running(self) -> bool:
        """Whether samples come."""
        enabled = self.read(CH0CFGR1) & DFSDMEN and self.read(CH2CFGR1) & CHEN and self.read(RCC_APB2ENR) >> 24 & 1
        ready = self.value_read(self.RCC_CR, self.read(self.RCC_CR)) & PLLSAI1RDY
        started = self.read(FLT0CR1) & (DFEN | RSWSTART) == DFEN | RSWSTART
        return bool(enabled and ready and started and self._stuck != "filter")

    def next_interrupt(self) -> int | None:
        """The line first; then a half of the buffer is full."""
        if self.line or not self.running or self.read(DMA_CCR) & 1 == 0:
            return super().next_interrupt()
        if self.read(DMA_ISR) & (HALF | COMPLETE):
            return INTERRUPT  # the handler has not run yet
        count = self._buffer // 2
        for _ in range(2 if self.late else 1):
            if len(self.heard) < count:
                return None
            block, self.heard = self.heard[:count], self.heard[count:]
            self._cpu.mem_write(self.read(DMA_CMAR) + 2 * count * self._half, self._upper_halves(block))
            self.write(DMA_ISR, self.read(DMA_ISR) | (COMPLETE if self._half else HALF))
            self._half ^= 1
        self.late = max(self.late - 1, 0)
        return INTERRUPT

    def _upper_halves(self, block: NDArray[np.int16]) -> bytes:
        """What the filter makes of full scale, shifted to the right, and the upper 16 of its 24 bits."""
        filter_ = self.read(FLT0FCR)
        full_scale = ((filter_ >> 16 & 0x3FF) + 1) ** (filter_ >> 29)
        samples = block.astype(np.int64) * full_scale >> 15 + (self.read(CH2CFGR2) >> 3 & 31)
        return (samples >> 8).astype("<i2").tobytes()  # more than 24 bits wrap

    def value_read(self, address: int, value: int) -> int:
        """PLLSAI1 gets ready; of a buffer some samples are there as soon as somebody looks."""
        value = super().value_read(address, value)
        if address == self.RCC_CR:
            ready = self._stuck != "pllsai1" and value & PLLSAI1ON
            return value | PLLSAI1RDY if ready else value & ~PLLSAI1RDY
        if address == DMA_CNDTR and self.running:
            return self._buffer - 3
        return value

    def written(self, address: int, value: int) -> None:
        """Clear flags, and see to the order of things."""
        super().written(address, value)
        if address in (DMA_CNDTR, DMA_CPAR, DMA_CMAR):
            assert self.read(DMA_CCR) & 1 == 0, "the DMA's channel is changed while it is enabled"
        if address == DMA_IFCR:
            self.write(DMA_ISR, self.read(DMA_ISR) & ~value)
        elif address == DMA_CNDTR:
            self._buffer = value
        elif address == FLT0ICR:
            self.write(FLT0ISR, self.read(FLT0ISR) & ~value)
        elif address == RCC_PLLSAI1CFGR:
            assert self.read(self.RCC_CR) & PLLSAI1ON == 0, "PLLSAI1 is changed while it runs"
        elif address == CH0CFGR1 and self.read(CH0CFGR1) & value & DFSDMEN:
            assert self.read(CH0CFGR1) == value, "the microphone's clock is changed while it runs"
        elif address in (CH2CFGR2, FLT0FCR):
            assert self.read(CH2CFGR1) & CHEN == 0 or address == FLT0FCR, "the channel is changed while it is enabled"
            assert self.read(FLT0CR1) & DFEN == 0, "the filter is changed while it is enabled"
        elif address == FLT0CR1 and value & RSWSTART:
            self._start(value)

    def _start(self, filter_control: int) -> None:
        """All that has to be right when the filter is started."""
        self._half = 0
        assert self.read(FLT0CR1) & DFEN, "the filter is started before it is enabled"
        assert filter_control >> 24 & 7 == 2, "the filter's channel is not the microphone's"
        assert filter_control & 1 << 18, "one conversion is asked for"
        assert filter_control & 1 << 21, "the filter does not ask for DMA"
        assert self.read(CH2CFGR1) & 0x3F0F == 1 << 2, "the channel does not take pin 2 at the rising clock"
        assert self.read(RCC_AHB1ENR) & 1, "the DMA has no clock"
        assert self.read(DMA_CSELR) >> 12 & 15 == 0, "channel 4 of the DMA belongs to another peripheral"
        assert self.read(DMA_CCR) & 0x7FFF == CIRCULAR_HALF_WORDS
        assert self.read(DMA_CPAR) == FLT0RDATAR + 2
        assert self.read(GPIOE_MODER) & (3 << 18 | 3 << 14) == 2 << 18 | 2 << 14, "the pins are not the peripheral's"
        assert (self.read(GPIOE_AFRH) >> 4 & 15, self.read(GPIOE_AFRL) >> 28) == (6, 6)
