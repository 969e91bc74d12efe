"""The boards whose images Unicorn runs: clock, UART and its interrupt of the STM32L496 and the nRF52840.

Only the registers that the firmware uses are modelled; every other register is plain memory.
"""

from pathlib import Path

from tinyscene.device.emulators.board_machine import Machine
from tinyscene.firmware import boards


class Stm32L496(Machine):
    """ST's Nucleo-L496ZG.

    Args:
        elf: the image.
        stuck: what never gets ready: "voltage", "latency" (of the flash), "pll" or "switch" (to another clock).

    Attributes:
        writes: (address, value) of all writes to peripherals, in order.
    """

    board = boards.named("stm32l496")
    FLASH_ACR, PWR_CR1, PWR_SR2 = 0x40022000, 0x40007000, 0x40007014
    RCC_CR, RCC_CFGR, RCC_CSR = 0x40021000, 0x40021008, 0x40021094
    PLLON, PLLRDY, VOSF, PLL = 1 << 24, 1 << 25, 1 << 10, 3
    ORE, RXNE, TC, TXE = 1 << 3, 1 << 5, 1 << 6, 1 << 7

    def __init__(self, elf: Path, stuck: str = "") -> None:
        self._stuck = stuck
        self.uart = self.memory.uart
        self.writes: list[tuple[int, int]] = []
        super().__init__(elf)

    def uart_register(self, offset: int) -> int:
        """Return the content of a register of the UART."""
        return self.read(self.uart + offset)

    def value_read(self, address: int, value: int) -> int:
        """Ready bits follow the request bits; the UART is always ready to send."""
        if address == self.PWR_SR2:
            return self.VOSF if self._stuck == "voltage" else 0
        if address == self.FLASH_ACR and self._stuck == "latency":
            return value & ~7
        if address == self.RCC_CR:
            ready = self._stuck != "pll" and value & self.PLLON
            return value | self.PLLRDY if ready else value & ~self.PLLRDY
        if address == self.RCC_CFGR:
            return value & ~0xC | (0 if self._stuck == "switch" else (value & 3) << 2)
        if address == self.uart + 0x1C:
            return self.TXE | self.TC | value & self.ORE | (self.RXNE if self.line else 0)
        if address == self.uart + 0x24:
            return self.line.popleft()
        return value

    def written(self, address: int, value: int) -> None:
        """Take what is sent."""
        self.writes.append((address, value))
        if address == self.uart + 0x28:
            self.sent.append(value & 0xFF)
        if address == self.uart + 0x20:  # ICR: what is written as 1 is cleared in ISR
            self.write(self.uart + 0x1C, self.uart_register(0x1C) & ~value)


class DiscoL496(Stm32L496):
    """ST's 32L496GDISCOVERY: the same, with another UART."""

    board = boards.named("disco_l496")


class Nano33Ble(Machine):
    """Arduino's Nano 33 BLE, started by its boot loader."""

    board = boards.named("nano33ble")
    HFCLKSTARTED = 0x40000100
    RXDRDY, TXDRDY, RXD, TXD = 0x40002108, 0x4000211C, 0x40002518, 0x4000251C
    FACTORY_INFORMATION = (0x10000000, 0x1000)

    def __init__(self, elf: Path) -> None:
        super().__init__(elf)
        self._cpu.mem_map(*self.FACTORY_INFORMATION)

    def _raise(self) -> None:
        self.write(self.RXDRDY, 1)

    def value_read(self, address: int, value: int) -> int:
        """The crystal runs at once; taking a byte raises the event again while there are more."""
        if address == self.HFCLKSTARTED:
            return 1
        if address == self.RXD:
            byte = self.line.popleft()
            if self.line:
                self.write(self.RXDRDY, 1)
            return byte
        return value

    def written(self, address: int, value: int) -> None:
        """Take what is sent, and signal that it was sent."""
        if address == self.TXD:
            self.sent.append(value & 0xFF)
            self.write(self.TXDRDY, 1)


BOARDS = {model.board.name: model for model in (Stm32L496, DiscoL496, Nano33Ble)}
