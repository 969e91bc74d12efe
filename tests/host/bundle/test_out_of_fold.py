"""The list of out-of-fold answers: what is written is read; what is damaged is refused; the page is what it gives."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import runs
from tinyscene.bundle import out_of_fold
from tinyscene.bundle.bundle import Bundle
from tinyscene.data.dataset import SCENES, Clip
from tinyscene.errors import BundleError
from tinyscene.evaluation import comparison
from tinyscene.experiments import search_report
from tinyscene.paths import REPOSITORY
from tinyscene.report import page_section, results as results_docs

CLIPS = [Clip(f"audio/{scene}-oslo-{n}-0-a.wav", scene, f"oslo-{n}", "oslo", "a", 0) for n, scene in enumerate(SCENES)]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    _, probabilities = runs.answers(1, clips=len(CLIPS))
    out_of_fold.write(tmp_path, CLIPS, probabilities)
    return tmp_path


def test_what_is_written_is_read(bundle: Path) -> None:
    clips, probabilities = out_of_fold.read(bundle)
    assert [(clip.filename, clip.scene, clip.identifier, clip.device) for clip in clips] == [
        (clip.filename, clip.scene, clip.identifier, clip.device) for clip in CLIPS
    ]
    np.testing.assert_allclose(probabilities, runs.answers(1, clips=len(CLIPS))[1], atol=1e-6)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text.replace("tram", "trim", 1), "is damaged"),
        (lambda text: text.replace("\t0.", "\t9.", 1), "do not add up to 1"),
        (lambda text: text[: len(text) // 2], "is damaged"),
    ],
)
def test_a_damaged_list_is_refused(bundle: Path, damage: Callable[[str], str], reason: str) -> None:
    path = bundle / out_of_fold.LIST
    path.write_text(damage(path.read_text()))
    with pytest.raises(BundleError, match=reason):
        out_of_fold.read(bundle)


def test_a_missing_list_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="train with cross-validation"):
        out_of_fold.read(tmp_path)


def test_the_page_says_what_int8_costs_where_a_bundle_does(tmp_path: Path) -> None:
    paired = {
        "accuracy": -0.0123,
        "log_loss": 0.0456,
        "intervals": {"accuracy": [-0.03, 0.01], "log_loss": [0.01, 0.1]},
    }
    for name in results_docs.MODELS:
        shutil.copytree(REPOSITORY / "models" / name, tmp_path / name)
        bundle = Bundle.load(tmp_path / name)
        bundle.metrics["calibrated"].pop(comparison.INT8_MINUS_FLOAT, None)
        bundle.save(tmp_path / name, "")
    assert "INT8 - float" not in results_docs.body(tmp_path)
    bundle = Bundle.load(tmp_path / "student")
    bundle.metrics["calibrated"][comparison.INT8_MINUS_FLOAT] = paired
    bundle.save(tmp_path / "student", "")
    said = results_docs.body(tmp_path)
    assert (
        "\n\nPaired, clip by clip (calibrated), INT8 - float:\n"
        "- student: accuracy -1.2 points (95 %: -3.0 to +1.0), log loss +0.046 (95 %: +0.010 to +0.100)\n\n"
        "Paired, clip by clip, over"
    ) in said
    assert "- baseline: " not in said


def test_the_committed_page_is_what_the_committed_models_give() -> None:
    page = results_docs.PAGE
    assert page_section.replaced(page, results_docs.BEGIN, results_docs.body()) == page.read_text(), "run make results"


def test_the_committed_page_shows_the_committed_search() -> None:
    page = results_docs.PAGE
    shown = "\n".join(search_report.lines(search_report.read(results_docs.SEARCH)))
    assert page_section.replaced(page, results_docs.SEARCH_BEGIN, shown) == page.read_text(), "run make results"
