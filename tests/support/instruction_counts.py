"""Count the instructions of many small models in one image of the emulated board, since building takes most time."""

from collections.abc import Sequence

from tinyscene.compiler import execution, verify
from tinyscene.compiler.compiled import CompiledModel

NOISE = 4  # a vector of verify's that is uniform noise


def count(models: Sequence[CompiledModel]) -> list[int]:
    """Return the instructions of one inference of each model, on noise."""
    inputs = [verify.model_inputs(model, NOISE + 1, seed=1)[NOISE:] for model in models]
    return [run.instructions or 0 for run in execution.run_on_mps2(models, inputs)]
