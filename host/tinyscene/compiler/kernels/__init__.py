"""Kernel choice: which engine function carries out an operator, with which parameters. The only place that knows.

A kernel is chosen by a function from a Site (an operator in its graph) to a KernelCall; it refuses what it cannot do
exactly. To add or replace a kernel, change CHOICES; planner and emitter follow what the call says.
"""

from collections.abc import Callable

from tinyscene.compiler.graph import Graph, Op
from tinyscene.compiler.kernels import convolution, elementwise, layout, pooling
from tinyscene.compiler.kernels.call import Constant, Fields, KernelCall, Site, Value

__all__ = ["CHOICES", "Constant", "Fields", "KernelCall", "Site", "Value", "choose"]

CHOICES: dict[str, Callable[[Site], KernelCall]] = {
    "ADD": elementwise.add,
    "AVERAGE_POOL_2D": pooling.average_pool,
    "CONCATENATION": layout.concatenation,
    "CONV_2D": convolution.conv2d,
    "DEPTHWISE_CONV_2D": convolution.depthwise,
    "FULLY_CONNECTED": convolution.dense,
    "LOGISTIC": elementwise.logistic,
    "MAX_POOL_2D": pooling.max_pool,
    "MEAN": pooling.mean,
    "MUL": elementwise.mul,
    "PAD": layout.pad,
    "QUANTIZE": elementwise.quantize,
    "SOFTMAX": elementwise.softmax,
}


def choose(graph: Graph, op: Op) -> KernelCall:
    """Return the call that carries out `op`.

    Raises:
        ModelError: no kernel does it exactly; the message names op, tensor and reason.
    """
    if op.kind not in CHOICES:
        raise graph.refusal(op, None, f"this operator is not supported; supported are {', '.join(CHOICES)}, RESHAPE")
    return CHOICES[op.kind](Site(graph, op))
