"""The logarithms of the scenes' shares that are added to logits while labels are learnt."""

import numpy as np
import pytest

from tinyscene.training.logit_adjustment import log_shares

LABELS = np.array([0, 0, 0, 2, 2])
CITIES = np.array(["lyon", "lyon", "paris", "paris", "paris"])


def test_without_adjustment_nothing_is_added() -> None:
    assert np.array_equal(log_shares("none", LABELS, CITIES, 3), np.zeros((5, 3)))


def test_shares_overall_count_a_clip_more_of_each_scene() -> None:
    added = log_shares("overall", LABELS, CITIES, 3)
    assert added.dtype == np.float32
    assert np.exp(added) == pytest.approx(np.tile([4 / 8, 1 / 8, 3 / 8], (5, 1)))


def test_shares_of_a_city_are_those_of_its_own_clips() -> None:
    lyon, paris = [3 / 5, 1 / 5, 1 / 5], [2 / 6, 1 / 6, 3 / 6]
    assert np.exp(log_shares("city", LABELS, CITIES, 3)) == pytest.approx(np.array([lyon, lyon, paris, paris, paris]))


def test_without_names_all_clips_are_of_one_city() -> None:
    assert np.array_equal(log_shares("city", LABELS, None, 3), log_shares("overall", LABELS, CITIES, 3))
