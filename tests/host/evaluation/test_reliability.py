"""The reliability table, against answers whose confidence and accuracy are known."""

import numpy as np
import pytest

from tinyscene.evaluation.reliability import reliability


def answers(confidence: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Two classes; class 1 has the confidence, and is the truth where the answer is right."""
    probabilities = np.stack([1 - np.array(confidence), confidence], axis=1)
    return np.array(right, np.int64), probabilities


def test_bins_and_error_by_hand() -> None:
    found = reliability(*answers([0.55, 0.65, 0.65, 0.95], [True, True, False, True]))
    assert [each["above"] for each in found["bins"]] == [0.5, 0.6, 0.9]
    assert [each["clips"] for each in found["bins"]] == [1, 2, 1]
    assert [each["confidence"] for each in found["bins"]] == pytest.approx([0.55, 0.65, 0.95])
    assert [each["accuracy"] for each in found["bins"]] == [1, 0.5, 1]
    assert found["ece"] == pytest.approx((0.45 + 2 * 0.15 + 0.05) / 4)


def test_a_bin_holds_its_upper_end() -> None:
    (only,) = reliability(*answers([0.75, 0.8], [True, True]))["bins"]
    assert (only["above"], only["clips"]) == (0.7, 2)


def test_probabilities_that_are_shares_have_no_error_and_sharper_ones_have() -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.5, 1, 50_000)
    truth, probabilities = answers(list(confidence), list(random.uniform(size=50_000) < confidence))
    assert reliability(truth, probabilities)["ece"] < 0.01
    sharper = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert reliability(truth, sharper)["ece"] > 0.08
