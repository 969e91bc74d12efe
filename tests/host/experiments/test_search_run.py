"""A whole small search on synthetic scenes, and again; and costs against the emulated board."""

import json
from pathlib import Path

import pytest

from tinyscene.errors import ConfigError
from tinyscene.experiments import network_cost, search_run
from tinyscene.training import fit as fitting
from tinyscene.training.config import NetworkConfig

SEARCH = """
title = "Small"
[run.frontend]
preset = "base"
[run.data]
folds = 1
validation_fraction = 0
[run.student]
width = 0.1
[reference]
student = { network = "student" }
[[space]]
student = { network = "limited", stem_stride = 4, width = [0.1, 0.2, 1.0] }
[limits]
ram_bytes = 9000
[[rounds]]
epochs = 1
keep = 1
[[rounds]]
epochs = 2
"""


@pytest.fixture
def wanted(tmp_path: Path) -> Path:
    """The file of a search."""
    path = tmp_path / "search.toml"
    path.write_text(SEARCH)
    return path


def test_a_search_leaves_the_front_and_is_not_repeated(
    wanted: Path, synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runs"
    search_run.report(wanted, synthetic, out, tmp_path / "a.json", tmp_path / "a.svg")
    found = json.loads((tmp_path / "a.json").read_text())
    by_name = {each["name"]: each for each in found["networks"]}
    assert [len(each["rounds"]) for each in found["networks"]] in ([2, 2, 1, 0], [2, 1, 2, 0])
    assert "bytes of RAM, the limit is 9,000" in by_name["limited-stem_stride4-width1_0"]["refused"]
    last = [each for each in found["networks"] if len(each["rounds"]) == 2]
    assert [each["rounds"][-1]["epochs"] for each in last] == [2, 2]
    assert by_name["student"]["compared"] is None
    assert all("log_loss" in each["compared"]["intervals"] for each in last[1:])
    assert any("accuracy" in each["front"] for each in last)
    assert "better than student in" in capsys.readouterr().out

    monkeypatch.setattr(fitting, "train", lambda *_, **__: pytest.fail("it trains again"))
    search_run.report(wanted, synthetic, out, tmp_path / "b.json", None)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()

    wanted.write_text(SEARCH.replace("[run.student]", "[run.student]\nlearning_rate = 2e-3"))
    with pytest.raises(ConfigError, match=r"learning_rate was 0\.001, is 0\.002"):
        search_run.report(wanted, synthetic, out, None, None)


def test_costs_are_known_before_the_board_counts_them() -> None:
    networks = [NetworkConfig(network=name, width=0.25, epochs=1) for name in ("limited", "mobile")]
    models = [network_cost.untrained(network, (80, 51)) for network in networks]
    for model, measured in zip(models, network_cost.measure(models), strict=True):
        estimated = network_cost.estimate(model)
        assert (
            abs(estimated.instructions / measured.instructions - 1) < 0.06
        )  # of narrow networks: of the shipped ones it is 0.006
        assert estimated.ram_bytes == measured.ram_bytes
