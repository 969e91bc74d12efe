"""The cycle model on the very images that are flashed: its instructions are QEMU's, and a board's own count agrees."""

import json

import numpy as np
import pytest

from clean_checkout import CleanCheckout
from tiny_bundle import CLASSES, tiny_bundle
from tinyscene.compiler import execution
from tinyscene.compiler.pipeline import plan_model
from tinyscene.cycles import estimate, flash
from tinyscene.cycles.counter import Counter
from tinyscene.cycles.image import FRONT_END, NETWORK
from tinyscene.device.emulators.board_machine import Machine, ask
from tinyscene.device.emulators.board_models import BOARDS
from tinyscene.device.messages import Inference, ProfileRun, features_write, profile_read, unpack_profile_read
from tinyscene.errors import LinkError
from tinyscene.firmware.protocol import Request

pytestmark = [pytest.mark.xdist_group("pio"), pytest.mark.usefixtures("first_run")]

TIMING_CODE = 4  # instructions around the network in QEMU's test image, or in run_model()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """An INT8 image of noise."""
    return np.random.default_rng(1).integers(-128, 128, tiny_bundle().frontend.shape, dtype=np.int8)


@pytest.fixture(params=estimate.estimated())
def watched(checkout: CleanCheckout, request: pytest.FixtureRequest, image: np.ndarray) -> tuple[Machine, Counter]:
    """A board that has the image, and what counts its cycles from now on."""
    env: str = request.param
    elf = checkout.built(env)
    machine = BOARDS[env](elf)
    counter = Counter(machine, elf)
    machine.run()
    values = image.tobytes()
    for offset in range(0, len(values), 1000):
        ask(machine, Request.FEATURES_WRITE, features_write(offset, values[offset : offset + 1000]))
    counter.start(flash.of_machine(machine))
    return machine, counter


def test_instructions_are_those_that_qemu_counts(watched: tuple[Machine, Counter], image: np.ndarray) -> None:
    machine, counter = watched
    answer = Inference.unpack_features_run(ask(machine, Request.FEATURES_RUN), len(CLASSES))
    on_mps2 = execution.run_on_mps2([plan_model(tiny_bundle().model)], [image[None, :, :, None]])[0]
    assert on_mps2.outputs[0].tolist() == answer.outputs.tolist()
    assert on_mps2.instructions is not None
    assert abs(on_mps2.instructions - counter.sum(NETWORK).instructions) <= TIMING_CODE


def test_a_boards_own_count_agrees_with_the_models(watched: tuple[Machine, Counter]) -> None:
    """The core's cycle counter shows the model's cycles; what the firmware makes of it is what the model has booked."""
    machine, counter = watched
    run = ProfileRun.unpack(ask(machine, Request.PROFILE_RUN), len(CLASSES))
    network = counter.sum(NETWORK).total
    booked = {name: count.total for (part, name), count in counter.counts.items() if part == NETWORK}
    ticks = unpack_profile_read(ask(machine, Request.PROFILE_READ, profile_read(0, run.layers)), run.layers)
    assert network <= run.model_ticks <= network + 100
    assert sum(ticks) <= run.model_ticks <= sum(ticks) + 200
    layers = [total for name, total in booked.items() if isinstance(name, int)]
    assert len(layers) == len(ticks) == 3
    between = network - sum(layers)
    for mine, boards in zip(layers, ticks, strict=True):
        assert mine <= boards <= mine + between


def test_a_clip_is_estimated(checkout: CleanCheckout) -> None:
    bundle = tiny_bundle()
    found = estimate.estimate("stm32l496", checkout.built("stm32l496"), bundle)
    assert (found.bundle, found.identity, found.clock_hz, found.seconds) == ("tiny", bundle.identity, 80_000_000, 1.0)
    layers = [(row.layer, row.name) for row in found.rows if row.layer is not None]
    assert layers == [(0, "CONV_2D"), (1, "MEAN"), (2, "FULLY_CONNECTED")]
    functions = {row.name for row in found.rows if row.part == FRONT_END}
    assert {"frontend_feed", "frontend_window", "frontend_fft", "frontend_mel"} <= functions
    everything = found.sum()
    assert everything.total == everything.cycles + everything.waits == sum(row.total for row in found.rows)
    for row in found.rows:
        assert row.instructions <= row.cycles
        assert 0 <= row.waits < row.cycles
    said = json.loads(json.dumps(found.to_json()))
    milliseconds = said["ms_per_second_of_audio"]
    assert milliseconds["all"] == pytest.approx(everything.total / 80_000)
    assert milliseconds["all"] == pytest.approx(milliseconds[FRONT_END] + milliseconds[NETWORK])


def test_an_image_of_another_bundle_is_not_estimated(checkout: CleanCheckout) -> None:
    other = tiny_bundle(seed=2)
    with pytest.raises(LinkError, match=f"built for nano33ble carries bundle 'tiny' .*, not {other.identity}"):
        estimate.estimate("nano33ble", checkout.built("nano33ble"), other)
