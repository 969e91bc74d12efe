"""Generated code and the portable engine run every test model clean under AddressSanitizer and UBSan."""

from pathlib import Path

import numpy as np
import pytest

import engine_models
import sanitised
from drawn_networks import draw_networks
from tinyscene.compiler.pipeline import plan_model
from tinyscene.compiler.verify import model_inputs

MODELS = {
    "recipes": lambda: [engine_models.generate(name, 5) for name in engine_models.RECIPES],
    "random": lambda: [engine_models.random_network(seed) for seed in range(200, 212)],
    "drawn": lambda: draw_networks(60),
}
FOR_SPEED = {"three by three": lambda: [engine_models.three_by_three(seed) for seed in range(200, 206)]}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sanitised.build_engine(tmp_path_factory.mktemp("sanitised"))


@pytest.mark.parametrize("group", MODELS | FOR_SPEED)
def test_models_run_clean(group: str, engine: list[Path], tmp_path: Path) -> None:
    """On both extremes and on noise; floats on any bits, NaN among them, too."""
    optimize = "speed" if group in FOR_SPEED else "memory"
    models = [plan_model(model, optimize=optimize) for model in (MODELS | FOR_SPEED)[group]()]
    inputs = []
    for model in models:
        vectors = model_inputs(model, 3, seed=1)
        noise = np.random.default_rng(2).integers(0, 256, vectors[:1].nbytes, np.uint8)
        inputs.append(np.concatenate([vectors, noise.view(vectors.dtype).reshape(vectors[:1].shape)]))
    sanitised.run(models, inputs, engine, tmp_path)
