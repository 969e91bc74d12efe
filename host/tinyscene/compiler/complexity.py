"""Count parameters and multiply-accumulates, the true ones and those of the challenge's counter; check the limits.

DCASE 2022 Task 1 allows 128 K parameters (K = 1000), all INT8, zeros counted, and 30 million multiply-accumulates
(MACs) for one second of audio. Its counter, NeSsi, reads the .tflite file and counts

- as parameters: the bytes of every constant tensor, once for each operator that reads it, so that an int32 bias counts
  four times and the axes of a MEAN or the shape of a RESHAPE count too;
- as MACs: convolutions, pooling (window area of each output), MEAN and ADD (one a value), and fully connected layers
  (size of the input's last dimension times outputs, of each row).

The true counts are weights and biases, one each, and the multiply-accumulates of convolutions and fully connected
layers.
"""

import dataclasses
import functools
import math
from pathlib import Path
from typing import Any

from rich.table import Column, Table

from tinyscene import files
from tinyscene.compiler import reader
from tinyscene.compiler.graph import Graph, Op, PoolOptions, Tensor
from tinyscene.compiler.pipeline import model_path
from tinyscene.console import console
from tinyscene.errors import ModelError
from tinyscene.networks import NETWORKS

MAX_PARAMETERS = 128_000
MAX_MACS = 30_000_000

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
BIAS = 2  # position among a weighted op's inputs
WEIGHT_TYPES = ("int8", "uint8", "int16", "float16", "float32")


@dataclasses.dataclass(frozen=True, slots=True)
class LayerComplexity:
    """One operator's share."""

    index: int
    kind: str
    output: str
    parameters: int
    macs: int
    nessi_parameters: int
    nessi_macs: int


@dataclasses.dataclass(frozen=True, slots=True)
class Complexity:
    """A model's counts.

    Attributes:
        parameters, macs: the true counts.
        nessi_parameters, nessi_macs: the challenge's counts; None for a network that is not converted.
        keras_parameters: Keras's count, batch normalisation's four vectors included; None for a .tflite file.
        excess: what exceeds the limits, one clause each.
        layers: counts of each operator; empty for a network that is not converted.
    """

    parameters: int
    macs: int
    nessi_parameters: int | None
    nessi_macs: int | None
    keras_parameters: int | None
    excess: tuple[str, ...]
    layers: tuple[LayerComplexity, ...]

    @property
    def within_limits(self) -> bool:
        """Whether the challenge would accept the model."""
        return not self.excess

    def to_json(self) -> dict[str, Any]:
        """Return the keys of `complexity --json`; `keras_parameters` only if there are any."""
        values: dict[str, Any] = {
            "parameters": self.parameters,
            "macs": self.macs,
            "nessi_parameters": self.nessi_parameters,
            "nessi_macs": self.nessi_macs,
            "within_limits": self.within_limits,
        }
        if self.keras_parameters is not None:
            values["keras_parameters"] = self.keras_parameters
        return {**values, "layers": [dataclasses.asdict(layer) for layer in self.layers]}


def measure(model: str | Path | bytes) -> Complexity:
    """Count a model.

    Args:
        model: a bundle's folder, a .tflite file (path or bytes), or the name of a network.

    Raises:
        ModelError: no such model, or a damaged file.
    """
    if isinstance(model, bytes):
        return _measure_graph(reader.read(model))
    if str(model) not in NETWORKS:
        path = model_path(Path(model))
        if not path.exists():
            names = ", ".join(NETWORKS)
            raise ModelError(f"no model {model}: give a bundle's folder, a .tflite file, or a network ({names})")
        return _measure_graph(reader.read(path))
    network = _build(str(model))
    converts = NETWORKS[str(model)].converts
    counted = _measure_graph(reader.read(converted(str(model)))) if converts else _measure_keras(network)
    return dataclasses.replace(counted, keras_parameters=network.count_params())


@functools.cache
def converted(name: str) -> bytes:
    """Return a network with random weights as an INT8 .tflite file; the same bytes every time.

    Args:
        name: a network that `converts`, at its reference image size.
    """
    from tinyscene.networks import convert_untrained

    return convert_untrained(lambda: _build(name), (*NETWORKS[name].image, 1))


def _keras() -> Any:
    from tinyscene.networks import keras

    return keras


def _build(name: str) -> Any:
    from tinyscene.networks import catalogue as networks

    return networks.build(name, input_shape=(*NETWORKS[name].image, 1))


def _measure_graph(graph: Graph) -> Complexity:
    layers = tuple(_layer(graph, op) for op in graph.ops)
    weights = {tensor.index: tensor for op in graph.ops for tensor in _parameters(graph, op)}.values()
    parameters, macs = sum(tensor.elements for tensor in weights), sum(layer.macs for layer in layers)
    nessi_parameters = sum(layer.nessi_parameters for layer in layers)
    nessi_macs = sum(layer.nessi_macs for layer in layers)
    excess = _excess(max(parameters, nessi_parameters), max(macs, nessi_macs))
    wide = [tensor for op in graph.ops for tensor in _parameters(graph, op)[:1] if tensor.dtype != "int8"]
    if wide:
        excess += (f"the weights of {wide[0]} are {wide[0].dtype} instead of int8",)
    return Complexity(parameters, macs, nessi_parameters, nessi_macs, None, excess, layers)


