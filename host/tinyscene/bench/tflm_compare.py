"""Do both runtimes predict alike? Clips through the emulated boards mps2 and mps2_tflm, and each operator by itself.

pio run -e mps2 -e mps2_tflm
tinyscene compare-runtimes models/student --data data/tau_mini --split SPLIT --clips 200
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene.bundle import Bundle
from tinyscene.compiler import reader
from tinyscene.console import console, progress_bar
from tinyscene.data import Dataset, evenly_spread
from tinyscene.device import Board, Link
from tinyscene.device.emulators import Emulator, built_image
from tinyscene.firmware import KERNELS
from tinyscene.frontend import features
from tinyscene.networks import conversion
from tinyscene.tflm import generate as tflm

BOARDS = ("mps2", "mps2_tflm")


@dataclasses.dataclass(frozen=True, slots=True)
class Difference:
    """An operator whose result differs from that of TensorFlow Lite's reference kernels for the same inputs."""

    operator: str
    bytes: int
    of: int
    vectors: int


def answers(env: str, identity: str, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Boot an environment's built image and return its outputs [N, classes] for quantised features [N, ...].

    Raises:
        ToolError: the image is not built, or QEMU is missing.
        LinkError: the image carries another bundle, or does not answer.
    """
    with Emulator(built_image(env), env) as emulator, Link(emulator.url) as link, progress_bar() as progress:
        board = Board(link, identity)
        board.identify()
        task = progress.add_task(env, total=len(inputs))
        outputs = []
        for image in inputs:
            outputs.append(board.classify_features(image).outputs)
            progress.advance(task)
        return np.stack(outputs)


def operators(
    model: bytes, kernels: str, inputs: NDArray[np.int8], optimize: str = "memory"
) -> tuple[list[Difference], NDArray[np.int8]]:
    """Run TensorFlow Lite Micro operator by operator, each on the reference kernels' results of those before it.

    Returns:
        The operators that differ, and the model's outputs [N, values].

    Raises:
        ModelError, ToolError: as for `tflm.generate.generate`.
    """
    graph = reader.read(model)
    made = [graph.output(op) for op in graph.ops]
    tensors = [tensor.index for tensor in made]
    expected = (
        b"".join(values.tobytes() for values in conversion.run_reference_tensors(model, image, tensors))
        for image in inputs.reshape(-1, *graph.tensors[graph.inputs[0]].shape)
    )
    measured = tflm.generate(model, "compared", kernels, optimize, inputs, expected).measured
    assert measured.differences is not None
    found = [
        Difference(str(op), int(counts.sum()), tensor.bytes * len(inputs), int(np.count_nonzero(counts)))
        for op, tensor, counts in zip(graph.ops, made, measured.differences.T, strict=True)
        if counts.any()
    ]
    return found, measured.run.outputs


def report(folder: Path, data: Path, split: str, clips: int) -> int:
    """Print the differences; return the exit code: 0 if both boards predict alike."""
    bundle, dataset = Bundle.load(folder), Dataset(data)
    chosen = evenly_spread(list(dataset.list(split)), clips)
    inputs = bundle.quantised_features(np.asarray(features.extract(dataset, chosen, bundle.frontend).images))
    reference = conversion.run_reference(bundle.model, inputs).reshape(len(inputs), -1)
    boards = {env: answers(env, bundle.identity, inputs) for env in BOARDS}
    for env, outputs in boards.items():
        different = int(np.count_nonzero((outputs != reference).any(axis=1)))
        console.print(f"{env}: {different} of {len(inputs)} clips differ from the reference kernels")
    between = int(np.count_nonzero((boards[BOARDS[0]] != boards[BOARDS[1]]).any(axis=1)))
    console.print(f"{' and '.join(BOARDS)}: {between} of {len(inputs)} clips differ")
    for kernels in KERNELS:
        say(kernels, operators(bundle.model, kernels, inputs)[0])
    return int(between > 0)


def say(kernels: str, differences: Sequence[Difference]) -> None:
    """Print the operators that differ, for one choice of kernels."""
    if not differences:
        console.print(f"kernels {kernels}: every operator makes the reference kernels' bytes")
    for each in differences:
        console.print(
            f"kernels {kernels}: {each.operator} differs in {each.bytes:,} of {each.of:,} bytes, "
            f"in {each.vectors} clips",
            soft_wrap=True,
        )
