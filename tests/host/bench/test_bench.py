"""The benchmark's tables, JSON, page and chart; its figures come from engines and frontend_bench, tested elsewhere."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import engine_models
from tinyscene.bench import docs as bench_docs, engine as bench_engine, run as bench_run, start
from tinyscene.bench.engine import Figures, Measurement
from tinyscene.compiler import execution
from tinyscene.errors import TinysceneError
from tinyscene.networks.conversion import run_reference
from tinyscene.report import page_section


def exact(model: bytes, inputs: np.ndarray) -> Measurement:
    """An engine that answers at once, and rightly."""
    outputs = run_reference(model, inputs).reshape(len(inputs), -1)
    return Measurement(execution.Run(outputs, 1_234_567, 2000, 3000), 1115, reference=model)


def nearly(model: bytes, inputs: np.ndarray) -> Measurement:
    """An engine that gets one byte wrong, of a part of the network."""
    outputs = run_reference(model, inputs).reshape(len(inputs), -1).copy()
    outputs[1, 2] ^= 1
    return Measurement(execution.Run(outputs, 2_345_678, 200, 300), 4000, reference=model, note="without its [end]")


def picky(model: bytes, inputs: np.ndarray) -> Measurement:
    """An engine that takes nothing."""
    raise bench_engine.RefusedError(f"operator[3]: {len(inputs)} inputs of {len(model) > 0} [bench] are too many")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small models, three engines, and a front end that is counted at once."""
    models = {name: engine_models.generate("dense", 1) for name in ("student", "toy")}
    monkeypatch.setattr(bench_run.console, "_width", 120)  # COLUMNS does not reach it in a worker of pytest-xdist
    monkeypatch.setattr(bench_run, "shipped_models", lambda: models)
    monkeypatch.setattr(bench_run.networks, "NETWORKS", {})
    monkeypatch.setattr(bench_run, "ENGINES", {"tinyscene": exact, "near": nearly, "picky": picky})
    monkeypatch.setattr(bench_run.tflm, "is_installed", lambda: False)
    frame = bench_run.frontend.StepCounts("p1", "tinyscene", "measured", {"window": 123, "FFT": 45_678}, 45_801, 140.0)
    monkeypatch.setattr(bench_run.frontend, "measure", lambda: [frame])
    monkeypatch.setattr(bench_run.start, "measure", lambda: start.Start(0.25))


@pytest.mark.usefixtures("quick")
def test_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bench_run.report(tmp_path / "bench.json")
    written = json.loads((tmp_path / "bench.json").read_text())
    rows = written["rows"]
    assert [(row["network"], row["engine"], row["source"]) for row in rows] == [
        ("student", "tinyscene", "measured"),
        ("student", "near", "measured"),
        ("student", "picky", "refused"),
        ("student", "TFLM + CMSIS-NN", "recorded"),
        ("toy", "tinyscene", "measured"),
        ("toy", "near", "measured"),
        ("toy", "picky", "refused"),
    ]
    assert rows[0] == {
        "network": "student",
        "engine": "tinyscene",
        "source": "measured",
        "instructions": 1_234_567,
        "ram_bytes": 1115,
        "code_bytes": 2000,
        "constant_bytes": 3000,
        "mismatches": 0,
        "note": "",
    }
    assert rows[1]["mismatches"] == 1
    assert rows[2]["instructions"] is None
    assert rows[3]["instructions"] == 65_300_000
    printed = capsys.readouterr().out
    for words in ("recorded", "1.23", "refused: operator[3]:", "* student: without its [end]", "45,801"):
        assert words in printed
    assert "tinyscene --help: 0.25 s of processor time; limit 0.4 s" in printed
    assert written["start"] == {"processor_seconds": 0.25, "limit_seconds": 0.4}
    assert written["frontend"][0]["steps"] == {"window": 123, "FFT": 45_678}


def test_the_time_of_help_is_measured(capfd: pytest.CaptureFixture[str]) -> None:
    assert start.measure(1).processor_seconds > 0
    assert capfd.readouterr() == ("", ""), "what the command prints is not shown"


def test_a_measured_engine_has_no_recorded_row() -> None:
    rows = bench_run.measure({"student": engine_models.generate("dense", 1)}, {bench_run.TFLM: exact})
    assert [(row.engine, row.source) for row in rows] == [(bench_run.TFLM, "measured")]


@pytest.mark.usefixtures("quick")
def test_what_packs_bring_is_measured_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_run.tflm, "is_installed", lambda: True)
    monkeypatch.setattr(bench_run, "PACKED", {bench_run.TFLM: exact})
    bench_run.report(tmp_path / "bench.json")
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert [(row["network"], row["source"]) for row in rows if row["engine"] == bench_run.TFLM] == [
        ("student", "measured"),
        ("toy", "measured"),
    ]


@pytest.mark.usefixtures("quick")
def test_docs_have_the_table_and_the_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "RESULTS.md"
    page.write_text(f"before\n{bench_docs.BEGIN}\nold\n{page_section.END}\nafter\n")
    monkeypatch.setattr(bench_docs, "PAGE", page)
    bench_run.report(None, docs=True)
    first = page.read_bytes(), (tmp_path / bench_docs.CHART).read_bytes()
    bench_run.report(None, docs=True)
    assert (page.read_bytes(), (tmp_path / bench_docs.CHART).read_bytes()) == first
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| student | tinyscene | measured | 1.23 | 1.1 | 2.0 | 3.0 | 0 |" in text
    assert "|  | TFLM + CMSIS-NN | recorded | 65.30 | 167.1 | 77.0 | 74.0 | - |" in text
    assert "\n\\* toy: without its [end]" in text
    drawn = "".join(ET.fromstring(first[1]).itertext())
    for words in ("student", "toy", "picky", "TFLM + CMSIS-NN (recorded)", "65.3", "M instructions"):
        assert words in drawn


@pytest.mark.parametrize("text", [None, "no markers", f"{page_section.END}{bench_docs.BEGIN}"])
def test_page_without_markers(tmp_path: Path, text: str | None) -> None:
    page = tmp_path / "RESULTS.md"
    if text:
        page.write_text(text)
    with pytest.raises(TinysceneError, match=r"RESULTS\.md"):
        bench_docs.write([Figures("a", "b", "measured")], page)
    assert not (tmp_path / bench_docs.CHART).exists()


def test_the_repository_s_page_has_the_markers() -> None:
    bench_docs.check(bench_docs.PAGE)
    assert (bench_docs.PAGE.parent / bench_docs.CHART).stat().st_size < 100_000


def test_shipped_models_come_from_the_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_run.complexity, "converted", lambda name: name.encode())
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "model.tflite").write_bytes(b"shipped")
    assert bench_run.shipped_models(tmp_path) == {"student": b"shipped", "baseline": b"baseline"}
