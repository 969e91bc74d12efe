"""The engine on an emulated Cortex-M4, with its DSP instructions: the same bytes, and counted instructions."""

import pytest

import engine_models
from tinyscene import bench_networks
from tinyscene.compiler import plan_model, verify

NAMES = [
    "average_pool_by_fours",
    "branches",
    "broadcast",
    "dense",
    "depthwise",
    "depthwise_3x3",
    "depthwise_3x3_tiny",
    "dilation",
    "separable",
    "softmax",
    "wide_rows",
]

# The most that an inference may take: instructions, and bytes of RAM with input and output. Counts hardly depend on the
# input and not at all on the machine.
LIMITS = {
    "student": (23.0e6, 24_000),
    "baseline": (23.0e6, 30_000),
    "ResNet-8": (12.0e6, 37_000),
    "DS-CNN": (3.8e6, 19_000),
    "MobileNetV1 0.25": (11.2e6, 50_000),
    "autoencoder": (0.45e6, 3_000),
}


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", LIMITS)
def test_network_within_its_limits(name: str, random_networks: dict[str, bytes]) -> None:
    model = random_networks[name] if name in random_networks else bench_networks.converted(name)
    result = verify.verify(model, "mps2", vectors=3, seed=4)  # both extremes and noise
    assert result.mismatches == 0, result
    instructions, ram = LIMITS[name]
    sizes = plan_model(model).report()
    assert result.instructions <= instructions
    assert sizes.arena_bytes + sizes.input_bytes + sizes.output_bytes <= ram
    if name == "student":
        assert result.code_bytes + result.constant_bytes <= 72_000
