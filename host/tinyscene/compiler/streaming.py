"""Streaming: which neighbouring layers run together row by row, and how many rows of what lies between them are kept.

A layer that works row by row can run as soon as a few rows of its input are there. Layers that do so together never
hold a whole map between them, only rings of rows; but all their rings exist at once, so small maps are better made one
after the other. The planner tries every way to cut the layers into groups and takes the one with the smallest arena.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from tinyscene.compiler.kernels import KernelCall
from tinyscene.compiler.kernels.call import image_rows, row_bytes
from tinyscene.compiler.passes import PlannedGraph

MAX_STAGES = 16  # ENGINE_MAX_STAGES
MAX_TENSORS = 24  # ENGINE_MAX_TENSORS
MAX_STEPS = 20_000  # of a group of several layers, which is how long planning plays it through


@dataclasses.dataclass(frozen=True, slots=True)
class Launch:
    """Layers that run together, or one that works on whole tensors.

    Attributes:
        calls: the layers, in execution order.
        first: the position of the first one among all calls.
        rings: for every tensor that exists only here, how many of its rows are kept.
    """

    calls: tuple[KernelCall, ...]
    first: int
    rings: Mapping[int, int] = dataclasses.field(default_factory=dict)

    @property
    def streamed(self) -> bool:
        """Whether it is a group for engine_run."""
        return self.calls[0].rows is not None

    @property
    def scratch_bytes(self) -> int:
        """Working memory, which the layers use one after the other."""
        return max(call.scratch_bytes for call in self.calls)

    @property
    def last(self) -> int:
        """The position of the last layer among all calls."""
        return self.first + len(self.calls) - 1


@dataclasses.dataclass(frozen=True, slots=True)
class _Lives:
    """When root tensors are written and last read, by position of the call; who reads a tensor."""

    planned: PlannedGraph
    written: Mapping[int, int]
    last_read: Mapping[int, int]

    def in_arena(self, root: int) -> bool:
        return root in self.written and root != self.planned.output


def plan(planned: PlannedGraph, calls: Sequence[KernelCall]) -> tuple[Launch, ...]:
    """Cut the calls, in execution order, into launches: smallest arena, and among those the least streaming."""
    roots = planned.roots
    lives = _Lives(
        planned,
        {roots[call.output]: position for position, call in enumerate(calls)},
        {roots[tensor]: position for position, call in enumerate(calls) for tensor in call.inputs},
    )
    best: list[_Choice] = [_Choice(0, 0, ())]
    for end in range(1, len(calls) + 1):
        chosen = _extend(lives, best[end - 1], Launch((calls[end - 1],), end - 1))
        for begin in range(end - 2, max(end - MAX_STAGES, 0) - 1, -1):
            group = tuple(calls[begin:end])
            if not _fits_a_group(planned, group):
                break  # nor does a longer one
            if not _connected(planned, group):
                continue  # a longer one may be: two branches hang together by what comes before them
            before = best[begin]
            if (before.arena_bytes, before.together + len(group) - 1) >= chosen.rank:
                continue  # cannot be better, whatever its rings
            candidate = _extend(lives, before, Launch(group, begin, _rings(lives, group, begin, end)))
            chosen = min(chosen, candidate, key=lambda choice: choice.rank)
        best.append(chosen)
    return best[-1].launches


@dataclasses.dataclass(frozen=True, slots=True)
class _Choice:
    """The best way to cut the first calls: its arena, and how many layers run with the one before them."""

    arena_bytes: int
    together: int
    launches: tuple[Launch, ...]

    @property
    def rank(self) -> tuple[int, int]:
        return self.arena_bytes, self.together


def _extend(lives: _Lives, before: _Choice, launch: Launch) -> _Choice:
    arena = max(before.arena_bytes, _arena_bytes(lives, launch))
    return _Choice(arena, before.together + len(launch.calls) - 1, (*before.launches, launch))


def _fits_a_group(planned: PlannedGraph, group: Sequence[KernelCall]) -> bool:
    """Return whether calls work row by row, within the limits of engine_run and of planning."""
    if any(call.rows is None for call in group):
        return False
    steps = sum(call.rows.count(image_rows(planned.shape(call.output))) for call in group if call.rows)
    tensors = {tensor for call in group for tensor in (*call.inputs, call.output)}
    return steps <= MAX_STEPS and len(tensors) <= MAX_TENSORS


def _rings(lives: _Lives, group: Sequence[KernelCall], begin: int, end: int) -> dict[int, int]:
    """Return how many rows are kept of the tensors that only calls[begin:end] use."""
    rows = ring_rows(lives.planned, group)
    return {
        call.output: rows[call.output]
        for call in group
        if lives.in_arena(call.output) and begin < lives.last_read.get(call.output, -1) < end
    }


def _connected(planned: PlannedGraph, group: Sequence[KernelCall]) -> bool:
    """Return whether every call but the first reads a row of the group, and none reads one under another name."""
    made = {group[0].output}
    for call in group[1:]:
        if made.isdisjoint(call.inputs):
            return False
        made.add(call.output)
    under = {planned.roots[tensor] for tensor in made}
    return all(tensor in made for call in group for tensor in call.inputs if planned.roots[tensor] in under)


def ring_rows(planned: PlannedGraph, group: Sequence[KernelCall]) -> dict[int, int]:
    """Play a group through as engine_run does; return for every output how many rows must be kept at once."""
    heights = {tensor: image_rows(planned.shape(tensor)) for call in group for tensor in (*call.inputs, call.output)}
    made = heights | {call.output: 0 for call in group}
    done = [0] * len(group)
    kept = {call.output: call.rows.rows for call in group if call.rows}
    readers = {
        call.output: [
            (index, source)
            for index, reader in enumerate(group)
            for source in (reader.rows.sources if reader.rows else ())
            if source.tensor == call.output
        ]
        for call in group
    }

    def ready(index: int) -> bool:
        access = group[index].rows
        assert access is not None
        row, part = access.position(done[index])
        return row < heights[group[index].output] and all(
            made[source.tensor] >= min(source.below(row, part), heights[source.tensor]) for source in access.sources
        )

    index = len(group) - 1
    while index >= 0:
        if not ready(index):
            index -= 1
            continue
        call = group[index]
        assert call.rows is not None
        oldest = row = call.rows.position(done[index])[0]
        for reader, source in readers[call.output]:
            access = group[reader].rows
            assert access is not None
            next_row, part = access.position(done[reader])
            if next_row < heights[group[reader].output]:
                oldest = min(oldest, source.first(next_row, part))
        kept[call.output] = max(kept[call.output], row - oldest + call.rows.rows)
        done[index] += 1
        made[call.output] = min(call.rows.position(done[index])[0], heights[call.output])
        index = len(group) - 1
    for call in group:  # rows that are written or read as one must not lie on both sides of the ring's end
        assert call.rows is not None
        together = math.lcm(call.rows.rows, *(source.together for _, source in readers[call.output]))
        kept[call.output] = min(-(-kept[call.output] // together) * together, heights[call.output])
    return kept


def _arena_bytes(lives: _Lives, launch: Launch) -> int:
    """Return the bytes in use during a launch: scratch, rings, and the whole tensors that live then."""
    planned, roots = lives.planned, lives.planned.roots
    rings = sum(rows * row_bytes(planned.shape(tensor)) for tensor, rows in launch.rings.items())
    hidden = {roots[tensor] for tensor in launch.rings}
    whole = sum(
        planned.bytes(root)
        for root, written in lives.written.items()
        if lives.in_arena(root)
        and root not in hidden
        and written <= launch.last
        and max(lives.last_read.get(root, written), written) >= launch.first
    )
    if len(launch.calls) == 1:
        call = launch.calls[0]
        dying = [t for t in call.in_place if lives.in_arena(roots[t]) and lives.last_read[roots[t]] == launch.first]
        if dying and lives.in_arena(roots[call.output]):
            whole -= planned.bytes(roots[call.output])
    return launch.scratch_bytes + rings + whole
