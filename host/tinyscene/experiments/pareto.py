"""Trade-offs between costs that cannot be added: which points no other point beats in every cost."""

from collections.abc import Sequence


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether no cost of `a` is above that of `b`, and one is below."""
    pairs = list(zip(a, b, strict=True))
    return all(own <= other for own, other in pairs) and any(own < other for own, other in pairs)


def fronts(costs: Sequence[Sequence[float]]) -> list[list[int]]:
    """Sort points into fronts: the first holds the points that none dominates, the next those of the rest, and so on.

    Goldberg's non-dominated sorting, as in Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II",
    2002.

    Args:
        costs: costs of each point; less is better.

    Returns:
        Numbers of the points, front by front, in the order of the points.
    """
    left, found = list(range(len(costs))), []
    while left:
        front = [i for i in left if not any(dominates(costs[j], costs[i]) for j in left)]
        found.append(front)
        left = [i for i in left if i not in front]
    return found
