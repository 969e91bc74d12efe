"""The engine on an emulated Cortex-M4, with its DSP instructions: the same bytes, and counted instructions."""

import pytest

import engine_models
from tinyscene.compiler import verify


@pytest.mark.parametrize("name", ["branches", "broadcast", "depthwise", "dilation", "softmax", "wide_rows"])
def test_generated_model(name: str) -> None:
    result = verify.verify(engine_models.generate(name, 4), "mps2", vectors=12, seed=4)
    assert result.mismatches == 0, result
    assert result.instructions > 0
    assert 0 < result.code_bytes < 16384


@pytest.mark.parametrize("seed", range(100, 106))
def test_random_network(seed: int) -> None:
    result = verify.verify(engine_models.random_network(seed), "mps2", vectors=6, seed=seed)
    assert result.mismatches == 0, result


@pytest.mark.parametrize("seed", range(300, 306))
def test_random_network_for_speed(seed: int) -> None:
    result = verify.verify(engine_models.three_by_three(seed), "mps2", vectors=6, seed=seed, optimize="speed")
    assert result.mismatches == 0, result


def test_student_for_speed(random_networks: dict[str, bytes]) -> None:
    result = verify.verify(random_networks["student"], "mps2", vectors=4, seed=4, optimize="speed")
    assert result.mismatches == 0, result
    assert result.instructions <= 16e6


@pytest.mark.parametrize(("name", "most"), [("student", 23e6), ("baseline", 23e6)])
def test_network_within_its_instructions(name: str, most: float, random_networks: dict[str, bytes]) -> None:
    result = verify.verify(random_networks[name], "mps2", vectors=4, seed=4)
    assert result.mismatches == 0, result
    assert result.instructions <= most
