"""The very images that are flashed, run on models of their boards: they boot, answer, and compute the host's bytes."""

import numpy as np
import pytest

from clean_checkout import CleanCheckout
from tiny_bundle import CLASSES, tiny_bundle
from tinyscene import golden, quantize, signals
from tinyscene.device.board_machine import BOARDS, Machine, Nano33Ble, Stm32L496, ask
from tinyscene.device.messages import (
    DeviceInfo,
    Inference,
    Request,
    Statistics,
    features_write,
    probe_read,
    probe_write,
    unpack_probe_read,
)
from tinyscene.frontend_c import HostFrontend
from tinyscene.frontend_stage import Stage

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]

CLOCKS = {"stm32l496": 80_000_000, "nano33ble": 64_000_000}
RING_BYTES = 4096


@pytest.fixture(params=BOARDS)
def env(request: pytest.FixtureRequest) -> str:
    """Name of a board."""
    return request.param


@pytest.fixture
def machine(checkout: CleanCheckout, env: str) -> Machine:
    """A board that has booted."""
    machine = BOARDS[env](checkout.built(env))
    machine.run()
    return machine


def test_board_greets_and_says_what_it_is(machine: Machine, env: str) -> None:
    bundle = tiny_bundle()
    greeting = f"# tinyscene 0.1.0 board={env} bundle=tiny identity={bundle.identity} protocol=1\r\n"
    assert machine.sent.decode() == greeting
    info = DeviceInfo.unpack(ask(machine, Request.INFO))
    assert (info.board, info.bundle, info.identity) == (env, "tiny", bundle.identity)
    assert (info.mels, info.frames) == bundle.frontend.shape
    assert info.labels == CLASSES
    assert info.clock_hz == CLOCKS[env]


def test_board_computes_what_the_reference_does(machine: Machine) -> None:
    bundle = tiny_bundle()
    image = np.random.default_rng(1).integers(-128, 128, bundle.frontend.shape, dtype=np.int8)
    values = image.tobytes()
    for offset in range(0, len(values), 1000):
        ask(machine, Request.FEATURES_WRITE, features_write(offset, values[offset : offset + 1000]))
    answer = Inference.unpack_features_run(ask(machine, Request.FEATURES_RUN))
    assert list(answer.outputs) == quantize.run_reference(bundle.model, image[None, :, :, None])[0].tolist()


@pytest.mark.parametrize("signal", ["noise", "square"])  # the second is transformed again, exactly
def test_every_stage_of_the_front_end_has_the_hosts_bits(machine: Machine, signal: str) -> None:
    bundle = tiny_bundle()
    frame = golden.cut(signals.clips(bundle.frontend)[signal], bundle.frontend)
    host = HostFrontend(bundle.frontend, bundle.normalisation, bundle.input)
    for offset in range(0, len(frame), 500):
        ask(machine, Request.PROBE_WRITE, probe_write(offset, frame[offset : offset + 500]))
    for stage in Stage:
        expected = host.stage(frame, stage)
        for offset in range(0, len(expected), 255):
            total, values = unpack_probe_read(ask(machine, Request.PROBE_READ, probe_read(stage, offset, 255)))
            assert total == len(expected)
            assert values.tobytes() == expected[offset : offset + 255].tobytes()


def test_bytes_that_nobody_reads_in_time_are_counted(machine: Machine) -> None:
    """More arrive in one sleep than the ring holds; then the board answers as if nothing had been."""
    machine.line.extend(b"." * (RING_BYTES + 100))
    machine.run()
    statistics = Statistics.unpack(ask(machine, Request.STATISTICS))
    assert (statistics.overruns, statistics.frames_ok, statistics.crc_errors) == (100, 1, 0)


def test_stm32l496_falls_back_to_the_slow_clock_and_says_so(checkout: CleanCheckout) -> None:
    machine = Stm32L496(checkout.built("stm32l496"), pll=False)
    machine.run()
    assert DeviceInfo.unpack(ask(machine, Request.INFO)).clock_hz == 4_000_000
    assert machine.read(0x4000800C) == round(256 * 4e6 / 115200)  # LPUART1_BRR
    assert machine.read(Stm32L496.RCC_CR) & Stm32L496.PLLON == 0


def test_stm32l496_registers(checkout: CleanCheckout) -> None:
    machine = Stm32L496(checkout.built("stm32l496"))
    machine.run()
    assert machine.read(0x4002100C) == 1 | 40 << 8 | 1 << 24  # RCC_PLLCFGR: MSI / 1 * 40 / 2
    assert machine.read(0x40022000) == 4 | 7 << 8  # FLASH_ACR: four wait states, caches, prefetch
    assert machine.read(0x4000800C) == round(256 * 80e6 / 115200)  # LPUART1_BRR
    assert machine.read(0x40007004) == 1 << 9  # PWR_CR2: VDDIO2 is valid
    assert machine.read(0x48001800) == 2 << 14 | 2 << 16  # GPIOG_MODER: pins 7 and 8 alternate
    assert (machine.read(0x48001820), machine.read(0x48001824)) == (8 << 28, 8)  # GPIOG_AFRL, AFRH: LPUART1


def test_nano33ble_registers(checkout: CleanCheckout) -> None:
    machine = Nano33Ble(checkout.built("nano33ble"))
    machine.run()
    assert machine.read(0x4000250C) == 32 + 3  # PSEL.TXD: P1.03
    assert machine.read(0x40002514) == 32 + 10  # PSEL.RXD: P1.10
    assert machine.read(0x40002524) == 0x01D7E000  # BAUDRATE: 115200
    assert machine.read(0x40002500) == 4  # ENABLE
    assert machine.read(0xE000ED08) == 0x10000  # VTOR: behind the boot loader
    assert machine.read(0x4001E540) == 1  # NVMC_ICACHECNF: the instruction cache is on
