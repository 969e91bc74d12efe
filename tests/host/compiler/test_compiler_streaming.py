"""Graph passes, weights and streaming: what is fused, trimmed and kept, and that it is no more than must be."""

import numpy as np
import pytest

import engine_models
from tflite_models import ModelBuilder, Ref
from tinyscene.compiler.compiled import CompiledModel
from tinyscene.compiler.graph import ConvOptions
from tinyscene.compiler.kernels import conv2d
from tinyscene.compiler.pipeline import plan_model
from tinyscene.compiler.verify import verify


def compiled(net: ModelBuilder, output: Ref) -> CompiledModel:
    model = net.finish(output)
    assert verify(model, "host", 6, seed=5).mismatches == 0
    return plan_model(model)


def kinds(model: CompiledModel) -> list[str]:
    return [call.kind for call in model.calls]


@pytest.mark.parametrize(
    ("window", "stride", "padding", "joins"),
    [
        ((2, 2), (2, 2), "VALID", True),
        ((2, 3), (3, 4), "VALID", True),  # rows and columns between windows
        ((3, 1), (3, 1), "SAME", True),  # SAME, but 12 rows need no padding
        ((5, 2), (5, 2), "SAME", False),
        ((3, 2), (2, 2), "VALID", False),
        ((2, 2), (2, 1), "VALID", False),
    ],
)
def test_max_pool_joins_a_convolution(window, stride, padding: str, joins: bool) -> None:
    net = ModelBuilder(2)
    x = net.conv(net.input((1, 12, 11, 3)), 6, (3, 3), activation="RELU6")
    model = compiled(net, net.pool(x, "MAX_POOL_2D", window, stride, padding, "RELU"))
    assert kinds(model) == (["CONV_2D+MAX_POOL_2D"] if joins else ["CONV_2D", "MAX_POOL_2D"])


def test_max_pool_stays_where_the_map_has_another_reader() -> None:
    net = ModelBuilder(3)
    x = net.conv(net.input((1, 8, 8, 4)), 4, (3, 3))
    pooled = net.pool(x, "MAX_POOL_2D", (2, 2), (2, 2))
    other = net.conv(x, 4, (2, 2), stride=(2, 2), padding="VALID")
    assert "CONV_2D+MAX_POOL_2D" not in kinds(compiled(net, net.combine("ADD", pooled, other)))


def test_max_pool_stays_where_requantisation_may_wrap() -> None:
    """Factors above 1 shift sums to the left, out of the word: the largest sum need not give the largest result."""
    net = ModelBuilder(8)
    x = net.conv(net.input((1, 8, 8, 3), scale=8.0), 4, (3, 3), spread=2e9)
    assert "CONV_2D+MAX_POOL_2D" not in kinds(compiled(net, net.pool(x, "MAX_POOL_2D", (2, 2), (2, 2))))


def test_columns_that_nobody_reads_are_not_computed() -> None:
    """Of 11 columns the pool reads 10, of 13 rows 12; so do the addition and the convolution before it."""
    net = ModelBuilder(4)
    x = net.conv(net.input((1, 13, 11, 3)), 4, (3, 3))
    y = net.conv(x, 4, (3, 3))
    model = compiled(net, net.pool(net.combine("ADD", y, x), "MAX_POOL_2D", (4, 2), (4, 2)))
    assert [layer.output_shape for layer in model.report().layers] == [
        (1, 13, 11, 4),
        (1, 12, 10, 4),
        (1, 12, 10, 4),
        (1, 3, 5, 4),
    ]


def test_streamed_layers_keep_the_rows_of_their_windows() -> None:
    net = ModelBuilder(5)
    x = net.conv(net.input((1, 64, 20, 4)), 16, (3, 3))
    y = net.conv(net.conv(x, 16, (3, 3)), 16, (5, 3))
    model = compiled(net, net.pool(net.combine("ADD", y, x), "AVERAGE_POOL_2D", (2, 2), (2, 2)))
    assert len(model.launches) == 1
    assert [layer.rows_kept for layer in model.report().layers] == [4, 5, 1, 2, None]


def test_rings_hold_whole_steps_of_two_rows() -> None:
    """Depthwise windows of 3x3 make two rows, and windows of 1x1 on odd widths take and make two as one."""
    net = ModelBuilder(9)
    x = net.conv(net.input((1, 41, 5, 4)), 16, (3, 3))
    for _ in range(2):
        x = net.conv(net.conv(x, 0, (3, 3), depthwise=1), 16, (1, 1))
    model = compiled(net, net.pool(x, "AVERAGE_POOL_2D", (41, 5), (1, 1)))
    assert len(model.launches) == 1
    # the third layer's rows in use are five, from the one above a pair of windows to the end of another pair
    assert [layer.rows_kept for layer in model.report().layers] == [4, 2, 6, 2, 2, None]


