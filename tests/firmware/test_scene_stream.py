"""Streams with options: the microphone, results by columns, smoothing, rejection, the level, what is dropped."""

import ctypes
import dataclasses

import numpy as np
import pytest
from test_scene import (
    BAD_STATE,
    BAD_VALUE,
    CLASSES,
    CLIP_SAMPLES,
    OK,
    PROBABILITIES,
    Board,
    library,
)

from tinyscene.device.messages import Source, StreamOptions, StreamStatus
from tinyscene.firmware.protocol import MAX_SMOOTHING, Request

COLUMN, FRAMES = 10, 5
RATE = 8000
NAMES = ("bus", "metro_station", "park")
NOT_RECORDING = 1000


def options(source: Source = Source.MICROPHONE, **wishes: int) -> bytes:
    return StreamOptions(source, **wishes).pack()


def column(*outputs: int) -> np.ndarray:
    """Samples of a column whose bands hold so many 256ths for the classes."""
    samples = np.zeros(COLUMN, np.int16)
    samples[:CLASSES] = np.array(outputs) - 128 - 1  # the model adds 1
    return samples


def hear(samples: np.ndarray, lost: int = 0) -> list[str]:
    """Let the microphone hear samples, and return the lines that come of it."""
    library().harness_record(samples.astype("<i2").tobytes(), len(samples), lost)
    written = ctypes.create_string_buffer(8192)
    count = library().harness_listen(written, len(written))
    return written.raw[:count].decode().splitlines()


@pytest.fixture
def board() -> Board:
    return Board(PROBABILITIES)


def status(board: Board) -> tuple[object, ...]:
    answer = board.ask(Request.STREAM_STATUS)
    assert answer[:1] == OK
    return dataclasses.astuple(StreamStatus.unpack(answer[1:], CLASSES))


def test_the_microphone_gives_a_line_a_clip_and_one_about_the_stream(board: Board) -> None:
    assert board.ask(Request.STREAM_START, options(gain=-6)) == OK
    assert library().harness_gain() == -6
    assert hear(np.full(CLIP_SAMPLES - 1, 16384)) == []
    lines = hear(np.full(1, 16384))
    assert len(lines) == 2
    assert lines[0].startswith("bus:0.33\t")
    assert lines[1] == "# scene=bus level=-6.0 peak=-6.0 dropped=0"
    assert status(board) == (1, 0, -6.0, -6.0, 0)
    assert board.ask(Request.STREAM_STOP) == OK
    assert library().harness_gain() == NOT_RECORDING
    assert board.ask(Request.STREAM_STATUS) == BAD_STATE
    assert hear(np.zeros(2 * CLIP_SAMPLES)) == []


def test_a_result_for_so_many_columns_once_the_image_is_full(board: Board) -> None:
    """The model sees cells 0 to 2: the first band of the three oldest columns."""
    assert board.ask(Request.STREAM_START, options(hop=2)) == OK
    values = [64, 128, 192, 0, 0, 0, 32, 96, 0]
    lines = [hear(column(value, 0, 0)) for value in values]
    assert [bool(line) for line in lines] == [False] * 4 + [True, False, True, False, True]
    sums = [values[i : i + 3] for i in (0, 2, 4)]
    for line, three in zip(lines[4::2], sums, strict=True):
        expected = np.array(three) / max(sum(three), 1)
        assert line[0] == "\t".join(f"{name}:{value:.2f}" for name, value in zip(NAMES, expected, strict=True))


