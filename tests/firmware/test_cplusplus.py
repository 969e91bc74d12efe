"""The firmware's headers, alone and from C++: Arduino sketches and mbed programs are C++.

Each public header, and each that is generated, compiles by itself as C11 and as C++17, and a C++ program links with C.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tiny_bundle import tiny_bundle
from tinyscene.firmware import export
from tinyscene.paths import FIRMWARE, FIRMWARE_LIB
from tinyscene.toolchain.mps2_image import MACHINE_FLAGS
from tinyscene.toolchain.native import WARNINGS

CXX_ONLY = {"tflm_ops.h", "tflm_kernel_ops.h"}  # they speak of TensorFlow Lite Micro's classes
HEADERS = [path for path in sorted(FIRMWARE_LIB.rglob("*.h")) if path.name not in CXX_ONLY]
HEADERS.append(FIRMWARE / "boards" / "board.h")
GENERATED = ["bundle.h", "frontend_tables.h", "model.h", "protocol.h"]
INCLUDE = [*sorted({path.parent for path in HEADERS})]
FLAGS = ["-O1", "-ffp-contract=off"]
COMPILERS = {
    "C11": ["gcc", "-std=c11"],
    "C++17": ["g++", "-std=c++17"],
    "C11 for the boards": ["arm-none-eabi-gcc", *MACHINE_FLAGS, "-std=c11"],
    "C++17 for the boards": ["arm-none-eabi-g++", *MACHINE_FLAGS, "-std=c++17"],
}
MAIN = """\
#include "bundle.h"
#include "frontend.h"
#include "frontend_tables.h"
#include "model.h"

alignas(16) static uint8_t arena[MODEL_ARENA_BYTES];
static int8_t image[MODEL_INPUT_BYTES], outputs[MODEL_OUTPUT_BYTES];
static int16_t history[FRONTEND_HISTORY_SAMPLES], silence[FRONTEND_CLIP_SAMPLES];
static float work[FRONTEND_WORK_FLOATS];
static struct frontend state;
static uint32_t ticks[MODEL_LAYERS];

static uint32_t now() {
    return 0;
}

int main() {
    if (frontend_init(&state, &frontend_tables, history, FRONTEND_HISTORY_SAMPLES, work, FRONTEND_WORK_FLOATS)) {
        return 1;
    }
    frontend_begin(&state);
    frontend_feed(&state, silence, FRONTEND_CLIP_SAMPLES, image);
    scene_bundle.run(arena, image, outputs);
    model_profile(arena, image, outputs, now, ticks);
    return frontend_complete(&state) ? 0 : 2;
}
"""


def needed(program: str) -> str:
    """Return the path of a compiler; set-up does not install g++, without which its part is not tested."""
    return shutil.which(program) or pytest.skip(f"not run: no {program} on the PATH; apt-get install g++")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle's C."""
    folder = tmp_path_factory.mktemp("generated")
    export.export_bundle(tiny_bundle(), folder)
    return folder


def test_generated_headers_are_known(generated: Path) -> None:
    assert sorted(path.name for path in generated.glob("*.h")) == GENERATED


@pytest.mark.parametrize("header", [*HEADERS, *map(Path, GENERATED)], ids=lambda path: path.name)
def test_names_are_those_of_c(header: Path, generated: Path) -> None:
    text = (generated / header).read_text()  # of an absolute path, that path
    assert text.count('#ifdef __cplusplus\nextern "C" {\n#endif\n') == 1
    assert text.count("#ifdef __cplusplus\n}\n#endif\n") == 1


@pytest.mark.parametrize("language", COMPILERS)
def test_each_header_compiles_alone(language: str, generated: Path, tmp_path: Path) -> None:
    program, *options = COMPILERS[language]
    suffix = ".cpp" if "++" in language else ".c"
    for header in [*HEADERS, *(generated / name for name in GENERATED)]:
        (tmp_path / header.name).with_suffix(suffix).write_text(f'#include "{header.name}"\n')
    sources = sorted(tmp_path.glob(f"*{suffix}"))
    assert len(sources) == len(HEADERS) + len(GENERATED)
    includes = [f"-I{folder}" for folder in (generated, *INCLUDE)]
    command = [needed(program), *options, *WARNINGS, "-Wpedantic", "-fsyntax-only", *includes, *map(str, sources)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[:2000]


@pytest.mark.parametrize("machine", ["", "arm-none-eabi-"], ids=["host", "boards"])
def test_a_program_in_cplusplus_links(machine: str, generated: Path, tmp_path: Path) -> None:
    """And runs, where it is for this machine."""
    (tmp_path / "main.cpp").write_text(MAIN)
    includes = [f"-I{folder}" for folder in (generated, *INCLUDE)]
    options = [*(MACHINE_FLAGS if machine else ()), *FLAGS, *WARNINGS, *includes]
    sources = [path for folder in ("engine", "frontend") for path in sorted((FIRMWARE_LIB / folder).glob("*.c"))]
    sources += sorted(generated.glob("*.c"))
    subprocess.run([needed(f"{machine}gcc"), "-std=c11", *options, "-c", *sources], cwd=tmp_path, check=True)
    objects = sorted(tmp_path.glob("*.o"))
    end = ["--specs=nosys.specs", "-Wl,--no-warn-rwx-segments"] if machine else []
    command = [needed(f"{machine}g++"), "-std=c++17", *options, "main.cpp", *objects, *end, "-lm", "-o", "program"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    if not machine:
        assert subprocess.run([tmp_path / "program"]).returncode == 0
