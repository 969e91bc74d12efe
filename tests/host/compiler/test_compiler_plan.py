"""Planning: exact fixed-point arithmetic, buffers that never overlap, deterministic and readable C."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import engine_models
from tinyscene.compiler import pipeline as compiler, quantisation, verify
from tinyscene.compiler.pipeline import compile_model, plan_model


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
    """No large map exists as a whole; bytes of TensorFlow Lite Micro: 167,100 and 71,400."""
    student, baseline = (plan_model(random_networks[name]).report() for name in ("student", "baseline"))
    assert student.arena_bytes + student.input_bytes + student.output_bytes <= 24_000
    assert baseline.arena_bytes + baseline.input_bytes + baseline.output_bytes <= 71_400 / 2


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
    launches = {layer.group for layer in report.layers}
    code = (tmp_path / "a" / "scene.c").read_text()
    assert code.count("\n    engine_") - code.count("\n    engine_lap(") == len(launches)


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
