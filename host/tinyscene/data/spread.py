"""Some items of many, evenly spread: what stands for a list where all of it would take too long."""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly_spread(items: Sequence[Item], count: int | None) -> list[Item]:
    """Return `count` items at equal distances, the first one among them; all if there are no more, or count is None."""
    if count is None or count >= len(items):
        return list(items)
    return [items[k * len(items) // count] for k in range(count)]
