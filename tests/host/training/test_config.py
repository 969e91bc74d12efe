"""Run configurations: read strictly, every mistake named with its file and key."""

import dataclasses
from pathlib import Path

import pytest
import tomli_w

from tinyscene.errors import ConfigError
from tinyscene.frontend.config import preset
from tinyscene.paths import REPOSITORY
from tinyscene.training import config as run_config

SMALLEST = 'name = "x"\n[student]\nnetwork = "student"\nepochs = 3\n'


def load(folder: Path, text: str) -> run_config.RunConfig:
    path = folder / "run.toml"
    path.write_text(text)
    return run_config.load(path)


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    run = load(tmp_path, SMALLEST)
    assert run.frontend == preset("p1")
    assert run.data.folds == run_config.CROSS_VALIDATE
    assert run.teachers == ()
    assert run.distillation is None
    assert run.student.schedule == "sigmoid"


def test_a_teacher_brings_distillation_and_a_preset_can_be_changed(tmp_path: Path) -> None:
    run = load(
        tmp_path,
        SMALLEST + '[teacher]\nnetwork = "teacher"\nwidth = 1\nepochs = 2\n[frontend]\npreset = "base"\nfmin = 50\n',
    )
    assert run.distillation == run_config.DistillationConfig()
    assert [teacher.name for teacher in run.teachers] == ["teacher"]
    assert run.frontend.n_mels == 40
    assert run.frontend.fmin == 50


ENSEMBLE = """
[[teachers]]
name = "wide"
network = "teacher"
epochs = 2
seed = 5
[teachers.augment]
mixup = 0.5
[[teachers]]
name = "other"
network = "student"
epochs = 3
[distillation]
cross_fit = 3
"""


def test_copies_of_a_teacher_differ_in_their_names(tmp_path: Path) -> None:
    copied = ENSEMBLE.replace("[[teachers]]\n", "[[teachers]]\ncopies = 3\n", 1)
    wide, *copies, _ = load(tmp_path, SMALLEST + copied).teachers
    assert [copy.name for copy in copies] == ["wide-2", "wide-3"]
    assert all(dataclasses.replace(copy, name="wide") == wide for copy in copies)


def test_teachers_have_names_and_may_have_seeds_and_augmentation_of_their_own(tmp_path: Path) -> None:
    wide, other = load(tmp_path, SMALLEST + ENSEMBLE).teachers
    assert (wide.name, wide.seed, wide.augment) == ("wide", 5, run_config.AugmentConfig(mixup=0.5))
    assert (other.name, other.seed, other.augment) == ("other", None, None)


def test_a_specaugment_policy_sets_the_masks_that_are_not_set(tmp_path: Path) -> None:
    augment = load(tmp_path, SMALLEST + "[augment]\nspecaugment = 'LD'\ntime_mask_width = 10\n").augment
    masks = (augment.frequency_masks, augment.frequency_mask_width, augment.time_masks, augment.time_mask_width)
    assert masks == (2, 27, 2, 10)


