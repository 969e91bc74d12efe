"""The exact images of the boards with a microphone listen: samples in, the host's results out."""

import dataclasses
import re
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from disco_dfsdm import FLT0ISR, OVERRUN, ListeningDisco
from nano_pdm import ListeningNano
from test_exact_images import ask

from clean_checkout import CleanCheckout
from tiny_bundle import CLASSES, tiny_bundle
from tinyscene.bundle.bundle import Bundle
from tinyscene.device.emulators.board_models import Stm32L496
from tinyscene.device.messages import Source, StreamOptions, StreamStatus, features_read, parse_probabilities
from tinyscene.firmware import stack_usage
from tinyscene.firmware.protocol import Request, Status
from tinyscene.frontend.config import preset
from tinyscene.frontend.host import HostFrontend
from tinyscene.networks import conversion

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]

BLOCK, BLOCKS = 1024, 32  # of the recording
SETTLING = 5 * BLOCK  # 0.1 s, in whole blocks
ONE_CLIP = 1.15  # seconds: settled, and little more than a clip
BEGUN = 3  # columns of the next clip
NANO_RATE = 41667
NANO_FRONTEND = dataclasses.replace(preset("p1"), sample_rate=NANO_RATE, clip_samples=NANO_RATE)

Machine = ListeningNano | ListeningDisco


class Listener(NamedTuple):
    """A board that has booted, its bundle, and how many blocks of the recording are never with the DMA."""

    machine: Machine
    bundle: Bundle
    room: int

    @property
    def rate(self) -> int:
        return self.bundle.frontend.sample_rate


@pytest.fixture(scope="module")
def nano_bundle() -> Bundle:
    """A small one for the rate of the Nano's microphone."""
    return tiny_bundle("listener", frontend=NANO_FRONTEND)


