"""The table of ablations beside a bundle: what cards and the page make of it, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tinyscene.bundle.bundle import Bundle
from tinyscene.errors import BundleError
from tinyscene.paths import REPOSITORY
from tinyscene.report import results as results_docs
from tinyscene.training import ablation, model_card

STUDENT = REPOSITORY / "models" / "student"


def result(row: str, title: str, compared: bool, **more: object) -> dict[str, Any]:
    """What an experiment writes of a row, as far as it is shown."""
    of_reference = {
        "difference": {"accuracy": 0.0234, "log_loss": -0.0567},
        "intervals": {"accuracy": [-0.011, 0.044], "log_loss": [-0.09, -0.02]},
    }
    return {
        "table": "ablation",
        "table_title": "One thing alone",
        "row": row,
        "title": title,
        "scored": "float",
        "reference": "00-none",
        "data_set": "tau_mini",
        "data_fingerprint": Bundle.load(STUDENT).provenance["data_fingerprint"],
        "test_clips": 1041,
        "scale": "full",
        "accuracy": 0.4321,
        "log_loss": 1.6543,
        "compared": of_reference if compared else None,
        **more,
    }


TABLE = [result("00-none", "none", False), result("03-mixup", "mixup", True, accuracy=0.4555, log_loss=1.5976)]
SHOWN = """\
| row | accuracy | log loss | accuracy, difference | log loss, difference |
|---|---:|---:|---:|---:|
| none | 43.2 % | 1.654 | · | · |
| mixup | 45.6 % | 1.598 | +2.3 points (95 %: -1.1 to +4.4) | -0.057 (95 %: -0.090 to -0.020) |"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped models, without a table of their own."""
    for name in results_docs.MODELS:
        shutil.copytree(REPOSITORY / "models" / name, tmp_path / name, ignore=shutil.ignore_patterns(ablation.FILE))
    return tmp_path


def test_card_and_page_show_the_table_that_lies_beside_the_bundle(models: Path) -> None:
    card, page = model_card.of_folder(models / "student"), results_docs.body(models)
    (models / "student" / ablation.FILE).write_text(json.dumps(TABLE))
    section = "\n".join(ablation.lines(TABLE))
    assert section.endswith(f"\n\n{SHOWN}")
    assert section.startswith("One thing alone. Float, 1041 clips of tau_mini, all folds pooled and calibrated.")
    assert "Differences are from the row `none`," in section
    assert "`tinyscene experiment run ablation --data tau_mini --json ablation.json`" in section
    model_card.rewrite(models / "student")
    assert (models / "student" / "MODEL_CARD.md").read_text() == card.replace(
        "\n## Cost\n", f"\n## Ablations\n\n{section}\n\n## Cost\n"
    )
    assert results_docs.body(models) == f"{page}\n\n{section}"
    assert "Ablations" not in model_card.of_folder(models / "baseline")


def test_a_scale_is_shown_where_a_row_has_one() -> None:
    small = [TABLE[0], {**TABLE[1], "scored": "int8", "scale": "3 of 15 epochs"}]
    said = "\n".join(ablation.lines(small)).splitlines()
    assert said[-4].endswith("| scale |")
    assert [line.split(" | ")[-1] for line in said[-2:]] == ["full |", "3 of 15 epochs |"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "not a table with a reference row"),
        ("[]", "not a table with a reference row"),
        ("{}", "not a table with a reference row"),
        (json.dumps([{key: TABLE[0][key] for key in TABLE[0] if key != "compared"}]), r"reference row \(KeyError"),
        (json.dumps([{**TABLE[0], "reference": None}]), r"reference row \(KeyError"),
        (json.dumps([TABLE[0], {**TABLE[1], "data_fingerprint": "0" * 16}]), "from other clips than the bundle"),
    ],
)
def test_another_table_is_refused_and_the_card_stays(models: Path, text: str, said: str) -> None:
    path = models / "student" / "MODEL_CARD.md"
    before = path.read_bytes()
    (models / "student" / ablation.FILE).write_text(text)
    with pytest.raises(
        BundleError, match=rf"ablation\.json is .*{said}.*write it again with `tinyscene experiment run"
    ):
        model_card.rewrite(models / "student")
    assert path.read_bytes() == before
