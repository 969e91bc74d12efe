"""The networks: exact sizes, the shape of their graphs, and what they refuse."""

import numpy as np
import pytest

from tinyscene.errors import ConfigError
from tinyscene.networks import catalogue as networks
from tinyscene.networks.backend import keras


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        ("baseline", (40, 51, 1), 46_246),
        ("teacher", (80, 51, 1), 3_980_960),
        ("student", (80, 51, 1), 57_856),
        ("transformer", (80, 51, 1), 98_190),
    ],
)
def test_the_reference_sizes_come_out_exactly(name: str, shape: tuple[int, int, int], parameters: int) -> None:
    assert networks.build(name, shape).count_params() == parameters


@pytest.mark.parametrize("name", ["baseline", "teacher", "student"])
def test_every_convolution_has_a_bias_and_batch_normalisation(name: str) -> None:
    model = networks.build(name, width=0.1)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer in convolutions:
        assert layer.use_bias
        (after,) = (node.operation for node in layer._outbound_nodes)
        assert isinstance(after, keras.layers.BatchNormalization)
    assert len(convolutions) == {"baseline": 3, "teacher": 28, "student": 8}[name]


def test_the_student_adds_identities_and_the_teacher_projects_twice() -> None:
    def projections(model: keras.Model) -> list[bool]:
        adds = [layer for layer in model.layers if isinstance(layer, keras.layers.Add)]
        return [isinstance(add.input[1]._keras_history.operation, keras.layers.BatchNormalization) for add in adds]

    assert projections(networks.build("student")) == [False, False, False]
    assert projections(networks.build("teacher", width=0.1)) == [k in (4, 8) for k in range(12)]


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_the_output_is_logits(name: str) -> None:
    model = networks.build(name, width=0.1)
    outputs = model.predict_on_batch(np.random.default_rng(0).normal(size=(2, 80, 51, 1)).astype(np.float32))
    assert outputs.shape == (2, 10)
    assert model.layers[-1].activation is keras.activations.linear


def test_the_transformer_sees_where_a_patch_is() -> None:
    model = networks.build("transformer", dropout=0.0)
    image = np.random.default_rng(0).normal(size=(1, 80, 51, 1)).astype(np.float32)
    moved = np.roll(image, networks.PATCH[0], axis=1)
    assert not np.allclose(model.predict_on_batch(image), model.predict_on_batch(moved), atol=1e-4)


def test_width_multiplies_channels_but_not_the_classes() -> None:
    narrow = networks.build("teacher", width=0.25, activation="elu")
    channels = {layer.filters for layer in narrow.layers if isinstance(layer, keras.layers.Conv2D)}
    assert channels == {32, 64, 128, 10}


def test_the_teacher_drops_whole_maps_at_the_output_of_its_blocks() -> None:
    model = networks.build("teacher", width=0.1)
    assert sum(isinstance(layer, keras.layers.SpatialDropout2D) for layer in model.layers) == 12
    plain = networks.build("teacher", width=0.1, dropout=0.0)
    assert not any(isinstance(layer, keras.layers.SpatialDropout2D) for layer in plain.layers)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "resnet"}, "no network 'resnet'; networks are baseline, teacher, student, transformer"),
        ({"name": "teacher", "activation": "tanh"}, "no activation 'tanh'"),
        ({"name": "teacher", "width": 0}, "width 0 is out of range"),
        ({"name": "student", "depth": 2}, "depth is set, which the student does not have; its options are dropout"),
        ({"name": "limited", "expansion": 2}, "expansion is set, which the limited does not have"),
        ({"name": "limited", "input_shape": (4, 51, 1)}, "a 4x51 image is too small for the limited"),
        ({"name": "baseline", "input_shape": (40, 44, 1)}, "a 40x44 image is too small for the baseline"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        networks.build(**arguments)
