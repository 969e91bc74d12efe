"""The kernel of SOFTMAX."""

import numpy as np

from tinyscene.compiler import quantisation
from tinyscene.compiler.graph import SoftmaxOptions
from tinyscene.compiler.kernels.call import (
    Constant,
    KernelCall,
    Site,
    require,
)
from tinyscene.compiler.kernels.tables import require_fixed_output

MAX_SOFTMAX_DEPTH = 4096  # exponentials whose sum fits Q12.19


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
