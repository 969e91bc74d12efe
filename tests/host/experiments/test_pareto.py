"""Fronts of points, against all pairs compared by hand and by brute force."""

import numpy as np

from tinyscene.experiments import pareto


def test_a_point_dominates_one_that_is_nowhere_better_and_somewhere_worse() -> None:
    assert pareto.dominates((1, 2), (1, 3))
    assert not pareto.dominates((1, 2), (1, 2))
    assert not pareto.dominates((1, 3), (2, 2))


def test_fronts_are_peeled_one_after_the_other() -> None:
    costs = [(3, 3), (1, 2), (2, 1), (2, 2), (1, 2)]
    assert pareto.fronts(costs) == [[1, 2, 4], [3], [0]]
    assert pareto.fronts([]) == []


def test_every_point_is_on_one_front_and_dominated_by_the_one_before_only() -> None:
    costs = [tuple(row) for row in np.random.default_rng(1).integers(0, 6, (60, 3)).tolist()]
    fronts = pareto.fronts(costs)
    assert sorted(i for front in fronts for i in front) == list(range(60))
    for position, front in enumerate(fronts):
        for i in front:
            above = {j for j in range(60) if pareto.dominates(costs[j], costs[i])}
            assert not above & {j for later in fronts[position:] for j in later}
            assert not position or above & set(fronts[position - 1])
