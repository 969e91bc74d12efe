"""Choosing some items of many."""

import pytest

from tinyscene.data.spread import evenly_spread


@pytest.mark.parametrize(
    ("count", "limit", "chosen"),
    [(5, None, [0, 1, 2, 3, 4]), (5, 9, [0, 1, 2, 3, 4]), (10, 4, [0, 2, 5, 7]), (3, 1, [0]), (7, 7, list(range(7)))],
)
def test_items_come_from_all_over_the_list(count: int, limit: int | None, chosen: list[int]) -> None:
    assert evenly_spread(range(count), limit) == chosen
