"""The engine on an emulated Cortex-M4, with its DSP instructions: the same bytes, and counted instructions."""

import pytest

import engine_models
from tinyscene.bench import networks as bench_networks
from tinyscene.compiler import verify
from tinyscene.compiler.pipeline import plan_model

# The most that an inference may take: instructions, and bytes of RAM with input and output. Counts hardly depend on the
# input and not at all on the machine.
LIMITS = {
    "student": (23.0e6, 24_000),
    "baseline": (23.0e6, 30_000),
    "ResNet-8": (12.0e6, 27_000),
    "DS-CNN": (3.8e6, 11_400),  # half of what TensorFlow Lite Micro takes
    "MobileNetV1 0.25": (11.2e6, 50_000),
    "autoencoder": (0.45e6, 3_000),
}
SPEED_LIMITS = (16.0e6, 40_000)  # of the student


def ram_bytes(model: bytes, optimize: verify.Optimize = "memory") -> int:
    sizes = plan_model(model, optimize=optimize).report()
    return sizes.arena_bytes + sizes.input_bytes + sizes.output_bytes


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


def test_random_networks_for_speed() -> None:
    models = [engine_models.three_by_three(seed) for seed in range(300, 306)]
    reports = verify.verify_all(models, "mps2", vectors=6, seed=1, optimize="speed")
    assert [report.mismatches for report in reports] == [0] * len(models)


def test_code_is_counted() -> None:
    result = verify.verify(engine_models.generate("branches", 4), "mps2", vectors=2, seed=4)
    assert 0 < result.code_bytes < 16384


def test_student_for_speed(random_networks: dict[str, bytes]) -> None:
    model = random_networks["student"]
    result = verify.verify(model, "mps2", vectors=3, seed=4, optimize="speed")
    assert result.mismatches == 0, result
    instructions, ram = SPEED_LIMITS
    assert result.instructions <= instructions
    assert ram_bytes(model, "speed") <= ram


@pytest.mark.parametrize("name", LIMITS)
def test_network_within_its_limits(name: str, random_networks: dict[str, bytes]) -> None:
    model = random_networks[name] if name in random_networks else bench_networks.converted(name)
    result = verify.verify(model, "mps2", vectors=3, seed=4)  # both extremes and noise
    assert result.mismatches == 0, result
    instructions, ram = LIMITS[name]
    assert result.instructions <= instructions
    assert ram_bytes(model) <= ram
    if name == "student":
        assert result.code_bytes + result.constant_bytes <= 72_000
