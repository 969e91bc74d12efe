"""Memory planning: where in the arena every intermediate tensor, ring and scratch buffer lies, and when.

The model's input and output are the caller's. A tensor lives from the launch that writes it to the last launch that
reads it; rings, scratch and states live for one launch. A result takes over the place of an input that is not used
afterwards if the kernel allows it. Buffers are placed greedily, the largest first, each at the lowest offset that is
free for as long as it lives.
"""

import dataclasses
from collections.abc import Sequence

from tinyscene.compiler.passes import PlannedGraph
from tinyscene.compiler.streaming import Launch

ALIGNMENT = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Buffer:
    """One stretch of the arena.

    Attributes:
        tensors: the root tensors that occupy it: several rings that share it, or one tensor; none for scratch.
        first, last: positions of the first and the last launch that use it.
        bytes: its size, a multiple of ALIGNMENT.
        offset: its start in the arena.
    """

    tensors: tuple[int, ...]
    first: int
    last: int
    bytes: int
    offset: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The arena.

    Attributes:
        buffers: all stretches, in order of first use.
        arena_bytes: size of the arena.
        offsets: start of every root tensor in the arena.
        scratch: start of the scratch of every launch that has scratch.
    """

    buffers: tuple[Buffer, ...]
    arena_bytes: int
    offsets: dict[int, int]
    scratch: dict[int, int]

    def live_bytes(self, launch: int) -> int:
        """Return how many bytes are in use during a launch."""
        return sum(buffer.bytes for buffer in self.buffers if buffer.first <= launch <= buffer.last)


def plan(planned: PlannedGraph, launches: Sequence[Launch]) -> MemoryPlan:
    """Give every intermediate tensor, ring and scratch buffer of the launches, in execution order, its place."""
    chains = _tensor_chains(planned, launches)
    for position, launch in enumerate(launches):
        if launch.scratch_bytes:
            chains.append([Buffer((), position, position, _aligned(launch.scratch_bytes))])
    buffers = _place(chains)
    return MemoryPlan(
        buffers=buffers,
        arena_bytes=max((buffer.offset + buffer.bytes for buffer in buffers), default=0),
        offsets={tensor: buffer.offset for buffer in buffers for tensor in buffer.tensors},
        scratch={buffer.first: buffer.offset for buffer in buffers if not buffer.tensors},
    )


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _tensor_chains(planned: PlannedGraph, launches: Sequence[Launch]) -> list[list[Buffer]]:
    """Return the tensors that need memory, in chains that must start at the same place: results computed in place."""
    roots = planned.roots
    last_read = {
        roots[tensor]: position
        for position, launch in enumerate(launches)
        for call in launch.calls
        for tensor in call.inputs
    }
    chains: dict[int, list[Buffer]] = {}
    for position, launch in enumerate(launches):
        for tensors, size in launch.rings.places.items():
            chains[roots[tensors[0]]] = [
                Buffer(tuple(roots[tensor] for tensor in tensors), position, position, _aligned(size))
            ]
        for call in launch.calls:
            output = roots[call.output]
            if output == planned.output or call.output in launch.rings.rows:
                continue
            # in a group, an input that ends there may still be read when the first rows of a result are written
            alone = len(launch.calls) == 1
            dying = (roots[tensor] for tensor in call.in_place if alone and last_read[roots[tensor]] == position)
            chain = next((chains[root] for root in dying if root in chains), [])
            # during an in-place call the bytes count as the input's, which is at least as large as the result
            first = position + 1 if chain else position
            chain.append(Buffer((output,), first, last_read.get(output, position), _aligned(planned.bytes(output))))
            chains[output] = chain
    return list({id(chain): chain for chain in chains.values()}.values())


def _place(chains: Sequence[list[Buffer]]) -> tuple[Buffer, ...]:
    """Place the chains, the one with the largest buffer first, each as low as it fits."""
    placed: list[Buffer] = []
    for chain in sorted(chains, key=lambda chain: (-max(buffer.bytes for buffer in chain), chain[0].first)):
        obstacles = [
            (other.offset - buffer.bytes, other.offset + other.bytes)  # the offsets between them are taken
            for buffer in chain
            for other in placed
            if buffer.first <= other.last and other.first <= buffer.last
        ]
        offset = 0
        for low, high in sorted(obstacles):
            if low < offset < high:
                offset = high
        placed += [dataclasses.replace(buffer, offset=offset) for buffer in chain]
    return tuple(sorted(placed, key=lambda buffer: (buffer.first, buffer.offset)))
