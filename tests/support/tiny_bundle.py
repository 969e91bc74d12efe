"""A bundle whose model is small, has random weights and goes through the whole tool in a second."""

import numpy as np

from tflite_models import ModelBuilder
from tinyscene.bundle.bundle import Bundle
from tinyscene.frontend.config import FrontendConfig, preset
from tinyscene.frontend.scaling import Normalisation, Quantisation

CLASSES = ("airport", "bus", "metro", "park", "tram")


def tiny_bundle(
    name: str = "tiny", seed: int = 1, frontend: FrontendConfig | None = None, classes: tuple[str, ...] = CLASSES
) -> Bundle:
    """Return a convolution, a mean and a dense layer over the images of `frontend` (default: p1)."""
    frontend = frontend or preset("p1")
    builder = ModelBuilder(seed)
    source = builder.input((1, *frontend.shape, 1), scale=0.05, zero_point=-3)
    features = builder.conv(source, 4, (5, 5), stride=(4, 4), activation="RELU")
    output = builder.dense(builder.mean(features, (1, 2), keep=False), len(classes))
    random = np.random.default_rng(seed)
    return Bundle(
        name=name,
        classes=classes,
        frontend=frontend,
        normalisation=Normalisation(tuple(random.normal(-50, 5, frontend.n_mels)), (15.0,) * frontend.n_mels),
        input=Quantisation(source.scale, source.zero_point),
        output=Quantisation(output.scale, output.zero_point),
        output_kind="logits",
        model=builder.finish(output),
    )
