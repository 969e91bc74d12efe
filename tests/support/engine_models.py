"""The generated networks that the compiler is tested with: every operator and option, each from a seed."""

from collections.abc import Callable

from tflite_models import ModelBuilder, Ref, schema

Recipe = Callable[[ModelBuilder], Ref]


def _image(net: ModelBuilder, height: int, width: int, depth: int) -> Ref:
    return net.input((1, height, width, depth))


def _strides(net: ModelBuilder) -> Ref:
    x = net.conv(_image(net, 17, 13, 3), 8, (3, 5), stride=(2, 1), activation="RELU")
    return net.conv(x, 5, (5, 3), stride=(1, 3), padding="VALID", activation="RELU6")


def _kernel_below_stride(net: ModelBuilder) -> Ref:
    return net.conv(_image(net, 20, 11, 4), 6, (2, 1), stride=(4, 3), padding="VALID")


def _even_kernels(net: ModelBuilder) -> Ref:
    """SAME with more padding after than before."""
    return net.conv(net.conv(_image(net, 9, 10, 1), 7, (6, 4)), 3, (2, 2), stride=(2, 2), activation="RELU_N1_TO_1")


def _dilation(net: ModelBuilder) -> Ref:
    x = net.conv(_image(net, 15, 14, 5), 6, (3, 3), dilation=(2, 3), activation="RELU")
    return net.conv(x, 4, (2, 3), dilation=(3, 1), padding="VALID", per_channel=False)


def _dilation_deep(net: ModelBuilder) -> Ref:
    """Runs long enough not to be gathered."""
    return net.conv(_image(net, 9, 8, 34), 5, (3, 2), dilation=(1, 2))


def _one_by_one(net: ModelBuilder) -> Ref:
    return net.conv(net.conv(_image(net, 7, 5, 37), 9, (1, 1)), 1, (1, 1), stride=(2, 2))


def _kernel_above_image(net: ModelBuilder) -> Ref:
    return net.conv(_image(net, 3, 2, 2), 3, (7, 7), activation="RELU")


def _whole_image_kernel(net: ModelBuilder) -> Ref:
    return net.conv(_image(net, 5, 4, 9), 11, (5, 4), padding="VALID")


def _wide_rows(net: ModelBuilder) -> Ref:
    """Rows in the ring rather than patches, with odd and even pixel counts, in place."""
    x = net.conv(_image(net, 9, 7, 32), 32, (3, 3), activation="RELU")
    return net.conv(net.conv(x, 32, (3, 3), activation="RELU"), 31, (3, 2), padding="VALID")


def _saturating(net: ModelBuilder) -> Ref:
    return net.conv(net.conv(_image(net, 8, 8, 3), 6, (3, 3), spread=40), 4, (3, 3), spread=300)


def _factor_above_one(net: ModelBuilder) -> Ref:
    return net.conv(net.input((1, 6, 6, 2), scale=8.0), 5, (3, 3), spread=20000)


def _depthwise(net: ModelBuilder) -> Ref:
    x = net.conv(_image(net, 13, 11, 6), 0, (3, 3), depthwise=1, stride=(2, 2), activation="RELU6")
    return net.conv(x, 0, (3, 4), depthwise=3, padding="SAME")


def _depthwise_dilated(net: ModelBuilder) -> Ref:
    x = net.conv(_image(net, 16, 15, 2), 0, (3, 3), depthwise=2, dilation=(3, 2), padding="VALID", per_channel=False)
    return net.conv(x, 0, (5, 5), depthwise=1, bias=False)


def _depthwise_by_fours(net: ModelBuilder) -> Ref:
    x = net.conv(_image(net, 13, 11, 8), 0, (3, 3), depthwise=1, activation="RELU6")
    x = net.conv(x, 0, (5, 2), depthwise=1, stride=(2, 1), dilation=(1, 3), padding="SAME")
    return net.conv(x, 0, (17, 3), depthwise=1, activation="RELU")


def _depthwise_3x3(net: ModelBuilder) -> Ref:
    """Every stride that the kernel takes, odd and even heights, padding on each side, and one that it does not take."""
    x = net.conv(_image(net, 22, 21, 8), 0, (3, 3), depthwise=1, activation="RELU6")
    x = net.conv(x, 0, (3, 3), depthwise=1, stride=(2, 2), activation="RELU")  # 11 x 11
    x = net.conv(x, 0, (3, 3), depthwise=1, stride=(1, 2), padding="VALID", per_channel=False)  # 9 x 5
    x = net.conv(x, 0, (3, 3), depthwise=1, stride=(3, 1), activation="RELU_N1_TO_1")  # 3 x 5
    return net.conv(x, 0, (3, 3), depthwise=1, stride=(1, 3), bias=False)


