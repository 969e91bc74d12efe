"""The kinds of networks, and what is known about each without Keras; `catalogue` builds them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tinyscene.errors import ConfigError

ACTIVATIONS = ("relu", "elu", "swish")
PATCH = (4, 3)  # mels and frames of a patch of the Vision Transformer


@dataclasses.dataclass(frozen=True)
class Network:
    """A kind of network.

    Attributes:
        smallest: mels and frames of the smallest image that its pooling does not reduce to nothing.
        options: its options, each with its default.
        image: mels and frames of the image for which its size is reported.
        converts: whether it can become an INT8 model; else it stays in Keras, as a teacher.
    """

    smallest: tuple[int, int]
    options: Mapping[str, Any]
    image: tuple[int, int] = (80, 51)
    converts: bool = True


NETWORKS = {
    "baseline": Network((20, 50), {"dropout": 0.3, "stem_stride": 1}, image=(40, 51)),
    "teacher": Network((2, 2), {"dropout": 0.1}, converts=False),
    "student": Network((10, 4), {"dropout": 0.0}),
    "transformer": Network(PATCH, {"dropout": 0.1}, converts=False),
    "mobile": Network((1, 1), {"dropout": 0.0, "depth": 2, "expansion": 3, "stem_stride": 4}),
    "separable": Network((1, 1), {"dropout": 0.0, "depth": 4, "stem_stride": 2}),
    "limited": Network((5, 5), {"dropout": 0.0, "depth": 1, "stem_stride": 2}),
}


def check_options(name: str, options: Mapping[str, float | None]) -> None:
    """Raise ConfigError if an option is set (not None) that a network of `NETWORKS` does not have."""
    own = NETWORKS[name].options
    for option, value in options.items():
        if value is not None and option not in own:
            raise ConfigError(f"{option} is set, which the {name} does not have; its options are {', '.join(own)}")
