"""The compact networks: counts within the challenge's limits, shapes of their graphs, and the bytes of their C."""

import functools

import numpy as np
import pytest

from tinyscene.compiler import complexity, verify
from tinyscene.compiler.execution import run_on_host
from tinyscene.compiler.pipeline import plan_model
from tinyscene.errors import ConfigError
from tinyscene.networks.backend import keras
from tinyscene.networks.conversion import convert, run_reference
from tinyscene.training import config as run_config
from tinyscene.training.config import NetworkConfig

SHAPE = (80, 51)
COMPACT = ("mobile", "separable", "limited")


@functools.cache
def converted(name: str) -> bytes:
    """A network as it is by default, with random weights, in INT8."""
    keras.utils.set_random_seed(1)
    model = NetworkConfig(network=name, epochs=1).build(SHAPE, 10)
    generator = np.random.default_rng(1)
    return convert(model, (generator.normal(size=(*SHAPE, 1)).astype(np.float32) for _ in range(4)))


# by hand, as NeSsi counts: convolutions, additions and pools of maps of 40x26, 20x13 and 10x7 pixels, the mean, the end
LARGE, MIDDLE, SMALL = 40 * 26, 20 * 13, 10 * 7
MACS = {
    "mobile": LARGE * 8 * 9
    + MIDDLE * (24 * 8 * 9 + 2 * (2 * 24 * 72 + 72 * 9 + 24) + 24 * 72)
    + SMALL * (72 * 9 + 72 * 40 + 2 * 40 * 120 + 120 * 9 + 40)
    + SMALL * (40 * 120 + 120 * 9 + 120 * 64 + 2 * 64 * 192 + 192 * 9 + 64)
    + SMALL * (64 * 10 + 10)
    + 10 * 10,
    "separable": LARGE * (64 * 9 + 4 * (64 * 9 + 64 * 64) + 64 * 10 + 10) + 10 * 10,
    "limited": LARGE * (32 * 9 + 2 * 32 * 32 * 9 + 32)
    + MIDDLE * (32 * 4 + 32 * 48 * 9 + 48 * 48 + 32 * 48 + 48 + 2 * 48 * 64 + 64 * 64 + 64 + 64 * 10 + 10)
    + 10 * 10,
}


@pytest.mark.parametrize(("name", "parameters"), [("mobile", 72_972), ("separable", 22_396), ("limited", 49_180)])
def test_counts_are_within_the_limits(name: str, parameters: int) -> None:
    counts = complexity.measure(converted(name))
    assert (counts.nessi_parameters, counts.nessi_macs) == (parameters, MACS[name])
    assert counts.within_limits


@pytest.mark.parametrize("name", COMPACT)
def test_the_compiled_network_gives_the_bytes_of_the_reference(name: str) -> None:
    compiled = plan_model(converted(name))
    inputs = verify.make_inputs(compiled.input.shape[1:], 4, 1)
    (run,) = run_on_host([compiled], [inputs])
    np.testing.assert_array_equal(run.outputs, run_reference(converted(name), inputs).reshape(len(inputs), -1))


def layers(kind: type, **network: object) -> list:
    model = NetworkConfig(**{"epochs": 1, **network}).build(SHAPE, 10)
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_depth_counts_blocks_and_only_equal_shapes_are_added() -> None:
    assert len(layers(keras.layers.DepthwiseConv2D, network="mobile", depth=3)) == 9
    assert len(layers(keras.layers.Add, network="mobile", depth=3)) == 7
    assert len(layers(keras.layers.DepthwiseConv2D, network="separable", depth=3)) == 3
    assert len(layers(keras.layers.Add, network="limited", depth=2)) == 6


def test_channels_come_in_fours_whatever_width_and_expansion() -> None:
    for name, options in (("mobile", {"expansion": 2.3}), ("separable", {}), ("limited", {})):
        found = layers(keras.layers.Conv2D, network=name, width=0.37, **options)
        assert all(layer.filters % 4 == 0 for layer in found[:-1])
        assert found[-1].filters == 10


@pytest.mark.parametrize(("stem_stride", "shape"), [(2, (40, 26)), (4, (20, 13))])
def test_the_stem_shrinks_the_image(stem_stride: int, shape: tuple[int, int]) -> None:
    for layer in layers(keras.layers.DepthwiseConv2D, network="separable", stem_stride=stem_stride):
        assert layer.output.shape[1:3] == shape


@pytest.mark.parametrize(
    ("student", "said"),
    [
        ({"network": "student", "depth": 2}, "student.depth is set, which the student does not have"),
        ({"network": "mobile", "depth": 0}, "student.depth is 0; it must lie between 1 and 8"),
        ({"network": "mobile", "expansion": 9}, "student.expansion is 9; it must lie between 1 and 8"),
        ({"network": "limited", "stem_stride": 3}, "student.stem_stride is 3; choose one of 2, 4"),
        ({"network": "separable", "expansion": 2.0}, "student.expansion is set, which the separable does not have"),
    ],
)
def test_a_run_with_options_that_cannot_be_is_refused(student: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        run_config.parse({"name": "x", "student": {"epochs": 1, **student}})
