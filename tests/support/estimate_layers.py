"""Single layers of every kernel and of many shapes, which the estimate's coefficients are fitted to and tested with."""

from collections.abc import Callable

from tflite_models import ModelBuilder, Ref
from tinyscene.compiler.compiled import CompiledModel
from tinyscene.compiler.pipeline import plan_model

DEPTHS = (1, 2, 3, 4, 8, 10, 12, 16, 24, 32, 40, 64, 96)
Recipe = Callable[[ModelBuilder], Ref]


def _pick(net: ModelBuilder, *choices: int) -> int:
    return int(net.random.choice(choices))


def _image(net: ModelBuilder, depth: int | None = None, most: int = 24) -> Ref:
    """An input of a size and depth by chance."""
    height, width = (int(size) for size in net.random.integers(4, most, 2))
    return net.input((1, height, width, depth or _pick(net, *DEPTHS)), scale=0.05)


def _activation(net: ModelBuilder) -> str:
    return str(net.random.choice(["NONE", "RELU", "RELU6"]))


def _padding(net: ModelBuilder) -> str:
    return "SAME" if net.random.integers(4) else "VALID"


def conv(net: ModelBuilder, most: int = 4) -> Ref:
    """CONV_2D as networks have it."""
    size, stride = _pick(net, 1, 3, 3, most), _pick(net, 1, 1, 2)
    return net.conv(
        _image(net),
        _pick(net, *DEPTHS[1:]),
        (size, _pick(net, size, size, 1, 3)),
        stride=(stride, stride),
        padding=_padding(net),
        activation=_activation(net),
    )


def conv_pixels(net: ModelBuilder) -> Ref:
    """CONV_2D of 1x1 on channels in fours, whose rows are merged where the width is odd."""
    source = _image(net, _pick(net, 4, 8, 16, 24, 64, 96))
    return net.conv(source, _pick(net, *DEPTHS[1:]), (1, 1), activation=_activation(net))


def conv_winograd(net: ModelBuilder) -> Ref:
    """CONV_2D that is planned for speed, by Winograd's way where that is faster."""
    source = _image(net, _pick(net, 4, 8, 12, 16, 24, 32, 64, 96))
    outputs = _pick(net, 4, 8, 10, 16, 24, 32, 33, 64)
    return net.conv(source, outputs, (3, 3), padding=_padding(net), activation=_activation(net))


def conv_large(net: ModelBuilder) -> Ref:
    """CONV_2D with a window of up to 7."""
    return net.conv(
        _image(net, _pick(net, 1, 3, 4, 16)), _pick(net, *DEPTHS[1:]), (7, 7) if _pick(net, 0, 1) else (5, 5)
    )


def conv_dilated(net: ModelBuilder) -> Ref:
    """CONV_2D with dilation."""
    return net.conv(_image(net), _pick(net, *DEPTHS[1:]), (3, 3), dilation=(2, _pick(net, 1, 2)))


def conv_pool(net: ModelBuilder) -> Ref:
    """CONV_2D and the max-pool that joins it."""
    source = net.input(
        (1, 2 * _pick(net, *range(4, 12)), 2 * _pick(net, *range(4, 12)), _pick(net, *DEPTHS)), scale=0.05
    )
    x = net.conv(source, _pick(net, *DEPTHS[1:]), (3, 3), activation=_activation(net))
    return net.pool(x, "MAX_POOL_2D", (2, 2), (2, 2))


def conv_not_quick(net: ModelBuilder) -> Ref:
    """CONV_2D whose factors are above one."""
    return net.conv(net.input((1, 9, 9, _pick(net, *DEPTHS)), scale=8.0), _pick(net, 4, 5, 16), (3, 3), spread=20000)


def depthwise(net: ModelBuilder) -> Ref:
    """DEPTHWISE_CONV_2D of 3x3 with multiplier 1; by fours where the depth allows it."""
    stride = _pick(net, 1, 1, 2)
    return net.conv(
        _image(net), 0, (3, 3), depthwise=1, stride=(stride, stride), padding=_padding(net), activation=_activation(net)
    )


def depthwise_quick(net: ModelBuilder) -> Ref:
    """DEPTHWISE_CONV_2D of other windows with multiplier 1, by fours."""
    size, stride = (_pick(net, 2, 3, 5), _pick(net, 2, 4, 5)), _pick(net, 1, 1, 2)
    source = _image(net, _pick(net, 4, 8, 16, 24, 64, 96))
    return net.conv(source, 0, size, depthwise=1, stride=(stride, stride), activation=_activation(net))


def depthwise_odd(net: ModelBuilder) -> Ref:
    """DEPTHWISE_CONV_2D of any multiplier and depth."""
    size = _pick(net, 2, 3, 4)
    return net.conv(_image(net, _pick(net, 1, 3, 6, 10)), 0, (size, 3), depthwise=_pick(net, 1, 2, 3))


def dense(net: ModelBuilder) -> Ref:
    """FULLY_CONNECTED."""
    return net.dense(
        net.input((1, _pick(net, 10, 33, 64, 100, 128, 256, 640))), _pick(net, 2, 10, 12, 33, 64, 128, 256)
    )


