"""Test clips through microphones that a run was not trained with: which are drawn, and what comes of it."""

import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tomli_w

import runs
from tinyscene import files
from tinyscene.augment.waveform import EIGHT_MICROPHONES
from tinyscene.bundle.bundle import Bundle
from tinyscene.console import console
from tinyscene.data.dataset import SCENES, Dataset
from tinyscene.errors import ConfigError, TinysceneError
from tinyscene.evaluation import calibration
from tinyscene.experiments import unheard_microphones
from tinyscene.frontend import config as frontend_config, features
from tinyscene.frontend.scaling import Normalisation
from tinyscene.networks import catalogue as networks, conversion
from tinyscene.networks.backend import keras
from tinyscene.training import fold_predictions

OTHERS = ("Dull", "Flat", "Loud", "Thin")
RESPONSES = {"Dull": [0.25, 0.5, 0.25], "Flat": [1.0], "Loud": [4.0], "Thin": [1.0, -0.9]}


@pytest.fixture(scope="module")
def responses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The thesis's eight and four others, all made up."""
    folder = tmp_path_factory.mktemp("responses")
    for name in (*EIGHT_MICROPHONES, *OTHERS):
        soundfile.write(folder / f"{name}.wav", RESPONSES.get(name, [1.0, 0.5]), 44100, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def run(synthetic: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-validated run whose folds have a network that answers clips differently, and its answers."""
    dataset = Dataset(synthetic)
    folder = runs.cross_validated(tmp_path_factory.mktemp("runs") / "run", dataset, 1)
    config = frontend_config.preset("base")
    keras.utils.set_random_seed(5)
    network = networks.build("student", (*config.shape, 1), width=0.0625)
    model = conversion.convert(network, np.random.default_rng(0).normal(size=(8, *config.shape, 1)).astype(np.float32))
    source, sink = conversion.quantisation(model)
    normalisation = Normalisation((-40.0,) * config.n_mels, (15.0,) * config.n_mels)
    bundle = dataclasses.replace(
        runs.bundle(), frontend=config, normalisation=normalisation, input=source, output=sink, model=model
    )
    for number in dataset.folds():
        place = folder / f"fold{number}"
        bundle.save(place / "bundle", "# Card\n")
        test = list(dataset.split(number, "evaluate"))
        inputs = bundle.quantised_features(features.extract(dataset, test, config).images[:])
        answers = bundle.probabilities(conversion.run_reference(bundle.model, inputs))
        files.write_arrays(
            place / "predictions.npz", {"float": calibration.tempered(answers, 0.5 * number), "int8": answers}
        )
    return folder


def with_augment(run: Path, folder: Path, augment: dict[str, str], teachers: bool = False) -> Path:
    """A copy of a run's configuration alone, with an augmentation."""
    settings = tomllib.loads((run / "config.toml").read_text())
    where = {"teachers": [{"name": "a"}, {"name": "b", "augment": augment}]} if teachers else {"augment": augment}
    files.write_text(folder / "config.toml", tomli_w.dumps({**settings, **where}))
    return folder


def test_each_clip_goes_through_one_microphone_at_the_folds_temperature(
    run: Path, responses: Path, synthetic: Path, tmp_path: Path
) -> None:
    with console.capture() as capture:
        unheard_microphones.report(run, synthetic, responses, count=3, seed=2, as_json=tmp_path / "found.json")
    said, found = capture.get(), json.loads((tmp_path / "found.json").read_text())
    dataset = Dataset(synthetic)
    answers = fold_predictions.of_run(run, dataset)
    assert len({fold.temperature for fold in answers.folds}) == len(answers.folds) == 3
    assert found["clips"] == len(answers.clips) == 120
    assert [each["clips"] for each in found["microphones"].values()] == [40, 40, 40]
    assert set(found["microphones"]) < set(OTHERS)
    assert sorted(found["left_out"]) == sorted(EIGHT_MICROPHONES)
    assert all(name in said for name in (*found["microphones"], *EIGHT_MICROPHONES))
    assert "120 clips of 120 locations, INT8, calibrated" in said
    assert "log loss: " in said
    mean = np.mean([each["b"]["log_loss"] for each in found["microphones"].values()])
    assert found["b"]["log_loss"] == pytest.approx(mean)
    truth = np.array([SCENES.index(str(clip.scene)) for clip in answers.clips])
    clean = -np.log(answers.predictions["int8"][np.arange(120), truth])
    assert found["a"]["log_loss"] == pytest.approx(clean.mean())
    assert found["b"]["log_loss"] != found["a"]["log_loss"]


def test_the_scores_are_those_of_the_changed_waveforms(run: Path, responses: Path, synthetic: Path) -> None:
    """Every clip through both microphones, without the cache, and of these the one that the seed chose."""
    dataset, rng = Dataset(synthetic), np.random.default_rng(4)
    microphones, _ = unheard_microphones.draw(run, responses, 2, rng)
    hears = rng.permutation(np.arange(120) % 2)
    losses: list[list[float]] = [[], []]
    for fold in fold_predictions.of_run(run, dataset).folds:
        bundle = Bundle.load(fold.folder / "bundle")
        truth = [SCENES.index(str(clip.scene)) for clip in fold.clips]
        paths = [dataset.path(clip) for clip in fold.clips]
        for microphone, through in zip(microphones, losses, strict=True):
            images = [features.log_mel_of_file(path, bundle.frontend, "c", microphone) for path in paths]
            outputs = conversion.run_reference(bundle.model, bundle.quantised_features(np.stack(images)))
            tempered = calibration.tempered(bundle.probabilities(outputs), fold.temperature)
            through.extend(-np.log(tempered[np.arange(len(truth)), truth]))
    found = unheard_microphones.listen(run, dataset, responses, count=2, seed=4)
    expected = np.array(losses)[hears, np.arange(120)]
    assert found.pooled.b["log_loss"] == pytest.approx(expected.mean())
    for number, microphone in enumerate(microphones):
        assert found.by_microphone[microphone.name].b["log_loss"] == pytest.approx(expected[hears == number].mean())


def test_which_microphones_are_drawn(run: Path, responses: Path, tmp_path: Path) -> None:
    def drawn(place: Path, count: int = 8, seed: int = 1) -> list[str]:
        return [each.name for each in unheard_microphones.draw(place, responses, count, np.random.default_rng(seed))[0]]

    assert drawn(run) == list(OTHERS), "all there are, but for the eight"
    assert drawn(run, 2) == drawn(run, 2)
    assert len({tuple(drawn(run, 2, seed)) for seed in range(20)}) > 3
    eight = with_augment(run, tmp_path / "eight", {"impulse_responses": "elsewhere", "microphones": "eight"})
    assert drawn(eight, 2) == drawn(run, 2), "a run with the eight hears what one without them hears"
    some = tmp_path / "some"
    some.mkdir()
    (some / "Dull.wav").write_bytes(b"")
    everything = {"impulse_responses": str(some), "microphones": "all"}
    for teachers in (False, True):
        place = with_augment(run, tmp_path / f"all{teachers}", everything, teachers)
        assert drawn(place) == ["Flat", "Loud", "Thin"], "not what it heard, nor its teachers"
        _, left_out = unheard_microphones.draw(place, responses, 8, np.random.default_rng(1))
        assert sorted(left_out) == sorted([*EIGHT_MICROPHONES, "Dull"])


def test_what_cannot_be_heard_is_said(run: Path, responses: Path, synthetic: Path, tmp_path: Path) -> None:
    dataset = Dataset(synthetic)
    rng = np.random.default_rng(1)
    everything = {"impulse_responses": str(responses), "microphones": "all"}
    with pytest.raises(TinysceneError, match=r"all 12 microphones of .* or were heard in the training of .*everything"):
        unheard_microphones.draw(with_augment(run, tmp_path / "everything", everything), responses, 8, rng)
    lost = with_augment(run, tmp_path / "lost", {"impulse_responses": "no/folder", "microphones": "all"})
    with pytest.raises(TinysceneError, match="lost was trained with all microphones of no/folder, which has none here"):
        unheard_microphones.draw(lost, responses, 8, rng)
    with pytest.raises(ConfigError, match="nowhere has no impulse responses"):
        unheard_microphones.listen(run, dataset, tmp_path / "nowhere")
    with pytest.raises(TinysceneError, match=r"holds no run: config\.toml is missing"):
        unheard_microphones.listen(tmp_path, dataset, responses)
    settings = (run / "config.toml").read_text().replace('"cross-validate"', '"all"')
    files.write_text(tmp_path / "final" / "config.toml", settings)
    with pytest.raises(TinysceneError, match=r"tests no clips .*; name a cross-validated run"):
        unheard_microphones.listen(tmp_path / "final", dataset, responses)
