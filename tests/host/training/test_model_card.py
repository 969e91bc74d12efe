"""Model cards: the committed ones are what their bundles give, and a recipe's words follow its configuration."""

import dataclasses
import functools
import operator
import shutil
import tomllib
from pathlib import Path

import pytest
import tomli_w

import runs
from tinyscene.augment.settings import AugmentConfig
from tinyscene.bundle.bundle import CARD_FILE
from tinyscene.errors import BundleError
from tinyscene.paths import REPOSITORY
from tinyscene.training import config as run_config, model_card, provenance, recipe

MODELS = REPOSITORY / "models"
TABLE = {
    "name": "x",
    "seed": 7,
    "teachers": [
        {"name": "one", "network": "teacher", "epochs": 9, "optimizer": "adamw", "weight_decay": 0.05, "seed": 3},
        {"name": "two", "network": "transformer", "epochs": 4, "augment": {"impulse_responses": "/elsewhere/irs"}},
        {"name": "six", "network": "baseline", "epochs": 4, "stem_stride": 4, "dropout": 0.3, "copies": 2},
    ],
    "student": {
        "network": "student",
        "epochs": 5,
        "label_smoothing": 0.1,
        "average_from": 0.5,
        "logit_adjustment": "city",
    },
    "distillation": {"cross_fit": 4, "soft_weight": 0.25},
    "augment": {"gain": 6, "mixup": 0.3},
    "quantisation": {"epochs": 2},
}


@pytest.mark.parametrize("folder", sorted((REPOSITORY / "models").glob("*/")), ids=lambda path: path.name)
def test_the_committed_card_is_what_its_bundle_gives(folder: Path) -> None:
    """If this fails: tinyscene card models/NAME."""
    assert (folder / CARD_FILE).read_text() == model_card.of_folder(folder)


def test_a_recipe_in_words() -> None:
    said = "\n".join(recipe.words(run_config.parse(TABLE)))
    for expected in (
        "Student: `student` of width 1, relu; 5 epochs of batches of 32; Adam",
        "label smoothing 0.1; while labels are learnt, logits adjusted",
        "the scenes' shares of its city's clips; mean of the weights after 50 % of the epochs",
        "Teacher `one`: `teacher`",
        "Teachers `six`, `six-2`, each: `baseline` of width 1, stem stride 4, relu; 4 epochs",
        "AdamW, learning rate 0.001 to 1e-05 (sigmoid); weight decay 0.05; seed 3",
        "the mean prediction of the teachers is 25 % of the loss",
        "of 4 parts without a shared location",
        "Augmentation: mixup, alpha 0.3; gain of up to 6 dB either way.",
        "fine-tuned for 2 epochs with the rounding of INT8",
        "Seed of everything random: 7",
    ):
        assert expected in said


@pytest.mark.parametrize(
    "change",
    [
        {"time_roll": 3},
        {"frequency_masks": 1},
        {"time_masks": 2},
        {"mixup": 0.1},
        {"freq_mixstyle": 0.2},
        {"gain": 1.0},
        {"noise": 0.1},
        {"device_balance": 0.5},
        {"impulse_responses": "irs"},
        {"time_stretch": 0.1},
        {"pitch_shift": 2.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_augmentation_has_its_words(change: dict[str, float]) -> None:
    settings = run_config.parse({"name": "x", "student": TABLE["student"]})
    changed = dataclasses.replace(settings, augment=AugmentConfig(**change))
    assert "Augmentation: none." in "\n".join(recipe.words(settings))
    assert "Augmentation: none." not in "\n".join(recipe.words(changed))


def test_the_configuration_in_a_bundle_has_no_path_of_this_machine() -> None:
    kept = provenance._without_paths(run_config.parse(TABLE))
    assert kept.teachers[1].augment is not None
    assert kept.teachers[1].augment.impulse_responses == "irs"


@pytest.mark.parametrize(
    ("place", "value"),
    [(("metrics", "int8"), "x"), (("metrics", "folds"), 7), (("metrics", "float", "log_loss"), [])],
)
def test_metrics_of_another_shape_are_one_sentence(tmp_path: Path, place: tuple[str, ...], value: object) -> None:
    """They are no part of a bundle's identity, so that anything may be there."""
    folder = shutil.copytree(MODELS / "compact", tmp_path / "compact")
    whole = tomllib.loads((folder / "bundle.toml").read_text())
    functools.reduce(operator.getitem, place[:-1], whole)[place[-1]] = value
    (folder / "bundle.toml").write_text(tomli_w.dumps(whole))
    with pytest.raises(BundleError, match=r"bundle\.toml: its metrics or provenance are not as training writes them"):
        model_card.of_folder(folder)


def test_no_card_of_a_bundle_that_was_not_trained(tmp_path: Path) -> None:
    derived = dataclasses.replace(runs.bundle(), provenance={"derived_from": "0" * 16})
    derived.save(tmp_path, "# Card\n")
    with pytest.raises(BundleError, match="was not written by a training run"):
        model_card.rewrite(tmp_path)
    assert (tmp_path / CARD_FILE).read_text() == "# Card\n"


def test_what_networks_share_is_said_once() -> None:
    """All phrases of the recipe, together, have each setting of several networks once."""
    teacher = {"network": "baseline", "epochs": 4, "augment": {"mixup": 0.2}}
    teachers = [{"name": "one", **teacher}, {"name": "two", **teacher, "stem_stride": 4}]
    table = {**TABLE, "teachers": teachers, "student": {"network": "student", "epochs": 4}}
    lines = list(recipe.words(run_config.parse(table)))
    assert lines[0].startswith("- All networks: 4 epochs of batches of 32; Adam, learning rate")
    assert lines[1] == "- All teachers: its own augmentation (mixup, alpha 0.2)."
    assert lines[2:5] == [
        "- Student: `student` of width 1, relu.",
        "- Teacher `one`: `baseline` of width 1, relu.",
        "- Teacher `two`: `baseline` of width 1, stem stride 4, relu.",
    ]


@pytest.mark.parametrize("name", ["student", "baseline", "compact", "synthetic"])
def test_limits_are_computed(name: str) -> None:
    """A scene that is rarely found is named with its figure, and none that is found often."""
    card = (MODELS / name / CARD_FILE).read_text()
    limits = card.split("## Limits")[1].split("\n## ")[0]
    scored = tomllib.loads((MODELS / name / "bundle.toml").read_text())["metrics"]["calibrated"]["int8"]
    for scene, part in scored["per_scene"].items():
        said = f"{scene} ({100 * part['accuracy']:.0f} % of its clips)"
        assert (said in limits) == (part["accuracy"] < 0.2), scene
    assert "Of 100 answers, " in limits
    assert ("It has heard computed sounds only" in limits) == (name == "synthetic")
    assert ("This is a small set" in card) == (name != "synthetic")
    assert "## Intended use" in card
    assert "tinyscene export BUNDLE" in card
