"""Tables with a reference row: all folds pooled, differences clip by clip, and impulse responses from elsewhere."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene import files
from tinyscene.console import console
from tinyscene.data.dataset import SCENES, Dataset
from tinyscene.errors import ConfigError
from tinyscene.evaluation import scoring
from tinyscene.experiments import experiment_run, rows as experiment
from tinyscene.training import ablation, compare_runs, fold_predictions, provenance, run as training_run, run_files
from tinyscene.training.part import Part

COMMON = """
title = "Ablation"
scored = "{scored}"
reference = "a"

[run.frontend]
preset = "base"

[run.data]
folds = "cross-validate"

[run.student]
network = "student"
width = 0.1
epochs = 1
"""
HEARD = """
title = "heard"

[run.augment]
impulse_responses = "nowhere"
impulse_response_probability = 0.9
"""


@pytest.fixture(scope="module")
def two_folds(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The synthetic data set with two folds only."""
    folder = tmp_path_factory.mktemp("two") / "folds"
    shutil.copytree(synthetic, folder, ignore=shutil.ignore_patterns("fold[3-9]*"))
    return folder


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    folder = tmp_path / "microphones"
    folder.mkdir()
    soundfile.write(folder / "echo.wav", np.array([1, 0, 0, 0.5]), 44100, "PCM_24")
    return folder


@pytest.fixture(params=["float", "int8"])
def scored(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a small table in place of the real ones scores."""
    folder = tmp_path / "experiments" / "table"
    folder.mkdir(parents=True)
    (folder / "table.toml").write_text(COMMON.format(scored=request.param))
    (folder / "a.toml").write_text("title = 'plain'\n")
    (folder / "b.toml").write_text(HEARD)
    find = experiment.find
    monkeypatch.setattr(experiment, "find", lambda name: find(name, folder.parent))
    return str(request.param)


def report(name: str, data: Path, microphones: Path | None, out: Path) -> tuple[str, list[dict]]:
    """What is printed, and what is written."""
    with console.capture() as capture:
        experiment_run.report(name, data, microphones, out, None, out / "all.json")
    return capture.get(), json.loads((out / "all.json").read_text())


def answer(parts: list[Part]) -> None:
    """Leave made-up predictions in place of a training's."""
    for part in parts:
        random = np.random.default_rng(ord(part.folder.parent.name))  # another one for each row
        answers = {kind: random.dirichlet(np.ones(len(SCENES)), len(part.test)) for kind in ("float", "int8")}
        files.write_arrays(part.folder / run_files.PREDICTIONS, answers)


def test_rows_are_compared_with_the_reference(
    scored: str, two_folds: Path, microphone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_run, "train_parts", answer)
    out, dataset = tmp_path / "runs", Dataset(two_folds)
    said, (heard,) = report("table/b", two_folds, microphone, out)
    assert (heard["reference"], heard["compared"]) == ("a", None)
    assert "no differences: a is not done" in said
    said, (plain, heard) = report("table", two_folds, microphone, out)
    assert plain["compared"] is None
    runs = [out / "table" / row for row in "ab"]
    compare_runs.report(runs[0], runs[1], two_folds, scored, tmp_path / "found.json")
    expected = json.loads((tmp_path / "found.json").read_text())
    assert expected["calibrated"]
    assert heard["compared"] == {key: expected[key] for key in heard["compared"]}
    clips = [clip for fold in (1, 2) for clip in dataset.split(fold, "evaluate")]
    for side, run, result in zip("ab", runs, (plain, heard), strict=True):
        assert result["test_clips"] == len(clips)
        probabilities = fold_predictions.of_run(run, dataset).predictions[scored]
        assert result["intervals"] == scoring.confidence_intervals(clips, probabilities, SCENES)
        for score in ("accuracy", "log_loss"):
            assert result[score] == pytest.approx(expected[side][score])
    (low, high), difference = expected["intervals"]["log_loss"], expected["difference"]
    for words in (f"{plain['log_loss']:.3f}", f"{difference['log_loss']:+.3f}", f"{low:+.3f} to {high:+.3f}"):
        assert words in said
    assert f"{100 * difference['accuracy']:+.1f}" in said
    assert "paired differences from a, 95 %" in said
    assert not {"thesis", "scale"} & set(said.lower().split())
    assert heard["data_fingerprint"] == provenance.fingerprint(dataset)
    said = "\n".join(ablation.lines([plain, heard]))
    assert said.startswith(f"Ablation. {'INT8' if scored == 'int8' else 'Float'}, {len(clips)} clips of folds,")
    assert f"| {difference['log_loss']:+.3f} (95 %: {low:+.3f} to {high:+.3f}) |" in said


@pytest.mark.parametrize("scored", ["int8"], indirect=True)
@pytest.mark.usefixtures("scored")
def test_every_fold_is_trained_and_no_final_weights(
    two_folds: Path, microphone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    out = tmp_path / "runs"
    _, (heard,) = report("table/b", two_folds, microphone, out)
    run = out / "table" / "b"
    assert sorted(path.name for path in run.iterdir() if path.is_dir()) == ["fold1", "fold2"]
    pooled = json.loads((run / run_files.EVALUATION).read_text())
    assert heard["log_loss"] == pooled["calibrated"]["int8"]["log_loss"]
    assert f'impulse_responses = "{microphone}"' in (run / "config.toml").read_text()
    monkeypatch.setattr(training_run, "train_parts", None)
    assert report("table/b", two_folds, microphone, out)[1] == [heard]


@pytest.mark.parametrize("scored", ["float"], indirect=True)
@pytest.mark.usefixtures("scored")
def test_impulse_responses_are_looked_for_before_anything_trains(
    two_folds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment_run, "run", None)
    with pytest.raises(ConfigError, match=r"table/b: nowhere has no impulse responses; .* with --impulse-responses"):
        report("table", two_folds, None, tmp_path / "runs")
    with pytest.raises(ConfigError, match=r"table/b: .*gone has no impulse responses"):
        report("table", two_folds, tmp_path / "gone", tmp_path / "runs")
