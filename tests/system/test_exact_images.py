"""The very images that are flashed, run on models of their boards: they boot, answer, and compute the host's bytes."""

import functools
import itertools
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from small_firmware import build

from clean_checkout import CleanCheckout
from images import with_flipped_bit
from tiny_bundle import CLASSES, tiny_bundle
from tinyscene.device.description import read_description
from tinyscene.device.emulators.board_machine import Machine, exchange
from tinyscene.device.emulators.board_models import BOARDS, DiscoL496, Nano33Ble, Stm32L496
from tinyscene.device.health import Crash, CrashKind, ResetCause, SelfTest
from tinyscene.device.messages import (
    Inference,
    Statistics,
    features_write,
    probe_read,
    probe_write,
    unpack_probe_read,
)
from tinyscene.firmware.protocol import Request, Status
from tinyscene.frontend import golden, signals
from tinyscene.frontend.host import HostFrontend
from tinyscene.frontend.stage import Stage
from tinyscene.networks import conversion

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]

CLOCKS = {"stm32l496": 80_000_000, "nano33ble": 64_000_000}
RING_BYTES = 4096
HARD_FAULT, SYSTICK = 3, 15  # exceptions


def ask(machine: Machine, request: Request, payload: bytes = b"", status: Status = Status.OK) -> bytes:
    """Send a request, and return the answer's body after its status, which must be as given."""
    answered, body = exchange(machine, request, payload)
    assert answered is status
    return body


@pytest.fixture(params=["stm32l496", "nano33ble"])
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
    greeting = f"# tinyscene 0.1.0 board={env} bundle=tiny identity={bundle.identity} protocol=2\r\n"
    assert machine.sent.decode() == greeting
    info = read_description(functools.partial(ask, machine))
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
    answer = Inference.unpack_features_run(ask(machine, Request.FEATURES_RUN), len(CLASSES))
    assert list(answer.outputs) == conversion.run_reference(bundle.model, image[None, :, :, None])[0].tolist()


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
            total, values = unpack_probe_read(
                ask(machine, Request.PROBE_READ, probe_read(stage, offset, 255)), offset, 255
            )
            assert total == len(expected)
            assert values.tobytes() == expected[offset : offset + 255].tobytes()


def test_bytes_that_nobody_reads_in_time_are_counted(machine: Machine) -> None:
    """More arrive in one sleep than the ring holds; then the board answers as if nothing had been."""
    machine.line.extend(b"." * (RING_BYTES + 100))
    machine.run()
    statistics = Statistics.unpack(ask(machine, Request.STATISTICS))
    assert (statistics.overruns, statistics.frames_ok, statistics.crc_errors) == (100, 3, 0)


def test_the_receive_interrupt_keeps_up_with_two_megabaud(checkout: CleanCheckout) -> None:
    """A byte takes 400 cycles of 80 MHz then, and the UART holds no second one."""
    machine = Stm32L496(checkout.built("stm32l496"))
    machine.run()
    assert machine.instructions_of_receiving(ord("?")) < 60


@pytest.mark.parametrize("baud", [38_400, 921_600, 2_000_000])
@pytest.mark.parametrize("stuck", ["", "pll"])
def test_stm32l496_divides_its_clock_for_any_baud_rate(tmp_path: Path, baud: int, stuck: str) -> None:
    """At the slow clock not for more than 115200, which its interrupt could not keep up with."""
    build(tmp_path / "small.elf", "stm32l496", "for (;;) { board_idle(); }", baud)
    machine = Stm32L496(tmp_path / "small.elf", stuck)
    machine.run()
    clock, reached = (4_000_000, min(baud, 115_200)) if stuck else (80_000_000, baud)
    assert machine.uart_register(0x0C) == round(256 * clock / reached)
    assert machine.sent.startswith(b"hello")


def test_a_baud_rate_that_the_uart_cannot_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        build(tmp_path / "small.elf", "stm32l496", "", 300)
    assert "platformio.ini: this UART cannot have monitor_speed symbols a second" in failed.value.stderr


def test_stm32l496_counts_what_its_uart_loses(checkout: CleanCheckout) -> None:
    machine = Stm32L496(checkout.built("stm32l496"))
    machine.run()
    machine.write(machine.uart + 0x1C, Stm32L496.ORE)
    machine.line.extend(b".")
    machine.run()
    assert machine.uart_register(0x1C) & Stm32L496.ORE == 0
    assert Statistics.unpack(ask(machine, Request.STATISTICS)).overruns == 1


