"""The firmware's C front end on the emulated board: the features it computes there, and the instructions they take."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import frontend_c, test_image
from tinyscene.bundle import Normalisation, Quantisation
from tinyscene.errors import ToolError
from tinyscene.frontend import FrontendConfig

IMAGE_SOURCE = Path(__file__).with_name("frontend_image.c")


@dataclasses.dataclass(frozen=True)
class BoardFeatures:
    """What the board computed for some clips.

    Attributes:
        log_mel: [clips, n_mels, frames] float32.
        features: [clips, n_mels, frames] int8.
        instructions: [clips], of `features`, everything included.
    """

    log_mel: NDArray[np.float32]
    features: NDArray[np.int8]
    instructions: NDArray[np.uint32]


def run(
    config: FrontendConfig, normalisation: Normalisation, quantisation: Quantisation, pcm: NDArray[np.int16]
) -> BoardFeatures:
    """Build the front end for the emulated mps2 board and run clips through it.

    Args:
        config, normalisation, quantisation: as for `frontend_c.HostFrontend`.
        pcm: [clips, clip_samples].

    Raises:
        ConfigError: the configuration is beyond the C front end, or the parts do not fit together.
        ToolError: compiler or emulator are missing, or the image failed.
    """
    with tempfile.TemporaryDirectory(prefix="frontend-") as name:
        folder = Path(name)
        code = frontend_c.sources(config, normalisation, quantisation, folder)
        image = test_image.build(
            folder / "image.elf", [IMAGE_SOURCE, *code.sources], code.include, ["-O3"], third_party=code.third_party
        )
        (folder / "pcm.bin").write_bytes(np.ascontiguousarray(pcm, np.int16).tobytes())
        if status := test_image.run(image, folder):
            raise ToolError(f"the front end's test image for {test_image.BOARD.name} failed with code {status}")
        shape = (len(pcm), *config.shape)
        return BoardFeatures(
            np.fromfile(folder / "images.bin", np.float32).reshape(shape),
            np.fromfile(folder / "features.bin", np.int8).reshape(shape),
            np.fromfile(folder / "instructions.bin", np.uint32),
        )
