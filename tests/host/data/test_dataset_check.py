"""`tinyscene data check`: every kind of defect is found at its line, and nothing else is."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from tinyscene.cli import app
from tinyscene.data.dataset import Dataset
from tinyscene.data.survey import survey_dataset
from tinyscene.errors import DatasetError

PARK = "audio/park-london-96-2689-3-s1.wav"
BUS = "audio/bus-lyon-1-1-0-a.wav"
TRAM = "audio/tram-rome-2-2-0-c.wav"
ROWS = {PARK: ("park", "london-96", "s1"), BUS: ("bus", "lyon-1", "a"), TRAM: ("tram", "rome-2", "c")}
META = "meta.csv"
TRAIN = "evaluation_setup/fold1_train.csv"
TEST = "evaluation_setup/fold1_test.csv"
EVALUATE = "evaluation_setup/fold1_evaluate.csv"


Change = Callable[[Path], object]


def wav(path: Path, samples: int = 44100, rate: int = 44100, channels: int = 1) -> None:
    soundfile.write(path, np.zeros((samples, channels)), rate, subtype="PCM_16")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A flawless data set: park and bus to train with, tram to test with."""
    folder = tmp_path / "set"
    for name in ("audio", "evaluation_setup"):
        (folder / name).mkdir(parents=True)
    for name in ROWS:
        wav(folder / name)
    header = "filename\tscene_label"
    lists = {
        META: [f"{header}\tidentifier\tsource_label", *("\t".join((name, *row)) for name, row in ROWS.items())],
        TRAIN: [header, f"{PARK}\tpark", f"{BUS}\tbus"],
        TEST: ["filename", TRAM],
        EVALUATE: [header, f"{TRAM}\ttram"],
    }
    for name, rows in lists.items():
        (folder / name).write_bytes("".join(f"{row}\r\n" for row in rows).encode())
    return folder


def edit(file: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        content = (folder / file).read_bytes()
        assert content.count(old.encode()) == 1
        (folder / file).write_bytes(content.replace(old.encode(), new.encode("latin-1")))

    return change


def append(file: str, row: str) -> Change:
    def change(folder: Path) -> None:
        with (folder / file).open("a") as stream:
            stream.write(row + "\n")

    return change


def clip(write: Callable[[Path], object]) -> Change:
    return lambda folder: write(folder / BUS)


# what to break: the one finding expected for it
DEFECTS: dict[str, tuple[Change, str]] = {
    "missing": (clip(lambda path: path.unlink()), f"meta.csv:3: missing file: {BUS} does not exist"),
    "rate": (clip(lambda path: wav(path, 8000, 8000)), f"meta.csv:3: wrong rate: {BUS} has 8000 Hz, not 44100"),
    "stereo": (clip(lambda path: wav(path, channels=2)), f"meta.csv:3: not mono: {BUS} has 2 channels, not 1"),
    "truncated": (
        clip(lambda path: path.write_bytes(path.read_bytes()[:1044])),
        f"meta.csv:3: truncated: {BUS} has 500 samples, not 44100",
    ),
    "too long": (clip(lambda path: wav(path, 44101)), f"meta.csv:3: too long: {BUS} has 44101 samples, not 44100"),
    "garbage": (
        clip(lambda path: path.write_bytes(b"\x00\xfe garbage" * 999)),
        f"meta.csv:3: unreadable file: {BUS} cannot be read (Format not recognised)",
    ),
    "label": (
        edit(TRAIN, "\tbus", "\tbuss"),
        f"{TRAIN}:3: unknown label: 'buss' is none of the ten scenes",
    ),
    "contradicts meta": (
        edit(EVALUATE, "\ttram", "\tmetro"),
        f"{EVALUATE}:2: contradiction: label 'metro' of {TRAM} contradicts 'tram' in meta.csv:4",
    ),
    "contradicts its name": (
        edit(META, "rome-2\tc", "rome-2\tb"),
        f"meta.csv:4: contradiction: device 'b' of {TRAM} contradicts 'c' in its name",
    ),
    "duplicate": (append(TRAIN, f"{PARK}\tpark"), f"{TRAIN}:4: duplicate row: {PARK} is also in line 2"),
    "too few columns": (
        edit(META, "\tlyon-1\ta", ""),
        "meta.csv:3: malformed row: columns in the row: 2, in the header: 4",
    ),
    "not UTF-8": (
        edit(TRAIN, PARK, "audio/p\xe4rk.wav"),
        f"{TRAIN}:2: malformed row: the row is not text in UTF-8",
    ),
    "no header": (
        edit(TEST, "filename\r\n", ""),
        f"{TEST}:1: malformed list: there is no column 'filename' among '{TRAM}'",
    ),
    "empty list": (lambda folder: (folder / TEST).write_bytes(b""), f"{TEST}:1: malformed list: the list is empty"),
    "binary list": (
        lambda folder: (folder / TEST).write_bytes(bytes(range(256)) * 9),
        f"{TEST}:1: malformed list: the header is not text in UTF-8",
    ),
    "in train and test": (
        append(TRAIN, f"{TRAM}\ttram"),
        f"{EVALUATE}:2: clip in train and test: {TRAM} is also in {TRAIN}:4",
    ),
}


def found(folder: Path) -> list[str]:
    return [f"{it.file}:{it.line}: {it.kind}: {it.problem}" for it in survey_dataset(folder).findings]


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["data", "check", *map(str, arguments)])
    return result.exit_code, result.stdout