def _depthwise_3x3_tiny(net: ModelBuilder) -> Ref:
    """More padding than image."""
    x = net.conv(_image(net, 2, 2, 12), 0, (3, 3), depthwise=1, stride=(1, 2))
    return net.conv(net.conv(x, 0, (3, 3), depthwise=1, stride=(2, 1)), 0, (3, 3), depthwise=1, spread=300)


def _separable(net: ModelBuilder) -> Ref:
    """Two rows at a time of odd widths and heights, through rings and into whole maps."""
    x = net.conv(_image(net, 41, 10, 1), 16, (5, 3), stride=(1, 2))
    for channels in (16, 10, 24):
        x = net.conv(net.conv(x, 0, (3, 3), depthwise=1, activation="RELU"), channels, (1, 1), activation="RELU6")
    x = net.conv(net.conv(x, 0, (3, 3), depthwise=1, stride=(2, 1)), 16, (1, 1))  # 21 x 5
    return net.conv(net.combine("ADD", net.conv(x, 16, (1, 1)), x), 7, (1, 1))


def _separable_trimmed(net: ModelBuilder) -> Ref:
    """A pool drops the fourth column of a 1x1 convolution but not of its input, whose rows are longer then."""
    x = net.conv(_image(net, 9, 4, 16), 16, (3, 3))
    parts = [net.conv(x, 16, (1, 1)), net.conv(x, 0, (3, 3), depthwise=1)]
    left, right = (net.pool(part, "AVERAGE_POOL_2D", (1, 3), (1, 3)) for part in parts)
    return net.combine("ADD", left, right)


def _dense(net: ModelBuilder) -> Ref:
    x = net.reshape(_image(net, 3, 5, 7), (1, 105))
    return net.dense(net.dense(x, 33, activation="RELU", per_channel=True), 10, bias=False)


def _dense_saturating(net: ModelBuilder) -> Ref:
    return net.dense(net.dense(net.input((1, 64)), 65, spread=30), 12, per_channel=True, spread=1000)


def _dense_rows(net: ModelBuilder) -> Ref:
    return net.reshape(net.dense(net.reshape(_image(net, 2, 3, 8), (6, 8)), 5, activation="RELU6"), (1, 30))


def _dense_batch(net: ModelBuilder) -> Ref:
    """No batch axis of 1 at either end."""
    return net.dense(net.input((5, 9)), 4)


def _max_pool(net: ModelBuilder) -> Ref:
    x = net.pool(_image(net, 13, 12, 5), "MAX_POOL_2D", (3, 2), (2, 1), "SAME")
    x = net.conv(x, 6, (3, 3), activation="RELU")
    return net.pool(net.pool(x, "MAX_POOL_2D", (2, 3), (2, 3)), "MAX_POOL_2D", (2, 2), (1, 1), activation="RELU6")


def _average_pool(net: ModelBuilder) -> Ref:
    x = net.pool(_image(net, 13, 12, 5), "AVERAGE_POOL_2D", (3, 2), (2, 1), "SAME", "RELU")
    return net.pool(net.conv(x, 6, (3, 3)), "AVERAGE_POOL_2D", (3, 4), (1, 2), activation="RELU_N1_TO_1")


def _average_pool_by_fours(net: ModelBuilder) -> Ref:
    """Sums of pixels that just fit int16, in fours and alone."""
    return net.pool(_image(net, 17, 16, 6), "AVERAGE_POOL_2D", (16, 16), (1, 1))


def _average_pool_of_many(net: ModelBuilder) -> Ref:
    """Sums that do not."""
    return net.pool(_image(net, 18, 16, 8), "AVERAGE_POOL_2D", (17, 16), (1, 1))


def _average_of_image(net: ModelBuilder) -> Ref:
    """Streamed into by what comes before it; quads and single channels."""
    x = net.conv(net.conv(_image(net, 21, 12, 4), 8, (3, 3)), 6, (3, 3))
    return net.pool(x, "AVERAGE_POOL_2D", (21, 12), (1, 1), activation="RELU6")


