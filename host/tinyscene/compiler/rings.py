"""Rings: how many rows of the tensors between layers that run together are kept, and which rings share a place.

Both come from simulating the group, step by step, in the order in which engine_run takes the steps. Two rings can share
a place if one is empty again before the other is written.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence

from tinyscene.compiler.kernels.call import KernelCall, RowSource, image_rows, row_bytes
from tinyscene.compiler.kernels.weights import round_up
from tinyscene.compiler.passes import PlannedGraph


@dataclasses.dataclass(frozen=True, slots=True)
class Rings:
    """The rows that are kept of the tensors that exist only in a group.

    Attributes:
        rows: number of rows, by tensor.
        places: bytes of each stretch of memory, by the tensors whose rings use it one after the other.
    """

    rows: Mapping[int, int] = dataclasses.field(default_factory=dict)
    places: Mapping[tuple[int, ...], int] = dataclasses.field(default_factory=dict)


def play(planned: PlannedGraph, group: Sequence[KernelCall], tensors: Collection[int]) -> Rings:
    """Simulate a group of layers that work row by row; return the rings of `tensors`, which are among its outputs."""
    progress = _Progress(planned, group)
    kept = {output: access.rows for output, access in zip(progress.outputs, progress.access, strict=True)}
    meets: dict[int, set[int]] = {output: set() for output in progress.outputs}  # those that hold rows when it does
    holding: set[int] = set()
    index = len(group) - 1
    while index >= 0:
        if not progress.ready(index):
            index -= 1
            continue
        output = group[index].output
        row, _ = progress.position[index]
        kept[output] = max(kept[output], row - min(row, progress.wanted(output)) + progress.access[index].rows)
        if output not in holding:
            for other in holding:
                meets[other].add(output)
            meets[output] |= holding
            holding.add(output)
        progress.take_step(index)
        touched = {output, *group[index].inputs} & holding
        holding -= {tensor for tensor in touched if not progress.holds(tensor)}
        index = len(group) - 1
    rows = {tensor: _whole_steps(progress, tensor, kept[tensor]) for tensor in tensors}
    sizes = {tensor: count * row_bytes(planned.shape(tensor)) for tensor, count in rows.items()}
    return Rings(rows, _share(sizes, meets))


class _Progress:
    """The progress of the layers of a group."""

    def __init__(self, planned: PlannedGraph, group: Sequence[KernelCall]) -> None:
        self.outputs = [call.output for call in group]
        self.access = [call.rows for call in group if call.rows]
        self.heights = {t: image_rows(planned.shape(t)) for call in group for t in (*call.inputs, call.output)}
        self.writers = {tensor: index for index, tensor in enumerate(self.outputs)}
        self.readers: dict[int, list[tuple[int, RowSource]]] = {tensor: [] for tensor in self.outputs}
        for index, access in enumerate(self.access):
            for source in access.sources:
                if source.tensor in self.readers:
                    self.readers[source.tensor].append((index, source))
        self.position = [(0, 0)] * len(group)  # the first row that the next step writes, and which of its steps it is
        self._done = [0] * len(group)  # steps taken
        self._made = self.heights | dict.fromkeys(self.outputs, 0)  # finished rows

    def ready(self, index: int) -> bool:
        """Return whether a layer has a step left and the rows that it needs are ready."""
        row, part = self.position[index]
        return row < self.heights[self.outputs[index]] and all(
            self._made[source.tensor] >= min(source.below(row, part), self.heights[source.tensor])
            for source in self.access[index].sources
        )

    def take_step(self, index: int) -> None:
        """Count a layer's next step as taken."""
        self._done[index] += 1
        self.position[index] = self.access[index].position(self._done[index])
        output = self.outputs[index]
        self._made[output] = min(self.position[index][0], self.heights[output])

    def wanted(self, tensor: int) -> int:
        """Return the first row of an output that a step still to be taken reads; the height if there is none."""
        first = self.heights[tensor]
        for index, source in self.readers[tensor]:
            row, part = self.position[index]
            if row < self.heights[self.outputs[index]]:
                first = min(first, source.first(row, part))
        return first

    def holds(self, tensor: int) -> bool:
        """Return whether rows of an output must be kept; a row that is not finished yet counts."""
        _, part = self.position[self.writers[tensor]]
        return part > 0 or self.wanted(tensor) < self._made[tensor]


def _whole_steps(progress: _Progress, tensor: int, rows: int) -> int:
    """Return a ring's rows, rounded up so that rows written or read as one never lie on both sides of its end."""
    sources = [source for _, source in progress.readers[tensor]]
    together = math.lcm(progress.access[progress.writers[tensor]].rows, *(source.together for source in sources))
    return min(round_up(rows, together), progress.heights[tensor])


def _share(sizes: Mapping[int, int], meets: Mapping[int, Collection[int]]) -> dict[tuple[int, ...], int]:
    """Put rings, the largest first, into the first place whose rings never hold rows at the same time; return bytes."""
    places: list[list[int]] = []
    for ring in sorted(sizes, key=lambda ring: -sizes[ring]):
        place = next((place for place in places if not set(place) & set(meets[ring])), None)
        if place is None:
            places.append([ring])
        else:
            place.append(ring)
    return {tuple(place): sizes[place[0]] for place in places}
