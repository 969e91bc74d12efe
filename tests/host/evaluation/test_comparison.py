"""Two predictions of the same clips: differences, their intervals, and what is said of them."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import runs
from tinyscene import files
from tinyscene.bundle.probabilities import softmax
from tinyscene.console import console
from tinyscene.data.dataset import SCENES, Clip, Dataset
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import calibration, comparison, intervals, metrics
from tinyscene.training import compare_runs

PLACES, EACH = 40, 5


def clips() -> list[Clip]:
    """Five clips of each of 40 places, a scene each."""
    return [
        Clip(f"audio/{k}.wav", SCENES[k // EACH % len(SCENES)], f"lyon-{k // EACH}", "lyon", "a", 0)
        for k in range(PLACES * EACH)
    ]


def answers(seed: int, skill: float = 1.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(PLACES * EACH, len(SCENES)))
    logits[np.arange(PLACES * EACH), truth()] += skill
    return softmax(logits)


def truth() -> np.ndarray:
    return np.array([SCENES.index(str(clip.scene)) for clip in clips()])


def test_the_difference_is_that_of_the_scores() -> None:
    a, b = answers(0), answers(1, 2.0)
    found = comparison.compare(clips(), a, b)
    labels, devices = [str(clip.scene) for clip in clips()], ["a"] * len(clips())
    of_a, of_b = (metrics.score(labels, each, devices, SCENES) for each in (a, b))
    for score in ("accuracy", "log_loss"):
        assert found.a[score] == pytest.approx(of_a[score])
        assert found.b[score] == pytest.approx(of_b[score])
        assert found.difference[score] == pytest.approx(of_b[score] - of_a[score])
        assert found.differs(score)
    assert (found.clips, found.locations) == (200, 40)
    assert found.in_words("accuracy").startswith("accuracy: that of B is higher, by ")
    assert "the interval excludes zero" in found.in_words("log_loss", "one", "two")
    assert "log loss: that of two is lower" in found.in_words("log_loss", "one", "two")
    back = comparison.compare(clips(), b, a)
    assert back.difference["log_loss"] == pytest.approx(-found.difference["log_loss"])
    assert back.intervals["log_loss"] == pytest.approx([-bound for bound in reversed(found.intervals["log_loss"])])


@pytest.mark.parametrize("logit", [0.0, 5.0, 60.0, 800.0])
def test_interval_mean_and_difference_are_of_the_score_itself(logit: float) -> None:
    """However sure a network is, its probabilities are clipped in one way, scikit-learn's."""
    wrong = softmax(np.eye(10)[(truth() + 1) % 10] * logit)
    mixed = softmax(np.eye(10)[(truth() + (np.arange(len(truth())) % 4 == 0)) % 10] * logit)
    labels, devices = [str(clip.scene) for clip in clips()], ["a"] * len(clips())
    losses = []
    for each in (wrong, mixed):
        losses.append(metrics.score(labels, each, devices, SCENES)["log_loss"])
        assert metrics.losses(each, truth()).mean() == pytest.approx(losses[-1], rel=1e-12)
        low, high = intervals.over_locations(clips(), intervals.of_clips(clips(), each, SCENES))["log_loss"]
        assert low <= losses[-1] * (1 + 1e-12)
        assert high >= losses[-1] * (1 - 1e-12)
    found = comparison.compare(clips(), mixed, wrong)
    assert found.difference["log_loss"] == pytest.approx(losses[0] - losses[1], rel=1e-9)


def test_an_interval_holds_its_value_where_there_is_one_place() -> None:
    one = [dataclasses.replace(clip, identifier="lyon-1", scene="bus") for clip in clips()]
    values = {"accuracy": np.linspace(0, 1, len(one)) / 3}
    ((low, high),) = intervals.over_locations(one, values).values()
    assert low <= values["accuracy"].mean() <= high


def test_answers_that_are_no_numbers_are_not_scored() -> None:
    bad = np.full((len(clips()), 10), np.nan)
    with pytest.raises(TinysceneError, match="answers are no numbers, so that they have no scores; train again"):
        metrics.score([str(clip.scene) for clip in clips()], bad, ["a"] * len(clips()), SCENES)


def test_the_interval_is_that_of_drawing_whole_locations_again() -> None:
    """Clip by clip and draw by draw, from the same random numbers."""
    a, b = answers(0), answers(1)
    rows = np.arange(PLACES * EACH)
    losses = np.log(a[rows, truth()]) - np.log(b[rows, truth()])
    hits = (b.argmax(axis=1) == truth()).astype(float) - (a.argmax(axis=1) == truth())
    names = [repr(clip.location) for clip in clips()]
    places = sorted(set(names))
    rows_of = [[row for row in rows if names[row] == place] for place in places]
    means = []
    for draw in np.random.default_rng(1).integers(PLACES, size=(intervals.ROUNDS, PLACES)):
        chosen = [row for place in draw for row in rows_of[place]]
        means.append((hits[chosen].mean(), losses[chosen].mean()))
    expected = np.percentile(means, [2.5, 97.5], axis=0)
    found = comparison.compare(clips(), a, b).intervals
    assert found["accuracy"] == pytest.approx(expected[:, 0])
    assert found["log_loss"] == pytest.approx(expected[:, 1])


