"""What a bundle takes of a board, before it is built: RAM, flash, time and energy of one answer.

Time is within 10 % of `tinyscene cycles` for the shipped models; energy is that time at the data sheet's typical power.
"""

import dataclasses
import math

from tinyscene.compiler import plan_model
from tinyscene.firmware import MAX_SMOOTHING, Board
from tinyscene.frontend import FrontendConfig, tables

FULL = 0.95  # share of a memory that an estimate may fill
IN_TIME = 0.8  # share of a window's length that an answer may take, so that live sound is kept up with
_FFT, _BAND = 7.2, 90  # instructions of a frame: n log2 n times the first, and the second for each mel band
_TABLES = 19.2  # bytes of the front end's tables for each point of the FFT
_KIB = 1024


@dataclasses.dataclass(frozen=True)
class Needs:
    """What a bundle takes, whatever the board.

    Attributes:
        ram_bytes, flash_bytes: bytes of arrays that depend on the bundle.
        arena_bytes: those of them that are the network's arena.
        instructions: of one answer, front end and network.
        seconds: length of its window.
    """

    ram_bytes: int
    flash_bytes: int
    arena_bytes: int
    instructions: int
    seconds: float


def of(front: FrontendConfig, model: bytes, classes: int) -> Needs:
    """Estimate what a bundle takes.

    Args:
        front: its front end.
        model: its INT8 .tflite file, trained or not.
        classes: number of its classes.
    """
    report = plan_model(model).report()
    bytes_of_frontend = 2 * tables.history_samples(front) + 4 * tables.work_floats(front)
    frame = _FFT * front.n_fft * math.log2(front.n_fft) + _BAND * front.n_mels
    return Needs(
        ram_bytes=report.ram_bytes + bytes_of_frontend + 4 * (MAX_SMOOTHING + 1) * classes,
        flash_bytes=report.constant_bytes + round(_TABLES * front.n_fft),
        arena_bytes=report.arena_bytes,
        instructions=report.instructions + round(frame * front.frames),
        seconds=front.clip_samples / front.sample_rate,
    )


@dataclasses.dataclass(frozen=True)
class Fit:
    """What a bundle takes of one board."""

    board: Board
    needs: Needs

    @property
    def ram_bytes(self) -> int:
        """RAM of the firmware with the bundle."""
        return self.board.own.ram_bytes + self.needs.ram_bytes

    @property
    def flash_bytes(self) -> int:
        """Flash of the firmware with the bundle."""
        return self.board.own.flash_bytes + self.needs.flash_bytes

    @property
    def seconds(self) -> float:
        """Time of one answer."""
        return self.needs.instructions * self.board.own.cycles_per_instruction / self.board.clock_hz

    @property
    def joules(self) -> float | None:
        """Energy of the processor for one answer; None: the board is no hardware."""
        power = self.board.power
        return power.watts(self.board.clock_hz) * self.seconds if power else None

    @property
    def problem(self) -> str | None:
        """Why it does not fit, as a sentence with the remedy; None: it does."""
        board = self.board
        for what, need, there in (
            ("RAM", self.ram_bytes, board.ram_bytes),
            ("flash", self.flash_bytes, board.flash_bytes),
        ):
            if need > FULL * there:
                return (
                    f"it would take about {need // _KIB} of the {there // _KIB} KB of {what} of {board.name}; "
                    "choose a shorter window, fewer mel bands or a smaller network"
                )
        if self.seconds > IN_TIME * self.needs.seconds:
            return (
                f"an answer would take {board.name} about {self.seconds:.2g} s, too long for windows of "
                f"{self.needs.seconds:g} s; choose a lower rate, fewer mel bands or a smaller network"
            )
        return None

    @property
    def used(self) -> float:
        """The greatest share of RAM, flash or time that it takes."""
        board = self.board
        return max(
            self.ram_bytes / board.ram_bytes, self.flash_bytes / board.flash_bytes, self.seconds / self.needs.seconds
        )

    def __str__(self) -> str:
        """Return the figures in words."""
        ram, flash = self.board.ram_bytes // _KIB, self.board.flash_bytes // _KIB
        return (
            f"{self.board.name}: about {self.ram_bytes // _KIB} of {ram} KB RAM, {self.flash_bytes // _KIB} of {flash} "
            f"KB flash, {1000 * self.seconds:.0f} ms an answer"
        )
