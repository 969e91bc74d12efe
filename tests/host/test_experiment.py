"""The thesis's tables as files: all there, each readable, with its figures; and what a bad file is told."""

from pathlib import Path

import pytest

from tinyscene import experiment
from tinyscene.errors import ConfigError

ROWS = [row for table in experiment.tables() for row in experiment.find(table)]


def thesis(table: str) -> list[float | None]:
    return [row.thesis_log_loss for row in experiment.find(table)]


def test_every_table_of_the_thesis_is_there() -> None:
    assert {table: thesis(table) for table in experiment.tables()} == {
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


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="no experiment 'distil'; tables are augmentation, distillation, final"):
        experiment.find("distil")
    with pytest.raises(ConfigError, match="table final has no row 'x'; rows are baseline, student"):
        experiment.find("final/x")
