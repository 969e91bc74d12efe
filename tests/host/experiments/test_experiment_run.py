"""Running rows of tables: on synthetic scenes, with copies through microphones, stopped, and within a budget."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tinyscene.augment import recordings
from tinyscene.augment.lists import Recording
from tinyscene.augment.waveform import EIGHT_MICROPHONES, Microphone
from tinyscene.data.dataset import Dataset
from tinyscene.errors import ConfigError
from tinyscene.experiments import experiment_run, rows as experiment, scale as experiment_scale
from tinyscene.experiments.scale import Scale
from tinyscene.frontend.config import preset
from tinyscene.training import config as run_config, fit as fitting

COMMON = """
title = "Table"

[run.frontend]
preset = "base"

[run.data]
folds = 1

[run.student]
network = "student"
width = 0.1
epochs = 1
"""
TAUGHT = """
title = "split 3"
thesis_log_loss = 1.5
split = 3

[run.teacher]
network = "teacher"
width = 0.04
activation = "elu"
epochs = 1
"""


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of eight impulse responses."""
    folder = tmp_path_factory.mktemp("microphones")
    for delay, name in enumerate(EIGHT_MICROPHONES):
        response = np.zeros(64)
        response[0], response[delay + 1] = 1, 0.5
        soundfile.write(folder / f"{name}.wav", response, 44100, "PCM_24")
    return folder


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with one small table, in place of the thesis's."""
    folder = tmp_path / "experiments" / "table"
    folder.mkdir(parents=True)
    (folder / "table.toml").write_text(COMMON)
    (folder / "a.toml").write_text(TAUGHT)
    (folder / "b.toml").write_text("title = 'INT8'\nscored = 'int8'\n")
    find = experiment.find
    monkeypatch.setattr(experiment, "find", lambda name: find(name, folder.parent))


@pytest.mark.usefixtures("tables")
def test_a_table_is_run_once_and_printed_with_the_thesis_figures(
    synthetic: Path,
    heard: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "runs"
    experiment_run.report("table", synthetic, heard, out, None, tmp_path / "all.json")
    said = capsys.readouterr().out
    assert "split 3" in said
    assert "1.500" in said
    assert "compare the order of the rows, not their figures" in " ".join(said.split())
    taught, converted = json.loads((tmp_path / "all.json").read_text())
    originals = len(list(Dataset(synthetic).split(1, "train")))
    copies = 8 * originals  # no group has more than 25 clips
    assert taught["training_clips"] == originals + round(0.3 * copies)
    assert converted["training_clips"] < originals
    assert (taught["scored"], converted["scored"]) == ("float", "int8")
    assert taught["scale"] == "full"
    for result in (taught, converted):
        low, high = result["intervals"]["log_loss"]
        assert low <= result["log_loss"] <= high
    monkeypatch.setattr(fitting, "train", None)
    experiment_run.report("table", synthetic, heard, out, None, None)
    assert f"{taught['log_loss']:.3f}" in capsys.readouterr().out


@pytest.mark.usefixtures("tables")
def test_a_row_that_was_stopped_goes_on_at_the_scale_at_which_it_began(
    synthetic: Path, heard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def stop(*_: object, **__: object) -> None:
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(
            experiment_scale,
            "seconds_a_step",
            lambda network, _: 100 * (network.network == "teacher" and network.width > 0.03),
        )
        patch.setattr(fitting, "train", stop)
        with pytest.raises(StoppedError):
            experiment_run.report("table/a", synthetic, heard, tmp_path / "runs", 1.0, None)
    experiment_run.report("table/a", synthetic, heard, tmp_path / "runs", None, tmp_path / "a.json")
    (result,) = json.loads((tmp_path / "a.json").read_text())
    assert result["scale"].startswith("width 0.5")


@pytest.mark.usefixtures("tables")
def test_copies_need_impulse_responses(synthetic: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--impulse-responses"):
        experiment_run.report("table", synthetic, None, tmp_path / "runs", None, None)


def test_images_of_recordings_are_those_of_their_clips_and_microphones(synthetic: Path) -> None:
    dataset, base = Dataset(synthetic), preset("base")
    one, two = list(dataset.clips())[:2]
    mute = Microphone("quiet", (0.5,)), Microphone("late", (0.0, 0.0, 1.0))
    mixed = [Recording(two, "late"), Recording(one), Recording(two, "quiet"), Recording(one, "late"), Recording(two)]
    images = recordings.extract(dataset, mixed, base, mute)
    assert images.shape == (5, *base.shape)
    for row, recording in enumerate(mixed):
        alone = recordings.extract(dataset, [recording], base, mute)[:]
        np.testing.assert_array_equal(images[np.array([row])], alone)
    np.testing.assert_array_equal(images.take(np.array([0, 1, 0, 0, 1], bool))[:], images[np.array([1, 4])])
    assert not np.array_equal(images[:][0], images[:][4])
    assert recordings.extract(dataset, [], base, []).shape == (0, *base.shape)


def test_teachers_get_narrower_before_epochs_get_fewer() -> None:
    network = {"activation": "elu", "epochs": 10, "batch_size": 10}
    run = {"name": "x", "teacher": {"network": "teacher", **network}, "student": {"network": "student", **network}}
    settings = run_config.parse(run, converted=False)
    step = {"teacher": 0.4, "student": 0.1}

    def within(seconds: float | None) -> Scale:
        return experiment_scale.within(settings, 95, seconds, lambda net: step[net.network] * net.width)

    assert within(None) == within(50) == Scale()  # 100 steps of each
    assert within(49) == within(30) == Scale(width=0.5)
    assert within(12.5) == Scale(width=0.0625)
    assert within(6.25) == Scale(width=0.0625, epochs=0.5)
    small = within(6.25).apply(settings)
    assert (small.teachers[0].width, small.teachers[0].epochs, small.student.width) == (0.0625, 5, 1)
    assert within(0.01).apply(settings).student.epochs == 1
    assert within(6.25).describe(settings) == "width 0.0625, 5 of 10 epochs"
    alone = dataclasses.replace(settings, teachers=())
    assert experiment_scale.within(alone, 95, 5, lambda _: 0.1) == Scale(epochs=0.5)
