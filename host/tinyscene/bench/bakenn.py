"""Compile a network with bakenn (PyPI, "Static INT8 AOT compiler"), and run its C on the emulated Cortex-M4.

It runs with its plain C kernels, and with the CMSIS-NN 4.0.0 sources and the DSP kernels in its wheel.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.bench import bakenn_graph
from tinyscene.bench.engine import Measurement, RefusedError
from tinyscene.compiler import complexity, execution

# Maps bakenn's name of the function to the one that the harness calls
HEADER = """\
#include "bknn_model.h"
#define model0_run bknn_model_infer
"""
FLAGS = ("-O3", "-DBAKENN_CMSIS_NN_BUILTIN_MEMORY")  # the fastest; the macro is from bakenn's own build fragment


MIN_SHARE = 0.99  # least share of a network's multiply-accumulates in a part that is compared with the whole


def measure(model: bytes, inputs: NDArray[np.int8], *, optimised: bool) -> Measurement:
    """Compile and run a network, or its first operators if bakenn refuses only a rest with little work.

    Args:
        model: bytes of a .tflite file.
        inputs: int8 [N, ...].
        optimised: whether to use CMSIS-NN and DSP kernels where bakenn has them (its policy `static_priority`).

    Raises:
        RefusedError: bakenn is not installed, or refuses the network, with its own reason.
        ModelError, ToolError: as for `execution.run_image`.
    """
    try:
        import bakenn
    except ImportError as error:
        raise RefusedError("bakenn is not installed: pip install 'tinyscene[bench]'") from error
    policy = bakenn.KernelPolicy.STATIC_PRIORITY if optimised else bakenn.KernelPolicy.PORTABLE
    options = bakenn.CBackendOptions(kernel_policy=policy, enable_cmsis_nn=optimised, target=bakenn.CORTEX_M4)
    with files.temporary_folder("bakenn") as folder:
        refusal = ""
        for part, note in _parts(model):
            try:
                artifacts = bakenn.compile_tflite(part, folder, name="model", backend_options=options).artifacts
            except bakenn.BakeNNError as error:
                refusal = refusal or str(error)
                continue
            run = _run(artifacts, folder, inputs)
            memory = artifacts.memory_report
            ram = memory.arena_bytes + memory.input_bytes + memory.output_bytes
            note = f"{note}; the whole is refused: {refusal}" if refusal else ""
            return Measurement(run, ram, reference=part if refusal else model, note=note)
    raise RefusedError(refusal)


def _parts(model: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the network adapted for bakenn, then its beginnings, the longest first; each with a description."""
    adapted = bakenn_graph.adapt(model)
    yield adapted, ""
    operators = bakenn_graph.count_operators(adapted)
    macs = complexity.measure(model).macs
    for count in range(operators - 1, 0, -1):
        part = bakenn_graph.start(adapted, count)
        if complexity.measure(part).macs < MIN_SHARE * macs:
            return
        yield part, f"first {count} of {operators} operators"


def _run(artifacts: Any, folder: Path, inputs: NDArray[np.int8]) -> execution.Run:
    """Build the C that bakenn wrote into `folder`, and run it."""
    (folder / "model0.h").write_text(HEADER)
    sources = [artifacts.model_source, artifacts.weights_source, artifacts.kernels_source, *artifacts.support_sources]
    include = artifacts.support_include_dirs
    memory = artifacts.memory_report
    buffers = execution.Buffers(memory.arena_bytes, memory.input_bytes, memory.output_bytes)
    (run,) = execution.run_image(folder, [buffers], [inputs], [], include, third_party=sources, flags=FLAGS)
    return run
