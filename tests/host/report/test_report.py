"""The page about a run shows what its files hold, says what is missing, and needs no other file."""

import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest

import runs
from tinyscene import figures, files
from tinyscene.advice.needs import Fit, Needs
from tinyscene.bundle import Bundle
from tinyscene.errors import TinysceneError
from tinyscene.firmware import boards
from tinyscene.report import page as report_page

TAKEN = Fit(boards.named("nano33ble"), Needs(20_000, 60_000, 1234, 10**7, 1.0))


class Page(html.parser.HTMLParser):
    """Checks that tags close in order, and keeps the text that a reader sees."""

    VOID = frozenset({"meta", "br", "img", "link", "hr", "input"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.source = path.read_text()
        self.feed(self.source)
        assert self.open == []
        self.text = re.sub(r"\s+([:,]?)", r"\1 ", " ".join(self.words)).replace("  ", " ")

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for key, value in attributes if key == "id"]
        self.addresses += [value or "" for key, value in attributes if key in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return runs.write_run(tmp_path / "student")


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds; most tests are about the words."""
    for name in ("learning_curves", "confusion", "reliability", "save_png"):
        monkeypatch.setattr(figures, name, lambda *_: None)
    monkeypatch.setattr(report_page, "_takes", lambda _: [TAKEN])
    monkeypatch.setattr(figures, "svg", lambda figure, description: f"<svg><title>{description}</title></svg>")  # noqa: ARG005


def page(folder: Path) -> Page:
    path = report_page.write(folder)
    assert path == folder / "report.html"
    return Page(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Page]:
    """A finished run with a board's scores, and its page with pictures; read only."""
    folder = runs.write_run(tmp_path_factory.mktemp("finished") / "student")
    runs.write_board(folder)
    return folder, page(folder)


def row_of(shown: Page, name: str, clips: int) -> list[str]:
    """The figures in the row of a table."""
    row = re.search(rf"\b{name} {clips} ([\d. ]+)", shown.text)
    assert row is not None, name
    return row[1].split()


def test_a_finished_run(finished: tuple[Path, Page]) -> None:
    run, shown = finished
    assert "Missing" not in shown.text
    evaluation = json.loads((run / "evaluation.json").read_text())
    for form in ("float", "int8"):
        assert f"{100 * evaluation[form]['accuracy']:.1f} %" in shown.text
        assert f"log loss {evaluation[form]['log_loss']:.3f}, 200 clips" in shown.text
        for group in ("per_scene", "per_device"):
            for name, scores in evaluation[form][group].items():
                cells = row_of(shown, name.replace("_", " "), evaluation["float"][group][name]["clips"])
                assert f"{100 * scores['accuracy']:.1f}" in cells
                assert f"{scores['log_loss']:.3f}" in cells
    for expected in ("57,660", "26,116,388", "128,000", "within them", "CONV_2D", "1x80x51x32"):
        assert expected in shown.text
    for expected in (
        "features",
        "model, ms a clip (median) 48.2",
        "network's arena has 17,504 bytes",
        "nano33ble, 64 MHz",
        "52 µA/MHz at 3 V (nRF52840 Product Specification",
        "metro station (90.0 %), but it is bus audio/bus-0.wav",
        "The board: its scores are the host's",
        "95 %: 41.2 to 57.7 %, 1.31 to 1.79",
        Bundle.load(run / "bundle").identity,
        "0123abc",
        'name = "student"',
    ):
        assert expected in shown.text
    pictures = sorted(path.name for path in (run / "figures").iterdir())
    assert pictures == [
        "confusion_INT8.png",
        "confusion_float.png",
        "curves_student.png",
        "curves_teacher.png",
        "reliability.png",
    ]
    assert all((run / "figures" / name).read_bytes().startswith(b"\x89PNG") for name in pictures)


def test_the_page_stands_alone(finished: tuple[Path, Page]) -> None:
    _, shown = finished
    assert len(shown.ids) == len(set(shown.ids))
    inside = [address for address in shown.addresses if address.startswith("data:")]
    assert sum(address.startswith("data:image/png;base64,") for address in inside) == 3
    assert sum(address.startswith("data:audio/wav;base64,") for address in inside) == 3
    others = [address for address in shown.addresses if address not in inside]
    assert all(address.startswith("#") and address[1:] in shown.ids for address in others)
    references = re.findall(r"url\(([^)]*)\)", shown.source)
    assert all(reference[1:] in shown.ids for reference in references)
    assert "<script" not in shown.source
    assert "@import" not in shown.source
    assert shown.source.count('role="img"') == shown.source.count("<svg") == 7


def test_the_confusion_matrix_is_in_the_picture(finished: tuple[Path, Page]) -> None:
    run, shown = finished
    evaluation = json.loads((run / "evaluation.json").read_text())
    drawing = shown.source.split("Confusion matrix. INT8")[1].split("</svg>")[0]
    drawn = sorted(int(share) for share in re.findall(r">(\d+)</text>", drawing))
    counts = evaluation["int8"]["confusion"]
    assert drawn == sorted(round(100 * count / sum(row)) for row in counts for count in row if count)


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("evaluation.json", "Missing: evaluation.json"),
        ("complexity.json", "Missing: complexity.json"),
        ("config.toml", "Missing: config.toml"),
        ("bundle.txt", "Missing: a bundle"),
        ("bundle/model.tflite", "is not a bundle"),
        ("device.json", "Missing: device.json"),
        ("misheard.npz", "Missing: misheard.npz"),
    ],
)
def test_what_is_missing_is_said(run: Path, missing: str, said: str) -> None:
    runs.write_board(run)
    (run / missing).unlink()
    assert said in page(run).text


