"""Run compiled models under AddressSanitizer and UBSan."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinyscene.compiler import execution
from tinyscene.compiler.compiled import CompiledModel
from tinyscene.toolchain import native

HARNESS = Path(__file__).with_name("engine_sanitised.c")
FLAGS = [
    "-std=c11",
    "-O1",
    "-g1",
    "-fsanitize=address,undefined,float-cast-overflow",
    "-fno-sanitize-recover=all",
]


def build_engine(folder: Path) -> list[Path]:
    """Compile the engine for the sanitizers; return its objects."""
    for source in execution.engine_sources():
        _build(["-c", source, "-o", folder / f"{source.stem}.o"])
    return sorted(folder.glob("*.o"))


def run(
    models: Sequence[CompiledModel],
    inputs: Sequence[np.ndarray],
    engine: list[Path],
    folder: Path,
) -> list[np.ndarray]:
    """Run each model on its inputs [N, ...] and return its outputs [N, values].

    Raises:
        AssertionError: the compiler or a sanitizer complained; with what they said.
    """
    sizes = execution.write_all(models, folder)
    counts = [len(vectors) for vectors in inputs]
    (folder / "models.h").write_text(execution.models_header(sizes, counts))
    (folder / "inputs.bin").write_bytes(b"".join(vectors.tobytes() for vectors in inputs))
    sources = execution.model_sources(folder, len(models))
    _build([f"-I{folder}", HARNESS, *sources, *engine, "-o", folder / "run"])
    result = subprocess.run([folder / "run"], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return execution.split_outputs((folder / "outputs.bin").read_bytes(), sizes, counts)


def _build(arguments: list) -> None:
    command = [*native.host_compiler(), *FLAGS, f"-I{execution.ENGINE}", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
