#!/usr/bin/env python3
"""Requests by the thousand over a line that hurts one byte in a hundred: no wrong answer, and none without an end.

The board is the firmware's C, compiled for this machine; tests/system does the same with QEMU. By hand:

    PYTHONPATH=host:tests/support .venv/bin/python tests/tools/link_soak.py --requests 10000 --seed 1
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import native_board
from noisy_line import NoisyLine, Trouble
from tinyscene.device import board as board_module
from tinyscene.device.board import Board
from tinyscene.device.link import Link
from tinyscene.errors import LinkError
from tinyscene.firmware.protocol import Request

ONE_PERCENT = Trouble(
    lose=0.0025, flip=0.005, double=0.0025, delay=0.0005, delay_seconds=0.005, stall=0.00005, reset_every=100_000
)
ASKED = {  # by the questions below
    *(Request.HELLO, Request.INFO, Request.FEATURES_WRITE, Request.FEATURES_RUN, Request.FEATURES_READ),
    *(Request.AUDIO_BEGIN, Request.AUDIO_WRITE, Request.AUDIO_END, Request.PROBE_WRITE, Request.PROBE_READ),
}
TIMEOUT = 0.05  # seconds: there is no UART, and the model takes no time


@dataclass
class Tally:
    """What came of it."""

    requests: int = 0
    repetitions: int = 0
    answers: int = 0
    wrong: int = 0
    errors: int = 0
    hurt: int = 0
    passed: int = 0
    resets: int = 0
    seconds: float = 0.0
    longest: float = 0.0


Question = Callable[[Board], bool]


def soak(line: NoisyLine, questions: Sequence[Question], requests: int, seed: int) -> Tally:
    """Ask questions in random order until so many requests were made.

    Args:
        line: to the board.
        questions: each makes requests, and returns whether the answers are right.
        requests: to be made, repetitions not counted.
        seed: of the order.
    """
    order, tally, begin = random.Random(seed), Tally(), time.monotonic()
    while tally.requests < requests:
        try:
            with Link(line.url, timeout=TIMEOUT, reconnect_seconds=2.0) as link:
                try:
                    _ask(link, questions, order, tally, requests)
                finally:
                    tally.requests += link.requests
                    tally.repetitions += link.repetitions
        except LinkError as error:
            print(f"named: {error}")
            tally.errors += 1
    tally.hurt, tally.passed, tally.resets = line.bytes_hurt, line.bytes_passed, line.resets
    tally.seconds = time.monotonic() - begin
    return tally


def _ask(link: Link, questions: Sequence[Question], order: random.Random, tally: Tally, requests: int) -> None:
    board = Board(link)
    while tally.requests + link.requests < requests:
        begin = time.monotonic()
        right = order.choice(questions)(board)
        tally.longest = max(tally.longest, time.monotonic() - begin)
        tally.answers += right
        tally.wrong += not right


def native_questions(seed: int) -> list[Question]:
    """Return questions to `NativeBoard`: all that `Board` can ask."""
    generator = np.random.default_rng(seed)

    def image() -> np.ndarray:
        return generator.integers(-128, 128, (native_board.MELS, native_board.FRAMES)).astype(np.int8)

    def sound(samples: int) -> np.ndarray:
        return generator.integers(-32768, 32768, samples).astype(np.int16)

    def features(board: Board) -> bool:
        sent = image()
        outputs = board.classify_features(sent).outputs.tolist()
        return outputs == native_board.outputs_of_image(sent)

    def audio(board: Board) -> bool:
        sent = sound(native_board.CLIP_SAMPLES)
        answer, shown = board.classify_and_show(sent)
        expected = native_board.image_of(sent)
        return (shown == expected).all() and answer.outputs.tolist() == native_board.outputs_of_image(expected)

    def probe(board: Board) -> bool:
        sent = sound(native_board.WINDOW)
        return all(values.tolist() == native_board.stage_of(stage, sent) for stage, values in board.probe(sent).items())

    def describe(board: Board) -> bool:
        return board.identify().pack() == native_board.info_body()

    return [features, features, features, audio, probe, describe]


def main() -> None:
    """Run it and print the tally."""
    from fake_board import FakePort

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    board_module.RUN_TIMEOUT = TIMEOUT
    board = native_board.NativeBoard()
    with FakePort(board) as port, NoisyLine(port.url, ONE_PERCENT, board.boot) as line:
        print(soak(line, native_questions(options.seed), options.requests, options.seed))


if __name__ == "__main__":
    main()