@pytest.mark.parametrize("stuck", ["voltage", "latency", "pll", "switch"])
def test_stm32l496_falls_back_to_the_slow_clock_and_says_so(checkout: CleanCheckout, stuck: str) -> None:
    machine = Stm32L496(checkout.built("stm32l496"), stuck)
    machine.run()
    assert read_description(functools.partial(ask, machine)).clock_hz == 4_000_000
    assert SelfTest.unpack(ask(machine, Request.SELF_TEST)).intended_clock_hz == 80_000_000
    assert machine.uart_register(0x0C) == round(256 * 4e6 / 115200)  # BRR
    assert machine.read(Stm32L496.RCC_CFGR) & 3 == 0  # MSI
    assert machine.read(Stm32L496.RCC_CR) & Stm32L496.PLLON == 0


def test_stm32l496_raises_its_clock_last(checkout: CleanCheckout) -> None:
    machine = Stm32L496(checkout.built("stm32l496"))
    machine.run()
    steps = [
        (Stm32L496.PWR_CR1, 1 << 9),  # voltage range 1
        (Stm32L496.FLASH_ACR, 4 | 7 << 8),  # four wait states, caches, prefetch
        (0x4002100C, 1 | 40 << 8 | 1 << 24),  # RCC_PLLCFGR: MSI / 1 * 40 / 2
        (Stm32L496.RCC_CR, Stm32L496.PLLON),
        (Stm32L496.RCC_CFGR, Stm32L496.PLL),
    ]
    assert [write for write in machine.writes if write in steps] == steps


def test_stm32l496_registers(checkout: CleanCheckout) -> None:
    machine = Stm32L496(checkout.built("stm32l496"))
    machine.run()
    assert machine.uart_register(0x0C) == round(256 * 80e6 / 115200)  # BRR
    assert machine.read(0x40007004) == 1 << 9  # PWR_CR2: VDDIO2 is valid
    assert machine.read(0x4002104C) == 1 << 6  # RCC_AHB2ENR: GPIOG
    assert (machine.read(0x40021058), machine.read(0x4002105C)) == (1 << 28, 1)  # RCC_APB1ENR1, 2: PWR, LPUART1
    assert machine.read(0x48001800) == 2 << 14 | 2 << 16  # GPIOG_MODER: pins 7 and 8 alternate
    assert (machine.read(0x48001820), machine.read(0x48001824)) == (8 << 28, 8)  # GPIOG_AFRL, AFRH: LPUART1


def test_disco_l496_registers(checkout: CleanCheckout) -> None:
    checkout.run("run", "-e", "disco_l496")
    machine = DiscoL496(checkout.built("disco_l496"))
    machine.run()
    assert read_description(functools.partial(ask, machine)).board == "disco_l496"
    assert machine.uart_register(0x0C) == round(80e6 / 115200)  # BRR
    assert machine.read(0x4002104C) == 1 << 0 | 1 << 3  # RCC_AHB2ENR: GPIOA, GPIOD
    assert (machine.read(0x40021058), machine.read(0x4002105C)) == (1 << 28 | 1 << 17, 0)  # PWR, USART2
    assert machine.read(0x48000000) == 2 << 4  # GPIOA_MODER: pin 2 alternate
    assert machine.read(0x48000C00) == 2 << 12  # GPIOD_MODER: pin 6 alternate
    assert (machine.read(0x48000020), machine.read(0x48000C20)) == (7 << 8, 7 << 24)  # AFRL: USART2


@pytest.mark.parametrize(
    ("flags", "cause"),
    [
        (1 << 29 | 1 << 26, ResetCause.WATCHDOG),
        (1 << 28 | 1 << 26, ResetCause.SOFTWARE),
        (1 << 27 | 1 << 26, ResetCause.POWER),
        (1 << 26, ResetCause.PIN),
        (1 << 31 | 1 << 26, ResetCause.OTHER),
        (0, ResetCause.UNKNOWN),
    ],
)
def test_stm32l496_tells_why_it_started(checkout: CleanCheckout, flags: int, cause: ResetCause) -> None:
    machine = Stm32L496(checkout.built("stm32l496"))
    machine.write(Stm32L496.RCC_CSR, flags)
    machine.run()
    crash = Crash.unpack(ask(machine, Request.CRASH_READ, b"\0"))
    kind = CrashKind.UNWITNESSED if cause is ResetCause.WATCHDOG else CrashKind.NONE
    assert (crash.reset_cause, crash.kind) == (cause, kind)
    assert (Stm32L496.RCC_CSR, flags | 1 << 23) in machine.writes  # RMVF: or the flags add up


