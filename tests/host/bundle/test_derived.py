"""A bundle derived for another sampling rate: what it changes, what it keeps, what it says, what it decides."""

import dataclasses
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runs
from tiny_bundle import tiny_bundle
from tinyscene import cli
from tinyscene.bench import rate_check
from tinyscene.bundle import at_rate as at_rate_bundle
from tinyscene.bundle.bundle import CARD_FILE, DESCRIPTION_FILE, Bundle
from tinyscene.data import evenly_spread
from tinyscene.data.dataset import SCENES, Dataset
from tinyscene.errors import ConfigError
from tinyscene.frontend import config as frontend_config, features
from tinyscene.frontend.scaling import Normalisation
from tinyscene.paths import REPOSITORY

STUDENT = REPOSITORY / "models" / "student"


def bundle() -> Bundle:
    """A bundle whose every band has a mean and a deviation of its own."""
    bands = tuple(float(band) for band in range(80))
    return dataclasses.replace(runs.bundle(), normalisation=Normalisation(bands, tuple(1 + band for band in bands)))


def test_only_the_front_end_the_normalisation_and_the_descriptions_change() -> None:
    original, moved = bundle(), bundle().at_rate(16000)
    assert moved.frontend == original.frontend.at_rate(16000)
    assert moved.normalisation.mean == (*original.normalisation.mean[:60], *(59.0,) * 20)
    assert moved.normalisation.std == (*original.normalisation.std[:60], *(60.0,) * 20)
    assert moved.name == "student-16000"
    changed = {"frontend", "normalisation", "name", "provenance", "metrics"}
    for field in dataclasses.fields(Bundle):
        if field.name not in changed:
            assert getattr(moved, field.name) == getattr(original, field.name)


def test_held_bands_have_the_standardised_value_of_the_highest_covered_one() -> None:
    moved = bundle().at_rate(16000)
    noise = np.random.default_rng(1).normal(0, 0.1, 16000)
    features = moved.quantised_features(frontend_config.log_mel(noise, moved.frontend))
    assert (features[60:] == features[59]).all()
    assert (features[58] != features[59]).any()


def test_a_rate_that_covers_all_bands_keeps_the_normalisation() -> None:
    assert bundle().at_rate(48000).normalisation == bundle().normalisation


def test_provenance_names_the_original_and_the_originals_scores_are_gone() -> None:
    moved = bundle().at_rate(41667)
    assert moved.provenance == {
        "derived_from": bundle().identity,
        "rate": 41667,
        "original": bundle().provenance,
    }
    assert moved.metrics == {}
    assert len({bundle().identity, moved.identity, bundle().at_rate(16000).identity}) == 3


@pytest.mark.parametrize("provenance", [{}, {"commit": "0"}, 7, ["a"]], ids=repr)
def test_any_provenance_that_can_be_loaded_can_be_derived_from(provenance: Any, tmp_path: Path) -> None:
    moved = dataclasses.replace(bundle(), provenance=provenance).at_rate(41667)
    moved.save(tmp_path, "")
    assert Bundle.load(tmp_path) == moved


def test_its_own_rate_and_a_second_derivation_are_refused() -> None:
    with pytest.raises(ConfigError, match="student takes 44100 Hz already; use it as it is, or choose another rate"):
        bundle().at_rate(44100)
    with pytest.raises(ConfigError, match="start from the original"):
        bundle().at_rate(16000).at_rate(41667)


def test_the_shipped_student_is_who_it_was() -> None:
    assert Bundle.load(STUDENT).identity == "eff818248c9df960"


def tinyscene(monkeypatch: pytest.MonkeyPatch, *words: object) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["tinyscene", *map(str, words)])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    return leaving.value.code


def test_the_command_writes_a_bundle_with_a_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "student"
    assert tinyscene(monkeypatch, "at-rate", STUDENT, 41667, "--out", out) == 0
    moved = Bundle.load(out)
    assert moved == Bundle.load(STUDENT).at_rate(41667)
    assert (
        f"bundle student-41667 ({moved.identity}), 80 x 51 features at 41667 Hz, held bands: 1"
        in capsys.readouterr().out
    )
    card = (out / CARD_FILE).read_text()
    assert card.startswith("# student-41667\n")
    assert f"`{moved.identity}`" in card
    assert "`eff818248c9df960`" in card
    assert "Not scored at this rate" in card
    assert "Of 80 mel bands, 1 " in card
    assert "tinyscene at-rate student 41667" in card
    assert "Licence of the audio" in card.partition("## The original's card")[2]
    assert [line for line in card.splitlines() if line.startswith("# ")] == ["# student-41667"]
    assert tomllib.loads((out / DESCRIPTION_FILE).read_text())["provenance"]["derived_from"] == "eff818248c9df960"