def _average_of_wide_image(net: ModelBuilder) -> Ref:
    """Rows of more pixels than int16 sums hold."""
    return net.pool(_image(net, 3, 300, 6), "AVERAGE_POOL_2D", (3, 300), (3, 300))


def _averages_of_branches(net: ModelBuilder) -> Ref:
    """Two sums at the same time."""
    x = net.conv(_image(net, 24, 10, 4), 12, (3, 3))
    left = net.pool(net.conv(x, 12, (3, 3)), "AVERAGE_POOL_2D", (24, 10), (1, 1))
    return net.combine("ADD", left, net.mean(net.conv(x, 12, (1, 1)), (1, 2), keep=True))


def _mean(net: ModelBuilder) -> Ref:
    return net.mean(net.conv(_image(net, 10, 9, 4), 7, (3, 3)), (1, 2), keep=False)


def _mean_of_wide_image(net: ModelBuilder) -> Ref:
    return net.mean(_image(net, 2, 513, 5), (1, 2), keep=False)


def _mean_kept(net: ModelBuilder) -> Ref:
    return net.mean(net.mean(_image(net, 6, 11, 3), (2,), keep=True), (1, 2), keep=True)


def _mean_same_quantisation(net: ModelBuilder) -> Ref:
    return net.mean(_image(net, 6, 5, 8), (1, 2), keep=True, same_quantisation=True)


def _add(net: ModelBuilder) -> Ref:
    x = _image(net, 6, 7, 5)
    left, right = net.conv(x, 4, (3, 3), activation="RELU"), net.conv(x, 4, (1, 1))
    return net.combine("ADD", net.combine("ADD", left, right, "RELU"), left)


def _residual(net: ModelBuilder) -> Ref:
    x = net.conv(_image(net, 9, 9, 3), 8, (3, 3), activation="RELU")
    for _ in range(2):
        y = net.conv(net.conv(x, 8, (3, 3), activation="RELU"), 8, (3, 3))
        x = net.combine("ADD", y, x, "RELU")
    return net.mean(x, (1, 2), keep=False)


def _broadcast(net: ModelBuilder) -> Ref:
    x = net.conv(_image(net, 6, 5, 4), 8, (3, 3))
    gate = net.logistic(net.conv(net.mean(x, (1, 2), keep=True), 8, (1, 1)))
    x = net.combine("MUL", x, gate)
    return net.combine("ADD", net.mean(x, (2,), keep=True), x)


def _mul(net: ModelBuilder) -> Ref:
    x = _image(net, 5, 6, 4)
    return net.combine("MUL", net.conv(x, 4, (3, 3)), x, "RELU6")


def _pad(net: ModelBuilder) -> Ref:
    x = net.pad(_image(net, 5, 6, 3), [(0, 0), (1, 2), (3, 0), (0, 0)])
    return net.pad(net.conv(x, 4, (3, 3), stride=(2, 2), padding="VALID"), [(0, 0), (0, 0), (0, 1), (2, 1)])


def _concatenate(net: ModelBuilder) -> Ref:
    x = _image(net, 7, 6, 4)
    parts = [x, net.pool(x, "MAX_POOL_2D", (3, 3), (1, 1), "SAME"), x]
    return net.concatenate([y := net.concatenate(parts, 3), net.pool(y, "AVERAGE_POOL_2D", (1, 1), (1, 1))], -3)


def _softmax(net: ModelBuilder) -> Ref:
    return net.softmax(net.dense(net.input((1, 20)), 12, spread=3))


def _softmax_wide(net: ModelBuilder) -> Ref:
    return net.softmax(net.input((1, 4, 3, 300), scale=0.02), beta=0.7)


def _logistic(net: ModelBuilder) -> Ref:
    return net.logistic(net.input((1, 300)))


def _quantize(net: ModelBuilder) -> Ref:
    x = net.quantize(net.input((1, 300), scale=0.1), 0.037, net.zero_point())
    return net.quantize(x, 0.31, net.zero_point())


def _reshapes(net: ModelBuilder) -> Ref:
    x = net.conv(net.reshape(net.input((1, 60)), (1, 5, 4, 3)), 4, (3, 3))
    return net.reshape(net.conv(net.reshape(x, (1, 10, 2, 4)), 2, (2, 2)), (1, 40), by_options=True)


