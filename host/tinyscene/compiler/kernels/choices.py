"""Kernel choice: which engine function carries out an operator, with which parameters.

A kernel is chosen by a function from a Site (an operator in its graph) to a KernelCall; it refuses what it cannot do
exactly. To add or replace a kernel, change CHOICES; planner and emitter follow the call.
"""

from collections.abc import Callable

import numpy as np

from tinyscene.compiler import functions
from tinyscene.compiler.folding import FOLDED
from tinyscene.compiler.graph import Op
from tinyscene.compiler.kernels import conv2d, dense, depthwise, elementwise, layout, pooling, softmax, tables
from tinyscene.compiler.kernels.call import KernelCall, Site
from tinyscene.compiler.passes import ALIASES, FIXED, PlannedGraph
from tinyscene.compiler.quantisation import FactorError

CHOICES: dict[str, Callable[[Site], KernelCall]] = {
    **dict.fromkeys(functions.FUNCTIONS, tables.function),
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": pooling.average_pool,
    "CONCATENATION": layout.concatenation,
    "CONV_2D": conv2d.conv2d,
    "DEPTHWISE_CONV_2D": depthwise.depthwise,
    "DEQUANTIZE": tables.dequantise,
    FOLDED: tables.folded,
    "FULLY_CONNECTED": dense.dense,
    "MAX_POOL_2D": pooling.max_pool,
    "MEAN": pooling.mean,
    "MUL": elementwise.mul,
    "PAD": layout.pad,
    "QUANTIZE": tables.quantise,
    "SOFTMAX": softmax.softmax,
}

# What the converter writes where the size of the batch is open: they compute shapes.
OF_OPEN_SHAPES = ("PACK", "REDUCE_PROD", "SHAPE", "STRIDED_SLICE")


def choose(planned: PlannedGraph, op: Op) -> KernelCall:
    """Return the call that carries out `op`, and with it the pool that joined it.

    Raises:
        ModelError: no kernel computes it exactly; the message names op, tensor and reason.
    """
    if op.kind not in CHOICES:
        supported = ", ".join(sorted({*CHOICES, *ALIASES} - {FOLDED}))
        output = planned.graph.tensors[op.outputs[0]] if op.outputs else None
        remedy = FIXED if op.kind in OF_OPEN_SHAPES else f"supported are {supported}"
        raise planned.graph.refusal(op, output, f"this operator is not supported; {remedy}")
    site = Site(planned, op)
    try:
        with np.errstate(all="ignore"):  # overflow is refused later
            return CHOICES[op.kind](site)
    except FactorError as error:
        raise site.refuse(None, str(error)) from error
