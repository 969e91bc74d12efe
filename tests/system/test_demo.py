"""The walking chain, in miniature: `scripts/demo` from synthetic clips to the scores of an emulated board."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clean_checkout import CleanCheckout
from tinyscene.bundle.bundle import Bundle
from tinyscene.paths import REPOSITORY

CONFIG = """
name = "miniature"
[data]
folds = 1
[teacher]
network = "teacher"
width = 0.05
epochs = 1
[student]
network = "student"
epochs = 1
"""
CLIPS, AUDIO_CLIPS = 4, 1
MINIATURE = ["--clips-per-scene", "10", "--limit", str(CLIPS), "--audio-limit", str(AUDIO_CLIPS)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout, so that the user's own build and generated sources stay as they are; an awkward path."""
    project = CleanCheckout(tmp_path_factory.mktemp("project") / "sp äce (1) [b]").folder
    shutil.copytree(REPOSITORY / "scripts", project / "scripts")
    (project / "miniature.toml").write_text(CONFIG)
    return project


def demo(project: Path, *options: str, config: str = "miniature.toml") -> "subprocess.Popen[str]":
    """Start the demo of the copy; its output, errors included, comes line by line."""
    return subprocess.Popen(
        [sys.executable, "scripts/demo", "--config", config, *options],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project / "host")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def finished(project: Path) -> tuple[Path, str]:
    """The run's folder of a finished demo, and what it printed."""
    with demo(project, *MINIATURE) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output[-5000:]
    return project / "runs" / "demo-synthetic", output


def test_every_command_is_shown_before_it_runs(finished: tuple[Path, str]) -> None:
    _, output = finished
    commands = [line.split()[1:4] for line in output.splitlines() if line.startswith("$ ")]
    assert [" ".join(words[: 1 + (words[1] in ("data", "device")) + 1]) for words in commands] == [
        "tinyscene data synth",
        "tinyscene data check",
        "tinyscene train",
        "tinyscene complexity",
        "tinyscene export",
        "pio run",
        "tinyscene emulate",
        "tinyscene device info",
        *["tinyscene device evaluate", "tinyscene evaluate"] * 2,
        "tinyscene report",
    ]


@pytest.mark.parametrize(("mode", "clips"), [("features", CLIPS), ("audio", AUDIO_CLIPS)])
def test_the_board_scores_as_the_host_does(finished: tuple[Path, str], mode: str, clips: int) -> None:
    folder, output = finished
    board = json.loads((folder / f"device_{mode}.json").read_text())
    host = json.loads((folder / f"host_{mode}.json").read_text())
    assert {key: board[key] for key in host} == host
    assert (board["clips"], board["mode"]) == (clips, mode)
    assert board["identity"] == Bundle.load(folder / "bundle").identity
    assert f"The board's scores are the host's: accuracy {host['accuracy']:.2%}" in output


def shown_in_readme() -> list[str]:
    """The lines of README's picture of the demo, without those that stand for left-out ones."""
    block = (REPOSITORY / "README.md").read_text().split("$ make demo\n")[1].split("```")[0]
    return [line for line in block.splitlines() if line.strip(".")]


def masked(line: str) -> str:
    """A line without its figures, which are another machine's or another configuration's."""
    line = line.replace("configs/demo.toml", "miniature.toml").replace("bundle demo", "bundle miniature")
    line = re.sub(r"\([0-9a-f]{16}\)", "(IDENTITY)", line)
    return re.sub(r"\d+([,.]\d+)*(e-\d+)?", "N", line)


def test_readme_shows_what_it_prints(finished: tuple[Path, str], project: Path) -> None:
    """As text; its figures are compared by the test below, which is slow."""
    printed = {masked(line.replace(f"{project}/", "")).strip() for line in re.split(r"[\r\n]", finished[1])}
    for line in shown_in_readme():
        begin, middle, end = masked(line).partition(" ... ")
        found = [each for each in printed if each.startswith(begin) and (not middle or end in each)]
        assert found if middle else masked(line) in printed, line