@pytest.mark.parametrize("cut", [1, 7, 64, 1000])
def test_cuts_do_not_matter(board: Board, cut: int) -> None:
    samples = np.random.default_rng(4).integers(-3000, 3000, 4 * CLIP_SAMPLES)
    for hop in (0, 30):
        assert board.ask(Request.STREAM_START, options(hop=hop)) == OK
        whole = hear(samples)
        assert board.ask(Request.STREAM_START, options(hop=hop)) == OK
        assert [line for first in range(0, len(samples), cut) for line in hear(samples[first : first + cut])] == whole
        assert len(whole) == 2 * (4 if hop == 0 else (4 * CLIP_SAMPLES // COLUMN - FRAMES) // hop + 1)


def test_the_serial_port_may_use_the_same_options(board: Board) -> None:
    assert board.ask(Request.STREAM_START, options(Source.SERIAL, hop=1)) == OK
    assert hear(np.zeros(CLIP_SAMPLES)) == []
    board.write_samples(
        Request.STREAM_WRITE, np.concatenate([column(255, 0, 0)] * FRAMES), chunk=len(column(0, 0, 0)) * FRAMES
    )
    assert board.text.decode().splitlines()[0] == "bus:0.33\tmetro_station:0.33\tpark:0.33"


def test_probabilities_are_smoothed_over_the_latest_results(board: Board) -> None:
    assert board.ask(Request.STREAM_START, options(smoothing=3)) == OK

    def clip(first: int, second: int) -> np.ndarray:
        samples = np.zeros(CLIP_SAMPLES)
        samples[0:150:50] = np.array([first, second, 0]) - 128 - 1
        return samples

    shares = [(200, 0), (0, 200), (100, 100), (0, 200), (0, 200), (0, 200)]
    heard = [float(hear(clip(*share))[0].split("\t")[0].removeprefix("bus:")) for share in shares]
    np.testing.assert_allclose(heard, [1, 1 / 2, 1 / 2, 1 / 6, 1 / 6, 0], atol=0.0051)


def test_the_longest_smoothing_is_the_hosts(board: Board) -> None:
    assert board.ask(Request.STREAM_START, options(smoothing=MAX_SMOOTHING)) == OK
    assert board.ask(Request.STREAM_START, options(smoothing=MAX_SMOOTHING + 1)) == BAD_VALUE


def test_what_is_not_likely_enough_is_rejected(board: Board) -> None:
    loud = np.zeros(CLIP_SAMPLES)
    loud[:150:50] = np.array([0, 120, 80]) - 128 - 1  # 60 % and 40 %
    for reject, name, index in ((59, "metro_station", 1), (61, "?", None)):
        assert board.ask(Request.STREAM_START, options(reject=reject)) == OK
        assert status(board)[0] == 0
        assert hear(loud)[1].startswith(f"# scene={name} level=")
        assert status(board)[4] == index


def test_level_and_peak_are_of_the_sound_since_the_last_result(board: Board) -> None:
    assert board.ask(Request.STREAM_START, options()) == OK
    sine = np.rint(32767 * np.sin(2 * np.pi * np.arange(CLIP_SAMPLES) / 20))
    assert " level=-3.0 peak=0.0 " in hear(sine)[1]
    assert " level=-99.9 peak=-99.9 " in hear(np.zeros(CLIP_SAMPLES))[1]
    click = np.zeros(CLIP_SAMPLES)
    click[500] = -32768
    assert " level=-30.0 peak=0.0 " in hear(click)[1]
    assert " level=-90.3 peak=-90.3 " in hear(np.ones(CLIP_SAMPLES))[1]


def test_lost_samples_are_counted_in_frames(board: Board) -> None:
    assert board.ask(Request.STREAM_START, options()) == OK
    for lost, frames in ((1, 1), (10, 1), (11, 2), (1000, 100)):
        assert hear(np.zeros(CLIP_SAMPLES), lost)[1].endswith(f" dropped={frames}")
        assert status(board)[1] == frames


def test_a_microphone_that_does_not_fit_or_start_is_refused(board: Board) -> None:
    for rate, fits in ((8008, True), (7992, True), (8009, False), (7991, False), (16000, False)):
        library().harness_set_microphone(rate, True, True)
        assert board.ask(Request.STREAM_START, options()) == (OK if fits else BAD_STATE)
    library().harness_set_microphone(RATE, False, True)
    assert board.ask(Request.STREAM_START, options()) == BAD_STATE
    library().harness_set_microphone(RATE, True, False)
    assert board.ask(Request.STREAM_START, options(hop=1)) == BAD_VALUE
    assert board.ask(Request.STREAM_START, options(hop=0)) == OK


def test_other_requests_end_the_recording(board: Board) -> None:
    for request, payload in (
        (Request.AUDIO_BEGIN, b""),
        (Request.STREAM_START, b"\0"),
        (Request.PROBE_WRITE, bytes(4)),
    ):
        assert board.ask(Request.STREAM_START, options()) == OK
        assert board.ask(Request.STREAM_WRITE, bytes(6)) == BAD_STATE
        assert library().harness_gain() == 0
        assert board.ask(request, payload) == OK
        assert library().harness_gain() == NOT_RECORDING
