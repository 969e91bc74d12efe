"""scripts/scale, on a few of the official lists' rows."""

import os
import subprocess
import sys
from pathlib import Path

from tinyscene.paths import REPOSITORY


def test_a_few_rows_go_all_the_way(shared_data: Path, tmp_path: Path) -> None:
    command = [sys.executable, REPOSITORY / "scripts" / "scale", tmp_path, "--lists", shared_data / "tau2022_lists"]
    options = ["--rows", "64", "--distinct", "10", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "host")}
    done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "64 training and 64 test rows, 10 audio files" in done.stdout
    for step in ("features, training list:", "an epoch of training:", "predictions of the network:"):
        assert step in done.stdout
