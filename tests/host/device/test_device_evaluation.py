"""Evaluating and watching a board, against a board in Python: journal, resumption, restarts, refusals, the JSON."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from serial.urlhandler import protocol_socket
from typer.testing import CliRunner

from fake_board import INFO, FakeBoard, FakePort, info_of, outputs_of
from tinyscene.bundle.bundle import Bundle
from tinyscene.cli import app
from tinyscene.data import evenly_spread
from tinyscene.data.dataset import Dataset
from tinyscene.device import monitor, streaming
from tinyscene.device.board import Board
from tinyscene.device.evaluation import Options, report
from tinyscene.device.journal import Header, Journal
from tinyscene.device.messages import Inference, parse_probabilities
from tinyscene.errors import LinkError, TinysceneError
from tinyscene.evaluation import metrics
from tinyscene.firmware.protocol import Request
from tinyscene.frontend import features
from tinyscene.frontend.config import PRESETS
from tinyscene.frontend.features import FeatureImages
from tinyscene.frontend.scaling import Normalisation, Quantisation

CLIPS = 10
CLASSES = ("bus", "park", "tram")
SPLIT = "fold1_evaluate"
SCORE_KEYS = {"clips", "accuracy", "log_loss", "per_scene", "per_device", "confusion", "classes"}


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Do not sleep as pyserial does whenever it closes a socket, and keep features to this test."""
    monkeypatch.setattr(protocol_socket, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def bundle() -> Bundle:
    """A bundle whose model is never run here."""
    config = PRESETS["p2"]
    return Bundle(
        name="student",
        classes=CLASSES,
        frontend=config,
        normalisation=Normalisation((-40.0,) * config.n_mels, (20.0,) * config.n_mels),
        input=Quantisation(0.05, 3),
        output=Quantisation(0.0625, -3),
        output_kind="logits",
        model=b"model",
    )


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    """The bundle on disk."""
    bundle.save(tmp_path / "bundle", "card")
    return tmp_path / "bundle"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten clips of noise in the TAU layout."""
    root = tmp_path / "data"
    generator = np.random.default_rng(1)
    (root / "audio").mkdir(parents=True)
    (root / "evaluation_setup").mkdir()
    rows = []
    for number in range(CLIPS):
        scene, device = CLASSES[number % 3], "ab"[number % 2]
        name = f"audio/{scene}-lisbon-{number}-1-{device}.wav"
        soundfile.write(root / name, generator.normal(0, 0.1, 44100), 44100, subtype="PCM_16")
        rows.append((name, scene))
    with (root / "evaluation_setup" / f"{SPLIT}.csv").open("w", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows([("filename", "scene_label"), *rows])
    return root


@pytest.fixture
def board(bundle: Bundle) -> FakeBoard:
    """A board that carries the bundle."""
    return FakeBoard(info_of(bundle))


Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture
def evaluate(folder: Path, data: Path, tmp_path: Path) -> Evaluate:
    """Run the verb against a port and return its JSON."""

    def run(port: FakePort, mode: str = "features", limit: int | None = None, **paths: Path | None) -> dict[str, Any]:
        json_file = tmp_path / "device.json"
        json_file.unlink(missing_ok=True)
        report(
            Options(
                ports=[port.url],
                bundle=folder,
                data=data,
                split=SPLIT,
                mode=mode,
                limit=limit,
                journal=paths.get("journal"),
                as_json=json_file,
            )
        )
        return json.loads(json_file.read_text())

    return run


def expected(bundle: Bundle, data: Path, mode: str, limit: int | None = None) -> dict[str, Any]:
    """Compute the scores without any board."""
    dataset = Dataset(data)
    clips = evenly_spread(list(dataset.list(SPLIT)), limit)
    if mode == "features":
        images = features.extract(dataset, clips, bundle.frontend, engine="librosa").images
        sent = [bundle.quantised_features(image) for image in images]
    else:
        sent = [features.clip_pcm(dataset.path(clip), bundle.frontend) for clip in clips]
    outputs = np.stack([outputs_of(values.tobytes(), len(CLASSES)) for values in sent])
    return metrics.score(
        [str(clip.scene) for clip in clips], bundle.probabilities(outputs), [clip.device for clip in clips], CLASSES
    )


@pytest.mark.parametrize("mode", ["features", "audio"])
@pytest.mark.parametrize("limit", [None, 4])
def test_scores(board: FakeBoard, bundle: Bundle, data: Path, evaluate: Evaluate, mode: str, limit: int | None) -> None:
    """The JSON holds the scores of what the board answered, and what the board is."""
    with FakePort(board) as port:
        result = evaluate(port, mode, limit)
    scores = expected(bundle, data, mode, limit)
    assert {key: result[key] for key in SCORE_KEYS} == json.loads(json.dumps(scores))
    assert result["clips"] == (limit or CLIPS)
    assert (result["mode"], result["board"], result["identity"]) == (mode, "fake", bundle.identity)
    assert not result["emulated"]
    assert (result["microseconds"], result["frontend_microseconds"]) == (1234, 100 if mode == "audio" else None)


@pytest.mark.parametrize("mode", ["features", "audio"])
def test_restart_on_the_way(board: FakeBoard, bundle: Bundle, data: Path, evaluate: Evaluate, mode: str) -> None:
    """A board that restarts twice, once unseen, is asked again; the scores are the same."""
    with FakePort(board, restart_at=(20,), reset_at=(33,), banner=False) as port:
        result = evaluate(port, mode)
        assert port.connections == 2
    scores = expected(bundle, data, mode)
    assert (result["log_loss"], result["confusion"]) == (scores["log_loss"], scores["confusion"])


def test_another_bundle_is_refused(board: FakeBoard, bundle: Bundle, evaluate: Evaluate, tmp_path: Path) -> None:
    """A board with another bundle is refused before any clip; both identities are said, nothing is written."""
    board.info = replace(board.info, identity="fedcba9876543210")
    with FakePort(board) as port, pytest.raises(LinkError) as error:
        evaluate(port)
    assert "fedcba9876543210" in str(error.value)
    assert bundle.identity in str(error.value)
    assert set(board.asked) == {Request.HELLO, Request.INFO}
    assert not list(tmp_path.glob("device*"))


def interrupt_after(monkeypatch: pytest.MonkeyPatch, clips: int) -> None:
    """Press Ctrl-C after so many clips."""
    classify = Board.classify_features
    count = 0

    def interrupted(self: Board, image: np.ndarray) -> Inference:
        nonlocal count
        if count == clips:
            raise KeyboardInterrupt
        count += 1
        return classify(self, image)

    monkeypatch.setattr(Board, "classify_features", interrupted)


@pytest.mark.parametrize("named", [True, False])
def test_interrupted_run_resumes(
    board: FakeBoard,
    bundle: Bundle,
    data: Path,
    evaluate: Evaluate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: bool,
) -> None:
    """After Ctrl-C the same command sends only what is missing; a default journal is put aside at the end."""
    journal = tmp_path / "j.jsonl" if named else None
    written = journal or tmp_path / f"device.features.{bundle.identity[:8]}.journal.jsonl"
    with FakePort(board) as port:
        with monkeypatch.context() as patch:
            interrupt_after(patch, 4)
            with pytest.raises(KeyboardInterrupt):
                evaluate(port, journal=journal)
        assert len(written.read_text().splitlines()) == 1 + 4
        result = evaluate(port, journal=journal)
    assert board.asked[Request.FEATURES_RUN] == CLIPS
    assert result["log_loss"] == expected(bundle, data, "features")["log_loss"]
    assert written.exists() == named
    kept = written if named else tmp_path / f"device.features.{bundle.identity[:8]}.answers.jsonl"
    assert len(kept.read_text().splitlines()) == 1 + CLIPS


def test_limited_run_is_part_of_the_whole(board: FakeBoard, evaluate: Evaluate, tmp_path: Path) -> None:
    """With a journal of its own, a run on all clips goes on from a run on some."""
    with FakePort(board) as port:
        evaluate(port, limit=5, journal=tmp_path / "j.jsonl")
        assert evaluate(port, journal=tmp_path / "j.jsonl")["clips"] == CLIPS
        assert board.asked[Request.FEATURES_RUN] == CLIPS
        assert evaluate(port, journal=tmp_path / "j.jsonl")["clips"] == CLIPS
    assert board.asked[Request.FEATURES_RUN] == CLIPS


@pytest.mark.parametrize("bytes_left", [1, 20, 60])
def test_cut_off_last_line_is_sent_again(
    board: FakeBoard, bundle: Bundle, data: Path, evaluate: Evaluate, tmp_path: Path, bytes_left: int
) -> None:
    """What a kill cut off is dropped from the journal and asked again."""
    journal = tmp_path / "j.jsonl"
    with FakePort(board) as port:
        evaluate(port, journal=journal)
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:bytes_left])
        result = evaluate(port, journal=journal)
    assert board.asked[Request.FEATURES_RUN] == CLIPS + 1
    assert journal.read_bytes().splitlines(keepends=True) == lines
    assert result["log_loss"] == expected(bundle, data, "features")["log_loss"]


HEADER = Header(bundle="a" * 16, board="mps2", split="b" * 16, mode="features")


def test_cut_off_header_starts_over(tmp_path: Path) -> None:
    """A journal that was killed in its first line holds nothing."""
    path = tmp_path / "j.jsonl"
    path.write_text('{"journal": 1, "bun')
    with Journal(path, HEADER) as journal:
        journal.append("audio/x.wav", Inference(np.array([-128, 127], np.int8), 5), "port")
    with Journal(path, HEADER) as journal:
        assert journal.answers["audio/x.wav"].outputs.tolist() == [-128, 127]
        assert journal.answers["audio/x.wav"].outputs.dtype == np.int8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bundle": "c" * 16}, f"another bundle ({'a' * 16}, not {'c' * 16})"),
        ({"split": "c" * 16}, "another list of clips"),
        ({"mode": "audio"}, "another mode (features, not audio)"),
        ({"board": "stm32l496"}, "another board (mps2, not stm32l496)"),
    ],
)
def test_foreign_journal_is_refused(tmp_path: Path, change: dict[str, str], said: str) -> None:
    """Answers of another bundle, list, mode or board are never mixed in; the file stays as it is."""
    path = tmp_path / "j.jsonl"
    Journal(path, HEADER).__exit__(None, None, None)
    before = path.read_bytes()
    with pytest.raises(TinysceneError) as error:
        Journal(path, replace(HEADER, **change))
    assert f"{path}:1" in str(error.value)
    assert said in str(error.value)
    assert "name another --journal, or delete it" in str(error.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("nonsense", 2),
        ("[]", 2),
        ('{"clip": "audio/x.wav"}', 2),
        ('{"clip": "audio/x.wav", "outputs": [1, 300], "model_us": 1, "frontend_us": null}', 2),
        ('{"clip": "audio/x.wav", "outputs": ["?"], "model_us": 1, "frontend_us": null}', 2),
    ],
)
def test_damaged_line_is_named(tmp_path: Path, line: str, number: int) -> None:
    """A damaged line in the middle is not skipped in silence."""
    path = tmp_path / "j.jsonl"
    Journal(path, HEADER).__exit__(None, None, None)
    with path.open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(TinysceneError, match=f"j.jsonl:{number} is damaged"):
        Journal(path, HEADER)


@pytest.mark.parametrize("content", ["filename\tscene_label\n", "[1]\n", '{"journal": 99}\n'])
def test_file_that_is_no_journal(tmp_path: Path, content: str) -> None:
    """A file that is something else is not overwritten."""
    path = tmp_path / "meta.csv"
    path.write_text(content)
    with pytest.raises(TinysceneError, match="not the header of a journal"):
        Journal(path, HEADER)
    assert path.read_text() == content


def test_journal_in_use_or_in_the_way(tmp_path: Path) -> None:
    """Two evaluations do not write one journal; a folder is none."""
    with Journal(tmp_path / "j.jsonl", HEADER), pytest.raises(TinysceneError, match="in use"):
        Journal(tmp_path / "j.jsonl", HEADER)
    with pytest.raises(TinysceneError, match="cannot write the journal"):
        Journal(tmp_path, HEADER)


def test_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that cannot grow says so."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with Journal(tmp_path / "j.jsonl", HEADER) as journal:
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(TinysceneError, match="No space left on device; free some space"):
            journal.append("x", Inference(np.zeros(2, np.int8), 5), "port")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"mode": "video"}, "no mode 'video'; modes are features, audio"),
        ({"split": "fold9_evaluate"}, "fold9_evaluate"),
        ({"split": "empty.csv"}, "empty.csv:1: the list has no rows"),
        ({"split": "unknown.csv"}, "unknown.csv:2: audio/metro-lyon-1-1-a.wav has the scene metro"),
        ({"data": "nowhere"}, "is not a folder"),
        ({"bundle": "nowhere"}, "is not a bundle"),
    ],
)
def test_bad_arguments(folder: Path, data: Path, arguments: dict[str, str], said: str) -> None:
    """Mistakes are found before the port is opened."""
    (data / "evaluation_setup" / "empty.csv").write_text("filename\tscene_label\n")
    (data / "evaluation_setup" / "unknown.csv").write_text("filename\tscene_label\naudio/metro-lyon-1-1-a.wav\tmetro\n")
    paths = {"bundle": folder, "data": data} | {key: Path(value) for key, value in arguments.items()}
    with pytest.raises(TinysceneError) as error:
        report(
            Options(
                ports=["socket://127.0.0.1:1"],
                bundle=paths["bundle"],
                data=paths["data"],
                split=arguments.get("split", SPLIT),
                mode=arguments.get("mode", "features"),
            )
        )
    assert said in str(error.value)


def test_ctrl_c_exits_with_130(
    board: FakeBoard, folder: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the command line Ctrl-C leaves the journal and exits with 130."""
    interrupt_after(monkeypatch, 2)
    journal = tmp_path / "j.jsonl"
    with FakePort(board) as port:
        arguments = ["--port", port.url, "--bundle", str(folder), "--data", str(data), "--split", SPLIT]
        result = CliRunner().invoke(app, ["device", "evaluate", *arguments, "--journal", str(journal)])
    assert result.exit_code == 130
    assert len(journal.read_text().splitlines()) == 1 + 2


def test_progress_counts_what_was_known(
    board: FakeBoard, evaluate: Evaluate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A resumed run says where it got answers from; the tables follow."""
    with FakePort(board) as port:
        evaluate(port, limit=5, journal=tmp_path / "j.jsonl")
        evaluate(port, journal=tmp_path / "j.jsonl")
    captured = capsys.readouterr()
    assert f"5 of 10 predictions are in {tmp_path}" in captured.err.replace("\n", "")
    assert "log loss" in captured.out
    assert "1.2 ms a clip (median) on the board" in captured.out


# ------------------------------------------------------------------------------------------- several boards, and files


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The host's INT8 run, in the place of TensorFlow Lite's: the fake boards' own answers. Keeps the inputs."""
    inputs: list[np.ndarray] = []

    def run(bundle: Bundle, images: FeatureImages) -> np.ndarray:
        inputs.append(bundle.quantised_features(images[:]))
        return np.stack([outputs_of(image.tobytes(), len(CLASSES)) for image in inputs[-1]])

    monkeypatch.setattr("tinyscene.evaluation.scoring.run", run)
    return inputs


def test_two_boards_one_killed_on_the_way(
    board: FakeBoard,
    bundle: Bundle,
    folder: Path,
    data: Path,
    tmp_path: Path,
    reference: list[np.ndarray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The journal has each clip once, and scores and files are those of one board."""
    other = FakeBoard(board.info)
    # The second is slow, or it would at times answer all clips while the first one starts, on a busy machine.
    with FakePort(board, restart_at=(10,)) as first, FakePort(other, answer_after=0.02) as second:
        report(
            Options(
                ports=[first.url, second.url],
                bundle=folder,
                data=data,
                split=SPLIT,
                journal=tmp_path / "j.jsonl",
                as_json=tmp_path / "device.json",
                submission=tmp_path / "submission.csv",
                diff=tmp_path / "diff.tsv",
            )
        )
    _, *lines = map(json.loads, (tmp_path / "j.jsonl").read_text().splitlines())
    clips = list(Dataset(data).list(SPLIT))
    assert sorted(line["clip"] for line in lines) == sorted(clip.filename for clip in clips)
    result = json.loads((tmp_path / "device.json").read_text())
    scores = expected(bundle, data, "features")
    assert {key: result[key] for key in SCORE_KEYS} == json.loads(json.dumps(scores))
    assert set(result["boards"]) == {first.url, second.url}
    assert sum(about["clips"] for about in result["boards"].values()) == CLIPS
    assert result["boards"][first.url]["build"] == INFO.build
    assert result["host"] == {"clips": CLIPS, "identical": CLIPS, "same_class": CLIPS, "max_abs_diff": 0}
    assert len(reference[0]) == CLIPS
    assert [line.split("\t")[0] for line in (tmp_path / "diff.tsv").read_text().splitlines()] == ["filename"]
    assert f"outputs of {CLIPS} clips compared" in capsys.readouterr().out
    rows = (tmp_path / "submission.csv").read_text().splitlines()
    assert rows[0] == "filename\tscene_label\tbus\tpark\ttram"
    assert [row.split("\t")[0] for row in rows[1:]] == [clip.filename for clip in clips]


def test_another_list_of_boards_resumes(
    board: FakeBoard, folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One board, then two others: only what is missing is asked, and who answered what is kept."""
    options = Options(ports=(), bundle=folder, data=data, split=SPLIT, journal=tmp_path / "j.jsonl")
    with FakePort(board) as port:
        report(replace(options, ports=[port.url], limit=4))
        first = port.url
    others = FakeBoard(board.info), FakeBoard(board.info)
    with FakePort(others[0]) as one, FakePort(others[1]) as two:
        report(replace(options, ports=[one.url, two.url], as_json=tmp_path / "device.json"))
    assert sum(other.asked[Request.FEATURES_RUN] for other in others) == CLIPS - 4
    boards = json.loads((tmp_path / "device.json").read_text())["boards"]
    assert (boards[first]["clips"], "board" in boards[first]) == (4, False)
    assert f"{first}: 4 clips" in capsys.readouterr().out.replace("\n", "")


def test_an_unlabelled_list_gives_a_submission(board: FakeBoard, folder: Path, data: Path, tmp_path: Path) -> None:
    """The challenge's evaluation list has no labels: there are answers, and no scores."""
    names = [clip.filename for clip in Dataset(data).list(SPLIT)]
    (data / "evaluation_setup" / "fold1_test.csv").write_text("\n".join(["filename", *names]) + "\n")
    with FakePort(board) as port:
        options = Options(ports=[port.url], bundle=folder, data=data, split="fold1_test", as_json=tmp_path / "d.json")
        with pytest.raises(TinysceneError, match="no labels"):
            report(options)
        report(replace(options, submission=tmp_path / "s.csv"))
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 1 + CLIPS
    assert "accuracy" not in json.loads((tmp_path / "d.json").read_text())


def test_a_subset_has_intervals(
    board: FakeBoard, folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are in the JSON and printed."""
    with FakePort(board) as port:
        options = Options(ports=[port.url], bundle=folder, data=data, split=SPLIT, subset=6)
        report(replace(options, as_json=tmp_path / "d.json"))
        with pytest.raises(TinysceneError, match="both --clips and --subset"):
            report(replace(options, limit=3))
    result = json.loads((tmp_path / "d.json").read_text())
    assert result["clips"] == 6
    for key in ("accuracy", "log_loss"):
        low, high = result["intervals"][key]
        assert low < result[key] < high
    assert "of all 10 clips, with 95 % confidence: accuracy" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------------ watching


def test_info(board: FakeBoard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a board is, as a table and as JSON."""
    with FakePort(board) as port:
        monitor.info(port.url, tmp_path / "info.json")
    about = json.loads((tmp_path / "info.json").read_text())
    assert (about["board"], about["identity"], about["labels"]) == ("fake", board.info.identity, list(CLASSES))
    assert about["statistics"]["frames_ok"] == 6  # the first two requests it does not know
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for said in (
        "board fake, 25 MHz",
        f"build {INFO.build}",
        f"bundle student, identity {board.info.identity}",
        f"clip 1 s: {board.info.clip_samples:,} samples at {board.info.sample_rate:,} Hz",
        "classes 3: bus, park, tram",
        "outputs logits: 0.0625 * (INT8 + 3)",
        "frames received 6",
        "bytes lost 0",
    ):
        assert said in shown


def test_classify(board: FakeBoard, bundle: Bundle, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The probabilities are those of the very clip, the likeliest first, with the times."""
    clip = next(Dataset(data).list(SPLIT))
    samples = features.clip_pcm(data / clip.filename, bundle.frontend)
    probabilities = bundle.probabilities(outputs_of(samples.tobytes(), len(CLASSES)))
    with FakePort(board) as port:
        monitor.classify(port.url, data / clip.filename)
    *lines, times = capsys.readouterr().out.splitlines()
    order = np.argsort(-probabilities)
    assert [line.split() for line in lines] == [[CLASSES[k], f"{probabilities[k]:.1%}"] for k in order]
    assert times == "front end 0.1 ms, model 1.2 ms"


def test_stream_a_file(board: FakeBoard, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stereo file of another rate is played as whole clips; every clip gives a line."""
    noise = np.random.default_rng(1).normal(0, 0.1, (int(2.6 * 16000), 2))
    soundfile.write(tmp_path / "long.flac", noise, 16000)
    with FakePort(board) as port:
        streaming.stream(port.url, tmp_path / "long.flac", False, streaming.Wishes(), None)
    captured = capsys.readouterr()
    streamed = [parse_probabilities(line) for line in captured.out.splitlines()]
    assert [tuple(line or ()) for line in streamed] == [CLASSES] * 2
    assert "0.60 s" in captured.err
    assert board.asked[Request.STREAM_STOP] == 1


def test_stream_stops_in_time(board: FakeBoard, data: Path) -> None:
    """Only listening ends after the seconds given; a file that is played is left early."""
    with FakePort(board) as port:
        streaming.stream(port.url, None, False, streaming.Wishes(), 0.05)
        streaming.stream(port.url, next((data / "audio").iterdir()), False, streaming.Wishes(), 0.0)
    assert board.asked[Request.STREAM_WRITE] == board.asked[Request.STREAM_STOP] == 1


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.5, "lasts 0.50 s, and the board's clips last 1.00 s"), (None, "cannot")]
)
def test_unusable_audio(board: FakeBoard, tmp_path: Path, seconds: float | None, said: str) -> None:
    """A file that is too short or no audio is refused, with its name."""
    path = tmp_path / "x.wav"
    if seconds:
        soundfile.write(path, np.zeros(int(seconds * 44100)), 44100)
    with FakePort(board) as port, pytest.raises(TinysceneError, match=r"x\.wav") as error:
        monitor.classify(port.url, path)
    assert said in str(error.value)


def test_bars_on_a_terminal(board: FakeBoard, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the lines become bars."""
    from rich.console import Console

    terminal = Console(force_terminal=True, width=80, record=True)
    monkeypatch.setattr(streaming, "console", terminal)
    with FakePort(board) as port:
        streaming.stream(port.url, next((data / "audio").iterdir()), False, streaming.Wishes(), None)
    shown = terminal.export_text()
    assert "park" in shown
    assert "100%" in shown
    assert "park:" not in shown
