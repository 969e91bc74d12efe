"""Count the instructions of many small models in one image of the emulated board, since building takes most time."""

from collections.abc import Sequence
from pathlib import Path

from tinyscene import compiler
from tinyscene.compiler import CompiledModel, execution, verify

NOISE = 4  # a vector of verify's that is uniform noise


def count(models: Sequence[CompiledModel], folder: Path) -> list[int]:
    """Return the instructions of one inference of each model, on noise; everything is built in `folder`."""
    for position, model in enumerate(models):
        compiler.write(model, folder, f"model{position}")
    reports = [model.report() for model in models]
    inputs = [verify.model_inputs(model, NOISE + 1, seed=1)[NOISE:] for model in models]
    sources = [*execution.model_sources(folder, len(models)), *execution.engine_sources()]
    runs = execution.run_image(folder, reports, inputs, sources, [execution.ENGINE])
    return [run.instructions or 0 for run in runs]
