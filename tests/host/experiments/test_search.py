"""A search's file: what its spaces mean, and what is refused; and what is said of what was found."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from tinyscene.errors import ConfigError, TinysceneError
from tinyscene.experiments import search, search_report, search_run
from tinyscene.experiments.network_cost import Cost
from tinyscene.experiments.search import Limits
from tinyscene.paths import REPOSITORY

COMMON = """
[run.student]
learning_rate = 2e-3
[reference]
student = { network = "student" }
[[space]]
student = { network = "limited", stem_stride = 4, width = [0.5, 1.0] }
frontend = { n_mels = [40, 80] }
[[rounds]]
epochs = 2
keep = 1
[[rounds]]
epochs = 5
"""


def load(folder: Path, text: str) -> search.Search:
    path = folder / "search.toml"
    path.write_text(text)
    return search.load(path)


def test_a_list_is_every_choice(tmp_path: Path) -> None:
    found = load(tmp_path, COMMON)
    assert [each.title for each in found.candidates] == [
        "limited, stem_stride 4, width 0.5, n_mels 40",
        "limited, stem_stride 4, width 0.5, n_mels 80",
        "limited, stem_stride 4, width 1.0, n_mels 40",
        "limited, stem_stride 4, width 1.0, n_mels 80",
    ]
    first = found.candidates[0]
    assert first.name == "limited-stem_stride4-width0_5-n_mels40"
    assert (first.settings.frontend.n_mels, first.settings.student.width) == (40, 0.5)
    assert first.settings.student.learning_rate == 2e-3
    assert first.trained_for(5).student == dataclasses.replace(first.settings.student, epochs=5)
    assert [(each.epochs, each.keep) for each in found.rounds] == [(2, 1), (5, None)]


def test_the_shipped_search_can_be_read() -> None:
    assert len(search.load(REPOSITORY / "experiments" / "search.toml").candidates) > 10


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('{ network = "student" }', '{ network = "student", width = [0.5, 1] }', "reference has a list"),
        ('{ network = "student" }', '{ network = "sudent" }', "reference: sudent: student.network is 'sudent'"),
        ('network = "limited", ', "", "space[0] names no network"),
        ("frontend =", "backend =", "unknown key space[0].backend"),
        ("stem_stride = 4", "expansion = 4", "expansion is set, which the limited does not have"),
        ("width = [0.5, 1.0]", "width = [0.5, 0.5]", "occurs 2 times"),
        ("keep = 1", "", "rounds[0].keep"),
        ("epochs = 5", "epochs = 5\nkeep = 1", "rounds[1].keep"),
        ("learning_rate = 2e-3", "epochs = 3", "run.student.epochs is set"),
        ("[run.student]", "[run]\nteacher = {network='teacher', epochs=1}\n[run.student]", "run has teachers"),
        ("[run.student]", "[run]\ndata = {folds='all'}\n[run.student]", "data.folds 'all'"),
        ("[run.student]\nlearning_rate = 2e-3", "[run]\nstudent = 3", "run.student is 3"),
        ("[reference]", "[limits]\nram = 3\n[reference]", "unknown key limits.ram"),
        ("[reference]", "colour = 3\n[reference]", "unknown key"),
        ("[[rounds]]", "[[round]]", "unknown key 'round'"),
        ("epochs = 2", "epochs = =", "cannot be read as TOML"),
    ],
)
def test_a_wrong_search_is_refused_with_the_reason(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in COMMON
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, COMMON.replace(before, after))
    assert said in str(caught.value)
    assert "search.toml" in str(caught.value)


def cost(instructions: int, ram_bytes: int, excess: tuple[str, ...] = ()) -> Cost:
    return Cost(1000, 2000, instructions, ram_bytes, 1000, excess)


def test_limits_name_everything_that_is_beyond_them() -> None:
    limits = Limits(instructions=10_000, ram_bytes=500)
    assert limits.excess(cost(10_000, 500)) == ""
    assert limits.excess(cost(10_001, 501)) == (
        "10,001 instructions, the limit is 10,000; 501 bytes of RAM, the limit is 500"
    )
    assert Limits().excess(cost(10**9, 10**9, ("too many MACs",))) == "too many MACs"


def network(name: str, log_loss: float, instructions: int, ram_bytes: int, accuracy: float = 0.4) -> dict[str, Any]:
    rounds = [{"epochs": 1, "log_loss": log_loss, "accuracy": accuracy}]
    return {
        "name": name,
        "title": name,
        "cost": dataclasses.asdict(cost(instructions, ram_bytes)),
        "refused": "",
        "rounds": rounds,
        "compared": None,
        "front": [],
    }


def test_the_best_are_those_of_the_first_fronts_and_in_the_last_one_those_of_least_loss() -> None:
    networks = [
        network("small", 1.9, 1, 1),
        network("good", 1.5, 9, 9),
        network("between", 1.7, 5, 5),
        network("pointless", 1.6, 10, 10),
    ]
    assert search_run.best(networks, 2) == {"good", "between"}
    assert search_run.best(networks, 3) == {"small", "good", "between"}


def result(*networks: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": "Networks",
        "reference": "student",
        "rounds": 1,
        "epochs": 1,
        "data_set": "made_up",
        "clips": 1000,
        "networks": list(networks),
    }


def compared(log_loss: float, accuracy: float, *, sure: bool) -> dict[str, Any]:
    width = 0.001 if sure else 1
    difference = {"log_loss": log_loss, "accuracy": accuracy}
    return {
        "difference": difference,
        "intervals": {score: [value - width, value + width] for score, value in difference.items()},
        "differs": {"log_loss": sure, "accuracy": sure},
    }


@pytest.mark.parametrize("text", ["{", "[]", '{"networks": [{}]}'])
def test_a_damaged_result_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "found.json").write_text(text)
    with pytest.raises(TinysceneError, match="is not the result of a search"):
        search_report.read(tmp_path / "found.json")


def test_only_what_is_better_in_everything_beats_the_reference() -> None:
    reference = network("student", 1.6, 10, 10)
    worse = network("worse", 1.7, 1, 1) | {"compared": compared(0.1, 0.01, sure=True)}
    dear = network("dear", 1.5, 1, 20) | {"compared": compared(-0.1, 0.01, sure=True)}
    better = network("better", 1.5, 1, 1) | {"compared": compared(-0.1, 0.01, sure=False)}
    assert search_report.beaten(result(reference, worse, dear)).startswith("none is better than student")
    assert search_report.beaten(result(reference, worse, better, dear)).endswith("better (intervals include zero)")
    sure = better | {"compared": compared(-0.1, 0.01, sure=True)}
    assert search_report.beaten(result(reference, sure)).endswith("better (shown)")


def test_the_report_tells_of_every_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = network("student", 1.6, 10_000_000, 10_000) | {"front": ["log_loss"]}
    tried = network("tried", 1.7, 2_000_000, 5_000) | {"compared": compared(0.1, -0.02, sure=True)}
    refused = network("refused", 1.7, 1, 1) | {"rounds": [], "refused": "9 bytes of RAM, the limit is 8"}
    found = result(reference, tried, refused)
    search_report.show(found)
    said = capsys.readouterr().out
    for part in ("1.600 *", "+0.100", "-2.0", "2.00", "not tried: refused: 9 bytes of RAM, the limit is 8"):
        assert part in said
    (tmp_path / "found.json").write_text(json.dumps(found))
    said = "\n".join(search_report.lines(search_report.read(tmp_path / "found.json")))
    assert "of 3 networks 2 were tried" in said
    assert said.endswith("None is better than student in accuracy, log loss, instructions and RAM.")
    assert "| tried | 2.00 | 5.00 | 40.0 % | -2.0 points (95 %: -2.1 to -1.9) | 1.700 |" in said
    assert "| student | 10.00 | 10.00 | 40.0 % | · | 1.600 * | · |" in said
    search_report.draw(found, tmp_path / "fronts.svg")
    drawn = (tmp_path / "fronts.svg").read_text()
    assert "2 student" in drawn
    assert "M instructions" in drawn
