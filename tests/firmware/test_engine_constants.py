"""The generated C refuses an engine whose constants or structs are not those that the compiler counted with."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from engine_models import generate
from tinyscene.compiler.pipeline import compile_model
from tinyscene.paths import FIRMWARE_LIB

ENGINE = FIRMWARE_LIB / "engine"
ANOTHER, TOO_LARGE = "laid out for another engine", "too large for this engine"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C of a small model."""
    folder = tmp_path_factory.mktemp("generated")
    compile_model(generate("dense", 1), folder)
    return folder


def said(folder: Path, engine: Path) -> str:
    """What a compiler says of the model with an engine's headers; nothing if it takes it."""
    command = ["cc", "-std=c11", "-fsyntax-only", f"-I{engine}", str(folder / "model.c")]
    return subprocess.run(command, capture_output=True, text=True).stderr


def test_this_engine_is_taken(generated: Path) -> None:
    assert said(generated, ENGINE) == ""


@pytest.mark.parametrize(
    ("pattern", "changed", "complaint"),
    [
        (r"(#define ENGINE_CONV_CHANNELS) 4", r"\1 8", ANOTHER),
        (r"(#define ENGINE_WINOGRAD_PLANES) 16", r"\1 36", ANOTHER),
        (r"(#define ENGINE_COLUMN_ROWS) 4", r"\1 5", ANOTHER),
        (r"(#define ENGINE_COLUMN_RESULTS) 2", r"\1 3", ANOTHER),
        (r"(#define ENGINE_MAX_STAGES) 16", r"\1 8", TOO_LARGE),
        (r"(#define ENGINE_MAX_TENSORS) 24", r"\1 8", TOO_LARGE),
        (r"(#define ENGINE_MAX_QUICK_HEIGHT) 16", r"\1 15", TOO_LARGE),
        *(
            (rf"(struct {struct} {{\n)", r"\1    int64_t more;\n", ANOTHER)
            for struct in ("engine_channel", "engine_depthwise_channel", "engine_panel", "engine_dense_output")
        ),
    ],
)
def test_another_engine_is_refused(generated: Path, tmp_path: Path, pattern: str, changed: str, complaint: str) -> None:
    shutil.copytree(ENGINE, tmp_path / "engine")
    header = tmp_path / "engine" / "engine.h"
    text, count = re.subn(pattern, changed, header.read_text())
    assert count == 1
    header.write_text(text)
    assert complaint in said(generated, tmp_path / "engine")