def test_stm32l496_watchdog_runs_and_is_fed(checkout: CleanCheckout) -> None:
    machine = Stm32L496(checkout.built("stm32l496"))
    machine.run()
    keys = [value for address, value in machine.writes if address == 0x40003000]
    assert keys[1:3] == [0xCCCC, 0x5555]  # IWDG_KR: start, unlock
    assert (machine.read(0x40003004), machine.read(0x40003008)) == (6, 30 * 34000 // 256)  # LSI / 256, 30 s at least
    assert keys[-1] == 0xAAAA
    before = keys.count(0xAAAA)
    ask(machine, Request.HELLO)
    assert [value for address, value in machine.writes if address == 0x40003000].count(0xAAAA) > before
    assert (machine.read(0xE000E014), machine.read(0xE000E010)) == (8_000_000 - 1, 7)  # SysTick: every 0.1 s


@pytest.mark.parametrize(
    ("reasons", "cause"),
    [
        (0, ResetCause.POWER),
        (1, ResetCause.PIN),
        (2, ResetCause.WATCHDOG),
        (4, ResetCause.SOFTWARE),
        (8, ResetCause.LOCKUP),
        (1 << 16, ResetCause.OTHER),
    ],
)
def test_nano33ble_tells_why_it_started_and_its_watchdog_runs(
    checkout: CleanCheckout, reasons: int, cause: ResetCause
) -> None:
    machine = Nano33Ble(checkout.built("nano33ble"))
    machine.write(0x40000400, reasons)  # RESETREAS
    machine.run()
    assert Crash.unpack(ask(machine, Request.CRASH_READ, b"\0")).reset_cause is cause
    assert machine.read(0x40010504) == 120 * 32768 - 1  # WDT CRV
    assert (machine.read(0x40010508), machine.read(0x4001050C), machine.read(0x40010000)) == (1, 0, 1)
    assert machine.read(0x40010600) == 0x6E524635  # RR[0]


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_one_damaged_byte_of_the_constants_is_found_and_nothing_computed(
    checkout: CleanCheckout, env: str, place: float, tmp_path: Path
) -> None:
    """The board boots, says so, and refuses to compute; whole, it says that it is."""
    whole = BOARDS[env](checkout.built(env))
    whole.run()
    assert SelfTest.unpack(ask(whole, Request.SELF_TEST)).bundle_is_whole
    damaged = tmp_path / "damaged.elf"
    damaged.write_bytes(with_flipped_bit(checkout.built(env), place))
    machine = BOARDS[env](damaged)
    machine.run()
    assert b"the bundle in its flash is damaged; flash the firmware again\r\n" in machine.sent
    tested = SelfTest.unpack(ask(machine, Request.SELF_TEST))
    assert not tested.bundle_is_whole
    assert tested.complaints()[0].startswith("the bundle in its flash is damaged")
    for request in (Request.FEATURES_RUN, Request.AUDIO_BEGIN, Request.STREAM_STOP):
        ask(machine, request, status=Status.BAD_MODEL)
    ask(machine, Request.INFO, bytes(4), status=Status.BAD_MODEL)
    ask(machine, Request.STATISTICS)


def test_a_main_loop_that_stands_still_is_recorded_and_restarted(machine: Machine) -> None:
    """The system timer comes every 0.1 s; it bites after 25 s without a turn of the main loop, and remembers where."""
    waits_at = machine.counter
    machine.sent.clear()
    ticks = itertools.count(1)
    while not machine.take_exception(SYSTICK):
        next(ticks)
    assert next(ticks) == 250
    line = re.fullmatch(rb"\0# watchdog cfsr=0+ hfsr=0+ sp=[0-9a-f]{8} pc=([0-9a-f]{8}) lr=.*\r\n", machine.sent)
    assert line
    assert int(line[1], 16) == waits_at
    machine.reset()
    machine.run()
    crash = Crash.unpack(ask(machine, Request.CRASH_READ, b"\0"))
    assert (crash.kind, crash.count, crash.request, crash.pc) == (CrashKind.WATCHDOG, 1, 0, waits_at)
    for _ in range(249):
        assert not machine.take_exception(SYSTICK)
    ask(machine, Request.HELLO)  # the main loop turned
    assert not machine.take_exception(SYSTICK)


def test_a_fault_is_recorded_and_survives_the_restart(machine: Machine) -> None:
    machine.sent.clear()
    assert machine.take_exception(HARD_FAULT)
    assert machine.sent.startswith(b"\0# fault cfsr=")
    machine.reset()
    machine.run()
    crash = Crash.unpack(ask(machine, Request.CRASH_READ, b"\0"))
    assert (crash.kind, crash.count, crash.pc) == (CrashKind.FAULT, 1, machine.counter)
    assert Crash.unpack(ask(machine, Request.CRASH_READ, b"\1")).kind is CrashKind.NONE


def test_nano33ble_registers(checkout: CleanCheckout) -> None:
    machine = Nano33Ble(checkout.built("nano33ble"))
    machine.run()
    assert machine.read(0x4000250C) == 32 + 3  # PSEL.TXD: P1.03
    assert machine.read(0x40002514) == 32 + 10  # PSEL.RXD: P1.10
    assert machine.read(0x40002524) == 0x01D7E000  # BAUDRATE: 115200
    assert machine.read(0x40002500) == 4  # ENABLE
    assert machine.read(0xE000ED08) == 0x10000  # VTOR: behind the boot loader
    assert machine.read(0x4001E540) == 1  # NVMC_ICACHECNF: the instruction cache is on
