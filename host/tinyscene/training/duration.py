"""How long a run will take: the work that its networks still are, at the speed at which they are trained here.

A network's speed is measured on its own steps, or read from the histories of those of its kind, in other folds, that
are trained; until there is one, it is that of the others, in proportion to the work. Only trainings are counted, not
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
ENOUGH_STEPS, ENOUGH_SECONDS, ENOUGH_SHARE = 20, 10.0, 0.02  # of the run: any of them, and the first estimate is told
RECENT = 9  # epochs whose median tells how long one takes: a machine may be busy with other things for a while


@dataclasses.dataclass(frozen=True)
class Planned:
    """One network of a run.

    Attributes:
        folder: of its checkpoint.
        kind: networks of one kind differ in their clips only.
        work: of an epoch, in multiply-accumulates of a forward pass, see `work_of_a_clip`.
        epochs: to train it for.
    """

    folder: Path
    kind: str
    work: float
    epochs: int


@dataclasses.dataclass(frozen=True)
class State:
    """How far a network is.

    Attributes:
        planned: the network.
        done: epochs, a fraction of the one that is being trained; 0: it has not begun.
        seconds: that an epoch takes, if that was measured.
    """

    planned: Planned
    done: float = 0.0
    seconds: float | None = None

    @property
    def left(self) -> float:
        """Epochs to do."""
        return self.planned.epochs - self.done


@functools.cache
def work_of_a_clip(network: NetworkConfig, shape: tuple[int, int]) -> float:
    """Return a network's multiply-accumulates for one image of `shape` (n_mels, frames), and what its outputs weigh.

    Small networks write many outputs for what they multiply: by multiply-accumulates alone, they would be thought up
    to five times as quick as they are.
    """
    layers = network.build(shape, len(SCENES)).layers
    outputs = sum(math.prod(layer.output.shape[1:]) for layer in layers)
    return sum(complexity.keras_macs(layer) for layer in layers) + OUTPUT * outputs


def remaining(parts: Sequence[Sequence[State]], processes: int, start: float) -> float:
    """Return the seconds until all parts of a run are trained.

    Args:
        parts: the networks of every part, one after another; at least one of all was measured. A process that is free
            takes the next part.
        processes: that take parts side by side.
        start: seconds that a network takes beside its steps: its graph is compiled.
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
        parts: each part's networks; none: nothing is known of the run, and nothing is said.
        processes: that train parts side by side.
        first: folder of the network that tells how long the run will take; None: all are trained.
    """

    parts: tuple[tuple[Planned, ...], ...] = ()
    processes: int = 1
    first: Path | None = None

    def states(self) -> list[list[State]]:
        """Return how far the networks are by their histories, which every process can read."""
        return [[_state(planned) for planned in part] for part in self.parts]


UNPLANNED = Plan()


def plan(parts: Iterable[Sequence[Planned]], processes: int = 1) -> Plan:
    """Return the plan of a run that begins, or goes on, now: what is trained already is not trained again."""
    planned = Plan(tuple(tuple(part) for part in parts), processes)
    to_do = (state.planned.folder for part in planned.states() for state in part if state.left)
    return dataclasses.replace(planned, first=next(to_do, None))


def _state(planned: Planned) -> State:
    seconds = [line["seconds"] for line in checkpoint.history(planned.folder)]
    typical = seconds[1:][-RECENT:]  # the first epoch compiles, too
    return State(planned, len(seconds), max(0.01, statistics.median(typical)) if typical else None)


class Clock:
    """Times the steps of one network in this process, and says how long its run will take.

    A step is the median one: the first compiles the graph, and the first of another batch size does so again.
    """

    def __init__(self, plan: Plan, folder: Path, steps: int, done: int) -> None:
        """Begin.

        Args:
            plan: of the run.
            folder: of the network.
            steps: of an epoch.
            done: epochs, before this call.
        """
        self._plan, self._folder, self._steps, self._done = plan, folder, steps, done
        self._durations: list[float] = []  # of steps; after two epochs, their own times are better
        self._last = time.monotonic()
        self._count = 0
        self._enough = self._enough_steps() if folder == plan.first else 0

    def _enough_steps(self) -> int:
        """Return the number of the step after which the run's length is told, if it is not told for the time before."""
        states = [state for part in self._plan.states() for state in part]
        (own,) = (state for state in states if state.planned.folder == self._folder)
        work = sum(state.left * state.planned.work for state in states) / self._plan.processes
        share = ENOUGH_SHARE * work / (own.planned.work / self._steps)
        return 1 + max(1, min(ENOUGH_STEPS, int(share), int(own.left) * self._steps - 1))

    def step(self) -> str:
        """Take note of a step that is done; returns the line that says how long the run will take, once, or none."""
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
        side = f", {processes} parts side by side" if processes > 1 else ""
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
            steady = state.done - self._done >= 2  # epochs in this process: their times include what is not steps
            return State(state.planned, done, state.seconds if steady else step * self._steps)

        parts = [[now(state) for state in part] for part in self._plan.states()]
        first = self._durations[: self._steps]
        return remaining(parts, self._plan.processes, start=max(0.0, sum(first) - step * len(first)))


def spoken(seconds: float) -> str:
    """Return a duration with two digits or so, as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days {hours % 24} h"
