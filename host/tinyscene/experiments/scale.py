"""How much of an experiment fits into a time budget: narrower teachers first, then fewer epochs."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinyscene.networks import distribution, keras
from tinyscene.training import FULL, NetworkConfig, RunConfig, TeacherConfig

WIDTHS = (1.0, 0.5, 0.25, 0.125, 0.0625)
_STEPS = 2  # timed steps, after an untimed one, which compiles

Seconds = Callable[[NetworkConfig], float]


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much a row's networks are scaled down.

    Attributes:
        width: factor on the width of every teacher and teacher-sized network.
        epochs: share of the epochs of every network.
    """

    width: float = 1.0
    epochs: float = 1.0

    def apply(self, settings: RunConfig) -> RunConfig:
        """Return the settings with scaled networks."""
        teachers = tuple(self._network(teacher) for teacher in settings.teachers)
        return dataclasses.replace(settings, teachers=teachers, student=self._network(settings.student))

    def _network(self, network: Any) -> Any:
        width = network.width * (self.width if network.network == "teacher" else 1.0)
        return dataclasses.replace(network, width=width, epochs=max(1, round(network.epochs * self.epochs)))

    def describe(self, settings: RunConfig) -> str:
        """Return what was made smaller, as text for a table; FULL if nothing was."""
        student = settings.student
        small = [f"width {self.width:g}"] if self.width < 1 else []
        if self.epochs < 1:
            small.append(f"{self.apply(settings).student.epochs} of {student.epochs} epochs")
        return ", ".join(small) or FULL


def within(settings: RunConfig, clips: int, budget: float | None, step: Seconds | None = None) -> Scale:
    """Return the largest scale whose training is expected to take no longer than the budget.

    Args:
        settings: configuration of the row.
        clips: number of clips that it trains on.
        budget: seconds; None: no limit.
        step: function that returns the seconds of a network's training step; None: they are measured.
    """
    if budget is None:
        return Scale()
    measure = step or (lambda network: seconds_a_step(network, _shape(network, settings)))
    has_width = any(network.network == "teacher" for network in _networks(settings))
    for width in WIDTHS if has_width else WIDTHS[:1]:
        scaled = Scale(width).apply(settings)
        expected = sum(-(-clips // net.batch_size) * net.epochs * measure(net) for net in _networks(scaled))
        if expected <= budget:
            return Scale(width)
    return Scale(width, budget / expected)


def _networks(settings: RunConfig) -> Iterator[NetworkConfig]:
    yield from settings.teachers
    yield settings.student


def _shape(network: NetworkConfig, settings: RunConfig) -> tuple[int, int]:
    """Return (n_mels, frames) of a network's images: a teacher may have its own."""
    own = network.frontend if isinstance(network, TeacherConfig) else None
    return (own or settings.frontend).shape


def seconds_a_step(network: NetworkConfig, shape: tuple[int, int]) -> float:
    """Return the seconds of one training step on this machine, measured on noise."""
    model = network.build(shape, 10)
    model.compile(optimizer="adam", loss="mse")
    clips = distribution.rounded_up(network.batch_size)
    images = np.random.default_rng(0).normal(size=(clips, *shape, 1)).astype(np.float32)
    targets = np.zeros((clips, 10), np.float32)
    model.train_on_batch(images, targets)
    started = time.monotonic()
    for _ in range(_STEPS):
        model.train_on_batch(images, targets)
    keras.ops.convert_to_numpy(model.trainable_variables[0])  # some back ends return before they have finished
    return (time.monotonic() - started) / _STEPS