@pytest.mark.usefixtures("without_pictures")
def test_a_run_in_its_first_epoch(tmp_path: Path) -> None:
    folder = tmp_path / "early"
    (folder / "teacher").mkdir(parents=True)
    (folder / "config.toml").write_text("seed = 1\n")
    (folder / "teacher" / "history.jsonl").write_text(json.dumps(runs.history(1)[0]) + "\n")
    (folder / "student").mkdir()
    (folder / "student" / "history.jsonl").write_text("")
    shown = page(folder)
    assert "Not scored yet" in shown.text
    assert "Learning curves of the teacher" in shown.source
    assert "Learning curves of the student" not in shown.source


def test_curves_of_folds_have_a_mean() -> None:
    figure = figures.learning_curves([runs.history(5, seed) for seed in range(3)], "student")
    loss = figure.axes[0]
    legend = [text.get_text() for text in loss.get_legend().get_texts()]
    assert legend == ["training loss, mean of folds", "validation log loss, mean of folds"]
    assert len(loss.lines) == 2 * (3 + 1)
    mean = np.mean([[epoch["loss"] for epoch in runs.history(5, seed)] for seed in range(3)], axis=0)
    np.testing.assert_allclose(loss.lines[3].get_ydata(), mean)


def test_a_reliability_diagram_shows_every_bin_with_clips() -> None:
    bins = [
        {"above": 0.2, "clips": 30, "confidence": 0.27, "accuracy": 0.2},
        {"above": 0.8, "clips": 10, "confidence": 0.9, "accuracy": 0.75},
    ]
    before, after = figures.reliability(
        {"INT8": {"ece": 0.09, "bins": bins}, "calibrated": {"ece": 0, "bins": bins}}
    ).axes
    assert [before.get_title(loc="left"), after.get_title(loc="left")] == [
        "INT8: calibration error 0.090",
        "calibrated: calibration error 0.000",
    ]
    np.testing.assert_allclose(before.lines[1].get_xydata(), [[0.27, 0.2], [0.9, 0.75]])
    np.testing.assert_allclose([bar.get_height() for bar in before.patches], [0.75, 0.25])


