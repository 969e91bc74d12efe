"""`--optimize speed`: transformed weights and sums are exact at their extremes, and bytes are TensorFlow Lite's."""

import numpy as np
import pytest

import engine_models
from tflite_models import ModelBuilder, pack, unpack
from tinyscene.compiler import verify
from tinyscene.compiler.compiled import CompiledModel
from tinyscene.compiler.kernels import winograd
from tinyscene.compiler.pipeline import compile_model, plan_model, report
from tinyscene.errors import ModelError
from tinyscene.paths import REPOSITORY

# Lavin and Gray 2016, section 4.1
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
B_T = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
A_T = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
SIGNS = [np.ones((3, 3), int), np.array([[1, -1, 1], [-1, 1, -1], [1, -1, 1]]), np.array([[1, 1, -1]] * 3)]


def extreme_weights(depth: int) -> np.ndarray:
    """Return [outputs, 3, 3, depth]: all -128, all 127, both in the patterns that the transform makes most of."""
    patterns = [np.where(sign > 0, 127, -128) for sign in SIGNS] + [np.where(sign > 0, -128, 127) for sign in SIGNS]
    return np.stack([np.repeat(pattern[..., None], depth, axis=2) for pattern in patterns]).astype(np.int8)


def test_transformed_weights_are_four_times_the_papers() -> None:
    weights = np.concatenate([extreme_weights(3), np.random.default_rng(1).integers(-128, 128, (5, 3, 3, 3))])
    expected = np.einsum("iy,oyxc,jx->ojic", G, weights, G) * 4
    transformed = winograd.transform_weights(weights.astype(np.int8))
    np.testing.assert_array_equal(transformed, expected.reshape(len(weights), 16, 3))
    assert abs(transformed).max() == 9 * 128


@pytest.mark.parametrize("values", [(-255, 255), (-255, -255), (255, 255), (0, 255)])
def test_sums_are_four_times_the_convolutions(values: tuple[int, int]) -> None:
    """In int64, at the ends of the range."""
    depth = 64
    weights = extreme_weights(depth)
    tile = np.random.default_rng(2).choice(values, (4, 4, depth)).astype(np.int64)
    transformed = np.einsum("iy,yxc,jx->jic", B_T, tile, B_T).reshape(16, depth)
    assert abs(transformed).max() <= winograd.INPUT_GAIN * 255
    planes = (winograd.transform_weights(weights) * transformed).sum(axis=2).reshape(len(weights), 4, 4)
    sums = np.einsum("ri,oji,sj->ors", A_T, planes, A_T)
    windows = np.lib.stride_tricks.sliding_window_view(tile, (3, 3), axis=(0, 1))  # [2, 2, depth, 3, 3]
    np.testing.assert_array_equal(sums, 4 * np.einsum("rscyx,oyxc->ors", windows, weights.astype(np.int64)))


@pytest.mark.parametrize("zero_point", [-128, 127])
@pytest.mark.parametrize("sign", [-1, 1])
def test_overflow_is_told_to_the_last_unit(zero_point: int, sign: int) -> None:
    depth = 8
    weights = np.full((1, 3, 3, depth), 127 * sign, np.int8)
    largest = 9 * depth * 127 * 255  # one end of the sums' range; the other is 0
    upwards = (zero_point == -128) == (sign == 1)
    room = 2**29 - largest
    fitting, beyond = (room - 1, room) if upwards else (-room, -room - 1)
    assert winograd.cannot_overflow(weights, np.array([fitting]), zero_point)
    assert not winograd.cannot_overflow(weights, np.array([beyond]), zero_point)


def test_overflow_of_the_weights_alone() -> None:
    for depth, fits in ((1840, True), (1844, False)):
        weights = np.full((1, 3, 3, depth), -127, np.int8)
        assert winograd.cannot_overflow(weights, np.zeros(1, np.int64), -128) == fits


def functions(compiled: CompiledModel) -> list[str]:
    return [call.function.removeprefix("engine_") for call in compiled.calls]


def assert_same(model: bytes, vectors: int = 8) -> CompiledModel:
    result = verify.verify(model, "host", vectors, seed=7, optimize="speed")
    assert result.mismatches == 0, result
    return plan_model(model, optimize="speed")


@pytest.mark.parametrize(
    ("depth", "outputs", "options", "function"),
    [
        (16, 16, {}, "winograd"),
        (8, 9, {"padding": "VALID"}, "winograd"),
        (16, 16, {"kernel": (3, 5)}, "conv2d"),
        (16, 16, {"stride": (1, 2)}, "conv2d"),
        (16, 16, {"dilation": (2, 1)}, "conv2d"),
        (15, 16, {}, "conv2d"),
        (16, 16, {"spread": 2e9}, "conv2d"),  # a factor that engine_quick cannot do
    ],
)
def test_layers_that_qualify(depth: int, outputs: int, options: dict, function: str) -> None:
    net = ModelBuilder(3)
    x = net.conv(net.input((1, 10, 11, depth)), outputs, options.pop("kernel", (3, 3)), **options)
    model = net.finish(x)
    assert functions(assert_same(model)) == [function]
    assert functions(plan_model(model)) == ["conv2d"]