def test_what_is_hard_for_both_does_not_widen_the_interval() -> None:
    """The same answers, one of them a little surer: far apart by pairs though the intervals of both overlap."""
    a = answers(0, 0.5)
    b = calibration.tempered(a, 0.97)
    found = comparison.compare(clips(), a, b)
    low, high = found.intervals["log_loss"]
    alone, _ = intervals.over_locations(clips(), intervals.of_clips(clips(), a, SCENES))["log_loss"]
    assert high - low < 0.2 * (found.a["log_loss"] - alone)
    same = comparison.compare(clips(), a, a)
    assert same.intervals == {"accuracy": [0, 0], "log_loss": [0, 0]}
    assert same.in_words("log_loss") == "log loss: A and B cannot be told apart, the interval includes zero"


def test_predictions_of_other_clips_are_refused() -> None:
    with pytest.raises(TinysceneError, match=r"shape \(199, 10\) do not belong to 200 clips"):
        comparison.compare(clips(), answers(0), answers(1)[1:])
    with pytest.raises(TinysceneError, match="no clips"):
        comparison.compare([], answers(0), answers(1))


@pytest.fixture
def two(synthetic: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two cross-validated runs, the second one better."""
    dataset = Dataset(synthetic)
    return runs.cross_validated(tmp_path / "a", dataset, 1), runs.cross_validated(tmp_path / "b", dataset, 2, 3.0)


@pytest.mark.parametrize("kind", ["int8", "float"])
def test_runs_are_pooled_and_calibrated_fold_by_fold(
    two: tuple[Path, Path], synthetic: Path, tmp_path: Path, kind: str
) -> None:
    with console.capture() as capture:
        compare_runs.report(*two, synthetic, kind, tmp_path / "found.json")
    said, found = capture.get(), json.loads((tmp_path / "found.json").read_text())
    dataset = Dataset(synthetic)
    tests = {fold: list(dataset.split(fold, "evaluate")) for fold in dataset.folds()}
    for side, run in zip("ab", two, strict=True):
        arrays = {fold: np.load(run / f"fold{fold}" / "predictions.npz") for fold in tests}
        labels = {fold: np.array([SCENES.index(str(clip.scene)) for clip in test]) for fold, test in tests.items()}
        losses = []
        for fold in tests:
            others = [other for other in tests if other != fold]
            temperature = calibration.fit_temperature(
                np.concatenate([arrays[other]["float"] for other in others]),
                np.concatenate([labels[other] for other in others]),
            )
            tempered = calibration.tempered(arrays[fold][kind], temperature)
            losses.append(-np.log(tempered[np.arange(len(labels[fold])), labels[fold]]))
        assert found[side]["log_loss"] == pytest.approx(np.concatenate(losses).mean())
        assert f"{found[side]['log_loss']:.3f}" in said
    assert (found["kind"], found["calibrated"], found["clips"]) == (kind, True, sum(map(len, tests.values())))
    assert found["differs"] == {"accuracy": True, "log_loss": True}
    assert "log loss: that of B is lower, by" in said


def test_runs_are_compared_as_they_were_trained_if_that_is_wanted(two: tuple[Path, Path], synthetic: Path) -> None:
    with console.capture() as capture:
        compare_runs.report(*two, synthetic, calibrate=False)
    said, dataset = capture.get(), Dataset(synthetic)
    labels = [SCENES.index(str(clip.scene)) for fold in dataset.folds() for clip in dataset.split(fold, "evaluate")]
    for run in two:
        answers = np.concatenate([np.load(run / f"fold{fold}" / "predictions.npz")["int8"] for fold in dataset.folds()])
        assert f"{-np.log(answers[np.arange(len(labels)), labels]).mean():.3f}" in said
    assert "INT8, not calibrated" in said


def test_what_cannot_be_compared_is_said(two: tuple[Path, Path], synthetic: Path, tmp_path: Path) -> None:
    a, b = two
    with pytest.raises(TinysceneError, match="no kind 'int4' of predictions; choose int8 or float"):
        compare_runs.report(a, b, synthetic, "int4")
    with pytest.raises(TinysceneError, match=r"nowhere holds no run: config\.toml is missing"):
        compare_runs.report(a, tmp_path / "nowhere", synthetic)
    shutil.copytree(synthetic, tmp_path / "other")
    meta = tmp_path / "other" / "meta.csv"
    meta.write_text("".join(meta.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(TinysceneError, match=r"was trained on other clips than .*other has; name its data set"):
        compare_runs.report(a, b, tmp_path / "other")
    configuration = (b / "config.toml").read_text()
    for folds, said in (("1", "compare runs of the same folds"), ('"all"', "tests no clips")):
        (b / "config.toml").write_text(configuration.replace('"cross-validate"', folds))
        shutil.copy(b / "fold1" / "predictions.npz", b)
        with pytest.raises(TinysceneError, match=said):
            compare_runs.report(a, b, synthetic)
    (b / "config.toml").write_text(configuration)
    path = b / "fold2" / "predictions.npz"
    files.write_arrays(path, {kind: array[1:] for kind, array in np.load(path).items()})
    with pytest.raises(TinysceneError, match=r"fold2/predictions\.npz has \d+ clips, its test list \d+"):
        compare_runs.report(a, b, synthetic)
    path.write_bytes(b"PK")
    with pytest.raises(TinysceneError, match=r"fold2/predictions\.npz is damaged"):
        compare_runs.report(a, b, synthetic)
    path.unlink()
    with pytest.raises(TinysceneError, match=r"fold2/predictions\.npz is missing"):
        compare_runs.report(a, b, synthetic)
