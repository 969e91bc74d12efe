"""How long a run will take: the work left for its networks, at the speed at which they are trained here.

A network's speed is measured on its own steps, or read from the histories of trained networks of its kind in other
folds; until there is one, the speed of other kinds is used, in proportion to the work. Only trainings are counted, not
the features before them, nor the conversion and the scores after them.
"""

import dataclasses
import functools
import heapq
import math
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tinyscene.compiler import complexity
from tinyscene.data import SCENES
from tinyscene.training import checkpoint
from tinyscene.training.config import NetworkConfig

OUTPUT = 70  # MACs that take as long as one value of a layer's output: fits five networks on a CPU within a fifth
ENOUGH_STEPS, ENOUGH_SECONDS, ENOUGH_SHARE = 20, 10.0, 0.02  # any of these, the last of the run: print an estimate
RECENT = 9  # epochs whose median is the time of one: a machine may be busy with other things for a while


@dataclasses.dataclass(frozen=True)
class Planned:
    """One network of a run.

    Attributes:
        folder: folder of its checkpoint.
        kind: name of its kind; networks of one kind differ only in their clips.
        work: work of an epoch, in multiply-accumulates of a forward pass, see `work_of_a_clip`.
        epochs: number of epochs to train it for.
    """

    folder: Path
    kind: str
    work: float
    epochs: int


@dataclasses.dataclass(frozen=True)
class State:
    """The progress of a network's training.

    Attributes:
        planned: the network.
        done: finished epochs, with a fraction for the current one; 0: it has not begun.
        seconds: duration of an epoch, if it was measured.
    """

    planned: Planned
    done: float = 0.0
    seconds: float | None = None

    @property
    def left(self) -> float:
        """Epochs left to train."""
        return self.planned.epochs - self.done


@functools.cache
def work_of_a_clip(network: NetworkConfig, shape: tuple[int, int]) -> float:
    """Return a network's multiply-accumulates for one image of `shape` (n_mels, frames), plus the cost of its outputs.

    Small networks write many outputs for few multiplications: by multiply-accumulates alone, their speed would be
    overestimated by up to five times.
    """
    layers = network.build(shape, len(SCENES)).layers
    outputs = sum(math.prod(layer.output.shape[1:]) for layer in layers)
    return sum(complexity.keras_macs(layer) for layer in layers) + OUTPUT * outputs


def remaining(parts: Sequence[Sequence[State]], processes: int, start: float) -> float:
    """Return the seconds until all parts of a run are trained.

    Args:
        parts: the networks of every part, one after another; at least one network was measured. A process that is free
            takes the next part.
        processes: number of processes that train parts at the same time.
        start: seconds that a network takes in addition to its steps, to compile its graph.
    """
    known = [(state.planned, state.seconds) for part in parts for state in part if state.seconds is not None]
    common = _speed(known)
    speeds = {
        kind: _speed([each for each in known if each[0].kind == kind])
        for kind in {planned.kind for planned, _ in known}
    }

    def seconds(state: State) -> float:
        planned = state.planned
        epoch = state.seconds if state.seconds is not None else planned.work / speeds.get(planned.kind, common)
        return state.left * epoch + (0 if state.done else start)

    free_at = [0.0] * processes
    for part in parts:
        heapq.heapreplace(free_at, free_at[0] + sum(map(seconds, part)))
    return max(free_at)


def _speed(measured: Sequence[tuple[Planned, float]]) -> float:
    """Return the work that is done in a second."""
    return sum(planned.work for planned, _ in measured) / sum(seconds for _, seconds in measured)


@dataclasses.dataclass(frozen=True)
class Plan:
    """All networks of a run.

    Attributes:
        parts: networks of each part; empty: nothing is known of the run, and no duration is printed.
        processes: number of processes that train parts at the same time.
        first: folder of the network whose training prints how long the run will take; None: all are trained.
    """

    parts: tuple[tuple[Planned, ...], ...] = ()
    processes: int = 1
    first: Path | None = None

    def states(self) -> list[list[State]]:
        """Return the progress of the networks, from their histories, which every process can read."""
        return [[_state(planned) for planned in part] for part in self.parts]