def _expanded(net: ModelBuilder) -> Ref:
    """A convolution over time, as Keras's Conv1D is converted: between EXPAND_DIMS and SQUEEZE."""
    x = net.squeeze(net.conv(net.expand(net.input((1, 20, 5)), -3), 4, (1, 3)), (-3,))
    return net.squeeze(net.conv(net.expand(x, 1), 1, (1, 2)), ())


def _branches(net: ModelBuilder) -> Ref:
    """Buffers of many lifetimes, side by side."""
    x = _image(net, 8, 8, 4)
    branches = [net.pool(x, "MAX_POOL_2D", (k, k), (1, 1), "SAME") for k in (1, 2, 3)]
    y = net.conv(net.concatenate(branches, 3), 12, (3, 3), activation="RELU")
    z = net.combine("ADD", net.conv(y, 12, (1, 1)), net.combine("MUL", y, net.conv(y, 12, (3, 1))))
    return net.dense(net.reshape(net.pool(z, "AVERAGE_POOL_2D", (4, 4), (4, 4)), (1, 48)), 7)


def _float_ends(net: ModelBuilder) -> Ref:
    x = net.conv(net.float_input((1, 9, 7, 3)), 6, (3, 3), activation="RELU6")
    return net.dequantize(net.reshape(net.pool(x, "AVERAGE_POOL_2D", (3, 2), (3, 2)), (1, 54)))


def _float_input(net: ModelBuilder) -> Ref:
    """Reshaped while it is float, and read by two."""
    image = net.real((1, 105))
    net.graph.inputs.append(image.index)
    x = net.reshape(image, (1, 5, 7, 3))
    first, second = (net.quantize(x, net.scale(), net.zero_point()) for _ in range(2))
    return net.combine("ADD", net.conv(first, 3, (3, 3)), second)


def _float_output(net: ModelBuilder) -> Ref:
    x = net.softmax(net.dense(net.input((1, 20)), 12, spread=3))
    return net.reshape(net.dequantize(x), (1, 3, 4), by_options=True)


def _unsigned_ends(net: ModelBuilder) -> Ref:
    source = net.bytes_tensor((1, 8, 9, 2), "UINT8", 0.05, int(net.random.integers(256)))
    net.graph.inputs.append(source.index)
    x = net.conv(net.quantize(source, 0.05, source.zero_point - 128), 5, (3, 3), stride=(2, 2))
    output = net.bytes_tensor(x.shape, "UINT8", x.scale * 0.9, int(net.random.integers(256)))
    return net.op("QUANTIZE", [x.index], output, schema().QuantizeOptionsT(), "QuantizeOptions")


def _activations(net: ModelBuilder) -> Ref:
    """Those with an int8 kernel in the reference; ELU is not in it."""
    x = net.input((1, 300), scale=0.05)
    for kind in ("TANH", "LEAKY_RELU", "HARD_SWISH", "RELU", "ABS", "GELU", "RELU6", "EXP", "RELU_N1_TO_1"):
        x = net.function(kind, x if kind != "EXP" else net.quantize(x, 0.05, 3))
    return x


def _folded(net: ModelBuilder) -> Ref:
    """A chain, x * sigmoid(x), and operations with constants, between convolutions."""
    x = net.conv(_image(net, 9, 8, 3), 6, (3, 3))
    x = net.dequantize(net.quantize(x, 0.04, 5))
    x = net.function("TANH", net.function("LEAKY_RELU", x))
    x = net.dequantize(net.conv(net.quantize(x, 0.01, -3), 6, (3, 3)))
    x = net.float_operation("MUL", x, net.function("LOGISTIC", x))
    x = net.conv(net.quantize(x, 0.5, -100), 5, (3, 3))
    y = net.dequantize(net.quantize(x, 0.03, 0))
    inner = net.float_operation("ADD", net.function("ABS", y), net.number(1.0))
    return net.quantize(net.float_operation("DIV", y, inner), 0.008, 1)


def _folded_twice(net: ModelBuilder) -> Ref:
    """One dequantised tensor that two tables and the model's output read."""
    x = net.dequantize(net.quantize(net.conv(_image(net, 6, 5, 3), 4, (3, 3)), 0.06, -9))
    net.quantize(net.function("HARD_SWISH", x), 0.04, -100)
    first = net.quantize(net.float_operation("MAXIMUM", net.number(-0.5), x), 0.05, 7)
    second = net.quantize(net.float_operation("SUB", net.function("SQUARE", x), x, "RELU6"), 0.05, -128)
    return net.combine("MUL", first, second)