def pool(net: ModelBuilder) -> Ref:
    """MAX_POOL_2D and AVERAGE_POOL_2D with windows that overlap or reach beyond the image."""
    kind = "MAX_POOL_2D" if net.random.integers(2) else "AVERAGE_POOL_2D"
    size, stride = _pick(net, 2, 3, 4), _pick(net, 1, 2)
    return net.pool(_image(net), kind, (size, size), (stride, stride), "SAME")


def pool_apart(net: ModelBuilder) -> Ref:
    """MAX_POOL_2D and AVERAGE_POOL_2D whose windows do not overlap; whole rows and columns, too."""
    kind = "MAX_POOL_2D" if net.random.integers(3) else "AVERAGE_POOL_2D"
    x = _image(net)
    size = (min(x.shape[1], _pick(net, 2, 3, 4, 24)), min(x.shape[2], _pick(net, 2, 3, 4, 24)))
    return net.pool(x, kind, size, size, activation=_activation(net))


def average(net: ModelBuilder) -> Ref:
    """AVERAGE_POOL_2D over an image."""
    x = _image(net)
    return net.pool(x, "AVERAGE_POOL_2D", x.shape[1:3], x.shape[1:3], activation=_activation(net))


def mean(net: ModelBuilder) -> Ref:
    """MEAN over an image."""
    return net.mean(_image(net), (1, 2), keep=False)


def mean_of_rows(net: ModelBuilder) -> Ref:
    """MEAN over the columns of an image, or over its rows."""
    return net.mean(_image(net), (_pick(net, 1, 2),), keep=False)


def add(net: ModelBuilder) -> Ref:
    """ADD of equal shapes."""
    x = _image(net)
    return net.combine("ADD", x, x, _activation(net))


def add_general(net: ModelBuilder) -> Ref:
    """ADD of equal shapes whose output has a scale far above the operands'."""
    x = _image(net)
    output = net.activation(x.shape, x.scale * 100, 3)
    return net.op("ADD", [x.index, x.index], output, _options("AddOptions"), "AddOptions")


def mul(net: ModelBuilder) -> Ref:
    """MUL of equal shapes."""
    x = _image(net)
    return net.combine("MUL", x, x, _activation(net))


def broadcast(net: ModelBuilder) -> Ref:
    """ADD and MUL of an image and a vector."""
    x = _image(net)
    values = net.random.integers(-128, 128, (1, 1, 1, x.shape[3]))
    vector = Ref(net.constant(values, "INT8", [0.05], [0]), values.shape, 0.05, 0)
    return net.combine("MUL" if net.random.integers(2) else "ADD", x, vector)


def table(net: ModelBuilder) -> Ref:
    """LOGISTIC."""
    return net.logistic(_image(net))


def quantize(net: ModelBuilder) -> Ref:
    """QUANTIZE of a float input."""
    height, width = (int(size) for size in net.random.integers(1, 24, 2))
    return net.float_input((1, height, width, _pick(net, *DEPTHS)))


def dequantize(net: ModelBuilder) -> Ref:
    """DEQUANTIZE to a float output."""
    return net.dequantize(_image(net))


def softmax(net: ModelBuilder) -> Ref:
    """SOFTMAX."""
    return net.softmax(net.input((1, _pick(net, 2, 5, 10, 20, 50, 100, 300)), scale=0.1))


def pad(net: ModelBuilder) -> Ref:
    """PAD of an image."""
    before, after = (int(size) for size in net.random.integers(0, 4, 2))
    return net.pad(_image(net), [(0, 0), (before, after), (after, before), (0, 0)])


def concatenate(net: ModelBuilder) -> Ref:
    """CONCATENATION along rows or channels."""
    return net.concatenate([_image(net)] * _pick(net, 2, 3), _pick(net, 1, 3))


# Recipes of many loops come more than once
RECIPES: tuple[Recipe, ...] = (
    *(conv,) * 6,
    *(conv_winograd,) * 4,
    *(conv_large, conv_dilated, conv_pool, conv_pixels) * 2,
    *(depthwise,) * 4,
    *(depthwise_quick, depthwise_odd, dense, pool, pool_apart) * 2,
    *(
        conv_not_quick,
        average,
        mean,
        mean_of_rows,
        add,
        add_general,
        mul,
        broadcast,
        broadcast,
        table,
        softmax,
        pad,
        concatenate,
    ),
    *(quantize, dequantize),
)


def layers(rounds: int, seed: int) -> list[CompiledModel]:
    """Return `rounds` layers of every recipe, planned; other seeds give other shapes."""
    nets = [
        (ModelBuilder(seed * 10_000 + index), RECIPES[index % len(RECIPES)]) for index in range(rounds * len(RECIPES))
    ]
    return [
        plan_model(net.finish(recipe(net)), optimize="speed" if recipe is conv_winograd else "memory")
        for net, recipe in nets
    ]


def _options(name: str) -> object:
    from tflite_models import schema

    return getattr(schema(), f"{name}T")()