UNPLANNED = Plan()


def plan(parts: Iterable[Sequence[Planned]], processes: int = 1) -> Plan:
    """Return the plan of a run that begins or resumes now: finished networks are not trained again."""
    planned = Plan(tuple(tuple(part) for part in parts), processes)
    to_do = (state.planned.folder for part in planned.states() for state in part if state.left)
    return dataclasses.replace(planned, first=next(to_do, None))


def _state(planned: Planned) -> State:
    seconds = [line["seconds"] for line in checkpoint.history(planned.folder)]
    typical = seconds[1:][-RECENT:]  # the first epoch includes compiling
    return State(planned, len(seconds), max(0.01, statistics.median(typical)) if typical else None)


class Clock:
    """Times the steps of one network in this process, and predicts how long its run will take.

    The median step counts: the first one compiles the graph, as does the first one of another batch size.
    """

    def __init__(self, plan: Plan, folder: Path, steps: int, done: int) -> None:
        """Begin.

        Args:
            plan: plan of the run.
            folder: folder of the network.
            steps: number of steps of an epoch.
            done: number of epochs trained before this call.
        """
        self._plan, self._folder, self._steps, self._done = plan, folder, steps, done
        self._durations: list[float] = []  # durations of steps; after two epochs, the epochs' times are better
        self._last = time.monotonic()
        self._count = 0
        self._enough = self._enough_steps() if folder == plan.first else 0

    def _enough_steps(self) -> int:
        """Return the step after which the run's duration is printed, if the time before does not trigger that."""
        states = [state for part in self._plan.states() for state in part]
        (own,) = (state for state in states if state.planned.folder == self._folder)
        work = sum(state.left * state.planned.work for state in states) / self._plan.processes
        share = ENOUGH_SHARE * work / (own.planned.work / self._steps)
        return 1 + max(1, min(ENOUGH_STEPS, int(share), int(own.left) * self._steps - 1))

    def step(self) -> str:
        """Note that a step is done; return the line on how long the run will take, once, or an empty string."""
        before, self._last = self._last, time.monotonic()
        self._count += 1
        if len(self._durations) < 2 * self._steps:
            self._durations.append(self._last - before)
        if self._enough and self._count > 1:
            warm = sum(self._durations[1:])
            if self._count >= self._enough or warm >= ENOUGH_SECONDS:
                self._enough = 0
                return self._first()
        return ""

    def _first(self) -> str:
        left = self.to_go() or 0.0
        at = time.localtime(time.time() + left)
        day = "" if at[:3] == time.localtime()[:3] else time.strftime("%d %B, ", at)
        count, processes = sum(map(len, self._plan.parts)), self._plan.processes
        side = f", {processes} parts in parallel" if processes > 1 else ""
        return (
            f"this run's training ({count} network{'s'[: count > 1]}{side}) will take about {spoken(left)}, "
            f"until {day}{time.strftime('%H:%M', at)}"
        )

    def to_go(self) -> float | None:
        """Return the seconds until the whole run is trained; None while no step has been timed."""
        if not self._plan.parts or self._count < 2:
            return None
        step = statistics.median(self._durations[1:])
        done = self._done + self._count / self._steps

        def now(state: State) -> State:
            if state.planned.folder != self._folder:
                return state
            steady = state.done - self._done >= 2  # epochs in this process: their times include more than the steps
            return State(state.planned, done, state.seconds if steady else step * self._steps)

        parts = [[now(state) for state in part] for part in self._plan.states()]
        first = self._durations[: self._steps]
        return remaining(parts, self._plan.processes, start=max(0.0, sum(first) - step * len(first)))


def spoken(seconds: float) -> str:
    """Return a duration in words, with about two digits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"