RECIPES: dict[str, Recipe] = {
    name.removeprefix("_"): recipe
    for name, recipe in list(globals().items())
    if name.startswith("_") and callable(recipe) and name != "_image"
}


DEPTHS = (1, 2, 3, 4, 5, 8, 10, 12, 16, 32, 33, 64, 130)
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def random_network(seed: int) -> bytes:
    """Return a chain of convolutions, pools and residual additions of any shape that the seed makes of it."""
    net = ModelBuilder(seed)
    x = _image(net, *(int(size) for size in net.random.integers(1, 20, 2)), int(net.random.choice(DEPTHS[:8])))
    for _ in range(net.random.integers(1, 5)):
        kind = net.random.choice(["conv", "conv", "conv", "residual", "depthwise", "pool", "pool"])
        if kind == "residual":
            y = _random_conv(net, x, channels=x.shape[3], same=True)
            first, second = (x, y) if net.random.integers(2) else (y, x)
            x = net.combine("ADD", first, second, str(net.random.choice(ACTIVATIONS)))
        elif kind == "pool":
            x = _random_pool(net, x)
        else:
            x = _random_conv(net, x, channels=int(net.random.choice(DEPTHS)), depthwise=kind == "depthwise")
    return net.finish(x if net.graph.operators else _random_conv(net, x, channels=4))


def _random_conv(net: ModelBuilder, x: Ref, *, channels: int, same: bool = False, depthwise: bool = False) -> Ref:
    random = net.random
    kernel = [int(size) for size in random.integers(1, 6, 2)]
    dilation = [int(random.choice([1, 1, 1, 2, 3])) for _ in range(2)]
    stride = [1, 1] if same else [int(random.choice([1, 1, 2, 3])) for _ in range(2)]
    fits = all((k - 1) * d < size for k, d, size in zip(kernel, dilation, x.shape[1:3], strict=True))
    return net.conv(
        x,
        channels,
        (kernel[0], kernel[1]),
        stride=(stride[0], stride[1]),
        dilation=(dilation[0], dilation[1]),
        padding="VALID" if fits and not same and random.integers(2) else "SAME",
        activation=str(random.choice(ACTIVATIONS)),
        per_channel=bool(random.integers(2)),
        bias=not depthwise or bool(random.integers(4)),  # the reference demands one of CONV_2D
        depthwise=int(random.integers(1, 3)) if depthwise else 0,
        spread=float(10 ** random.uniform(-0.5, 4 if random.integers(4) == 0 else 1)),
    )


def three_by_three(seed: int) -> bytes:
    """Return a chain of convolutions that `--optimize speed` computes with transformed weights, and others between."""
    net = ModelBuilder(seed)
    random = net.random
    x = _image(net, *(int(size) for size in random.integers(5, 24, 2)), int(random.choice([8, 12, 16])))
    for position in range(random.integers(1, 5)):
        kind = str(random.choice(["conv", "conv", "conv", "residual", "pool", "one by one"])) if position else "conv"
        valid = kind == "conv" and min(x.shape[1:3]) > 4 and bool(random.integers(2))
        activation = str(random.choice(ACTIVATIONS))
        if kind == "pool":
            x = _random_pool(net, x)
            continue
        y = net.conv(
            x,
            x.shape[3] if kind == "residual" else int(random.choice([8, 10, 12, 16, 33, 40])),
            (1, 1) if kind == "one by one" else (3, 3),
            padding="VALID" if valid else "SAME",
            activation=activation,
            per_channel=bool(random.integers(2)),
            spread=float(10 ** random.uniform(-0.5, 2)),
        )
        x = net.combine("ADD", y, x, activation) if kind == "residual" else y
    return net.finish(x)


def _random_pool(net: ModelBuilder, x: Ref) -> Ref:
    random = net.random
    window = [int(min(size, random.integers(1, 5))) for size in x.shape[1:3]]
    stride = [size if random.integers(3) else int(random.integers(1, 4)) for size in window]
    kind = "MAX_POOL_2D" if random.integers(4) else "AVERAGE_POOL_2D"
    padding = "SAME" if random.integers(4) == 0 else "VALID"
    activation = str(random.choice(ACTIVATIONS))
    return net.pool(x, kind, (window[0], window[1]), (stride[0], stride[1]), padding, activation)


def generate(name: str, seed: int) -> bytes:
    """Return the .tflite file of a recipe."""
    net = ModelBuilder(seed)
    return net.finish(RECIPES[name](net))
