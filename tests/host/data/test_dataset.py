"""Lists, clips, folds and location-disjoint splits: what is read, and what is refused with its place."""

import gzip
import os
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings, strategies as st

from tinyscene.data import clip_list
from tinyscene.data.dataset import (
    SCENES,
    Clip,
    Dataset,
    DatasetError,
    location_disjoint_split,
    location_disjoint_subsets,
    pcm16,
    probe_clip,
    read_clip,
    read_list,
    scan_list,
)
from tinyscene.paths import REPOSITORY

NAME = "audio/park-london-96-2689-3-s1.wav"
CLIP = Clip(NAME, "park", "london-96", "london", "s1", 2)


def write_list(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@contextmanager
def without_privileges() -> Iterator[Path]:
    """Yield a folder that everybody may enter, and be nobody meanwhile if the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        user = os.geteuid()
        try:
            yield folder
        finally:
            os.seteuid(user)


def drop_privileges() -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)


# Lists


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n", "\r\n\r\n"])
def test_line_ends(tmp_path: Path, end: str, last: str) -> None:
    rows = ["filename\tscene_label", f"{NAME}\tpark", "audio/tram-paris-5-7-0-b.wav\ttram"]
    clips = list(read_list(write_list(tmp_path / "l.csv", end.join(rows) + last)))
    assert clips == [CLIP, Clip("audio/tram-paris-5-7-0-b.wav", "tram", "paris-5", "paris", "b", 3)]


def test_gzip_byte_order_mark_order_of_columns_and_blank_lines(tmp_path: Path) -> None:
    text = f"\ufeffsource_label\tnotes\tscene_label\tidentifier\tfilename\n\nb\tx\tbus\tnew-york-7\t{NAME}\n"
    path = write_list(tmp_path / "l.csv.gz", gzip.compress(text.encode()))
    assert list(read_list(path)) == [Clip(NAME, "bus", "new-york-7", "new-york", "b", 3)]


def test_place_comes_from_the_row_then_from_meta_then_from_the_name(tmp_path: Path) -> None:
    bare = write_list(tmp_path / "bare.csv", f"filename\n{NAME}\n")
    assert next(read_list(bare)) == Clip(NAME, None, "london-96", "london", "s1", 2)
    assert next(read_list(bare, places={NAME: ("oslo-1", "c")})) == Clip(NAME, None, "oslo-1", "oslo", "c", 2)
    full = write_list(tmp_path / "full.csv", f"filename\tidentifier\tsource_label\n{NAME}\trome-2\ta\n")
    assert next(read_list(full, places={NAME: ("oslo-1", "c")})) == Clip(NAME, None, "rome-2", "rome", "a", 2)


def test_lists_are_read_lazily(tmp_path: Path) -> None:
    path = write_list(tmp_path / "l.csv", f"filename\tscene_label\n{NAME}\tpark\n{NAME}\tmoon\n{NAME}\tpark\n")
    rows = read_list(path)
    assert next(rows) == CLIP
    with pytest.raises(DatasetError, match=r"l\.csv:3: 'moon' is none of the ten scenes; scenes are airport, bus"):
        next(rows)
    assert [type(row).__name__ for row in scan_list(path)] == ["Clip", "DefectError", "Clip"]


def test_the_how_to_says_which_labels_are_taken() -> None:
    """Anybody's own classes are refused row by row otherwise, without having been warned."""
    text = (REPOSITORY / "docs" / "HOWTO-own-data.md").read_text()
    assert all(scene in text.split("## 1.")[0] for scene in SCENES)


HEADER = "filename\tscene_label\n"
BAD_LISTS = {
    "empty": ("", r":1: the list is empty; restore it"),
    "header only": (HEADER, r":1: the list has no rows; restore it"),
    "commas": ("filename,scene_label\n", r":1: there is no column 'filename' among 'filename,scene_label'; .*tabs"),
    "no labels": ("filename\nx\n", r":1: there is no column 'scene_label' among 'filename'"),
    "binary": (bytes(range(256)) * 100, r":1: the header is not text"),
    "endless line": (HEADER.encode() + b"a" * 200_000, r":2: the row has more than 65535 bytes"),
    "short row": (HEADER + "audio/x.wav\n", r":2: columns in the row: 1, in the header: 2; separate"),
    "long row": (HEADER + f"{NAME}\tpark\tpark\n", r":2: columns in the row: 3, in the header: 2"),
    "not UTF-8": (HEADER.encode() + b"audio/\xff\tpark\n", r":2: the row is not text in UTF-8; save"),
    "label": (HEADER + f"{NAME}\tPark\n", r":2: 'Park' is none of the ten scenes"),
    "no label": (HEADER + f"{NAME}\t\n", r":2: '' is none of the ten scenes"),
    "no name": (HEADER + "\tpark\n", r":2: '' is not the name of a file inside"),
    "escape": (HEADER + "audio/../../x.wav\tpark\n", r":2: 'audio/../../x.wav' is not the name of a file inside"),
    "absolute": (HEADER + "/etc/passwd\tpark\n", r":2: '/etc/passwd' is not the name of a file inside"),
    "NUL": (HEADER + "audio/a\0.wav\tpark\n", r":2: 'audio/a\\x00.wav' has the character U\+0000; rename"),
    "direction": (HEADER + "audio/a\u202e.wav\tpark\n", r":2: .* has the character U\+202E; rename"),
    "old Mac": ("filename\tscene_label\raudio/x.wav\tpark\r", r":1: its lines end in CR, as .*; save it with .* LF"),
    "blank lines": (HEADER + "\n" * 10_001, r":10002: the list has more than 10,000 blank lines; name a list"),
    "place": (HEADER + "audio/1.wav\tpark\n", r":2: location and device of 'audio/1.wav' are unknown; name it scene-"),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_bad_lists_name_their_line(tmp_path: Path, case: str) -> None:
    content, message = BAD_LISTS[case]
    path = write_list(tmp_path / "l.csv", content)
    with pytest.raises(DatasetError, match=rf"{path}{message}"):
        list(read_list(path, labelled=True))


@pytest.mark.parametrize("name", ["a\u00a0b", "公園\u3000一", "x\u200dy", "a\u202fb"])
def test_spaces_and_joiners_of_input_methods_are_taken(tmp_path: Path, name: str) -> None:
    rows = f"filename\tscene_label\tidentifier\tsource_label\naudio/{name}.wav\tpark\trome-1\ta\n"
    (clip,) = read_list(write_list(tmp_path / "l.csv", rows))
    assert clip.filename == f"audio/{name}.wav"


@pytest.mark.parametrize("name", ["l.csv", "l.csv.gz"])
def test_a_list_that_is_no_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DatasetError, match=r":1: the list cannot be read \(it is a pipe, not a file\); restore it"):
        list(read_list(tmp_path / name))


def test_a_list_that_unpacks_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_list, "_LONGEST_LIST", 1 << 20)
    path = write_list(tmp_path / "l.csv.gz", gzip.compress((HEADER + f"{NAME}\tpark\n" * 40_000).encode()))
    with pytest.raises(DatasetError, match=r":\d{5}: the list has more than 1 MiB"):
        list(read_list(path))


