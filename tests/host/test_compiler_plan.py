"""Planning: exact fixed-point arithmetic, buffers that never overlap, deterministic and readable C."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import engine_models
from tflite_models import ModelBuilder
from tinyscene import compiler
from tinyscene.compiler import compile_model, plan_model, quantisation, verify
from tinyscene.compiler.kernels import convolution


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (0.5, (1 << 30, 0)),
        (1.0, (1 << 30, 1)),
        (0.25, (1 << 30, -1)),
        (1 - 2**-40, (1 << 30, 1)),  # rounds up to the next power of two
        (2.0**-40, (0, 0)),
        (0.00123, (1352399302, -9)),
    ],
)
def test_multiplier(real: float, expected: tuple[int, int]) -> None:
    assert quantisation.quantise_multiplier(real) == expected


@pytest.mark.parametrize(
    ("value", "exponent", "expected"),
    [(3, 1, 2), (-3, 1, -2), (-1, 1, -1), (5, 2, 1), (6, 2, 2), (-6, 2, -2), (7, 0, 7)],
)
def test_halves_go_away_from_zero(value: int, exponent: int, expected: int) -> None:
    assert quantisation.rounding_divide_by_power(value, exponent) == expected


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("NONE", (-128, 127)), ("RELU", (-20, 127)), ("RELU6", (-20, 40)), ("RELU_N1_TO_1", (-30, -10))],
)
def test_activation_range(activation, expected: tuple[int, int]) -> None:
    assert quantisation.activation_range(activation, 0.1, -20) == expected


def test_exponential_is_accurate() -> None:
    for x in np.linspace(-20, 0, 200):
        result = quantisation.exp_on_negative(round(x * 2**26), 5) / 2**31
        assert result == pytest.approx(np.exp(x), abs=1e-6)


@pytest.mark.parametrize("name", engine_models.RECIPES)
def test_buffers_in_use_together_never_overlap(name: str) -> None:
    compiled = plan_model(engine_models.generate(name, 1))
    plan = compiled.memory
    for one, other in combinations(plan.buffers, 2):
        if one.first <= other.last and other.first <= one.last:
            assert one.offset + one.bytes <= other.offset or other.offset + other.bytes <= one.offset
    assert all(buffer.offset % 16 == 0 and buffer.offset + buffer.bytes <= plan.arena_bytes for buffer in plan.buffers)
    assert plan.arena_bytes >= max((plan.live_bytes(call) for call in range(len(compiled.calls))), default=0)


def test_arena_of_the_shipped_networks(random_networks: dict[str, bytes]) -> None:
    """Pooling and additions work in place: nothing beside the first map of the student, two of the baseline."""
    student, baseline = (plan_model(random_networks[name]).report() for name in ("student", "baseline"))
    assert student.arena_bytes <= 80 * 51 * 32 + 1024
    assert baseline.arena_bytes <= 40 * 51 * 16 + 16384


def test_convolution_works_in_place_only_where_its_rows_allow() -> None:
    def in_place(kernel: tuple[int, int], **options) -> bool:
        net = ModelBuilder(1)
        model = net.finish(net.conv(net.conv(net.input((1, 9, 8, 4)), 4, (1, 1)), 4, kernel, **options))
        return bool(plan_model(model).calls[1].in_place)

    assert in_place((3, 3))
    assert in_place((1, 1))
    assert in_place((3, 3), stride=(2, 2))
    net = ModelBuilder(1)
    wider = net.finish(net.conv(net.input((1, 9, 8, 4)), 5, (3, 3)))
    assert not plan_model(wider).calls[0].in_place
    net = ModelBuilder(1)  # the same bytes, but rows twice as long: row 0 would cover input row 1
    longer = net.finish(net.conv(net.input((1, 12, 8, 4)), 8, (1, 1), stride=(2, 1)))
    assert not plan_model(longer).calls[0].in_place


def test_panels_hold_every_weight_once() -> None:
    weights = np.arange(1, 61, dtype=np.int8).reshape(3, 2, 10)
    panels = convolution._panels(weights)
    assert panels.shape == (2, 2 * 12 * 2)
    assert sorted(panels[panels != 0].tolist()) == list(range(1, 61))
    assert panels[0, :8].tolist() == [1, 3, 2, 4, 21, 23, 22, 24]


def test_output_is_deterministic_and_complete(tmp_path: Path) -> None:
    model = engine_models.generate("branches", 3)
    report = compile_model(model, tmp_path / "a", "scene")
    compile_model(model, tmp_path / "b", "scene")
    for name in ("scene.c", "scene.h"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    header = (tmp_path / "a" / "scene.h").read_text()
    assert f"#define SCENE_ARENA_BYTES {report.arena_bytes}\n" in header
    assert "#define SCENE_INPUT_BYTES 256 " in header
    assert "void scene_run(void *arena, const int8_t *input, int8_t *output);" in header
    assert (tmp_path / "a" / "scene.c").read_text().count("    engine_") == len(report.layers)


def test_report_prints_layers_and_memory(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(engine_models.generate("residual", 1))
    compiler.report(model, tmp_path / "out")
    printed = capsys.readouterr().out
    for word in ("CONV_2D", "conv2d", "1x9x9x8", " peak", "arena"):
        assert word in printed


def test_inputs_reach_the_extremes_and_repeat() -> None:
    inputs = verify.make_inputs((5, 6, 2), 8, seed=3)
    assert (inputs[0] == -128).all()
    assert (inputs[1] == 127).all()
    assert np.array_equal(inputs, verify.make_inputs((5, 6, 2), 8, seed=3))
    assert not np.array_equal(inputs, verify.make_inputs((5, 6, 2), 8, seed=4))
