"""Streaming: which neighbouring layers run together row by row.

A layer that works row by row can run as soon as a few rows of its input are there. Layers that run together this way
keep no whole map between them, only rings of rows; but most of the rings exist at the same time, so small maps are
better computed one after the other. The planner tries every way to cut the layers into groups and takes the one with
the smallest arena.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from tinyscene.compiler import rings
from tinyscene.compiler.kernels.call import KernelCall, image_rows
from tinyscene.compiler.kernels.weights import round_up
from tinyscene.compiler.passes import PlannedGraph
from tinyscene.compiler.rings import Rings

MAX_STAGES = 16  # ENGINE_MAX_STAGES
MAX_TENSORS = 24  # ENGINE_MAX_TENSORS
STATE_ALIGNMENT = 4
MAX_STEPS = 20_000  # steps of a group of several layers; planning simulates them all


@dataclasses.dataclass(frozen=True, slots=True)
class Launch:
    """Layers that run together, or one that works on whole tensors.

    Attributes:
        calls: the layers, in execution order.
        first: position of the first layer among all calls.
        rings: the rows that are kept of every tensor that exists only here.
    """

    calls: tuple[KernelCall, ...]
    first: int
    rings: Rings = dataclasses.field(default_factory=Rings)

    @property
    def streamed(self) -> bool:
        """Whether the launch is a group for engine_run."""
        return self.calls[0].rows is not None

    @property
    def scratch_bytes(self) -> int:
        """Working memory: what the layers use one after the other, and their states."""
        return self._shared_scratch_bytes + sum(call.state_bytes for call in self.calls)

    @property
    def _shared_scratch_bytes(self) -> int:
        return round_up(max(call.scratch_bytes for call in self.calls), STATE_ALIGNMENT)

    def state_offset(self, call: KernelCall) -> int:
        """Return where in the working memory a layer's state starts; 0 for a layer without state."""
        before = self.calls[: self.calls.index(call)]
        return self._shared_scratch_bytes + sum(other.state_bytes for other in before) if call.state_bytes else 0

    @property
    def last(self) -> int:
        """The position of the last layer among all calls."""
        return self.first + len(self.calls) - 1


@dataclasses.dataclass(frozen=True, slots=True)
class _Lives:
    """When root tensors are written and last read, as positions of calls."""

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
                break  # a longer one does not fit either
            if not _connected(planned, group):
                continue  # a longer one may be: an earlier call can join two branches
            before = best[begin]
            if (before.arena_bytes, before.together + len(group) - 1) >= chosen.rank:
                continue  # cannot be better, whatever its rings
            candidate = _extend(lives, before, Launch(group, begin, _rings(lives, group, begin, end)))
            chosen = min(chosen, candidate, key=lambda choice: choice.rank)
        best.append(chosen)
    return best[-1].launches


@dataclasses.dataclass(frozen=True, slots=True)
class _Choice:
    """The best way to cut the first calls: its arena, and how many layers run together with the layer before."""

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


def _rings(lives: _Lives, group: Sequence[KernelCall], begin: int, end: int) -> Rings:
    """Return the rows that are kept of the tensors that only calls[begin:end] use."""
    inside = [
        call.output
        for call in group
        if lives.in_arena(call.output) and begin < lives.last_read.get(call.output, -1) < end
    ]
    return rings.play(lives.planned, group, inside)


def _connected(planned: PlannedGraph, group: Sequence[KernelCall]) -> bool:
    """Return whether every call but the first reads a row of the group, and none reads one under another name."""
    made = {group[0].output}
    for call in group[1:]:
        if made.isdisjoint(call.inputs):
            return False
        made.add(call.output)
    under = {planned.roots[tensor] for tensor in made}
    return all(tensor in made for call in group for tensor in call.inputs if planned.roots[tensor] in under)


def _arena_bytes(lives: _Lives, launch: Launch) -> int:
    """Return the bytes in use during a launch: scratch, rings, and the whole tensors that live then."""
    planned, roots = lives.planned, lives.planned.roots
    hidden = {roots[tensor] for tensor in launch.rings.rows}
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
    return launch.scratch_bytes + sum(launch.rings.places.values()) + whole
