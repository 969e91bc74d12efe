"""The command line: mistakes are one sentence and exit code 1, Ctrl-C is 130, and every verb is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import runs
from command_line import run as tinyscene
from tinyscene import __version__
from tinyscene.device.emulators import emulate
from tinyscene.errors import TinysceneError
from tinyscene.experiments import search_run
from tinyscene.report import page as report_page

VERBS = (
    "doctor",
    "data check",
    "data synth",
    "features",
    "train",
    "evaluate",
    "card",
    "compare",
    "microphones",
    "at-rate",
    "complexity",
    "compile",
    "verify",
    "export",
    "emulate",
    "device info",
    "device check",
    "device stream",
    "device classify",
    "device evaluate",
    "device verify",
    "device upload",
    "device reboot",
    "device profile",
    "bench",
    "cycles",
    "size",
    "frontend check",
    "frontend rates",
    "frontend golden",
    "compare-runtimes",
    "results",
    "experiment list",
    "experiment run",
    "experiment augmentations",
    "search",
    "packs install",
    "packs list",
    "packs files",
    "report",
)
# A TCP port that nothing listens on: what a board that was unplugged looks like.
NO_BOARD = "socket://127.0.0.1:1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bundle that carries no real model, and files that are not what they are named."""
    runs.bundle().save(tmp_path / "bundle", "# Card\n")
    (tmp_path / "nonsense.tflite").write_bytes(b"no model at all")
    (tmp_path / "nonsense.toml").write_text("name = ")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "data check {}/nowhere",
        "data synth {}/nonsense.toml/data --clips-per-scene 10",
        "features {}/nowhere",
        "features {}/empty",
        "features {}/empty --config {}/nonsense.toml",
        "features {}/empty --preset p1 --bundle {}/bundle",
        "features {}/empty --estimate --scheduler tcp://127.0.0.1:1",
        "features {}/empty --workers 1 --scheduler tcp://127.0.0.1:1",
        "train {}/nowhere.toml --data {}/empty --out {}/out",
        "train {}/nonsense.toml --data {}/empty --out {}/out",
        "evaluate {}/nowhere --data {}/empty --split x.csv",
        "evaluate {}/bundle --data {}/empty --split x.csv",
        "compare {}/nowhere {}/nowhere --data {}/empty",
        "microphones {}/nowhere --data {}/empty --impulse-responses {}/empty",
        "at-rate {}/nowhere 16000 --out {}/out",
        "at-rate {}/bundle 44100 --out {}/out",
        "at-rate {}/bundle 0 --out {}/out",
        "at-rate {}/bundle 7 --out {}/out",
        "at-rate --out {}/out -- {}/bundle -16000",
        "at-rate {}/bundle 192001 --out {}/out",
        "at-rate {}/bundle 16000 --out {}/bundle",
        "at-rate {}/bundle 16000 --out {}/nonsense.toml/out",
        "complexity nothing",
        "complexity {}/nonsense.tflite",
        "compile {}/nowhere.tflite --out {}/out",
        "compile {}/nonsense.tflite --out {}/out",
        "verify {}/nowhere.tflite",
        "verify {}/nonsense.tflite",
        "export {}/nowhere --out {}/out",
        "export {}/bundle --out {}/out",
        "emulate moon",
        f"device info --port {NO_BOARD}",
        f"device check --bundle {{}}/bundle --port {NO_BOARD}",
        f"device check --bundle {{}}/nowhere --port {NO_BOARD}",
        f"device classify --port {NO_BOARD} {{}}/nowhere.wav",
        f"device stream --port {NO_BOARD} --seconds 1",
        f"device evaluate --port {NO_BOARD} {{}}/bundle --data {{}}/empty --split x.csv",
        f"device verify --port {NO_BOARD}",
        f"device verify --port {NO_BOARD} --bundle {{}}/nowhere",
        f"device reboot --port {NO_BOARD}",
        "device upload {}/nowhere.bin",
        "device upload {}/nonsense.tflite",
        "report {}/nowhere",
        "report {}/empty",
    ],
)
def test_a_mistake_is_one_sentence(
    words: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    command = [word.replace("{}", str(folder)) for word in words.split()]
    assert tinyscene(monkeypatch, *command) == 1
    said = capsys.readouterr().err
    assert re.fullmatch(r"error: \S[^\n]*\n", said), said
    assert "Traceback" not in said
    assert sorted(folder.rglob("*")) == before, "something half-written was left"


def test_brackets_in_a_message_are_not_markup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(_: Path) -> Path:
        raise TinysceneError("a[bold]b[/bold] " + "long " * 100)

    (tmp_path / "config.toml").write_text("")

    monkeypatch.setattr(report_page, "write", write)
    assert tinyscene(monkeypatch, "report", tmp_path) == 1
    assert capsys.readouterr().err.startswith("error: a[bold]b[/bold] long")


def test_a_fault_of_ours_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(_: Path) -> Path:
        raise ZeroDivisionError

    (tmp_path / "config.toml").write_text("")
    monkeypatch.setattr(report_page, "write", write)
    with pytest.raises(ZeroDivisionError):
        tinyscene(monkeypatch, "report", tmp_path)


def test_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def write(*_: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(report_page, "write", write)
    monkeypatch.setattr(emulate, "run", write)
    monkeypatch.setattr(search_run, "report", write)
    (tmp_path / "config.toml").write_text("")
    for words in (("report", tmp_path), ("emulate", "mps2")):
        assert tinyscene(monkeypatch, *words) == 130
        assert capsys.readouterr().err == "stopped\n", "the same command starts again"
    assert tinyscene(monkeypatch, "search", tmp_path / "config.toml", "--data", tmp_path) == 130
    assert capsys.readouterr().err == "stopped; run the same command to resume\n"


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert tinyscene(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"tinyscene {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tinyscene(monkeypatch, *verb.split(), "--help") == 0
    assert f"tinyscene {verb}" in capsys.readouterr().out


def test_help_shows_the_usual_path_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert tinyscene(monkeypatch, "--help") == 0
    shown = re.findall(r"^│ ([a-z][a-z-]+)  ", capsys.readouterr().out, re.MULTILINE)
    path = ["data", "train", "evaluate", "export", "emulate", "device"]
    assert [verb for verb in shown if verb in path] == path
    assert shown.index("device") < shown.index("bench") < shown.index("experiment")
    assert {verb.split()[0] for verb in VERBS} == set(shown), "every verb is in the list above, and the other way round"


@pytest.mark.parametrize(
    ("module", "verb"),
    [
        ("frontend_check", "frontend check"),
        ("rate_check", "frontend rates"),
        ("golden", "frontend golden"),
        ("sizes", "size"),
        ("results_docs", "results"),
        ("augmentation_figure", "experiment augmentations"),
        ("tflm.compare", "compare-runtimes"),
    ],
)
def test_what_became_a_verb_can_be_run_as_before(module: str, verb: str) -> None:
    command = [sys.executable, "-m", f"tinyscene.{module}", "--help"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stderr == f"this is now: tinyscene {verb}\n"
    assert f"tinyscene {verb}" in answer.stdout


def test_shell_completion_is_offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert tinyscene(monkeypatch, "--help") == 0
    assert "--install-completion" in capsys.readouterr().out


def test_starting_loads_nothing_heavy() -> None:
    heavy = ["tensorflow", "keras", "librosa", "matplotlib", "sklearn"]
    code = f"import sys, tinyscene.cli; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded == "[]\n"


def test_the_installed_command_and_the_module_are_the_same() -> None:
    commands = ([Path(sys.executable).parent / "tinyscene"], [sys.executable, "-m", "tinyscene"])
    said = [
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        for command in commands
    ]
    assert said[0] == said[1] == f"tinyscene {__version__}\n"
