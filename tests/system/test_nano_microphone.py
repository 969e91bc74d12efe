"""The exact image of the Nano 33 BLE Sense listens: PDM blocks in, the host's results out."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from nano_pdm import ListeningNano
from test_exact_images import ask

from clean_checkout import CleanCheckout
from tiny_bundle import tiny_bundle
from tinyscene import quantize
from tinyscene.bundle import Bundle
from tinyscene.device.messages import Request, Source, Status, StreamOptions, StreamStatus, parse_probabilities
from tinyscene.frontend import preset
from tinyscene.frontend_c import HostFrontend

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]

RATE, BLOCK = 41667, 1024
ROOM = 30  # blocks of the ring of 32 while two are with the DMA
SETTLING = 5 * BLOCK  # 0.1 s, in whole blocks
FRONTEND = dataclasses.replace(preset("p1"), sample_rate=RATE, clip_samples=RATE)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A small one for the microphone's rate."""
    return tiny_bundle("listener", frontend=FRONTEND)


@pytest.fixture(scope="module")
def image(checkout: CleanCheckout, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware with that bundle."""
    folder = tmp_path_factory.mktemp("listener")
    bundle.save(folder, "# card\n")
    checkout.run("run", "-e", "nano33ble", TINYSCENE_BUNDLE=str(folder))
    image = checkout.built("nano33ble").rename(folder / "firmware.elf")
    checkout.run("run", "-e", "nano33ble", TINYSCENE_BUNDLE="models/student")  # as the other tests expect it
    return image


@pytest.fixture
def nano(image: Path) -> ListeningNano:
    machine = ListeningNano(image)
    machine.run()
    return machine


def sound(seconds: float, seed: int = 1) -> np.ndarray:
    count = int(seconds * RATE) // BLOCK * BLOCK
    return np.random.default_rng(seed).normal(0, 3000, count).clip(-32768, 32767).astype(np.int16)


def hear(nano: ListeningNano, samples: np.ndarray, blocks: int = 20) -> list[str]:
    """Play samples, so many blocks between two looks of the main loop; return the text lines."""
    nano.sent.clear()
    for first in range(0, len(samples), blocks * BLOCK):
        nano.heard = np.concatenate([nano.heard, samples[first : first + blocks * BLOCK]])
        nano.run()
    return nano.sent.decode().splitlines()


def expected(bundle: Bundle, images: list[np.ndarray]) -> np.ndarray:
    return bundle.probabilities(quantize.run_reference(bundle.model, np.stack(images)))


def assert_lines_are(lines: list[str], probabilities: np.ndarray) -> None:
    values = [parse_probabilities(line) for line in lines[::2]]
    assert all(value is not None for value in values)
    np.testing.assert_allclose([list(value.values()) for value in values if value], probabilities, atol=0.0051)


@pytest.mark.parametrize("blocks", [1, 7, ROOM])
def test_clips_from_the_microphone_are_the_hosts(nano: ListeningNano, bundle: Bundle, blocks: int) -> None:
    ask(nano, Request.STREAM_START, StreamOptions(Source.MICROPHONE).pack())
    samples = sound(2.3)
    lines = hear(nano, samples, blocks)
    host = HostFrontend(FRONTEND, bundle.normalisation, bundle.input)
    clips = [samples[SETTLING + i * RATE : SETTLING + (i + 1) * RATE] for i in range(2)]
    assert len(lines) == 4
    assert_lines_are(lines, expected(bundle, [host.features(clip) for clip in clips]))
    assert all(line.endswith(" dropped=0") for line in lines[1::2])
    assert " level=-20." in lines[1]
    status = StreamStatus.unpack(ask(nano, Request.STREAM_STATUS))
    assert (status.results, status.dropped) == (2, 0)


def test_results_by_columns(nano: ListeningNano, bundle: Bundle) -> None:
    """A result for every 25 columns, half a second, once the image is full."""
    ask(nano, Request.STREAM_START, StreamOptions(Source.MICROPHONE, hop=25).pack())
    samples = sound(2.3)
    lines = hear(nano, samples)
    host = HostFrontend(FRONTEND, bundle.normalisation, bundle.input)
    images = []
    for result in range(3):
        columns = FRONTEND.shape[1] + 25 * result
        last = (columns - 1) * FRONTEND.hop_length + FRONTEND.win_length // 2
        images.append(host.follow(samples[SETTLING : SETTLING + last], [last]))
    assert_lines_are(lines[:6], expected(bundle, images))


def test_what_comes_while_the_board_is_busy_is_kept_as_far_as_there_is_room(nano: ListeningNano) -> None:
    ask(nano, Request.STREAM_START, StreamOptions(Source.MICROPHONE).pack())
    hear(nano, sound(0.2))  # settled
    hear(nano, np.zeros(ROOM * BLOCK, np.int16), blocks=ROOM)
    assert StreamStatus.unpack(ask(nano, Request.STREAM_STATUS)).dropped == 0
    hear(nano, np.zeros((ROOM + 3) * BLOCK, np.int16), blocks=ROOM + 3)
    assert StreamStatus.unpack(ask(nano, Request.STREAM_STATUS)).dropped == -(-3 * BLOCK // FRONTEND.hop_length)


def test_registers_and_pins(nano: ListeningNano) -> None:
    ask(nano, Request.STREAM_START, StreamOptions(Source.MICROPHONE, gain=-6).pack())
    assert nano.read(0x4001D504) == 0x15000000  # PDMCLKCTRL
    assert nano.read(0x4001D508) == 1  # MODE: mono, left
    assert (nano.read(0x4001D518), nano.read(0x4001D520)) == (34, 0)  # GAINL, RATIO
    assert (nano.read(0x4001D540), nano.read(0x4001D544)) == (26, 25)  # PSEL.CLK, PSEL.DIN
    assert nano.read(0x50000508) == 1 << 17  # OUTSET: the microphone's supply
    ask(nano, Request.STREAM_STOP)
    assert nano.read(0x4001D500) == 0
    assert hear(nano, sound(1.5)) == []


@pytest.mark.parametrize(("gain", "register"), [(-100, 0), (100, 80), (40, 80), (0, 40)])
def test_the_gain_ends_where_the_hardware_does(nano: ListeningNano, gain: int, register: int) -> None:
    ask(nano, Request.STREAM_START, StreamOptions(Source.MICROPHONE, gain=gain).pack())
    assert nano.read(0x4001D51C) == register


@pytest.mark.usefixtures("image")
def test_a_bundle_of_another_rate_is_refused(checkout: CleanCheckout) -> None:
    nano = ListeningNano(checkout.built("nano33ble"))
    nano.run()
    ask(nano, Request.STREAM_START, StreamOptions(Source.MICROPHONE).pack(), Status.BAD_STATE)
