"""Compare TensorFlow Lite Micro's interpreter with TensorFlow Lite's reference kernels, on any model both can run."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.compiler import make_inputs, model_path, named, reader
from tinyscene.console import console, error_console
from tinyscene.tflm import interpreter


@dataclasses.dataclass(frozen=True, slots=True)
class OperatorDifference:
    """The first operator whose result differs, on the first input whose output does.

    Attributes:
        index: index of the operator.
        kind: TensorFlow Lite's name of the operator.
        vector: number of the input.
        values: number of values in its result.
        mismatches: number of these that differ.
        max_abs_diff: largest difference.
    """

    index: int
    kind: str
    vector: int
    values: int
    mismatches: int
    max_abs_diff: float


@dataclasses.dataclass(frozen=True, slots=True)
class TflmReport:
    """What `tinyscene verify --runtime tflm` found.

    Attributes:
        vectors: number of inputs compared.
        values: number of outputs compared.
        mismatches: number of outputs that differ; floats differ if any bit does.
        max_abs_diff: largest difference.
        first_operator: the operator at which the difference begins; None if all outputs agree.
    """

    vectors: int
    values: int
    mismatches: int
    max_abs_diff: float
    first_operator: OperatorDifference | None

    def to_json(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return dataclasses.asdict(self)


def verify(model: bytes | Path, vectors: int = 64, seed: int = 1) -> TflmReport:
    """Run both on the same inputs.

    Args:
        model: a .tflite file's bytes or path, with one input (int8, uint8 or float32) and one output.
        vectors: number of inputs to compare, from `verify.make_inputs`; as floats they lie between -4 and 4.
        seed: seed of the inputs.

    Raises:
        ModelError: TensorFlow Lite cannot run the model, or its input or output is of another kind.
        ToolError: TensorFlow Lite Micro is missing, or cannot run it.
    """
    from tinyscene.networks import input_of, run_reference

    content = reader.content(model)
    with named(str(model) if isinstance(model, Path) else "the model"):
        shape, dtype = input_of(content)
    inputs = _inputs(shape, dtype, vectors, seed)
    expected = run_reference(content, inputs[:, 0] if shape[0] == 1 else inputs).reshape(vectors, -1)
    actual = interpreter.run(content, inputs)[0].reshape(vectors, -1)
    differing = np.flatnonzero((_bits(actual) != _bits(expected)).any(axis=1))
    mismatches, largest = _difference(actual, expected)
    return TflmReport(
        vectors=vectors,
        values=expected.size,
        mismatches=mismatches,
        max_abs_diff=largest,
        first_operator=_first_operator(content, inputs, int(differing[0])) if len(differing) else None,
    )


def report(model: Path, vectors: int, seed: int, as_json: Path | None) -> int:
    """Verify and print: `tinyscene verify --runtime tflm`; returns the exit code, 1 if a value differs."""
    with error_console.status(
        f"{vectors} inputs in TensorFlow Lite Micro and with TensorFlow Lite's reference kernels"
    ):
        result = verify(model_path(model), vectors, seed)
    if as_json:
        files.write_json(as_json, result.to_json())
    console.print(
        f"{model} in TensorFlow Lite Micro: {result.mismatches} mismatches in {result.values:,} values of "
        f"{result.vectors} inputs; largest difference {result.max_abs_diff}",
        soft_wrap=True,
    )
    if first := result.first_operator:
        console.print(
            f"first: operator {first.index} ({first.kind}) at input {first.vector}, {first.mismatches} of "
            f"{first.values:,} values by at most {first.max_abs_diff}",
            style="red",
            soft_wrap=True,
        )
    return 1 if result.mismatches else 0


def _inputs(shape: tuple[int, ...], dtype: np.dtype[Any], vectors: int, seed: int) -> NDArray[Any]:
    inputs = make_inputs(shape, vectors, seed)
    if dtype == np.float32:
        return inputs.astype(np.float32) / 32
    return inputs if dtype == np.int8 else inputs.view(np.uint8) ^ 0x80


def _first_operator(model: bytes, inputs: NDArray[Any], vector: int) -> OperatorDifference | None:
    """Compare every operator's result for one input; None if only the model's output differs."""
    from tinyscene.networks import run_reference_tensors

    operators = _operators(model)
    tensors = [tensor for _, tensor in operators]
    expected = run_reference_tensors(model, inputs[vector], tensors)
    actual = interpreter.run(model, inputs[vector : vector + 1], tensors)[1:]
    for index, (kind, _) in enumerate(operators):
        mismatches, largest = _difference(actual[index].ravel(), expected[index].ravel())
        if mismatches:
            return OperatorDifference(index, kind, vector, expected[index].size, mismatches, largest)
    return None


def _operators(model: bytes) -> list[tuple[str, int]]:
    """Return name and first result of every operator; the model was loaded before, so it is valid."""
    root = tflite.Model.GetRootAsModel(model, 0)
    names = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
    graph = root.Subgraphs(0)
    operators = []
    for index in range(graph.OperatorsLength()):
        operator = graph.Operators(index)
        code = root.OperatorCodes(operator.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        operators.append((names.get(number, f"operator {number}"), operator.Outputs(0)))
    return operators


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    return values.view(f"u{values.itemsize}")


def _difference(actual: NDArray[Any], expected: NDArray[Any]) -> tuple[int, float]:
    """Return how many values differ in any bit, and the largest difference."""
    wide = np.float64 if expected.dtype.kind == "f" else np.int64
    largest = np.abs(actual.astype(wide) - expected.astype(wide)).max(initial=0).item()
    return int(np.count_nonzero(_bits(actual) != _bits(expected))), largest