def test_flawless(folder: Path) -> None:
    code, output = run(folder)
    assert code == 0
    assert "no location is shared by training and test\nno defects\n" in output
    tables = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line.strip()}
    assert tables["park"] == ["1", "1/0"]
    assert tables["tram"] == ["1", "0/1"]
    assert tables["airport"] == ["0", "0/0"], "an absent scene is seen"
    assert tables["s1"] == ["1", "1/0"]
    assert tables["rome"] == ["1", "0/1"]
    assert tables["all"] == ["3", "2/1"]
    assert tables["1"] == ["2", "1", "1", "2", "1", "0"], "train, test, evaluate; locations of both; shared"


@pytest.mark.parametrize("case", DEFECTS)
def test_every_defect_is_found_once_at_its_line(folder: Path, case: str) -> None:
    change, expected = DEFECTS[case]
    change(folder)
    assert found(folder) == [expected]
    code, output = run(folder)
    assert code == 1
    assert f"{folder}/{expected}\n1 defect: " in output


def test_defects_come_in_the_order_of_the_lists(folder: Path) -> None:
    for case in ("duplicate", "truncated", "binary list", "contradicts meta"):
        DEFECTS[case][0](folder)
    places = [finding.split(": ")[0] for finding in found(folder)]
    assert places == ["meta.csv:3", f"{TRAIN}:4", f"{TEST}:1", f"{EVALUATE}:2"]
    assert "4 defects: 1 " in run(folder)[1]


def test_row_that_meta_does_not_have(folder: Path) -> None:
    append(TRAIN, "audio/bus-oslo-1-1-0-a.wav\tbus")(folder)
    assert found(folder) == [
        f"{TRAIN}:4: contradiction: audio/bus-oslo-1-1-0-a.wav is not in meta.csv",
        f"{TRAIN}:4: missing file: audio/bus-oslo-1-1-0-a.wav does not exist",
    ]


def test_shared_location_is_shown_but_no_defect(folder: Path) -> None:
    twin = "audio/tram-rome-2-2-1-b.wav"
    wav(folder / twin)
    append(META, f"{twin}\ttram\trome-2\tb")(folder)
    append(TRAIN, f"{twin}\ttram")(folder)
    other_scene = "audio/bus-rome-2-2-1-b.wav"
    wav(folder / other_scene)
    append(META, f"{other_scene}\tbus\trome-2\tb")(folder)
    append(TRAIN, f"{other_scene}\tbus")(folder)
    code, output = run(folder)
    assert code == 0
    assert re.findall("overlap: .*", output) == ["overlap: fold 1 has tram rome-2 in training and in test"]
    (folder / META).unlink()
    (folder / EVALUATE).unlink()
    assert survey_dataset(folder).overlaps == {1: [("tram", "rome-2")]}, "also where the test list has no labels"


def test_json(folder: Path, tmp_path: Path) -> None:
    DEFECTS["stereo"][0](folder)
    wav(folder / "audio" / "stray.wav")
    code, output = run(folder, "--json", tmp_path / "check.json")
    assert code == 1
    assert "note: 1 files in audio are in no list" in output
    result = json.loads((tmp_path / "check.json").read_text())
    assert result["clips"] == 3
    assert result["per_scene"] == {"bus": 1, "park": 1, "tram": 1}
    assert result["lists"] == {META: 3, TRAIN: 2, TEST: 1, EVALUATE: 1}
    assert result["folds"] == {"1": {"train": 2, "test": 1, "evaluate": 1}}
    assert result["overlaps"] == []
    assert result["unlisted"] == 1
    assert result["defects"] == [
        {"file": META, "line": 3, "kind": "not mono", "problem": f"{BUS} has 2 channels, not 1"}
    ]


