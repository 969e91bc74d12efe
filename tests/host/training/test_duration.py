"""How long a run will take: exact seconds for made-up speeds, by histories, and the lines that a run prints."""

import dataclasses
import json
from pathlib import Path

import pytest

from runs import parts_of
from tinyscene.data.dataset import Dataset
from tinyscene.frontend.config import preset
from tinyscene.training import checkpoint, config as run_config, duration, part as training_part, run as training_run
from tinyscene.training.config import DistillationConfig, NetworkConfig
from tinyscene.training.duration import Clock, Planned, State, plan, remaining

TEACHER = Planned(Path("teacher"), "teacher", work=1000.0, epochs=10)
STUDENT = Planned(Path("student"), "student", work=100.0, epochs=20)

RUN = """
name = "tiny"
seed = 3
[frontend]
preset = "base"
[data]
folds = 1
validation_fraction = 0.2
[[teachers]]
name = "one"
network = "baseline"
width = 0.25
epochs = 2
batch_size = 8
[distillation]
cross_fit = 2
[student]
network = "student"
width = 0.0625
epochs = 2
batch_size = 8
[quantisation]
epochs = 1
"""


def history(folder: Path, *seconds: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / checkpoint.HISTORY).write_text("".join(json.dumps({"seconds": each}) + "\n" for each in seconds))


