"""The estimate of instructions: an entry for every kernel, coefficients that fit the entries, and its column."""

import re
from pathlib import Path

import pytest

import engine_models
import estimate_layers
from tinyscene.compiler import estimate, pipeline as compiler
from tinyscene.compiler.execution import ENGINE

KERNEL = re.compile(r"^(?:engine_step (engine_\w+);|void (engine_\w+)\(const struct engine_\w+ \*layer,)", re.MULTILINE)


def kernels() -> set[str]:
    """The functions that generated code calls for layers, by the engine's header."""
    return {step or whole for step, whole in KERNEL.findall((ENGINE / "engine.h").read_text())}


def test_every_kernel_has_an_entry_and_coefficients() -> None:
    assert {"engine_conv2d", "engine_dense", "engine_mul", "engine_pad"} <= kernels()
    assert set(estimate.TERMS) == kernels(), "give every kernel an entry in estimate.TERMS"
    assert set(estimate.coefficients()) == kernels(), "run tests/tools/fit_estimate.py"


def test_counts_are_made_of_the_kernels_constants() -> None:
    """The generated C asserts the others."""
    assert f"ENGINE_PAIRED_PIXELS = {estimate.PAIRED_PIXELS}" in (ENGINE / "engine_sums.h").read_text()


def test_layers_cover_every_kernel_and_coefficients_belong_to_them() -> None:
    """Otherwise the fit does not know a kernel, or estimate.toml is of other entries."""
    seen = set()
    for compiled in estimate_layers.layers(2, seed=1):
        (call,) = compiled.calls
        seen.add(call.function)
        counts = estimate.counts(compiled.planned, call)
        assert set(estimate.coefficients()[call.function]) <= set(counts), call.function
        assert all(count >= 0 for count in counts.values())
        assert estimate.instructions(compiled.planned, call) > 0
    assert seen == kernels()


@pytest.mark.parametrize("columns", [100, 120])
def test_table_fits_the_console(
    columns: int, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler.console, "_width", columns)  # COLUMNS does not reach it in a worker of pytest-xdist
    (tmp_path / "model.tflite").write_bytes(engine_models.generate("residual", 1))
    compiler.report(tmp_path / "model.tflite", tmp_path / "out")
    *table, _ = capsys.readouterr().out.splitlines()
    assert all(len(line) <= columns and "…" not in line for line in table)
    millions = [float(line.split()[-1]) for line in table[1:]]
    assert millions[-1] == pytest.approx(sum(millions[:-1]), abs=0.0005 * len(millions))
    assert table[-1].split()[0] == "sum"


def test_kernel_without_an_estimate_is_left_open(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler.console, "_width", 120)
    monkeypatch.delitem(estimate.TERMS, "engine_conv2d")
    (tmp_path / "model.tflite").write_bytes(engine_models.generate("residual", 1))
    compiler.report(tmp_path / "model.tflite", tmp_path / "out")
    *table, _ = capsys.readouterr().out.splitlines()
    assert table[1].split()[-1] == "-"
    assert table[-1].split()[-2] == ">"
