"""Run a model in TensorFlow Lite Micro's own interpreter, from the PyPI package tflite-micro.

It runs in a child process: a model that it cannot run may end the process instead of raising.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.errors import ToolError

ARENA_BYTES = 64 << 20  # far more than a microcontroller has; only the part in use takes memory
INSTALL = ".venv/bin/pip install --editable '.[tflm]'"


def run(model: bytes, inputs: NDArray[Any], tensors: Sequence[int] = ()) -> list[NDArray[Any]]:
    """Return a model's outputs, and other tensors of it.

    Args:
        model: a .tflite file with one input and one output.
        inputs: [N, ...], each in the input's shape and type.
        tensors: numbers of tensors to return as well, as they are after each inference.

    Returns:
        Outputs [N, ...], then [N, ...] for each of `tensors`.

    Raises:
        ToolError: the package is missing, or cannot run the model.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        raise ToolError(f"the Python package tflite-micro is not installed; in the checkout, run {INSTALL}")
    with files.temporary_folder("tflm") as folder:
        (folder / "model.tflite").write_bytes(model)
        np.save(folder / "inputs.npy", inputs)
        command = [sys.executable, "-m", "tinyscene.tflm.interpreter", str(folder), *map(str, tensors)]
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if result.returncode:
            lines = result.stderr.strip().splitlines() or [f"it ended with {result.returncode}"]
            reason = lines[-1] if lines[0].startswith("Traceback") else lines[0]  # its own message comes first
            raise ToolError(
                f"TensorFlow Lite Micro cannot run the model ({reason[:300]}); "
                "it may lack an operator that the model has"
            )
        with np.load(folder / "outputs.npz") as arrays:
            return [arrays[f"arr_{index}"] for index in range(len(arrays.files))]


def _main(folder: Path, tensors: Sequence[int]) -> None:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(
        str(folder / "model.tflite"),
        arena_size=ARENA_BYTES,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,  # its own spelling
    )
    found: list[list[NDArray[Any]]] = [[] for _ in range(1 + len(tensors))]
    for values in np.load(folder / "inputs.npy"):
        interpreter.set_input(values, 0)
        interpreter.invoke()
        found[0].append(np.array(interpreter.get_output(0)))
        for kept, index in zip(found[1:], tensors, strict=True):
            kept.append(np.array(interpreter.GetTensor(index, 0)["tensor_data"]))
    np.savez(folder / "outputs.npz", *(np.stack(kept) for kept in found))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), [int(index) for index in sys.argv[2:]])