def test_audio_alone(folder: Path) -> None:
    for name in (META, TRAIN, TEST, EVALUATE):
        (folder / name).unlink()
    assert run(folder)[0] == 0
    wav(folder / "audio" / "holiday.wav")
    DEFECTS["stereo"][0](folder)
    assert found(folder) == [
        "audio/holiday.wav:0: unknown label: does not name its scene, location and device",
        f"{BUS}:0: not mono: {BUS} has 2 channels, not 1",
    ]


@pytest.mark.parametrize("place", ["audio/{}.WAV", "audio/{}.flac", "audio/park/{}.wav", "audio/a/b/{}.Wav"])
def test_audio_is_found_by_any_suffix_and_in_folders(tmp_path: Path, place: str) -> None:
    for number in range(4):
        path = tmp_path / "set" / place.format(f"park-rome-{number}-0-{number}-a")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(44100), 44100, format="FLAC" if path.suffix == ".flac" else "WAV")
    (tmp_path / "set" / "audio" / "._park-rome-9-0-9-a.wav").touch()  # as macOS makes
    (tmp_path / "set" / "audio" / "notes.txt").touch()
    survey = survey_dataset(tmp_path / "set")
    assert (survey.clips.clips, survey.unlisted, survey.others, survey.findings) == (4, 0, 1, [])
    code, said = run(tmp_path / "set")
    assert code == 0
    assert "1 files in audio are not taken" in said


@pytest.mark.parametrize("inside", [[], ["notes.txt"], [".hidden.wav"]])
def test_nothing_found_is_a_defect(tmp_path: Path, inside: list[str]) -> None:
    (tmp_path / "audio").mkdir()
    for name in inside:
        (tmp_path / "audio" / name).touch()
    code, said = run(tmp_path)
    assert code == 1
    assert "nothing found: there are no clips: audio files, such as" in said


def test_a_class_a_folder_is_told_apart_from_nothing(tmp_path: Path) -> None:
    for name in ("dog", "cat"):
        (tmp_path / "audio" / name).mkdir(parents=True)
        wav(tmp_path / "audio" / name / "1.wav")
    assert found(tmp_path) == [
        f"audio/{name}/1.wav:0: unknown label: does not name its scene, location and device" for name in ("cat", "dog")
    ]


def test_folds_may_count_from_zero(folder: Path) -> None:
    for name in (TRAIN, TEST, EVALUATE):
        (folder / name.replace("fold1", "fold0")).write_bytes((folder / name).read_bytes())
    assert Dataset(folder).folds() == [0, 1]
    assert found(folder) == []


@pytest.mark.parametrize("name", ["fold01_train.csv", "Fold1_train.csv", "fold1_train.CSV", "fold1_train.txt"])
def test_a_list_that_is_not_taken_is_a_defect(folder: Path, name: str) -> None:
    (folder / TRAIN).rename(folder / "evaluation_setup" / name)
    assert found(folder) == [
        f"evaluation_setup/{name}:0: malformed list: is not read, for its name; "
        "name it fold1_train.csv, fold1_test.csv or fold1_evaluate.csv"
    ]
    with pytest.raises(DatasetError, match=f"{name} is not read, for its name; name it fold1_train.csv"):
        Dataset(folder).folds()


def test_the_same_list_twice_is_a_defect(folder: Path) -> None:
    (folder / f"{TRAIN}.gz").write_bytes(gzip.compress((folder / TRAIN).read_bytes()))
    assert found(folder) == [
        f"{TRAIN}.gz:0: malformed list: is not read, as the same list is there unpacked; remove one of them"
    ]


def test_nothing_to_check(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"empty has no meta\.csv, no lists and no audio"):
        survey_dataset(tmp_path / "empty")
    with pytest.raises(DatasetError, match="no is not a folder"):
        survey_dataset(tmp_path / "no")


def test_official_lists_alone(shared_data: Path) -> None:
    survey = survey_dataset(shared_data / "tau2022_lists")
    assert survey.rows == {"meta.csv.gz": 230_350, "fold1_train.csv.gz": 139_620, "fold1_evaluate.csv.gz": 29_680}
    assert survey.overlaps == {1: []}
    assert [it.problem for it in survey.findings] == [
        "there is no audio folder: none of the 230350 clips could be checked"
    ], "said once"


def test_synthetic_clips_are_flawless(synthetic: Path) -> None:
    assert run(synthetic)[0] == 0


def test_real_clips_are_flawless(tau_mini: Path) -> None:
    survey = survey_dataset(tau_mini)
    assert survey.findings == []
    assert survey.clips.clips == 1041
    assert survey.overlaps == {fold: [] for fold in range(1, 6)}
    assert survey.unlisted == 0
