"""How a log-mel image becomes a network's input: standardisation per mel band, then INT8."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from tinyscene.sections import limited

SMALLEST_SCALE = 1e-30


@dataclasses.dataclass(frozen=True)
class Quantisation:
    """Affine INT8 quantisation of TensorFlow Lite: real = scale * (q - zero_point), per tensor."""

    scale: float = limited(low=SMALLEST_SCALE, high=1 / SMALLEST_SCALE)  # where it is read from a file
    zero_point: int = limited(low=-128, high=127)

    def quantise(self, values: NDArray[np.floating]) -> NDArray[np.int8]:
        """Return round-half-away(values / scale) + zero_point, saturated; float32 arithmetic, as on the board."""
        scaled = np.asarray(values, np.float32) / np.float32(self.scale)
        rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
        return np.clip(rounded + np.float32(self.zero_point), -128, 127).astype(np.int8)

    def dequantise(self, values: NDArray[np.int8]) -> NDArray[np.float32]:
        """Return scale * (values - zero_point) in float32."""
        return (np.asarray(values, np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


@dataclasses.dataclass(frozen=True)
class Normalisation:
    """Per-mel standardisation: (feature - mean) / std; n_mels values each, in the units of the front end."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Standardise [..., n_mels, frames] in float32."""
        mean = np.asarray(self.mean, np.float32)[:, None]
        std = np.asarray(self.std, np.float32)[:, None]
        return (np.asarray(features, np.float32) - mean) / std


def measured(images: NDArray[np.float32]) -> tuple[Normalisation, Quantisation]:
    """Return the per-mel standardisation of images, and the INT8 quantisation whose range they fill."""
    mean, std = images.mean(axis=(0, 2), dtype=np.float64), images.std(axis=(0, 2), dtype=np.float64)
    normalisation = Normalisation(tuple(mean.tolist()), tuple(np.maximum(std, 1e-3).tolist()))
    values = normalisation.apply(images)
    low, high = float(values.min()), float(values.max())
    scale = max(high - low, 1e-3) / 255
    return normalisation, Quantisation(scale, int(np.clip(round(-128 - low / scale), -128, 127)))