def _measure_keras(network: Any) -> Complexity:
    """Count a network that is not converted."""
    macs = sum(keras_macs(layer) for layer in network.layers)
    parameters = network.count_params()
    return Complexity(parameters, macs, None, None, None, _excess(parameters, macs), ())


def keras_macs(layer: Any) -> int:
    """Return a Keras layer's MACs: those of its kernels at each output position, and those of attention's products."""
    positions = math.prod(layer.output.shape[1:-1])
    kernel = getattr(layer, "kernel", None)
    if kernel is not None:
        return math.prod(kernel.shape) * positions
    if isinstance(layer, _keras().layers.MultiHeadAttention):
        kernels = sum(math.prod(weight.shape) for weight in layer.weights if weight.name == "kernel")
        return kernels * positions + 2 * layer.num_heads * layer.key_dim * positions**2
    return 0


def _excess(parameters: int, macs: int) -> tuple[str, ...]:
    counts = ((parameters, MAX_PARAMETERS, "parameters"), (macs, MAX_MACS, "MACs"))
    return tuple(
        f"{count:,} {what} are {count - limit:,} above the limit of {limit:,}"
        for count, limit, what in counts
        if count > limit
    )


def _layer(graph: Graph, op: Op) -> LayerComplexity:
    inputs = [tensor for position in range(len(op.inputs)) if (tensor := graph.optional_input(op, position))]
    outputs = [graph.tensors[index] for index in op.outputs]
    macs = _macs(graph, op)
    return LayerComplexity(
        index=op.index,
        kind=op.kind,
        output=", ".join("x".join(map(str, tensor.shape)) for tensor in outputs),
        parameters=sum(tensor.elements for tensor in _parameters(graph, op)),
        macs=macs,
        nessi_parameters=sum(tensor.file_bytes for tensor in inputs),
        nessi_macs=_nessi_macs(op, macs, inputs, outputs),
    )


def _parameters(graph: Graph, op: Op) -> list[Tensor]:
    """Return an op's weights and its bias: constants that are trained, not shapes or axes."""
    found = []
    for position in range(len(op.inputs)):
        tensor = graph.optional_input(op, position)
        if tensor is not None and tensor.is_constant:
            is_bias = op.kind in WEIGHTED and position == BIAS
            if is_bias or tensor.dtype in WEIGHT_TYPES:
                found.append(tensor)
    return found


def _macs(graph: Graph, op: Op) -> int:
    """Return a weighted op's multiply-accumulates: outputs times the weights that each output uses."""
    if op.kind not in WEIGHTED:
        return 0
    weights, output = graph.input(op, 1), graph.output(op)
    channel_axis = 3 if op.kind == "DEPTHWISE_CONV_2D" else 0
    if channel_axis >= len(weights.shape):
        raise graph.refusal(op, weights, f"weights of shape {list(weights.shape)} cannot be counted")
    return output.elements * (weights.elements // weights.shape[channel_axis])


def _nessi_macs(op: Op, macs: int, inputs: list[Tensor], outputs: list[Tensor]) -> int:
    if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return macs
    if op.kind == "FULLY_CONNECTED":
        return inputs[0].shape[-1] * outputs[0].elements if inputs[0].shape and outputs[0].shape else 0
    if isinstance(op.options, PoolOptions):
        return outputs[0].elements * math.prod(op.options.window)
    if op.kind == "MEAN":
        return inputs[0].elements
    return outputs[0].elements if op.kind == "ADD" else 0


def report(model: str, as_json: Path | None) -> int:
    """Print the counts: the command `tinyscene complexity`; returns the exit code, 1 beyond the limits."""
    counts = measure(model)
    if counts.layers:
        console.print(_layer_table(counts.layers))
    console.print(_summary(counts))
    for reason in counts.excess:
        console.print(f"beyond the challenge's limits: {reason}", style="red", soft_wrap=True)
    if not counts.excess:
        console.print(
            f"within the challenge's limits of {MAX_PARAMETERS:,} INT8 parameters and {MAX_MACS:,} MACs",
            soft_wrap=True,
        )
    if as_json:
        files.write_json(as_json, counts.to_json())
    return 0 if counts.within_limits else 1


def _layer_table(layers: tuple[LayerComplexity, ...]) -> Table:
    table = Table(
        "op", Column("layer", no_wrap=True), "output", box=None, header_style="bold", padding=(0, 1), pad_edge=False
    )
    for column in ("parameters", "MACs", "NeSsi bytes", "NeSsi MACs"):
        table.add_column(column, justify="right", no_wrap=True)
    for layer in layers:
        counts = (layer.parameters, layer.macs, layer.nessi_parameters, layer.nessi_macs)
        table.add_row(str(layer.index), layer.kind, layer.output, *(f"{count:,}" for count in counts))
    return table


def _summary(counts: Complexity) -> Table:
    table = Table("", box=None, header_style="bold")
    for column in ("parameters", "MACs"):
        table.add_column(column, justify="right")
    if counts.keras_parameters is not None:
        table.add_row("Keras", f"{counts.keras_parameters:,}", "")
    table.add_row("true", f"{counts.parameters:,}", f"{counts.macs:,}")
    if counts.nessi_parameters is not None:
        table.add_row("as NeSsi counts", f"{counts.nessi_parameters:,}", f"{counts.nessi_macs:,}")
    return table
