"""Functions of one value: QUANTIZE, DEQUANTIZE, activations, and folded operators; as tables unless floats occur."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from tinyscene.compiler import functions, quantisation
from tinyscene.compiler.graph import FoldedOptions, LeakyReluOptions, Tensor
from tinyscene.compiler.kernels.call import Constant, Fields, KernelCall, RowAccess, RowSource, Site, require, row_bytes

PROBABILITY = (1 / 256, quantisation.INT8_MIN)  # scale and zero point that TensorFlow Lite fixes for these results
FIXED_OUTPUTS = {"LOGISTIC": PROBABILITY, "SOFTMAX": PROBABILITY, "TANH": (1 / 128, 0)}
BYTES = ("int8", "uint8")
UINT8_VALUES = range(256)


def function(site: Site) -> KernelCall:
    """An activation from int8 to int8 as a table."""
    source, output, options = site.activation(0), site.output(), site.op.options
    require_fixed_output(site, output)
    if isinstance(options, LeakyReluOptions):
        require(math.isfinite(options.alpha), site, source, f"alpha is {options.alpha}; make the file again")
    if site.op.kind == "HARD_SWISH":
        fits = functions.hard_swish_fits(source, output)
        require(fits, site, output, "its scale is too small for the input's; TensorFlow Lite refuses it too")
    return _table(site, source, output, functions.FUNCTIONS[site.op.kind](source, output, options))


def folded(site: Site) -> KernelCall:
    """Float operators from int8 to int8 as a table."""
    options = site.op.options
    assert isinstance(options, FoldedOptions)
    first, *others = options.ops
    call = _table(site, site.activation(0), site.output(), options.table)
    return dataclasses.replace(call, op=dataclasses.replace(first, index=site.op.index), joined=tuple(others))


def quantise(site: Site) -> KernelCall:
    """QUANTIZE: between bytes as a table; float32 only as the model's input."""
    source = site.graph.input(site.op, 0)
    if source.dtype == "float32":
        is_input = site.planned.roots[source.index] == site.planned.input
        require(is_input, site, source, "float32 is compiled only at the model's ends, or where it folds into a table")
        return _convert(site, "engine_quantise", source, site.output(), site.output())
    source, output = site.quantised(source, BYTES), site.quantised(site.graph.output(site.op), BYTES)
    low, high = (0, 255) if output.dtype == "uint8" else (quantisation.INT8_MIN, quantisation.INT8_MAX)
    values = UINT8_VALUES if source.dtype == "uint8" else functions.INT8_VALUES
    wide = functions.requantise(source.scale, source.zero_point, output.scale, output.zero_point, values)
    return _table(site, source, output, [quantisation.saturate(value, low, high) for value in wide])


def dequantise(site: Site) -> KernelCall:
    """DEQUANTIZE to float32 as the model's output."""
    source, output = site.activation(0), site.graph.output(site.op)
    require(output.dtype == "float32", site, output, f"it is {output.dtype} instead of float32")
    is_output = site.planned.roots[output.index] == site.planned.output
    require(is_output, site, output, "float32 is compiled only at the model's ends, or where it folds into a table")
    return _convert(site, "engine_dequantise", source, output, source)


def require_fixed_output(site: Site, output: Tensor) -> None:
    """Refuse an output whose quantisation is not the one that the operator must have."""
    scale, zero_point = FIXED_OUTPUTS.get(site.op.kind, (output.scale, output.zero_point))
    require(
        (output.scale, output.zero_point) == (scale, zero_point),
        site,
        output,
        f"its quantisation is not scale 1/{1 / scale:.0f} and zero point {zero_point}, which TensorFlow Lite requires",
    )


def _convert(site: Site, name: str, source: Tensor, output: Tensor, quantised: Tensor) -> KernelCall:
    fields: Fields = {
        "scale": f"{quantised.scale.hex()}f",  # hexadecimal: every bit counts
        "zero_point": quantised.zero_point,
    }
    return _by_rows(site, name, "engine_quantisation", fields, source, output)


def _table(site: Site, source: Tensor, output: Tensor, table: Sequence[int]) -> KernelCall:
    """Return the call for a table of results for -128..127, or for 0..255."""
    values = np.array(table).astype(np.int8)
    if source.dtype == "uint8":
        values = np.roll(values, 128)  # as int8, the bytes 128..255 come first
    call = _by_rows(
        site, "engine_table", "engine_table", {"table": Constant("table", values, "int8_t")}, source, output
    )
    return dataclasses.replace(call, in_place=(source.index,))


def _by_rows(site: Site, name: str, struct: str, fields: Fields, source: Tensor, output: Tensor) -> KernelCall:
    require(source.shape == output.shape, site, output, f"its shape is not the input's {list(source.shape)}")
    return KernelCall(
        op=site.op,
        function=name,
        struct=struct,
        fields={**fields, "count": row_bytes(site.planned.shape(output.index))},
        inputs=(source.index,),
        output=output.index,
        rows=RowAccess((RowSource(source.index),)),
    )