def test_damaged_gzip_and_absent_list(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + f"{NAME}\tpark\n" * 1000).encode())
    for damaged in (whole[: len(whole) // 2], b"not gzip"):
        path = write_list(tmp_path / "l.csv.gz", damaged)
        with pytest.raises(DatasetError, match=r"l\.csv\.gz:\d+: the list cannot be read \(.+\); restore it"):
            list(read_list(path))
    with pytest.raises(DatasetError, match=r"no\.csv:1: there is no such list; check the name"):
        list(read_list(tmp_path / "no.csv"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_give_clips_or_defects(tmp_path_factory: pytest.TempPathFactory, rows: bytes, header: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes((HEADER.encode() if header else b"") + rows)
    for row in scan_list(path):
        if isinstance(row, Clip):
            assert row.scene in SCENES
        else:
            assert str(row).startswith(f"{path}:{row.line}: ")


def test_official_lists_have_all_their_rows(shared_data: Path) -> None:
    dataset = Dataset(shared_data / "tau2022_lists")
    assert dataset.folds() == [1]
    counts = [sum(1 for _ in rows) for rows in (dataset.split(1, "train"), dataset.split(1, "evaluate"))]
    assert counts == [139_620, 29_680]
    clips = list(dataset.clips())
    assert len(clips) == 230_350
    assert {clip.scene for clip in clips} == set(SCENES)
    assert {clip.device for clip in clips} == {"a", "b", "c", "s1", "s2", "s3", "s4", "s5", "s6"}
    with pytest.raises(DatasetError, match="audio is missing: these are lists only"):
        dataset.path(clips[0])


# Folders


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of three one-second clips, fold 3 in lists without places, and a meta.csv that knows better."""
    names = [NAME, "audio/bus-lyon-1-1-0-a.wav", "audio/tram-rome-2-2-0-c.wav"]
    (tmp_path / "audio").mkdir()
    for name in names:
        soundfile.write(tmp_path / name, np.zeros(44100), 44100, subtype="PCM_16")
    setup = tmp_path / "evaluation_setup"
    write_list(setup / "fold3_train.csv", f"{HEADER}{names[0]}\tpark\n{names[1]}\tbus\n")
    write_list(setup / "fold3_evaluate.csv", f"{HEADER}{names[2]}\ttram\n")
    write_list(setup / "fold3_test.csv", f"filename\n{names[2]}\n")
    write_list(
        tmp_path / "meta.csv",
        "filename\tscene_label\tidentifier\tsource_label\n"
        f"{names[0]}\tpark\tlondon-96\ts1\n{names[1]}\tbus\toslo-9\tb\n{names[2]}\ttram\trome-2\tc\n",
    )
    return tmp_path


def test_folder_with_meta(folder: Path) -> None:
    dataset = Dataset(folder)
    assert dataset.folds() == [3]
    bus = list(dataset.split(3, "train"))[1]
    assert (bus.identifier, bus.city, bus.device, bus.line) == ("oslo-9", "oslo", "b", 3)
    assert [clip.scene for clip in dataset.split(3, "test")] == [None]
    assert [clip.scene for clip in dataset.clips()] == ["park", "bus", "tram"]
    assert dataset.path(bus) == folder / "audio/bus-lyon-1-1-0-a.wav"


def test_folder_without_meta_then_without_lists(folder: Path) -> None:
    (folder / "meta.csv").unlink()
    dataset = Dataset(folder)
    clips = {clip.filename: clip for clip in dataset.clips()}
    bus = clips["audio/bus-lyon-1-1-0-a.wav"]
    assert (bus.identifier, bus.device) == ("lyon-1", "a")
    assert {clip.scene for clip in clips.values()} == {"park", "bus", "tram"}, "each once, with its label"
    for path in (folder / "evaluation_setup").iterdir():
        path.unlink()
    (folder / "audio" / "._bus-lyon-1-1-0-a.wav").touch()
    found = {clip.filename: clip for clip in Dataset(folder).clips()}
    assert found.keys() == clips.keys()
    assert found[NAME] == Clip(NAME, "park", "london-96", "london", "s1", 0)
    (folder / "audio" / "holiday.wav").touch()
    with pytest.raises(
        DatasetError, match=r"holiday\.wav does not name its scene, location and device; name it scene-"
    ):
        list(Dataset(folder).clips())


@pytest.mark.parametrize("name", ["fold3_evaluate", "fold3_evaluate.csv", "PATH"])
def test_lists_by_name_and_path(folder: Path, name: str) -> None:
    path = folder / "evaluation_setup" / "fold3_evaluate.csv"
    clips = list(Dataset(folder).list(path if name == "PATH" else name))
    assert [clip.scene for clip in clips] == ["tram"]


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    dataset = Dataset(folder)
    with pytest.raises(DatasetError, match=r"has no fold1_train\.csv; there are fold3_train\.csv, fold3_test\.csv, "):
        dataset.split(1, "train")
    with pytest.raises(DatasetError, match=r"no list 'fold9' in .*evaluation_setup, nor a file; there are fold3_train"):
        dataset.list("fold9")
    with pytest.raises(DatasetError, match=r"fold3_test\.csv:1: the list has no labels .*use .*_evaluate"):
        list(dataset.list("fold3_test"))
    with pytest.raises(DatasetError, match="nowhere is not a folder: it is missing; name a data set"):
        Dataset(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"has no meta\.csv, no lists and no audio"):
        list(Dataset(tmp_path / "empty").clips())
    (folder / "meta.csv").write_text(f"filename\tscene_label\n{NAME}\n")
    with pytest.raises(DatasetError, match=r"meta\.csv:2: columns in the row: 1"):
        Dataset(folder).split(3, "train")


def test_real_folds_share_no_location(tau_mini: Path) -> None:
    dataset = Dataset(tau_mini)
    assert sum(1 for _ in dataset.clips()) == 1041
    assert dataset.folds() == [1, 2, 3, 4, 5]
    for fold in dataset.folds():
        train, test = list(dataset.split(fold, "train")), list(dataset.split(fold, "evaluate"))
        assert len(train) + len(test) == 1041
        assert not {clip.location for clip in train} & {clip.location for clip in test}


# Clips


def wav(path: Path, samples: int = 44100, rate: int = 44100, channels: int = 1) -> Path:
    soundfile.write(path, np.zeros((samples, channels)), rate, subtype="PCM_16", format="WAV")
    return path


def truncated(path: Path) -> Path:
    wav(path).write_bytes(path.read_bytes()[:40_000])
    return path


def garbage(path: Path) -> Path:
    path.write_bytes(b"\x00\xff\x10not audio" * 5000)
    return path


def nan(path: Path) -> Path:
    soundfile.write(path, np.full(44100, np.nan), 44100, subtype="FLOAT", format="WAV")
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def loud(path: Path) -> Path:
    """Write floats that were not scaled, as scipy.io.wavfile.write does."""
    soundfile.write(path, np.full(44100, -9830.4), 44100, subtype="FLOAT", format="WAV")
    return path


BAD_CLIPS = {
    "pipe": (pipe, r"cannot be read \(it is a pipe, not a file\); restore it"),
    "device": (lambda path: path.symlink_to("/dev/zero") or path, r"cannot be read \(it is a device, not a file\)"),
    "loud": (loud, r"has samples beyond full scale, up to 9830\.4; scale them"),
    "missing": (lambda path: path, "does not exist; restore it"),
    "folder": (lambda path: path.mkdir() or path, r"cannot be read \(Is a directory\); restore it"),
    "empty": (lambda path: path.touch() or path, r"cannot be read \(.+\); restore it"),
    "garbage": (garbage, r"cannot be read \(Format not recognised\); restore it"),
    "8 kHz": (lambda path: wav(path, 8000, 8000), "has 8000 Hz, not 44100; resample it"),
    "stereo": (lambda path: wav(path, channels=2), "has 2 channels, not 1; mix it down"),
    "truncated": (truncated, "has 19978 samples, not 44100; restore it"),
    "too long": (lambda path: wav(path, 441_000), "has 441000 samples, not 44100; cut it"),
    "NaN": (nan, "has samples that are not finite; restore it"),
}


@pytest.mark.parametrize("read", [read_clip, probe_clip, lambda path: read_clip(path, 22050, 22050)])
@pytest.mark.parametrize("case", BAD_CLIPS)
def test_bad_clips_are_refused_with_the_reason(tmp_path: Path, case: str, read: Callable[[Path], object]) -> None:
    make, message = BAD_CLIPS[case]
    path = make(tmp_path / "clip.wav")
    with pytest.raises(DatasetError, match=rf"^{path} {message}"):
        read(path)


@pytest.mark.parametrize(("subtype", "value"), [("FLOAT", 1.0), ("DOUBLE", -1.0), ("PCM_24", 2.0)])
def test_full_scale_itself_is_fine(tmp_path: Path, subtype: str, value: float) -> None:
    soundfile.write(tmp_path / "x.wav", np.full(44100, value), 44100, subtype=subtype)
    assert np.abs(read_clip(tmp_path / "x.wav")).max() <= 1


def test_a_clip_whose_name_is_in_the_other_normal_form_is_read(tmp_path: Path) -> None:
    wav(tmp_path / unicodedata.normalize("NFD", "zürich.wav"))
    probe_clip(tmp_path / unicodedata.normalize("NFC", "zürich.wav"))
    read_clip(tmp_path / unicodedata.normalize("NFC", "zürich.wav"))


def test_truncated_compressed_clip_is_found_although_its_header_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "clip.flac"
    soundfile.write(path, np.random.default_rng(1).uniform(-1, 1, 44100), 44100, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(DatasetError, match=r"clip\.flac (has \d+ samples, not 44100|cannot be read)"):
        probe_clip(path)


def test_no_permission() -> None:
    soundfile.available_formats()  # everything is imported before the rights are dropped
    with without_privileges() as folder:
        clip, rows = wav(folder / "clip.wav"), write_list(folder / "l.csv", f"{HEADER}{NAME}\tpark\n")
        clip.chmod(0)
        rows.chmod(0)
        drop_privileges()
        with pytest.raises(DatasetError, match=r"clip\.wav cannot be read \(Permission denied\); restore it"):
            read_clip(clip)
        with pytest.raises(DatasetError, match=r"l\.csv:1: the list cannot be read \(Permission denied\)"):
            list(read_list(rows))


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
def test_samples_are_exact(tmp_path: Path, subtype: str, bits: int) -> None:
    full = 1 << (bits - 1)
    values = np.random.default_rng(1).integers(-full, full, 44100)
    values[:2] = -full, full - 1
    soundfile.write(tmp_path / "c.wav", (values << (32 - bits)).astype(np.int32), 44100, subtype=subtype)
    clip = read_clip(tmp_path / "c.wav")
    assert clip.dtype == np.float32
    np.testing.assert_array_equal(clip, (values / full).astype(np.float32))


@pytest.mark.parametrize("rate", [22050, 32000, 16000])
def test_resampling_keeps_a_tone(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "c.wav", 0.5 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100), 44100)
    clip = read_clip(tmp_path / "c.wav", rate, rate)
    assert clip.dtype == np.float32
    assert clip.shape == (rate,)
    inner = slice(1000, -1000)
    np.testing.assert_allclose(clip[inner], 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)[inner], atol=1e-4)


def test_pcm16_rounds_half_to_even_and_saturates() -> None:
    samples = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 32767.4, 32768, 1e6, -32768.4, -1e6]) / 32768
    assert pcm16(samples).tolist() == [0, 2, 2, 0, -2, 32767, 32767, 32767, -32768, -32768]
    every = np.arange(-32768, 32768, dtype=np.int16)
    np.testing.assert_array_equal(pcm16((every / 32768).astype(np.float32)), every)


# Splits


def clips_of(*locations: tuple[str, str, int]) -> list[Clip]:
    return [
        Clip(f"audio/{scene}-{place}-{number}-a.wav", scene, place, place, "a", 0)
        for scene, place, count in locations
        for number in range(count)
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(SCENES), st.sampled_from("abcdefgh"), st.integers(1, 9)), min_size=1, max_size=40
    ),
    st.floats(0.05, 0.6),
    st.integers(0, 9),
)
def test_split_shares_no_location(locations: list[tuple[str, str, int]], fraction: float, seed: int) -> None:
    clips = clips_of(*locations)
    train, validation = location_disjoint_split(clips, fraction, seed)
    assert sorted(map(repr, train + validation)) == sorted(map(repr, clips))
    assert not {clip.location for clip in train} & {clip.location for clip in validation}
    places = {scene: {place for other, place, _ in locations if other == scene} for scene, _, _ in locations}
    assert {clip.scene for clip in train} == places.keys()
    assert {clip.scene for clip in validation} == {scene for scene, found in places.items() if len(found) > 1}


def test_split_is_near_the_fraction_and_depends_on_the_seed_only() -> None:
    clips = clips_of(*((scene, f"p-{place}", 5) for scene in SCENES for place in range(20)))
    train, validation = location_disjoint_split(clips, 0.2, 7)
    assert len(validation) == 200
    assert validation == [clip for clip in clips if clip in set(validation)], "the order is kept"
    assert set(location_disjoint_split(clips[::-1], 0.2, 7)[1]) == set(validation)
    assert set(location_disjoint_split(clips, 0.2, 8)[1]) != set(validation)
    assert len(train) == 800


def test_subsets_share_no_location_and_each_scene_is_dealt_out_evenly() -> None:
    sizes = [(scene, f"p-{place}", 1 + place % 3) for scene in SCENES for place in range(12)]
    clips = clips_of(*sizes)
    subsets = location_disjoint_subsets(clips, 4, 7)
    by_location: dict[object, set[int]] = {}
    counts: dict[tuple[object, int], int] = {}
    for clip, subset in zip(clips, subsets, strict=True):
        by_location.setdefault(clip.location, set()).add(subset)
        counts[clip.scene, subset] = counts.get((clip.scene, subset), 0) + 1
    assert all(len(found) == 1 for found in by_location.values())
    assert set(counts.values()) == {6}, "24 clips of a scene in 12 locations of 1 to 3 fill 4 subsets exactly"
    assert location_disjoint_subsets(clips[::-1], 4, 7) == subsets[::-1]
    assert location_disjoint_subsets(clips, 4, 8) != subsets


def test_subsets_are_never_empty() -> None:
    clips = clips_of(("park", "a-1", 5), ("bus", "a-2", 5), ("bus", "a-3", 1))
    assert sorted(set(location_disjoint_subsets(clips, 3, 1))) == [0, 1, 2]
    with pytest.raises(DatasetError, match="3 locations cannot be dealt out to 4 subsets; ask for fewer"):
        location_disjoint_subsets(clips, 4, 1)


def test_split_refuses_clips_without_label_and_impossible_fractions() -> None:
    with pytest.raises(DatasetError, match=r"audio/x\.wav \(line 4 of its list\) has no label"):
        location_disjoint_split([Clip("audio/x.wav", None, "a-1", "a", "a", 4)], 0.2, 1)
    with pytest.raises(DatasetError, match=r"fraction is 1\.0; it must lie between 0 and 1"):
        location_disjoint_split([], 1.0, 1)