@pytest.fixture(scope="module")
def nano_image(checkout: CleanCheckout, nano_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Nano's firmware with that bundle."""
    folder = tmp_path_factory.mktemp("listener")
    nano_bundle.save(folder, "# card\n")
    checkout.run("run", "-e", "nano33ble", TINYSCENE_BUNDLE=str(folder))
    image = checkout.built("nano33ble").rename(folder / "firmware.elf")
    checkout.run("run", "-e", "nano33ble", TINYSCENE_BUNDLE="models/student")  # as the other tests expect it
    return image


@pytest.fixture(scope="module")
def disco_image(checkout: CleanCheckout) -> Path:
    """The Discovery's firmware with the bundle that every board has."""
    checkout.run("run", "-e", "disco_l496")
    return checkout.built("disco_l496")


@pytest.fixture
def nano(nano_image: Path) -> ListeningNano:
    machine = ListeningNano(nano_image)
    machine.run()
    return machine


@pytest.fixture
def disco(disco_image: Path) -> ListeningDisco:
    machine = ListeningDisco(disco_image)
    machine.run()
    return machine


@pytest.fixture(params=["nano", "disco"])
def listener(request: pytest.FixtureRequest, nano_bundle: Bundle) -> Listener:
    machine = request.getfixturevalue(request.param)
    if request.param == "nano":
        return Listener(machine, nano_bundle, BLOCKS - 2)
    return Listener(machine, tiny_bundle(), BLOCKS)


def sound(rate: int, seconds: float, seed: int = 1, deviation: float = 3000) -> np.ndarray:
    count = int(seconds * rate) // BLOCK * BLOCK
    return np.random.default_rng(seed).normal(0, deviation, count).clip(-32768, 32767).astype(np.int16)


def start(machine: Machine, **wishes: int) -> None:
    ask(machine, Request.STREAM_START, StreamOptions(Source.MICROPHONE, **wishes).pack())


def dropped(machine: Machine) -> int:
    return StreamStatus.unpack(ask(machine, Request.STREAM_STATUS), len(CLASSES)).dropped


def hear(machine: Machine, samples: np.ndarray, blocks: int = 20) -> list[str]:
    """Play samples, so many blocks between two looks of the main loop; return the text lines."""
    machine.sent.clear()
    for first in range(0, len(samples), blocks * BLOCK):
        machine.heard = np.concatenate([machine.heard, samples[first : first + blocks * BLOCK]])
        machine.run()
    return machine.sent.decode().splitlines()


def assert_results(lines: list[str], bundle: Bundle, images: list[np.ndarray]) -> None:
    """Each line of probabilities is followed by one about the stream."""
    values = [parse_probabilities(line) for line in lines[::2]]
    expected = bundle.probabilities(conversion.run_reference(bundle.model, np.stack(images)))
    assert all(value is not None for value in values)
    np.testing.assert_allclose([list(value.values()) for value in values if value], expected, atol=0.0051)


def assert_clips(lines: list[str], bundle: Bundle, samples: np.ndarray) -> None:
    """The lines are for one clip after the other of samples, before which the microphone has settled; so are levels."""
    host = HostFrontend(bundle.frontend, bundle.normalisation, bundle.input)
    length = bundle.frontend.clip_samples
    clips = [samples[first : first + length] for first in range(0, len(samples) - length + 1, length)]
    assert len(lines) == 2 * len(clips) > 0
    assert_results(lines, bundle, [host.features(clip) for clip in clips])
    for line, clip in zip(lines[1::2], clips, strict=True):
        found = re.search(r" level=(\S+) peak=(\S+) ", line)
        energies = (clip / 32768.0) ** 2
        expected = 10 * np.log10([energies.mean(), energies.max()])
        assert found
        np.testing.assert_allclose([float(level) for level in found.groups()], expected, atol=0.051)


def assert_image(machine: Machine, bundle: Bundle, clip: np.ndarray) -> None:
    """The image of the last clip has the host's bits, but for the columns that the next one may have begun."""
    expected = HostFrontend(bundle.frontend, bundle.normalisation, bundle.input).features(clip)
    reads = [features_read(first, min(1000, expected.size - first)) for first in range(0, expected.size, 1000)]
    image = np.frombuffer(b"".join(ask(machine, Request.FEATURES_READ, read) for read in reads), np.int8)
    np.testing.assert_array_equal(image.reshape(expected.shape)[:, BEGUN:], expected[:, BEGUN:])


@pytest.mark.parametrize("blocks", [1, 7, BLOCKS - 2])
def test_the_image_of_a_clip_has_the_hosts_bits(listener: Listener, blocks: int) -> None:
    machine, bundle, _ = listener
    start(machine)
    samples = sound(listener.rate, ONE_CLIP)
    hear(machine, samples, blocks)
    assert_image(machine, bundle, samples[SETTLING:][: bundle.frontend.clip_samples])


@pytest.mark.parametrize("blocks", [1, 7, BLOCKS - 2])
def test_clips_from_the_microphone_are_the_hosts(listener: Listener, blocks: int) -> None:
    machine, bundle, _ = listener
    start(machine)
    samples = sound(listener.rate, 2.3)
    lines = hear(machine, samples, blocks)
    assert_clips(lines, bundle, samples[SETTLING:])
    assert all(line.endswith(" dropped=0") for line in lines[1::2])
    status = StreamStatus.unpack(ask(machine, Request.STREAM_STATUS), len(CLASSES))
    assert (status.results, status.dropped) == (2, 0)


def test_results_by_columns(listener: Listener) -> None:
    """A result for every 25 columns, half a second, once the image is full."""
    machine, bundle, _ = listener
    start(machine, hop=25)
    samples = sound(listener.rate, 2.3)
    lines = hear(machine, samples)
    frontend = bundle.frontend
    host = HostFrontend(frontend, bundle.normalisation, bundle.input)
    images = []
    for result in range(3):
        columns = frontend.shape[1] + 25 * result
        last = (columns - 1) * frontend.hop_length + frontend.win_length // 2
        images.append(host.follow(samples[SETTLING : SETTLING + last], [last]))
    assert_results(lines[:6], bundle, images)


def test_what_comes_while_the_board_is_busy_is_kept_as_far_as_there_is_room(listener: Listener) -> None:
    machine, bundle, room = listener
    start(machine)
    hear(machine, sound(listener.rate, 0.2))  # settled
    hear(machine, np.zeros(room * BLOCK, np.int16), blocks=room)
    assert dropped(machine) == 0
    hear(machine, np.zeros((room + 3) * BLOCK, np.int16), blocks=room + 3)
    assert dropped(machine) == -(-3 * BLOCK // bundle.frontend.hop_length)


def test_a_microphone_that_was_stopped_starts_anew(listener: Listener) -> None:
    """It hears nothing in between, and nothing of what was before comes after."""
    machine, bundle, _ = listener
    for seed in (1, 2):
        start(machine)
        samples = sound(listener.rate, ONE_CLIP, seed)
        assert_clips(hear(machine, samples), bundle, samples[SETTLING:])
        assert_image(machine, bundle, samples[SETTLING:][: bundle.frontend.clip_samples])
        ask(machine, Request.STREAM_STOP)
        assert hear(machine, sound(listener.rate, 1.5)) == []
        machine.heard = machine.heard[:0]


def test_nano_registers_and_pins(nano: ListeningNano) -> None:
    start(nano, gain=-6)
    assert nano.read(0x4001D504) == 0x15000000  # PDMCLKCTRL
    assert nano.read(0x4001D508) == 1  # MODE: mono, left
    assert (nano.read(0x4001D518), nano.read(0x4001D520)) == (34, 0)  # GAINL, RATIO
    assert (nano.read(0x4001D540), nano.read(0x4001D544)) == (26, 25)  # PSEL.CLK, PSEL.DIN
    assert nano.read(0x50000508) == 1 << 17  # OUTSET: the microphone's supply
    ask(nano, Request.STREAM_STOP)
    assert nano.read(0x4001D500) == 0


@pytest.mark.parametrize(("gain", "register"), [(-100, 0), (100, 80), (40, 80), (0, 40)])
def test_the_nanos_gain_ends_where_the_hardware_does(nano: ListeningNano, gain: int, register: int) -> None:
    start(nano, gain=gain)
    assert nano.read(0x4001D51C) == register


@pytest.mark.usefixtures("nano_image")
def test_a_bundle_of_another_rate_is_refused(checkout: CleanCheckout) -> None:
    nano = ListeningNano(checkout.built("nano33ble"))
    nano.run()
    ask(nano, Request.STREAM_START, StreamOptions(Source.MICROPHONE).pack(), Status.BAD_STATE)


def test_discos_rate_by_its_registers(disco: ListeningDisco) -> None:
    """4 MHz * 48 / 17 / 4 / 64, which the front end takes for its 44,100 Hz: 0.04 % more."""
    start(disco)
    assert disco.rate == Fraction(4_000_000 * 48, 17 * 4 * 64)
    assert round(disco.rate) == 44_118
    ask(disco, Request.STREAM_STOP)
    assert not disco.running
    assert disco.read(disco.RCC_CR) >> 26 & 1 == 0  # PLLSAI1 is off


@pytest.mark.parametrize("gain", [-100, -40, -7, 1, 12, 40, 100])
def test_discos_gain_is_in_half_decibels_and_saturates(disco: ListeningDisco, gain: int) -> None:
    """Beyond 20 dB it stays; samples that do not fit are the largest that do."""
    start(disco, gain=gain)
    samples = sound(44100, ONE_CLIP, deviation=5000)
    factor = round(4096 * 10 ** (np.clip(gain, -40, 40) / 40))
    amplified = (samples.astype(np.int64) * factor + 2048 >> 12).clip(-32768, 32767).astype(np.int16)
    assert_clips(hear(disco, samples), tiny_bundle(), amplified[SETTLING:])
    assert_image(disco, tiny_bundle(), amplified[SETTLING:][:44100])


def test_samples_that_the_dma_loses_are_counted(disco: ListeningDisco) -> None:
    hop = tiny_bundle().frontend.hop_length
    start(disco)
    hear(disco, sound(44100, 0.5))
    disco.write(FLT0ISR, OVERRUN)
    hear(disco, np.zeros(BLOCK, np.int16))
    assert disco.read(FLT0ISR) & OVERRUN == 0
    assert dropped(disco) == 1
    disco.late = 1
    hear(disco, np.zeros(2 * BLOCK, np.int16))
    assert dropped(disco) == -(-(1 + 2 * BLOCK) // hop)


@pytest.mark.parametrize("stuck", ["pllsai1", "filter", "pll"])
def test_a_microphone_that_does_not_start_is_refused_and_the_board_answers(disco_image: Path, stuck: str) -> None:
    """Its own PLL, its samples, or the core clock, without which the filter is too slow."""
    disco = ListeningDisco(disco_image, stuck)
    disco.run()
    for _ in range(2):
        ask(disco, Request.STREAM_START, StreamOptions(Source.MICROPHONE).pack(), Status.BAD_STATE)
        assert disco.read(disco.RCC_CR) >> 26 & 1 == 0
        assert not disco.running
        ask(disco, Request.HELLO)
    ask(disco, Request.STREAM_STATUS, status=Status.BAD_STATE)


def test_the_nucleo_has_no_microphone(checkout: CleanCheckout) -> None:
    nucleo = Stm32L496(checkout.built("stm32l496"))
    nucleo.run()
    ask(nucleo, Request.STREAM_START, StreamOptions(Source.MICROPHONE).pack(), Status.BAD_STATE)


def test_discos_serial_port_goes_before_its_microphone(checkout: CleanCheckout, disco: ListeningDisco) -> None:
    """The microphone's interrupt takes longer than a byte: the others interrupt it, which the stack has room for."""
    start(disco)
    assert disco.read(0xE000E400 + 12) >> 16 & 0xFF == 0xFF  # NVIC_IPR of interrupt 14
    assert disco.read(0xE000E400 + 36) >> 16 & 0xFF == 0  # 38, USART2
    alone, both = (stack_usage.of_image(checkout.built(env)) for env in ("stm32l496", "disco_l496"))
    assert alone.interrupts + stack_usage.EXCEPTION_FRAME < both.interrupts < both.available // 4