@pytest.mark.parametrize(("size", "function"), [((1, 5), "conv2d"), ((4, 4), "winograd")])
def test_small_maps(size: tuple[int, int], function: str) -> None:
    """Tiles of which most lies outside the image gain nothing."""
    net = ModelBuilder(4)
    assert functions(assert_same(net.finish(net.conv(net.input((1, *size, 16)), 16, (3, 3))))) == [function]


def with_bias(model: bytes, bias: int) -> bytes:
    """Return a model of one convolution with another bias."""
    content = unpack(model)
    tensor = content.subgraphs[0].tensors[content.subgraphs[0].operators[0].inputs[2]]
    values = np.full(tensor.shape, bias, "<i4")
    content.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    return pack(content)


@pytest.mark.parametrize(("bias", "function"), [(2**28, "winograd"), (2**29, "conv2d"), (-(2**29), "conv2d")])
def test_a_model_whose_sums_may_overflow_is_computed_directly(bias: int, function: str) -> None:
    net = ModelBuilder(5)
    model = with_bias(net.finish(net.conv(net.input((1, 6, 7, 8)), 8, (3, 3))), bias)
    assert functions(assert_same(model)) == [function]


@pytest.mark.parametrize("zero_point", [-128, 0, 127])
@pytest.mark.parametrize("output_steps", [100, 10_000])
def test_extreme_weights_and_inputs(zero_point: int, output_steps: int) -> None:
    """The first inputs are all -128 and all 127; with many steps to the largest sum, results are beyond int8."""
    net = ModelBuilder(6)
    weights = extreme_weights(64)
    outputs = len(weights)
    x = net.input((1, 9, 7, 64), 1.0, zero_point)
    y = net.conv(x, outputs, (3, 3), per_channel=False)
    operator = net.graph.operators[-1]
    tensor = net.graph.tensors[operator.inputs[1]]
    net.model.buffers[tensor.buffer].data = np.frombuffer(weights.tobytes(), np.uint8)
    net.graph.tensors[y.index].quantization.scale *= 9 * 64 * 127 * 255 / (output_steps * 80 * 24)
    assert functions(assert_same(net.finish(y))) == ["winograd"]


@pytest.mark.parametrize("seed", range(24))
def test_random_network(seed: int) -> None:
    assert "winograd" in functions(assert_same(engine_models.three_by_three(seed), vectors=6))


@pytest.mark.parametrize("name", ["residual", "saturating", "wide_rows", "max_pool"])
def test_generated_model(name: str) -> None:
    assert_same(engine_models.generate(name, 1))


@pytest.mark.parametrize("depth", [64, 68])
def test_deep_maps(depth: int) -> None:
    """Two pairs of tiles are transformed at once, or one, whose weights are not copied then."""
    net = ModelBuilder(9)
    compiled = assert_same(net.finish(net.conv(net.input((1, 5, 11, depth)), 6, (3, 3))), vectors=4)
    assert [call.fields["chunk"] for call in compiled.calls] == [128 // depth]


@pytest.mark.parametrize("window", [(2, 2), (3, 2), (1, 4)])
def test_pools_come_after_it(window: tuple[int, int]) -> None:
    net = ModelBuilder(7)
    x = net.conv(net.input((1, 13, 15, 8)), 16, (3, 3), activation="RELU")
    model = net.finish(net.pool(x, "MAX_POOL_2D", window, window))
    assert functions(assert_same(model)) == ["winograd", "max_pool_by_rows"]
    assert functions(plan_model(model)) == ["conv2d"]


def test_rings_hold_whole_steps() -> None:
    """Two rows are written at once, side by side: a ring has room for an even number of them, or for the whole map."""
    net = ModelBuilder(8)
    x = net.conv(net.input((1, 65, 20, 8)), 16, (3, 3))
    y = net.conv(net.conv(x, 16, (3, 3)), 16, (3, 3))
    compiled = assert_same(net.finish(net.pool(net.combine("ADD", y, x), "MAX_POOL_2D", (5, 2), (5, 2))))
    assert functions(compiled) == [*["winograd"] * 3, "quick_add", "max_pool_by_rows"]
    assert [layer.rows_kept for layer in compiled.report().layers] == [6, 6, 2, 1, None]


def test_shipped_student() -> None:
    """16 million instructions are counted in tests/firmware/test_engine_mps2.py."""
    model = (REPOSITORY / "models/student/model.tflite").read_bytes()
    compiled = assert_same(model)
    assert functions(compiled).count("winograd") == 6
    assert compiled.memory.arena_bytes + compiled.input.elements + compiled.output.elements <= 40_000


def test_the_default_is_memory(tmp_path) -> None:
    model = engine_models.three_by_three(1)
    for optimize in ("memory", "speed"):
        compile_model(model, tmp_path / optimize, optimize=optimize)
    compile_model(model, tmp_path / "default")
    default = (tmp_path / "default" / "model.c").read_text()
    assert default == (tmp_path / "memory" / "model.c").read_text()
    assert "winograd" not in default
    assert "winograd" in (tmp_path / "speed" / "model.c").read_text()


def test_another_choice_is_refused(tmp_path) -> None:
    with pytest.raises(ModelError, match="cannot optimise for 'size'; choose memory or speed"):
        report(REPOSITORY / "models/student", tmp_path / "out", "size")
    assert not (tmp_path / "out").exists()
