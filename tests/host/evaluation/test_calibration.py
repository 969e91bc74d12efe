"""Temperature scaling: fitted, applied, and folded into a network."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from tinyscene.bundle.probabilities import softmax
from tinyscene.evaluation import calibration
from tinyscene.networks import catalogue as networks
from tinyscene.networks.backend import keras

CLASSES = 5


def overconfident(count: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `temperature` times too large, and labels drawn from the right probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, size=(count, CLASSES))
    truth = np.array([random.choice(CLASSES, p=p) for p in softmax(logits)])
    return softmax(temperature * logits), truth


def test_tempered_probabilities_are_those_of_divided_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 50, size=(6, CLASSES))
    assert calibration.tempered(softmax(logits), 2.5) == pytest.approx(softmax(logits / 2.5), rel=1e-9)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_undoes_overconfidence(temperature: float) -> None:
    probabilities, truth = overconfident(20_000, temperature)
    assert calibration.fit_temperature(probabilities, truth) == pytest.approx(temperature, rel=0.05)


def test_no_temperature_of_a_grid_is_better_than_the_fitted_one() -> None:
    probabilities, truth = overconfident(300, 2.0)
    fitted = calibration.fit_temperature(probabilities, truth)

    def loss(temperature: float) -> float:
        return log_loss(truth, calibration.tempered(probabilities, temperature))

    assert loss(fitted) <= min(loss(temperature) for temperature in np.geomspace(0.1, 10, 200)) + 1e-9


def test_a_fold_is_not_asked_for_its_own_temperature() -> None:
    folds = [overconfident(4000, temperature, seed) for seed, temperature in enumerate((1.0, 1.0, 6.0))]
    _, _, third = calibration.temperatures_of_others(folds)
    assert third == pytest.approx(1, rel=0.1), "the third fold alone is overconfident"
    two = calibration.temperatures_of_others(folds[1:])
    assert two == pytest.approx([calibration.fit_temperature(*folds[2]), calibration.fit_temperature(*folds[1])])


def test_the_last_layer_takes_the_temperature_in() -> None:
    model = networks.build("student", (16, 12, 1), CLASSES, width=0.1)
    images = np.random.default_rng(0).normal(size=(4, 16, 12, 1)).astype(np.float32)
    before = keras.ops.convert_to_numpy(model(images))
    calibration.divide_logits(model, 1.7)
    assert keras.ops.convert_to_numpy(model(images)) == pytest.approx(before / 1.7, abs=1e-6)
