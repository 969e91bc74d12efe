"""Scoring bundles: both front ends, what is refused, intervals, and what is printed and written."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tinyscene.bundle.bundle import Bundle
from tinyscene.console import console
from tinyscene.data.dataset import SCENES, Clip, Dataset
from tinyscene.errors import ConfigError, DatasetError
from tinyscene.evaluation import scoring
from tinyscene.frontend import features
from tinyscene.frontend.config import preset
from tinyscene.frontend.host import HostFrontend
from tinyscene.frontend.scaling import Normalisation
from tinyscene.networks import catalogue as networks, conversion
from tinyscene.networks.backend import keras
from tinyscene.paths import REPOSITORY


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A bundle whose untrained network still answers clips differently."""
    frontend = preset("base")
    keras.utils.set_random_seed(5)
    model = networks.build("student", (*frontend.shape, 1), width=0.0625)
    images = np.random.default_rng(0).normal(size=(8, *frontend.shape, 1)).astype(np.float32)
    converted = conversion.convert(model, images)
    source, sink = conversion.quantisation(converted)
    return Bundle(
        name="untrained",
        classes=SCENES,
        frontend=frontend,
        normalisation=Normalisation((-40.0,) * 40, (15.0,) * 40),
        input=source,
        output=sink,
        output_kind="logits",
        model=converted,
    )


def clips(count: int, per_location: int) -> list[Clip]:
    return [
        Clip(f"audio/{k}.wav", SCENES[k // per_location % 10], f"city-{k // per_location}", "city", "a", k + 2)
        for k in range(count)
    ]


def quantised(bundle: Bundle, dataset: Dataset, some: list[Clip], frontend: str) -> np.ndarray:
    """The model's INT8 inputs, all at once."""
    return bundle.quantised_features(features.extract(dataset, some, bundle.frontend, engine=frontend).images[:])


def test_both_front_ends_give_nearly_the_same_scores(bundle: Bundle, synthetic: Path) -> None:
    dataset = Dataset(synthetic)
    some = list(dataset.split(1, "evaluate"))[:12]
    reference = quantised(bundle, dataset, some, "librosa")
    firmware = quantised(bundle, dataset, some, "c")
    assert reference.shape == (12, 40, 51)
    assert np.abs(reference.astype(int) - firmware).max() <= 1
    assert (reference != firmware).mean() < 0.01
    scores, on_board = (scoring.evaluate(bundle, dataset, some, name).scores for name in ("librosa", "c"))
    assert on_board["log_loss"] == pytest.approx(scores["log_loss"], abs=0.05)


def test_inputs_of_the_c_front_end_are_the_firmwares_bytes(bundle: Bundle, synthetic: Path) -> None:
    dataset = Dataset(synthetic)
    some = list(dataset.split(1, "evaluate"))[:12]
    host = HostFrontend(bundle.frontend, bundle.normalisation, bundle.input)
    expected = [host.features(features.clip_pcm(dataset.path(clip), bundle.frontend)) for clip in some]
    assert np.array_equal(quantised(bundle, dataset, some, "c"), expected)


def test_on_real_clips_both_front_ends_score_the_same_to_three_decimals(tau_mini: Path) -> None:
    student, dataset = Bundle.load(REPOSITORY / "models" / "student"), Dataset(tau_mini)
    test = list(dataset.split(1, "evaluate"))
    scores, firmware = (scoring.evaluate(student, dataset, test, name).scores for name in ("librosa", "c"))
    assert scores["clips"] == firmware["clips"] == 169
    for key in ("accuracy", "log_loss"):
        assert f"{firmware[key]:.3f}" == f"{scores[key]:.3f}"


def test_what_was_computed_and_what_it_took(bundle: Bundle, synthetic: Path, tmp_path: Path) -> None:
    some = list(Dataset(synthetic).split(1, "evaluate"))[:3]
    (tmp_path / "audio").mkdir()
    for clip in some:
        (tmp_path / clip.filename).hardlink_to(Dataset(synthetic).path(clip))
    first, second = (scoring.evaluate(bundle, Dataset(tmp_path), some, "c") for _ in range(2))
    assert (first.computed, second.computed) == (3, 0)
    assert first.scores == second.scores
    assert first.seconds > 0
    assert first.processor_seconds > 0


def test_the_outputs_are_the_oracles_batch_after_batch(
    bundle: Bundle, synthetic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "BATCH", 2)
    dataset = Dataset(synthetic)
    some = list(dataset.split(1, "evaluate"))[:5]
    outputs = scoring.evaluate(bundle, dataset, some).outputs
    expected = conversion.run_reference(bundle.model, quantised(bundle, dataset, some, "librosa"))
    assert np.array_equal(outputs, expected)


def test_what_cannot_be_scored_is_refused(bundle: Bundle, synthetic: Path) -> None:
    dataset = Dataset(synthetic)
    with pytest.raises(ConfigError, match="no front end 'matlab'; choose one of c, librosa"):
        scoring.evaluate(bundle, dataset, list(dataset.split(1, "evaluate")), "matlab")
    with pytest.raises(DatasetError, match="no clips"):
        scoring.evaluate(bundle, dataset, [])
    with pytest.raises(DatasetError, match=r"line 2 of the list: audio/.* has the label None"):
        scoring.evaluate(bundle, dataset, [dataclasses.replace(clips(1, 1)[0], scene=None)])
    with pytest.raises(DatasetError, match="does not know; use a labelled list with"):
        scoring.evaluate(bundle, dataset, [dataclasses.replace(clips(1, 1)[0], scene="beach")])


def test_intervals_are_over_locations_not_over_clips() -> None:
    random = np.random.default_rng(0)
    alike = np.repeat(random.dirichlet(np.ones(10), size=40), 10, axis=0)  # ten clips of a place, all the same

    truth = [SCENES.index(str(clip.scene)) for clip in clips(400, 10)]
    mean = -np.log(alike[np.arange(400), truth]).mean()
    low, high = scoring.confidence_intervals(clips(400, 10), alike, SCENES)["log_loss"]
    assert low < mean < high
    spread = np.log(alike[np.arange(400), truth])[::10].std() / np.sqrt(40)
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_the_report_prints_every_scene_and_device_and_writes_the_json(
    bundle: Bundle, synthetic: Path, tmp_path: Path
) -> None:
    bundle.save(tmp_path / "bundle", "card")
    path = tmp_path / "scores.json"
    with console.capture() as capture:
        scoring.report(tmp_path / "bundle", synthetic, "fold1_evaluate", "librosa", as_json=path)
    scores = json.loads(path.read_text())
    assert set(scores) == {"clips", "accuracy", "log_loss", "per_scene", "per_device", "confusion", "classes"}
    assert sum(map(sum, scores["confusion"])) == scores["clips"]
    for name in (*scores["per_scene"], *(f"device {device}" for device in scores["per_device"])):
        assert name in capture.get()
    assert f"{scores['log_loss']:.3f}" in capture.get()
    said = capture.get().splitlines()
    assert said[-2].startswith("features by librosa, ")
    assert said[-2].endswith("outputs by TensorFlow Lite's reference kernels")
    assert re.fullmatch(rf"{scores['clips']} clips in .* clips/s a core: \d+ x real time a core", said[-1])
