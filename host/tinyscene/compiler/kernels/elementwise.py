"""The kernels of ADD and MUL, with broadcasting."""

import numpy as np

from tinyscene.compiler import quantisation
from tinyscene.compiler.graph import ElementwiseOptions, Tensor
from tinyscene.compiler.kernels.call import (
    Fields,
    KernelCall,
    RowAccess,
    RowSource,
    Site,
    factor_fields,
    require,
    result_fields,
    row_bytes,
)

ADD_EXTRA_BITS = 20
MAX_BROADCAST_RANK = 4


def add(site: Site) -> KernelCall:
    """ADD: both operands on a common scale of twice the larger one, with 20 more bits."""
    first, second, output = site.activation(0), site.activation(1), site.output()
    common = 2.0 * max(first.scale, second.scale)
    down = common / float(np.float32(2**ADD_EXTRA_BITS) * np.float32(output.scale))
    require(down < 1, site, output, "its scale is too small for the operands'; TensorFlow Lite refuses it too")
    if first.shape == second.shape == output.shape:
        larger, smaller = (first, second) if first.scale >= second.scale else (second, first)
        quick = _quick_add(site, larger, smaller, down)
        if quick is not None:
            return quick
    fields: Fields = {
        "first_zero_point": first.zero_point,
        "second_zero_point": second.zero_point,
        "first_factor": factor_fields(first.scale / common),
        "second_factor": factor_fields(second.scale / common),
        "factor": factor_fields(down),
    }
    return _two_operands(site, "engine_add", first, second, output, fields)


def _quick_add(site: Site, first: Tensor, second: Tensor, down: float) -> KernelCall | None:
    """ADD of equal shapes, the first operand with the larger scale; None if a factor is outside the quick range."""
    options, output = site.op.options, site.output()
    assert isinstance(options, ElementwiseOptions)
    multiplier, shift = quantisation.quantise_multiplier(second.scale / (2.0 * first.scale))
    factor = quantisation.quantise_multiplier(down)
    if not (-30 <= shift <= 0 < multiplier and factor[1] in quantisation.QUICK_SHIFTS):
        return None
    # a shift of 0 means a factor of exactly 1/2: the product is 0, and the value that is added to it is shifted by 1
    up = quantisation.quick_factor(multiplier, shift, 0) if shift else (0, 1, 1)
    names = ("multiplier", "offset", "shift")
    return KernelCall(
        op=site.op,
        function="engine_quick_add",
        struct="engine_quick_add",
        fields={
            "count": _row(site, output),
            "first_zero_point": first.zero_point,
            "second_zero_point": second.zero_point,
            "second": dict(zip(names, up, strict=True)),
            "factor": dict(zip(names, quantisation.quick_factor(*factor, output.zero_point), strict=True)),
            "result": result_fields(output, options.activation),
        },
        inputs=(first.index, second.index),
        output=output.index,
        rows=RowAccess((RowSource(first.index), RowSource(second.index))),
        in_place=(first.index, second.index),
        macs=output.elements,
    )


def mul(site: Site) -> KernelCall:
    """MUL; the reference computes its factor in single precision."""
    first, second, output = site.activation(0), site.activation(1), site.output()
    product = np.float32(first.scale) * np.float32(second.scale)
    fields: Fields = {
        "first_zero_point": first.zero_point,
        "second_zero_point": second.zero_point,
        "factor": factor_fields(float(product / np.float32(output.scale))),
    }
    return _two_operands(site, "engine_mul", first, second, output, fields)


def _two_operands(
    site: Site, function: str, first: Tensor, second: Tensor, output: Tensor, fields: Fields
) -> KernelCall:
    options = site.op.options
    assert isinstance(options, ElementwiseOptions)
    aligned = first.shape == second.shape == output.shape
    row = _row(site, output)
    same = {"size": (1, 1, 1, row), "first_step": (0, 0, 0, 1), "second_step": (0, 0, 0, 1)}
    return KernelCall(
        op=site.op,
        function=f"{function}_row" if aligned else function,
        struct=function,
        fields={
            "shape": same if aligned else _broadcast(site, first, second, output),
            **fields,
            "result": result_fields(output, options.activation),
        },
        inputs=(first.index, second.index),
        output=output.index,
        rows=RowAccess((RowSource(first.index), RowSource(second.index))) if aligned else None,
        in_place=tuple(operand.index for operand in (first, second) if operand.elements == output.elements),
        macs=output.elements,
    )


def _row(site: Site, tensor: Tensor) -> int:
    """Return the number of values in a row of an image, or in the whole of any other tensor."""
    return row_bytes(site.planned.shape(tensor.index))


def _broadcast(site: Site, first: Tensor, second: Tensor, output: Tensor) -> Fields:
    """Return `struct engine_broadcast`."""
    try:
        expected = np.broadcast_shapes(first.shape, second.shape)
    except ValueError:
        expected = None
    require(
        expected == output.shape and len(output.shape) <= MAX_BROADCAST_RANK,
        site,
        output,
        f"{list(first.shape)} and {list(second.shape)} do not broadcast to {list(output.shape)} in four dimensions",
    )
    return {
        "size": _four(output.shape),
        "first_step": _steps(first.shape),
        "second_step": _steps(second.shape),
    }


def _four(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (MAX_BROADCAST_RANK - len(shape)) + shape


def _steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = _four(shape)
    steps = [int(np.prod(sizes[axis + 1 :])) for axis in range(MAX_BROADCAST_RANK)]
    return tuple(step if size > 1 else 0 for step, size in zip(steps, sizes, strict=True))