def test_a_bundle_without_a_readable_card_gets_one(tmp_path: Path) -> None:
    bundle().save(tmp_path / "old", "")
    (tmp_path / "old" / CARD_FILE).unlink()
    at_rate_bundle.report(tmp_path / "old", 48000, tmp_path / "new")
    card = (tmp_path / "new" / CARD_FILE).read_text()
    assert "All 80 mel bands lie below half the rate." in card
    assert "original's card\n" not in card
    (tmp_path / "old" / CARD_FILE).write_bytes(b"# \xff\xfe\n")
    at_rate_bundle.report(tmp_path / "old", 48000, tmp_path / "new")
    assert "## The original's card" in (tmp_path / "new" / CARD_FILE).read_text()


def test_the_bundle_that_is_read_is_not_overwritten(tmp_path: Path) -> None:
    bundle().save(tmp_path / "b", "# Card\n")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    for out in (tmp_path / "b", tmp_path / "link", tmp_path / "x" / ".." / "b"):
        with pytest.raises(
            ConfigError, match="is the bundle that is read; choose another folder for the one at 16000 Hz"
        ):
            at_rate_bundle.report(tmp_path / "b", 16000, out)
    assert Bundle.load(tmp_path / "b") == bundle()


def test_error_of_covered_and_of_held_bands() -> None:
    original, moved = bundle(), bundle().at_rate(16000)
    expected = np.zeros((2, 80, 51), np.float32)
    images = expected.copy()
    images[:, :60] = 0.5
    images[0, 3, 7] = 4.5
    images[:, 60:] = moved.normalisation.mean[59]  # standardised 0, where the original has mean / deviation below 0
    covered, held = rate_check.compare(original, expected, moved, images)
    assert covered.bias == pytest.approx(0.5 + 4 / (2 * 60 * 51), rel=1e-4)
    assert covered.band_bias == pytest.approx(0.5 + 4 / (2 * 51), rel=1e-4)
    assert covered.rms == pytest.approx(np.sqrt(0.25 + 20 / (2 * 60 * 51)), rel=1e-4)
    assert covered.within == pytest.approx(0.5, rel=1e-4)
    assert covered.largest == pytest.approx(4.5, rel=1e-4)
    assert held.bias == pytest.approx(np.mean(range(60, 80)), rel=1e-4)
    assert len(rate_check.compare(original, expected, original.at_rate(48000), images)) == 1


def test_the_ways_to_fill_held_bands() -> None:
    original, moved = bundle(), bundle().at_rate(16000)
    image = np.full((80, 51), 119.0, np.float32)
    filled = {
        name: filling.normalisation.apply(image)[[59, 60, 79], 0]
        for name, filling in rate_check.fillings(original, moved).items()
    }
    np.testing.assert_allclose(filled[rate_check.HOLD], [1, 1, 1])
    np.testing.assert_allclose(filled[rate_check.RAW], [1, 59 / 61, 40 / 80])
    np.testing.assert_allclose(filled[rate_check.MEAN], [1, 0, 0], atol=1e-6)


def test_the_tables(synthetic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    tiny_bundle(classes=SCENES).save(tmp_path / "tiny", "")
    words = ["frontend", "rates", synthetic, "--bundle", tmp_path / "tiny", "--split", "fold1_evaluate.csv"]
    assert tinyscene(monkeypatch, *words) == 0
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines() if line.startswith("|")]
    assert [row[:2] for row in rows if row[0] == "16,000"] == [
        ["16,000", "the lower 60"],
        ["16,000", "the upper 20, held"],
        ["16,000", rate_check.HOLD],
        ["16,000", rate_check.RAW],
        ["16,000", rate_check.MEAN],
    ]
    assert [row[2] for row in rows if row[0] == "44,100"] == ["100.00"]
    assert {len(row) for row in rows} == {len(rate_check.COLUMNS), len(rate_check.DECISIONS)}
    assert said.startswith(f"tiny, {len(list(Dataset(synthetic).list('fold1_evaluate.csv')))} clips\n")


def test_the_student_decides_the_same_at_41667_hz(tau_mini: Path) -> None:
    """240 of the clips; docs/FRONTEND.md has all of them."""
    original = Bundle.load(STUDENT)
    dataset = Dataset(tau_mini)
    clips = evenly_spread(list(dataset.clips()), 240)
    moved = original.at_rate(41667)
    images = [np.asarray(features.extract(dataset, clips, each.frontend).images) for each in (original, moved)]
    covered, held = rate_check.compare(original, images[0], moved, images[1])
    assert covered.rms < 0.25
    assert abs(covered.bias) < 0.05
    assert covered.band_bias < 0.25
    assert abs(held.bias) < 0.5
    wanted, answers = (rate_check.probabilities(*pair) for pair in zip((original, moved), images, strict=True))
    assert rate_check.agreement(wanted, answers) >= 0.98
