"""The benchmark's tables and JSON; its figures come from verify and frontend_bench, which have tests of their own."""

import json
from pathlib import Path

import pytest

import engine_models
from tinyscene import bench
from tinyscene.compiler import verify


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small models, and an emulated board that answers at once."""
    models = {name: engine_models.generate("dense", 1) for name in ("student", "toy")}
    result = verify.VerifyReport(4, 40, 0, 0, 1_234_567, 1000, 2000, 3000)
    monkeypatch.setattr(bench, "shipped_models", lambda: models)
    monkeypatch.setattr(bench.bench_networks, "NETWORKS", {})
    monkeypatch.setattr(bench.verify, "verify", lambda *_, **__: result)
    frame = bench.frontend_bench.StepCounts(
        "p1", "tinyscene", "measured", {"window": 123, "FFT": 45_678}, 45_801, 140.0
    )
    monkeypatch.setattr(bench.frontend_bench, "measure", lambda: [frame])


@pytest.mark.usefixtures("quick")
def test_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bench.report(tmp_path / "bench.json")
    written = json.loads((tmp_path / "bench.json").read_text())
    rows = written["rows"]
    assert [(row["network"], row["engine"], row["source"]) for row in rows] == [
        ("student", "tinyscene", "measured"),
        ("student", "tinyscene, for speed", "measured"),
        ("student", "TFLM + CMSIS-NN", "recorded"),
        ("toy", "tinyscene", "measured"),
    ]
    assert rows[0]["ram_bytes"] == 1000 + 105 + 10
    assert rows[2]["instructions"] == 65_300_000
    printed = capsys.readouterr().out
    assert "recorded" in printed
    assert "1.23" in printed
    assert written["frontend"][0]["steps"] == {"window": 123, "FFT": 45_678}
    assert "45,801" in printed


def test_shipped_models_come_from_the_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.complexity, "converted", lambda name: name.encode())
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "model.tflite").write_bytes(b"shipped")
    assert bench.shipped_models(tmp_path) == {"student": b"shipped", "baseline": b"baseline"}
