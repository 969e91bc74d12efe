"""bakenn beside the engine on the emulated board: whole networks, a part, a refusal, and files made to its taste."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinyscene.bench import bakenn as bench_bakenn, bakenn_graph, run as bench_run
from tinyscene.bench.engine import Engine, RefusedError
from tinyscene.networks.backend import keras
from tinyscene.networks.conversion import convert, run_reference

SHAPE = (12, 10, 4)


def network(end: Callable[[Any], Any]) -> bytes:
    """Convert a convolution and what `end` makes of it."""
    keras.utils.set_random_seed(1)
    image = keras.Input(SHAPE)
    x = end(keras.layers.Conv2D(32, 3, activation="relu", padding="same")(image))
    random = np.random.default_rng(1)
    return convert(keras.Model(image, x), [random.normal(size=SHAPE).astype(np.float32) for _ in range(4)])


def classes(x: Any) -> Any:
    """An average, and a dense layer without a bias and without a RESHAPE before it."""
    averages = keras.layers.AveragePooling2D(x.shape[1:3])(x)
    return keras.layers.Dense(5)(keras.layers.Flatten()(averages))


def mean(x: Any) -> Any:
    """A MEAN, which bakenn does not know, and a dense layer: little work after the convolution."""
    return keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x))


def sigmoid(x: Any) -> Any:
    """A LOGISTIC, and most of the work after it."""
    return keras.layers.Conv2D(64, 3)(keras.layers.Activation("sigmoid")(x))


def test_adapted_network_gives_the_same_bytes() -> None:
    model = network(classes)
    inputs = np.random.default_rng(2).integers(-128, 128, (8, *SHAPE)).astype(np.int8)
    adapted = bakenn_graph.adapt(model)
    assert bakenn_graph.count_operators(adapted) == bakenn_graph.count_operators(model) + 1
    assert np.array_equal(run_reference(adapted, inputs), run_reference(model, inputs))


@pytest.fixture
def peers() -> dict[str, Engine]:
    """The bench's entries for bakenn."""
    pytest.importorskip("bakenn", reason="bakenn is not installed: pip install 'tinyscene[bench]'")
    return {name: engine for name, engine in bench_run.ENGINES.items() if name.startswith("bakenn")}


def test_whole_network(peers: dict[str, Engine]) -> None:
    rows = bench_run.measure({"classes": network(classes)}, peers)
    assert [(row.engine, row.source, row.note) for row in rows] == [(name, "measured", "") for name in peers]
    for row in rows:
        assert row.mismatches <= 5  # its dense layer rounds otherwise
        assert 32 * 9 * 4 * 120 < row.instructions < 32 * 9 * 4 * 120 * 50
        assert row.ram_bytes >= 12 * 10 * 4 + 12 * 10 * 32
        assert 0 < row.code_bytes < 32_768
        assert 32 * 9 * 4 <= row.constant_bytes < 8192
    plain, optimised = rows
    assert optimised.instructions < plain.instructions


def test_part_and_refusal(peers: dict[str, Engine]) -> None:
    name = "bakenn, plain C"
    part, refused = bench_run.measure({"mean": network(mean), "sigmoid": network(sigmoid)}, {name: peers[name]})
    assert (part.source, part.mismatches) == ("measured", 0)
    assert part.note.startswith("first 1 of 3 operators; ")
    assert (refused.source, refused.instructions) == ("refused", None)
    assert "unsupported TFLite builtin operator" in refused.note


def test_without_bakenn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bakenn", None)
    with pytest.raises(RefusedError, match="not installed"):
        bench_bakenn.measure(b"", np.empty((1, 1), np.int8), optimised=True)
