"""Generated code and the portable engine run every test model clean under AddressSanitizer and UBSan."""

import subprocess
from pathlib import Path

import pytest

import engine_models
from tinyscene import native
from tinyscene.compiler import compile_model, verify

HARNESS = Path(__file__).with_name("engine_sanitized.c")
FLAGS = ["-std=c11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
MODELS = {name: (engine_models.generate, name, 5) for name in engine_models.RECIPES}
MODELS |= {f"random {seed}": (engine_models.random_network, seed) for seed in range(200, 212)}
FOR_SPEED = {f"three by three {seed}": (engine_models.three_by_three, seed) for seed in range(200, 206)}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sanitized")
    for source in verify.ENGINE.glob("*.c"):
        build(["-c", source, "-o", folder / f"{source.stem}.o"])
    return sorted(folder.glob("*.o"))


def build(arguments: list) -> None:
    command = [native.host_compiler(), *FLAGS, f"-I{verify.ENGINE}", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", MODELS | FOR_SPEED)
def test_model_runs_clean(name: str, engine: list[Path], tmp_path: Path) -> None:
    make, *arguments = (MODELS | FOR_SPEED)[name]
    compile_model(make(*arguments), tmp_path, optimize="speed" if name in FOR_SPEED else "memory")
    build([f"-I{tmp_path}", HARNESS, tmp_path / "model.c", *engine, "-o", tmp_path / "run"])
    result = subprocess.run([tmp_path / "run"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
