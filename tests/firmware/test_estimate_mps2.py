"""Estimated instructions against counted ones on the emulated board: networks, and layers that the fit has not seen."""

import pytest

import estimate_layers
import instruction_counts
from tinyscene.bench import networks as bench_networks
from tinyscene.compiler.compiled import CompiledModel
from tinyscene.compiler.pipeline import plan_model

HELD_OUT = 2  # seed; the fit's is 1


def estimated(model: CompiledModel) -> int:
    """The sum in the table of `tinyscene compile`."""
    return sum(layer.instructions or 0 for layer in model.report().layers)


def test_networks_and_single_layers(random_networks: dict[str, bytes]) -> None:
    files = random_networks | {name: bench_networks.converted(name) for name in bench_networks.NETWORKS}
    networks = {name: plan_model(file) for name, file in files.items()}
    layers = estimate_layers.layers(1, HELD_OUT)
    counted = instruction_counts.count([*networks.values(), *layers])
    assert len(networks) == 6
    for (name, model), number in zip(networks.items(), counted[: len(networks)], strict=True):
        assert estimated(model) == pytest.approx(number, rel=0.15), name
    for layer, number in zip(layers, counted[len(networks) :], strict=True):
        assert estimated(layer) == pytest.approx(number, rel=0.3), layer.calls[0].function