class Time:
    """A clock that a test turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(duration.time, "monotonic", lambda: self.now)


def test_work_that_was_not_measured_is_in_proportion() -> None:
    assert remaining([[State(TEACHER, done=2.5, seconds=8.0), State(STUDENT)]], 1, start=3.0) == pytest.approx(
        7.5 * 8 + 20 * 0.8 + 3
    )


def test_a_kind_that_was_measured_has_its_own_speed() -> None:
    done = [State(TEACHER, 10, 8.0), State(STUDENT, 20, 4.0)]
    half = [State(TEACHER, 10, 12.0), State(STUDENT, 5)]
    assert remaining([done, half], 1, start=0.0) == pytest.approx(15 * 4)
    to_come = [State(TEACHER), State(STUDENT)]
    assert remaining([done, half, to_come], 1, start=1.0) == pytest.approx(15 * 4 + 10 * 10 + 20 * 4 + 2)
    assert remaining([done], 1, start=1.0) == 0


def test_a_process_that_is_free_takes_the_next_part() -> None:
    parts = [[State(Planned(Path(str(k)), "student", 1.0, epochs), 0.0, 1.0)] for k, epochs in enumerate((7, 3, 2, 6))]
    assert remaining(parts, 1, start=0.0) == 18
    assert remaining(parts, 2, start=0.0) == 11, "7, and 3 + 2 + 6"
    assert remaining(parts, 3, start=0.0) == 8, "7, 3, and 2 + 6"
    assert remaining(parts, 2, start=1.0) == 14


def test_the_work_of_a_clip_counts_products_and_outputs() -> None:
    network = NetworkConfig(network="baseline", epochs=1)
    macs = 49 * (40 * 51 * 16 * (1 + 16) + 8 * 10 * 16 * 32) + 64 * 100 + 100 * 10
    images = 40 * 51 * (1 + 6 * 16) + 8 * 10 * (2 * 16 + 3 * 32)  # convolution, normalisation, activation; pooling
    vectors = 3 * 64 + 2 * 100 + 10
    assert duration.work_of_a_clip(network, (40, 51)) == macs + duration.OUTPUT * (images + vectors)


def test_what_is_trained_counts_as_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(monkeypatch)
    networks = [Planned(tmp_path / fold / "student", "student", 50.0, 4) for fold in ("1", "2", "3")]
    history(networks[0].folder, 9.0, 5.0, 5.0, 5.0)
    history(networks[1].folder, 60.0)
    run = plan([[network] for network in networks])
    assert run.first == networks[1].folder
    clock = Clock(run, networks[1].folder, steps=10, done=1)
    time.now += 2.5  # the first step compiles
    assert clock.step() == ""
    assert clock.to_go() is None
    for seconds in (0.5, 0.5, 9.5, 0.5):  # a batch of another size compiles again
        time.now += seconds
        clock.step()
    left = 2.5 * 5 + 4 * 5 + 2 + 9  # of the second network, the third's epochs, and what it takes to compile
    assert clock.to_go() == pytest.approx(left)
    history(networks[2].folder, 90.0, 7.0)
    assert clock.to_go() == pytest.approx(2.5 * 5 + 2 * 7), "the first epoch compiles"
    history(networks[1].folder, 60.0, 4.0, 4.0)
    assert clock.to_go() == pytest.approx(2.5 * 4 + 2 * 7), "epochs know more than steps"


def test_the_first_network_to_do_tells_once_how_long_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time(monkeypatch)
    networks = [Planned(tmp_path / fold / "student", "student", 50.0, 100) for fold in ("1", "2")]
    run = plan([[network] for network in networks], processes=2)
    first, second = (Clock(run, network.folder, steps=30, done=0) for network in networks)
    lines = []
    for _ in range(60):
        time.now += 0.25
        lines.append(first.step())
        assert second.step() == ""
    (told,) = [number for number, line in enumerate(lines, 1) if line]
    assert told == duration.ENOUGH_STEPS + 1
    assert lines[told - 1].startswith(
        "this run's training (2 networks, 2 parts in parallel) will take about 12 min, until"
    )
    slow = Clock(run, networks[0].folder, steps=30, done=0)
    answers = []
    for _ in range(4):
        time.now += 6
        answers.append(slow.step())
    assert [bool(line) for line in answers] == [False, False, True, False], "after ten seconds of steps"


def test_a_run_without_a_plan_says_nothing() -> None:
    clock = Clock(duration.UNPLANNED, Path("student"), steps=2, done=0)
    assert [clock.step() for _ in range(30)] == [""] * 30
    assert clock.to_go() is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (5300, "88 min"), (5400, "1 h 30 min"), (200_000, "2 days 7 h")],
)
def test_durations_are_said_as_people_do(seconds: float, said: str) -> None:
    assert duration.spoken(seconds) == said


def test_a_run_says_how_long_it_takes_and_plans_what_it_trains(
    synthetic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(RUN)
    settings, dataset = run_config.load(tmp_path / "tiny.toml"), Dataset(synthetic)
    training_run.run(tmp_path / "tiny.toml", synthetic, tmp_path / "bundle", tmp_path / "run")
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fold 1: ")]
    (told,) = [line for line in lines if "will take about" in line]
    assert lines.index(told) <= 1
    assert told.startswith("fold 1: one-subset1: this run's training (4 networks) will take about ")
    epochs = [line for line in lines if " epoch " in line]
    assert all(line.endswith(" to go") for line in epochs[:-1])
    assert "to go" not in epochs[-1]
    (part,) = parts_of(tmp_path / "run", settings, dataset)
    planned = training_part.planned(part)
    trained = {path.parent for path in (tmp_path / "run").glob(f"*/{checkpoint.CHECKPOINT}")}
    assert [each.folder.name for each in planned] == ["one-subset1", "one-subset2", "student", "student-int8"]
    assert [each.kind for each in planned] == ["one", "one", "student", "student-int8"]
    assert {each.folder for each in planned} == trained
    assert [each.epochs for each in planned] == [len(checkpoint.history(each.folder)) for each in planned]
    assert planned[0].work == len(part.training) / 2 * duration.work_of_a_clip(settings.teachers[0], (40, 51))
    assert plan([planned]).first is None, "all are trained"
    (teacher,) = settings.teachers
    sharper = dataclasses.replace(teacher, frontend=preset("p1"))
    whole = dataclasses.replace(settings, teachers=(sharper,), distillation=DistillationConfig())
    first, *_ = training_part.planned(dataclasses.replace(part, run=dataclasses.replace(part.run, settings=whole)))
    assert first.folder.name == "one"
    assert first.work == len(part.training) * duration.work_of_a_clip(sharper, (80, 51)) > planned[0].work