@pytest.mark.usefixtures("without_pictures")
def test_calibrated_scores_stand_beside_the_others(run: Path) -> None:
    path = run / "evaluation.json"
    evaluation = json.loads(path.read_text())
    tempered = {**evaluation["int8"], "log_loss": 1.2345}
    path.write_text(json.dumps({**evaluation, "calibrated": {"temperature": 1.5, "int8": tempered}}))
    shown = page(run)
    assert "INT8, calibrated" in shown.text
    assert "log loss 1.234" in shown.text or "log loss 1.235" in shown.text
    assert "Reliability diagram" in shown.source


@pytest.mark.usefixtures("without_pictures")
def test_what_int8_changes_is_said_where_it_is_known(run: Path) -> None:
    assert "INT8 − float, clip by clip" not in page(run).text
    path = run / "evaluation.json"
    paired = {
        "accuracy": -0.0123,
        "log_loss": 0.0456,
        "intervals": {"accuracy": [-0.03, 0.01], "log_loss": [0.01, 0.1]},
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), "int8_minus_float": paired}))
    said = "accuracy -1.2 points (95 %: -3.0 to +1.0), log loss +0.046 (95 %: +0.010 to +0.100)."
    assert f"INT8 − float, clip by clip: {said}" in page(run).text


@pytest.mark.usefixtures("without_pictures")
def test_teachers_stand_beside_the_student(run: Path) -> None:
    assert "teachers together" not in page(run).text
    path = run / "evaluation.json"
    evaluation = json.loads(path.read_text())
    one = {"accuracy": 0.4321, "log_loss": 1.6543, "intervals": {"accuracy": [0.4, 0.5], "log_loss": [1.5, 1.8]}}
    scores = {"each": {"one": one, "two": one}, "together": {**one, "accuracy": 0.5432}}
    path.write_text(json.dumps({**evaluation, "teachers": scores}))
    text = page(run).text
    for expected in (
        "teacher one 43.2 % (40.0 to 50.0) 1.654 (1.50 to 1.80)",
        "teachers together 54.3 % (40.0 to 50.0)",
    ):
        assert expected in text
    assert f"student {100 * evaluation['float']['accuracy']:.1f} % (41.2 to 57.7)" in text
    del one["intervals"]
    path.write_text(json.dumps({**evaluation, "teachers": scores}))
    with pytest.raises(TinysceneError, match=r"evaluation\.json is damaged \(no intervals\)"):
        report_page.write(run)


def test_names_of_classes_are_text_in_figures() -> None:
    """A dollar sign would begin a formula, and a broken one end the report with a traceback."""
    names = [r"$\frac{$", "a$b$", "_^{", "x" * 40]
    scores = {"confusion": np.eye(4, dtype=int).tolist(), "classes": names}
    drawing = figures.svg(figures.confusion(scores, "title $x"), "title")
    assert r"$\frac{$" in drawing


def test_curves_without_validation() -> None:
    history = [{**epoch, "val_log_loss": None, "val_accuracy": None} for epoch in runs.history(4)]
    loss, accuracy, _ = figures.learning_curves([history], "student").axes
    assert [line.get_label() for line in loss.lines] == ["training loss"]
    assert len(accuracy.lines) == 0


@pytest.mark.usefixtures("without_pictures")
def test_cross_validation(tmp_path: Path) -> None:
    folder = runs.write_run(tmp_path / "cv", networks=())
    for number in range(1, 6):
        runs.write_run(folder / f"fold{number}", seed=number)
    runs.write_run(folder / "final", seed=9)
    runs.write_board(folder / "final")
    (folder / "fold5" / "evaluation.json").unlink()
    shown = page(folder)
    assert "5-fold cross-validation" in shown.text
    assert "fold5 not scored yet" in shown.text
    score = json.loads((folder / "fold2" / "evaluation.json").read_text())
    assert f"fold2 200 {100 * score['float']['accuracy']:.1f}" in shown.text
    assert "Missing" not in shown.text


