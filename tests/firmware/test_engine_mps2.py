"""The engine on an emulated Cortex-M4, with its DSP instructions: the same bytes, and counted instructions."""

import pytest

import engine_models
from tinyscene.compiler import verify


def test_generated_models() -> None:
    models = {name: engine_models.generate(name, 4) for name in engine_models.RECIPES}
    reports = verify.verify_all(list(models.values()), "mps2", vectors=12, seed=4)
    wrong = {name: report for name, report in zip(models, reports, strict=True) if report.mismatches}
    assert not wrong
    assert all(report.instructions for report in reports)


def test_random_networks() -> None:
    models = [engine_models.random_network(seed) for seed in range(100, 106)]
    reports = verify.verify_all(models, "mps2", vectors=6, seed=1)
    assert [report.mismatches for report in reports] == [0] * len(models)


def test_code_is_counted() -> None:
    result = verify.verify(engine_models.generate("branches", 4), "mps2", vectors=2, seed=4)
    assert 0 < result.code_bytes < 16384


@pytest.mark.parametrize(("name", "most"), [("student", 23e6), ("baseline", 23e6)])
def test_network_within_its_instructions(name: str, most: float, random_networks: dict[str, bytes]) -> None:
    result = verify.verify(random_networks[name], "mps2", vectors=4, seed=4)
    assert result.mismatches == 0, result
    assert result.instructions <= most
