"""ADD and MUL with broadcasting, and SOFTMAX."""

import numpy as np

from tinyscene.compiler import quantisation
from tinyscene.compiler.graph import ElementwiseOptions, SoftmaxOptions, Tensor
from tinyscene.compiler.kernels.call import (
    Constant,
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
from tinyscene.compiler.kernels.tables import require_fixed_output

ADD_EXTRA_BITS = 20
MAX_BROADCAST_RANK = 4
MAX_SOFTMAX_DEPTH = 4096  # exponentials whose sum fits Q12.19


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
    """ADD of equal shapes, the first operand of the larger scale; None where its factors are out of the usual."""
    options, output = site.op.options, site.output()
    assert isinstance(options, ElementwiseOptions)
    multiplier, shift = quantisation.quantise_multiplier(second.scale / (2.0 * first.scale))
    factor = quantisation.quantise_multiplier(down)
    if not (-30 <= shift <= 0 < multiplier and factor[1] in quantisation.QUICK_SHIFTS):
        return None
    # a shift of 0 means exactly 1/2, which is a product of nothing, added to the value, and a shift of 1
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
    """Return the values of a row: of an image, or of all where the tensor is none."""
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


def softmax(site: Site) -> KernelCall:
    """SOFTMAX over the last axis."""
    options = site.op.options
    assert isinstance(options, SoftmaxOptions)
    source, output = site.activation(0), site.output()
    require_fixed_output(site, output)
    depth = source.shape[-1] if source.shape else 1
    require(source.shape == output.shape, site, output, f"its shape is not the input's {list(source.shape)}")
    require(depth <= MAX_SOFTMAX_DEPTH, site, source, f"{depth} classes are more than {MAX_SOFTMAX_DEPTH}")
    require(
        options.beta * source.scale * 2.0 ** (31 - quantisation.SOFTMAX_INTEGER_BITS) > 1,
        site,
        source,
        f"beta {options.beta:g} times its scale {source.scale:g} is too small; TensorFlow Lite refuses it too",
    )
    return KernelCall(
        op=site.op,
        function="engine_softmax",
        struct="engine_softmax",
        fields={
            "table": Constant("table", np.array(quantisation.softmax_table(options.beta, source.scale)), "int32_t"),
            "rows": output.elements // depth,
            "depth": depth,
        },
        inputs=(source.index,),
        output=output.index,
        in_place=(source.index,),
    )
