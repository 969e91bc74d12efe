"""Learning-rate schedules."""

import numpy as np
import pytest

from tinyscene.training import schedule


def test_the_sigmoid_has_a_high_plateau_a_fall_and_a_low_plateau() -> None:
    rates = np.array([schedule.sigmoid(progress, 1e-2, 1e-4) for progress in np.linspace(0, 1, 101)])
    assert (np.diff(rates) < 0).all()
    assert rates[0] == pytest.approx(1e-2, rel=1e-6)
    assert rates[40] == pytest.approx(1e-2, rel=2e-3)
    assert rates[100] == pytest.approx(1e-4, rel=0.1)


def test_half_of_the_fall_is_done_at_the_midpoint() -> None:
    assert schedule.sigmoid(0.7, 3.0, 1.0) == pytest.approx(2.0)
    assert schedule.sigmoid(0.25, 3.0, 1.0, steepness=50, midpoint=0.25) == pytest.approx(2.0)


def test_the_cosine_rises_in_the_warmup_and_falls_to_the_final_rate() -> None:
    rates = np.array([schedule.warmup_cosine(progress, 1e-2, 1e-4, warmup=0.2) for progress in np.linspace(0, 1, 101)])
    assert rates[:21] == pytest.approx(np.linspace(0, 1e-2, 21), abs=1e-9)
    assert (np.diff(rates[20:]) < 0).all()
    assert rates[60] == pytest.approx((1e-2 + 1e-4) / 2)
    assert rates[100] == pytest.approx(1e-4)
    assert schedule.warmup_cosine(0, 1e-2, 1e-4, warmup=0) == pytest.approx(1e-2)


def test_a_schedule_is_chosen_by_its_name() -> None:
    assert schedule.learning_rate("constant", 0.5, 3.0, 1.0, 0.2) == 3
    assert schedule.learning_rate("sigmoid", 0.5, 3.0, 1.0, 0.2) == schedule.sigmoid(0.5, 3.0, 1.0)
    assert schedule.learning_rate("warmup_cosine", 0.1, 3.0, 1.0, 0.2) == pytest.approx(1.5)
    assert set(schedule.SCHEDULES) == {"constant", "sigmoid", "warmup_cosine"}


def test_the_constant_keeps_the_first_rate() -> None:
    assert {schedule.constant(progress, 1e-3, 1e-5) for progress in (0.0, 0.5, 1.0)} == {1e-3}
