"""The thesis's tables as files: all there, each readable, with its figures; and what a bad file is told."""

import dataclasses
from pathlib import Path

import pytest

from tinyscene.augment.settings import AugmentConfig
from tinyscene.errors import ConfigError
from tinyscene.experiments import rows as experiment

ROWS = [row for table in experiment.tables() for row in experiment.find(table)]


def thesis(table: str) -> list[float | None]:
    return [row.thesis_log_loss for row in experiment.find(table)]


def test_every_table_of_the_thesis_is_there() -> None:
    assert {table: thesis(table) for table in experiment.tables()} == {
        "ablation": [None] * 14,  # not of the thesis
        "augmentation": [1.710, 1.683, 1.641, 1.499, 1.463, 1.486, 1.468, 1.432, 1.484],
        "distillation": [2.604, 1.545, 1.416, 2.238, 2.043, 1.558, 4.000, 2.073, 1.616, 2.670, 1.798, 1.609],
        "final": [1.575, 1.415],
        "representation": [1.556, 1.562, 1.477, 1.484, 1.621, 1.639, 1.642, 1.534, 1.541, 1.531],
        "teacher-activation": [1.556, 1.638, 1.653],
        "teacher-batch": [1.685, 1.682, 1.638],
        "teacher-epochs": [1.702, 1.682, 1.720, 1.906],
        "transformer": [1.725],
    }


def test_a_row_overrides_its_table() -> None:
    (row,) = experiment.find("distillation/temperature-3-10-epochs")
    assert (row.title, row.split, row.scored) == ("T = 3, 10 epochs", 3, "float")
    assert row.settings.distillation is not None
    assert row.settings.distillation.temperature == 3
    assert (row.settings.student.epochs, row.settings.student.batch_size) == (10, 64)
    assert row.settings.teachers[0].epochs == 8
    assert row.settings.frontend.n_mels == 80


def test_the_ablation_changes_one_thing_a_row() -> None:
    rows = experiment.find("ablation")
    none, *alone, everything, overall, by_city = (row.settings for row in rows)
    assert none.augment == AugmentConfig()
    assert [changes(row.augment) for row in alone] == [
        {"time_roll"},
        {"frequency_masks", "frequency_mask_width", "time_masks"},
        {"mixup"},
        {"freq_mixstyle"},
        {"gain"},
        {"noise"},
        {"device_balance"},
        {"impulse_responses", "microphones"},
        {"time_stretch"},
        {"pitch_shift"},
    ]
    assert changes(everything.augment) == set().union(*(changes(row.augment) for row in alone[:4]))
    assert (overall.student.logit_adjustment, by_city.student.logit_adjustment) == ("overall", "city")
    assert overall.augment == by_city.augment == none.augment
    for row in rows:
        assert (row.reference, row.settings.data.folds) == ("00-none", "cross-validate")
        student = dataclasses.replace(row.settings.student, logit_adjustment="none")
        assert dataclasses.replace(row.settings, name=none.name, augment=none.augment, student=student) == none


def changes(augment: AugmentConfig) -> set[str]:
    before = dataclasses.asdict(AugmentConfig())
    return {key for key, value in dataclasses.asdict(augment).items() if value != before[key]}


def test_only_converted_networks_must_be_convertible() -> None:
    assert {row.settings.student.activation for row in ROWS if row.scored == "int8"} == {"relu"}
    assert {row.settings.student.activation for row in ROWS if row.scored == "float"} == {"relu", "elu", "swish"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("titel = 'x'", "unknown key 'titel'; keys are title"),
        ("split = 'three'", "split is 'three', which is no int"),
        ("split = 4", "split is 4; splits are 1, 2 and 3"),
        ("scored = 'int4'", "scored is 'int4'; use 'float' or 'int8'"),
        ("[run.student]\nepochs = 0", "student.epochs is 0; it must lie between 1 and"),
        ("[run.data]\nfolds = 'all'", "run.data.folds is 'all'; a row is scored on one fold"),
        ("split = 3\n[run.data]\nfolds = 'cross-validate'", "split is set, which mixes clips into one fold's list"),
        ("[run.data]\nfolds = 'cross-validate'\n[run.student]\nactivation = 'elu'", "which INT8 conversion leaves"),
        ("reference = 'row'", "reference is set; a table has one: move it to table.toml"),
        ("x = ", "cannot be read as TOML"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    common = "title = 'Table'\n[run.data]\nfolds = 1\n[run.student]\nnetwork = 'student'\nepochs = 1\n"
    (folder / "table.toml").write_text(common)
    (folder / "row.toml").write_text("title = 'good'\n")
    assert [row.title for row in experiment.find("table", tmp_path)] == ["good"]
    (folder / "row.toml").write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        experiment.find("table/row", tmp_path)
    assert str(folder / "row.toml") in str(error.value)


def test_what_is_wrong_with_a_reference(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    common = "[run.data]\nfolds = 1\n[run.student]\nnetwork = 'student'\nepochs = 1\n"
    (folder / "row.toml").write_text("title = 'good'\n")
    for reference, said in (
        ("rho", r"table\.toml: reference is 'rho', which is no row; rows are row$"),
        ("row", r"row\.toml: run\.data\.folds is 1, but the table has a reference; use 'cross-validate'"),
    ):
        (folder / "table.toml").write_text(f"reference = '{reference}'\n{common}")
        with pytest.raises(ConfigError, match=said):
            experiment.find("table", tmp_path)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(
        ConfigError, match="no experiment 'distil'; tables are ablation, augmentation, distillation, final"
    ):
        experiment.find("distil")
    with pytest.raises(ConfigError, match="table final has no row 'x'; rows are baseline, student"):
        experiment.find("final/x")