def test_the_resolved_configuration_reads_back_as_itself(tmp_path: Path) -> None:
    for run in (run_config.load(REPOSITORY / "configs" / "student.toml"), load(tmp_path, SMALLEST + ENSEMBLE)):
        assert load(tmp_path, tomli_w.dumps(run.to_dict())) == run


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_configurations_are_right(path: Path) -> None:
    assert run_config.load(path).name == path.stem


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("[augment]\nmixup = -1\n", "augment.mixup is -1; it must lie between 0 and 100"),
        ("[augment]\nmixup = nan\n", "augment.mixup is nan"),
        ("[augment]\nmixup = '1'\n", "augment.mixup is '1'; it must be a number"),
        ("[augment]\ntime_roll = 1.5\n", "augment.time_roll is 1.5; it must be a whole number"),
        ("[augment]\ntime_roll = true\n", "augment.time_roll is True"),
        (
            "[augment]\nimpulse_responses = 'x'\nimpulse_response_probability = 0.9\npitch_shift = 1\n",
            "the probabilities of augment add up to 1.1; let them be 1 at most",
        ),
        ("[augment]\nmicrophones = 'nine'\n", "augment.microphones is 'nine'; choose one of all, eight"),
        ("[augment]\nspecaugment = 'XL'\n", "augment.specaugment is 'XL'; choose one of LD"),
        ("[augment]\ngain = 3\n[frontend]\npeak_normalise = true\n", "augment.gain is set, which a front end with"),
        ("[augment]\npitch = 1\n", "unknown key augment.pitch"),
        ("[training]\nepochs = 1\n", "unknown key 'training'"),
        ("[data]\nfolds = 'some'\n", "data.folds is 'some'"),
        ("[data]\nfolds = -1\n", "data.folds is -1"),
        ("[data]\nvalidation_fraction = 0.9\n", "data.validation_fraction is 0.9"),
        ("[distillation]\ntemperature = 2.0\n", "there is no teacher"),
        (
            "[teachers]\nnetwork = 'teacher'\nepochs = 1\n",
            "teachers is not a list; begin each teacher with [[teachers]]",
        ),
        (2 * "[[teachers]]\nnetwork = 'teacher'\nepochs = 1\n", "2 teachers are named 'teacher'; give each its own"),
        ("[[teachers]]\nnetwork = 'teacher'\nepochs = 0\n", "teachers[0].epochs is 0"),
        ("[[teachers]]\nnetwork = 'teacher'\nepochs = 1\ncopies = 0\n", "teachers[0].copies is 0"),
        ("[[teachers]]\nnetwork = 'teacher'\nepochs = 1\ncopies = 'two'\n", "teachers[0].copies is 'two'"),
        (
            "[[teachers]]\nname = 'x'\nnetwork = 'teacher'\nepochs = 1\ncopies = 2\n"
            "[[teachers]]\nname = 'x-2'\nnetwork = 'teacher'\nepochs = 1\n",
            "2 teachers are named 'x-2'",
        ),
        ("[teacher]\nnetwork = 'teacher'\nepochs = 1\nname = 'student'\n", "a folder of the run itself"),
        ("[teacher]\nnetwork = 'teacher'\nepochs = 1\nname = '../x'\n", "teacher.name is '../x'; use letters"),
        ("[teacher]\nnetwork = 'teacher'\nepochs = 1\n[teacher.augment]\nmixup = -1\n", "teacher.augment.mixup is -1"),
        ("[teacher]\nnetwork='teacher'\nepochs=1\n[[teachers]]\nnetwork='teacher'\nepochs=1\n", "keep [[teachers]]"),
        ("[teacher]\nnetwork='teacher'\nepochs=1\n[distillation]\ncross_fit = 1\n", "cross_fit is 1, which leaves no"),
        ("[teacher]\nnetwork = 'teacher'\n", "teacher.epochs is missing"),
        ("[teacher]\nnetwork = 'resnet'\nepochs = 1\n", "teacher.network is 'resnet'; choose one of"),
        ("[teacher]\nnetwork = 'teacher'\nepochs = 1\nactivation = 'tanh'\n", "teacher.activation is 'tanh'"),
        ("[frontend]\npreset = 'p9'\n", "no front-end preset 'p9'"),
        ("[frontend]\nn_mells = 40\n", "no field 'n_mells'"),
        ("[frontend]\nn_mels = 'many'\n", "frontend.n_mels is 'many'"),
        ("[data]\nfolds = 1.0\n", "data.folds is 1.0; it must be a whole number or text"),
        ("weight_decay = 0.1\n", "student.weight_decay is set, which adam ignores"),
        ("[quantisation]\nepochs = -1\n", "quantisation.epochs is -1"),
        ("augment = 3\n", "augment"),
        ("[augment\n", "cannot be read as TOML"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, extra: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, SMALLEST + extra)
    assert str(caught.value).startswith(str(tmp_path / "run.toml"))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x"\n', "student is missing"),
        ('[student]\nnetwork = "student"\nepochs = 1\n', "name is missing"),
        (SMALLEST.replace('"x"', '"../x"'), "name is '../x'"),
        ("seed = -1\n" + SMALLEST, "seed is -1"),
        (SMALLEST + 'activation = "elu"\n', "student.activation is 'elu', which INT8 conversion leaves in float"),
    ],
)
def test_the_top_level_is_checked_too(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.toml") as caught:
        load(tmp_path, text)
    assert said in str(caught.value)


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    """Keras refuses a learning rate that is an int, after hours of features."""
    found = load(tmp_path, SMALLEST + "learning_rate = 1\n[augment]\nmixup = 0\n").student
    assert isinstance(found.learning_rate, float)
    assert isinstance(found.epochs, int)


def test_a_configuration_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + SMALLEST).name == "x"


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.toml is missing; name a run configuration such as"):
        run_config.load(tmp_path / "no.toml")