def test_rings_that_never_hold_rows_together_share_a_place() -> None:
    """What a depthwise layer makes is read before anything else is made; so is what the last layer makes, by the sums.
    But the one ring holds rows while the other is written."""
    net = ModelBuilder(9)
    x = net.conv(net.input((1, 41, 5, 4)), 16, (3, 3))
    for _ in range(3):
        x = net.conv(net.conv(x, 0, (3, 3), depthwise=1), 16, (1, 1))
    model = compiled(net, net.mean(x, (1, 2), keep=False))
    (launch,) = model.launches
    place = {call.output: model.memory.offsets[call.output] for call in launch.calls[:-1]}
    first, depthwise, *others = [place[call.output] for call in launch.calls[:-1]]
    assert others[1] == others[3] == depthwise
    assert len({first, depthwise, others[0], others[2], others[4]}) == 5
    row = 5 * 16
    rings = 4 * row + 2 * 6 * row + 2 * 2 * row
    assert model.memory.arena_bytes == rings + -(-launch.scratch_bytes // 16) * 16


def test_a_row_that_is_not_finished_shares_no_place() -> None:
    """Each pooled row takes two rows of all layers before it, the first of which is empty again in between."""
    net = ModelBuilder(14)
    x = net.conv(net.conv(net.input((1, 40, 12, 4)), 16, (1, 1)), 16, (1, 1))
    x = net.pool(net.conv(x, 16, (1, 1)), "MAX_POOL_2D", (2, 2), (2, 2))
    (launch,) = compiled(net, net.conv(x, 8, (1, 1))).launches
    assert len(launch.rings.places) == len(launch.rings.rows) == 3


@pytest.mark.parametrize(
    ("axes", "keep", "function"),
    [
        ((1, 2), True, "engine_mean_by_rows"),
        ((1, 2), False, "engine_mean_by_rows"),
        ((1,), True, "engine_mean"),
        ((2,), False, "engine_mean"),
        ((1, 2, 3), False, "engine_mean"),
    ],
)
def test_mean_kernels(axes: tuple[int, ...], keep: bool, function: str) -> None:
    net = ModelBuilder(11)
    model = compiled(net, net.mean(net.input((1, 7, 6, 5)), axes, keep=keep))
    assert [call.function for call in model.calls] == [function]


@pytest.mark.parametrize(
    ("window", "stride", "padding", "function"),
    [
        ((7, 6), (1, 1), "VALID", "engine_average_pool_by_rows"),
        ((7, 6), (7, 6), "SAME", "engine_average_pool_by_rows"),
        ((7, 6), (1, 1), "SAME", "engine_average_pool"),
        ((8, 8), (8, 8), "SAME", "engine_average_pool"),
        ((6, 6), (2, 2), "VALID", "engine_average_pool"),
    ],
)
def test_average_kernels(window, stride, padding: str, function: str) -> None:
    net = ModelBuilder(12)
    model = compiled(net, net.pool(net.input((1, 7, 6, 5)), "AVERAGE_POOL_2D", window, stride, padding, "RELU"))
    assert [call.function for call in model.calls] == [function]


def test_average_of_the_part_that_a_window_reads() -> None:
    """Its map is trimmed to the window, which then covers it."""
    net = ModelBuilder(13)
    x = net.conv(net.input((1, 20, 9, 3)), 8, (3, 3))
    model = compiled(net, net.pool(x, "AVERAGE_POOL_2D", (18, 8), (4, 4)))
    (launch,) = model.launches
    assert [call.function for call in launch.calls] == ["engine_conv2d", "engine_average_pool_by_rows"]


def test_states_lie_behind_the_scratch_that_is_shared() -> None:
    model = plan_model(engine_models.generate("averages_of_branches", 3))
    launch = model.launches[0]
    left, right = (launch.state_offset(call) for call in launch.calls if call.state_bytes)
    assert left >= max(call.scratch_bytes for call in launch.calls)
    assert right == left + 12 * 4
    assert launch.scratch_bytes == right + 12 * 4


@pytest.mark.parametrize(
    ("depth", "kernel", "options", "function"),
    [
        (8, (3, 3), {}, "engine_depthwise_3x3"),
        (8, (3, 3), {"stride": (3, 2), "padding": "VALID"}, "engine_depthwise_3x3"),
        (8, (3, 3), {"stride": (1, 3)}, "engine_quick_depthwise"),
        (8, (3, 3), {"dilation": (2, 1)}, "engine_quick_depthwise"),
        (8, (3, 3), {"dilation": (1, 2)}, "engine_quick_depthwise"),
        (8, (3, 2), {}, "engine_quick_depthwise"),
        (8, (5, 3), {}, "engine_quick_depthwise"),
        (6, (3, 3), {}, "engine_depthwise"),
        (4, (3, 3), {"depthwise": 2}, "engine_depthwise"),
        (4, (3, 3), {"spread": 1e9}, "engine_depthwise"),  # factors that are not quick
    ],
)
def test_depthwise_kernels(depth: int, kernel: tuple[int, int], options: dict, function: str) -> None:
    net = ModelBuilder(10)
    model = compiled(net, net.conv(net.input((1, 9, 8, depth)), 0, kernel, **{"depthwise": 1, **options}))
    assert [call.function for call in model.calls] == [function]


def test_small_maps_are_made_one_after_the_other() -> None:
    net = ModelBuilder(6)
    x = net.input((1, 3, 3, 8))
    for _ in range(3):
        x = net.conv(x, 8, (3, 3))
    assert len(compiled(net, x).launches) == 3


def test_branches_stream_together_with_what_they_branch_from() -> None:
    """A shortcut and the convolution beside it read no row of each other, but both read the layer before them."""
    net = ModelBuilder(4)
    x = net.conv(net.input((1, 40, 24, 4)), 12, (3, 3), activation="RELU")
    model = compiled(net, net.combine("ADD", net.conv(x, 12, (3, 3)), net.conv(x, 12, (1, 1)), "NONE"))
    (launch,) = model.launches
    assert len(launch.calls) == 4
    assert model.memory.arena_bytes < 40 * 24 * 12  # no whole map


def test_a_branch_that_is_read_later_stays_whole() -> None:
    net = ModelBuilder(7)
    x = net.conv(net.input((1, 40, 9, 2)), 8, (3, 3))
    y = net.conv(net.conv(x, 8, (3, 3)), 8, (3, 3))
    gate = net.logistic(net.mean(y, (1, 2), keep=True))
    model = compiled(net, net.combine("MUL", x, gate))
    assert model.report().layers[0].rows_kept is None


def weights_of(layout: conv2d.Layout) -> np.ndarray:
    """Return [panel, step, channel, 2] from what the engine reads."""
    values = layout.panels.values
    steps = layout.weights.shape[1]
    return values.reshape(-1, steps, 2, 2, 2).swapaxes(3, 4).reshape(-1, steps, 4, 2)


OPTIONS = ConvOptions("SAME", (1, 1), (1, 1), "NONE")
DILATED = ConvOptions("SAME", (1, 1), (1, 2), "NONE")


@pytest.mark.parametrize(
    ("shape", "options", "kind", "steps"),
    [
        ((6, 3, 3, 8), OPTIONS, "ENGINE_ROWS", 36),
        ((40, 3, 3, 32), OPTIONS, "ENGINE_ROWS", 144),
        ((5, 3, 3, 3), OPTIONS, "ENGINE_PATCHES", 9 + 5),
        ((5, 6, 5, 1), OPTIONS, "ENGINE_PATCHES", 15),
        ((5, 3, 3, 8), DILATED, "ENGINE_PATCHES", 24 + 24),
        ((60, 5, 5, 3), OPTIONS, "ENGINE_PATCHES", 30 + 8),
    ],
)
def test_panels_hold_every_weight_once(shape, options: ConvOptions, kind: str, steps: int) -> None:
    weights = np.random.default_rng(1).integers(-127, 128, shape).astype(np.int8)
    weights[weights == 0] = 1
    layout = conv2d.lay_out(weights, options, conv2d.NO_POOL, 9)
    assert layout.kind == kind
    panels = weights_of(layout)
    assert panels.shape[1] == steps
    for output in range(shape[0]):
        laid_out = panels[output // 4, :, output % 4]
        assert sorted(laid_out[laid_out != 0].tolist()) == sorted(weights[output].reshape(-1).tolist())
    assert not panels.transpose(0, 2, 1, 3).reshape(-1, steps, 2)[shape[0] :].any()