@pytest.mark.slow
def test_readme_has_the_demos_figures(project: Path) -> None:
    """The whole demo, some six minutes: accuracies within 6 points, log losses within 0.15, bytes within 2 %.

    And it convinces: the teacher is better than its student, and no scene is missed altogether.
    """
    with demo(project, config="configs/demo.toml") as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output[-5000:]
    for pattern, tolerance in (
        (r"float: log loss ([\d.]+)", 0.15),
        (r"INT8: log loss ([\d.]+)", 0.15),
        (r"float: .*accuracy ([\d.]+) %", 6),
        (r"INT8: .*accuracy ([\d.]+) %", 6),
        (r"The board's scores are the host's: accuracy ([\d.]+)%", 6),
        (r"RAM:.*used (\d+) bytes", 1300),
        (r"Flash:.*used (\d+) bytes", 2800),
        (r"model arrays ([\d,]+) bytes", 0),
    ):
        ours, found = (re.search(pattern, text) for text in ("\n".join(shown_in_readme()), output))
        assert ours, pattern
        assert found, pattern
        difference = float(found[1].replace(",", "")) - float(ours[1].replace(",", ""))
        assert abs(difference) <= tolerance, f"{pattern}: {found[1]} where README has {ours[1]}"
    scores = json.loads((project / "runs" / "demo-synthetic" / "evaluation.json").read_text())
    assert scores["teachers"]["each"]["teacher"]["log_loss"] <= scores["float"]["log_loss"] + 0.02
    assert scores["teachers"]["each"]["teacher"]["accuracy"] >= 0.85
    assert min(part["accuracy"] for part in scores["int8"]["per_scene"].values()) >= 0.3


def test_paths_are_printed_as_they_are(finished: tuple[Path, str], project: Path) -> None:
    """Brackets are no markup."""
    _, output = finished
    assert f"{project}/firmware/generated: bundle miniature" in output


def test_the_trained_network_is_verified_there(finished: tuple[Path, str], project: Path) -> None:
    """Compiled, and run in QEMU, in a folder with spaces and brackets."""
    bundle = finished[0] / "bundle"
    command = [sys.executable, "-m", "tinyscene", "verify", str(bundle), "--on", "mps2", "--vectors", "4"]
    environment = os.environ | {"PYTHONPATH": str(project / "host"), "TMPDIR": str(project)}
    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "0 mismatches in 40 values of 4 inputs" in result.stdout


def test_the_student_is_the_one_of_the_reference_work(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    complexity = json.loads((folder / "complexity.json").read_text())
    assert (complexity["nessi_parameters"], complexity["nessi_macs"]) == (57_660, 26_116_388)
    assert complexity["within_limits"] is True


def test_the_page_has_every_part(finished: tuple[Path, str]) -> None:
    folder, output = finished
    page = (folder / "report.html").read_text()
    assert "Missing" not in page
    assert "The board, audio" in page
    assert "report.html" in output


def test_it_goes_on_and_ctrl_c_leaves_nothing_running(finished: tuple[Path, str], project: Path) -> None:
    folder, _ = finished
    trained = (folder / "bundle" / "model.tflite").read_bytes()
    with demo(project, *MINIATURE) as process:
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            output += line
            if line.startswith("socket://"):
                break
        os.killpg(process.pid, signal.SIGINT)
        output += process.stdout.read()
    assert process.returncode == 130, output
    assert "run the same command to resume" in output
    assert "epoch 1" not in output, "training was repeated"
    assert (folder / "bundle" / "model.tflite").read_bytes() == trained
    port = int(line.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_first_error_stops_it(project: Path) -> None:
    with demo(project, "--data", "nowhere") as process:
        output, _ = process.communicate()
    assert process.returncode == 1
    assert "stopped at `tinyscene data check nowhere` (exit code 1)" in output
    assert "Traceback" not in output
    assert "$ tinyscene train" not in output
