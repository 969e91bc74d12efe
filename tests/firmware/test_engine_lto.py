"""Link-time optimisation, however it divides the program: the engine links, and gives the same bytes.

GCC may put the C that jumps into an unrolled loop and the assembler that holds it into different parts.
"""

from pathlib import Path

import numpy as np
import pytest

from tinyscene.compiler import execution, verify
from tinyscene.compiler.pipeline import plan_model
from tinyscene.paths import REPOSITORY
from tinyscene.toolchain import mps2_image

MODELS = {"compact": "memory", "student": "speed"}  # the second one has Winograd's loop
PARTITIONS = ["balanced", "1to1", "max"]
VECTORS, SEED = 2, 3


@pytest.mark.parametrize("partition", PARTITIONS)
def test_every_partition_links_and_agrees(partition: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in QEMU, against this machine's C."""
    flags = ["-O2", f"-flto-partition={partition}"]
    monkeypatch.setattr(mps2_image, "LINK_FLAGS", (*mps2_image.LINK_FLAGS, *flags))
    models = [
        plan_model(REPOSITORY / "models" / name / "model.tflite", optimize=choice) for name, choice in MODELS.items()
    ]
    inputs = [verify.make_inputs(model.input.shape[1:], VECTORS, SEED) for model in models]
    sizes = execution.write_all(models, tmp_path)
    sources = [*execution.model_sources(tmp_path, len(models)), *execution.engine_sources()]
    runs = execution.run_image(tmp_path, sizes, inputs, sources, [execution.ENGINE], flags=["-flto"])
    for run, expected in zip(runs, execution.run_on_host(models, inputs), strict=True):
        assert np.array_equal(run.outputs, expected.outputs)
    names = {name for name, _ in execution.symbols(tmp_path / "verify.elf", "tT")}
    assert {"engine_block", "engine_winograd_block"} <= {name.partition(".")[0] for name in names}