@pytest.mark.usefixtures("without_pictures")
def test_the_time_of_an_emulator_is_not_a_boards(run: Path) -> None:
    runs.write_board(run, emulated=True)
    text = page(run).text
    assert "mps2, emulated" in text
    assert "how long it took is this machine's time" in text
    assert "ms a clip" not in text
    assert "48.2" not in text


@pytest.mark.usefixtures("without_pictures")
def test_several_boards_have_a_row_each(run: Path) -> None:
    runs.write_board(run, ports=2)
    text = page(run).text
    assert "/dev/ttyACM0 100 clips, 48.2 ms each" in text
    assert "microseconds" not in text


@pytest.mark.usefixtures("without_pictures")
def test_what_it_takes_of_a_board(run: Path) -> None:
    text = page(run).text
    assert "network's arena has 1,234 bytes" in text
    assert "nano33ble, 64 MHz 112 of 256 108 of 960 273 2.7" in text


@pytest.mark.usefixtures("without_pictures")
def test_sound_is_only_where_the_licence_lets_it_be(run: Path) -> None:
    runs.write_misheard(run, clips=20, seconds=0)
    shown = page(run)
    assert shown.source.count("data:image/png") == 12
    assert "data:audio" not in shown.source
    assert "Their sound is not on this page" in shown.text
    runs.write_misheard(run, clips=0)
    assert "No test clip was answered wrongly" in page(run).text


@pytest.mark.usefixtures("without_pictures")
def test_one_teacher_is_called_so_once(run: Path) -> None:
    path = run / "evaluation.json"
    evaluation = json.loads(path.read_text())
    one = {"accuracy": 0.4, "log_loss": 1.6, "intervals": {"accuracy": [0.4, 0.5], "log_loss": [1.5, 1.8]}}
    path.write_text(json.dumps({**evaluation, "teachers": {"each": {"teacher": one}}}))
    assert "teacher teacher" not in page(run).text
    assert "teacher 40.0 %" in page(run).text


@pytest.mark.usefixtures("without_pictures")
def test_a_board_that_differs_is_shown(run: Path) -> None:
    runs.write_board(run)
    (run / "host.json").write_text(json.dumps(runs.score(102)))
    assert "its scores are not the host's" in page(run).text


@pytest.mark.usefixtures("without_pictures")
def test_text_from_files_is_not_markup(run: Path) -> None:
    (run / "config.toml").write_text('name = "<script>alert(1)</script>"\n')
    assert "<script>alert" in page(run).text


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("misheard.npz", "{", r"misheard\.npz is damaged"),
        ("evaluation.json", "{", r"evaluation\.json is damaged \(.*line 1"),
        ("complexity.json", "[1]", r"complexity\.json is damaged \(not a JSON object\)"),
        ("student/history.jsonl", "nonsense", r"history\.jsonl is damaged \(line 1: Expecting"),
        ("student/history.jsonl", '{"epoch": 1}\n', r"history\.jsonl is damaged \(line 1: no learning_rate"),
        ("config.toml", "seed = ", r"config\.toml is damaged"),
        ("evaluation.json", '{"split": "x", "int8": {"accuracy": 1}}', r"evaluation\.json is damaged \(no clips"),
    ],
)
def test_a_damaged_file_is_named(run: Path, name: str, content: str, said: str) -> None:
    (run / name).write_text(content)
    with pytest.raises(TinysceneError, match=said):
        report_page.write(run)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "is not the folder of a run: it is missing"), ("", "holds no run")]
)
def test_not_a_run(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(TinysceneError, match=said):
        report_page.write(tmp_path / name)


@pytest.mark.usefixtures("without_pictures")
def test_a_full_disk_keeps_the_old_page(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report_page.write(run)
    old = (run / "report.html").read_bytes()

    def full(path: Path, _: str) -> None:
        raise TinysceneError(f"cannot write {path}")

    monkeypatch.setattr(files, "write_text", full)
    with pytest.raises(TinysceneError, match=r"report\.html"):
        report_page.write(run)
    assert (run / "report.html").read_bytes() == old
