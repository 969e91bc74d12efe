"""The firmware's C front end on the emulated board: its results, and the instructions that they take."""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene.errors import ToolError
from tinyscene.frontend import host
from tinyscene.frontend.config import FrontendConfig
from tinyscene.frontend.scaling import Normalisation, Quantisation
from tinyscene.frontend.stage import Stage
from tinyscene.toolchain import mps2_image

FLAGS = ("-O3", "-fno-math-errno")  # as the firmware's platform builds it
IMAGE_SOURCE = Path(__file__).with_name("frontend_image.c")


@dataclasses.dataclass(frozen=True)
class BoardFeatures:
    """What the board computed for some clips and some frames.

    Attributes:
        log_mel: [clips, n_mels, frames] float32.
        features: [clips, n_mels, frames] int8.
        instructions: [clips], all instructions that `features` took.
        stages: values of each frame after every stage, as `HostFrontend.stage` returns them.
    """

    log_mel: NDArray[np.float32]
    features: NDArray[np.int8]
    instructions: NDArray[np.uint32]
    stages: list[dict[Stage, NDArray[np.float32]]]


def build(config: FrontendConfig, normalisation: Normalisation, quantisation: Quantisation, folder: Path) -> Path:
    """Build the front end for the emulated mps2 board in `folder`, and return the image.

    Raises:
        ConfigError: the configuration is beyond the C front end, or the parts do not fit together.
        ToolError: the compiler is missing.
    """
    code = host.sources(config, normalisation, quantisation, folder)
    sources = [IMAGE_SOURCE, *code.sources]
    return mps2_image.build(folder / "image.elf", sources, code.include, FLAGS)


def run(
    image: Path, config: FrontendConfig, pcm: NDArray[np.int16], frames: NDArray[np.int16] | None = None
) -> BoardFeatures:
    """Run clips [clips, clip_samples], and frames [n, win_length], through an image that `build` made for `config`.

    Raises:
        ToolError: the emulator is missing, or the image failed.
    """
    folder = image.parent
    frames = np.empty((0, config.win_length), np.int16) if frames is None else frames
    for name, samples in (("pcm.bin", pcm), ("frames.bin", frames)):
        (folder / name).write_bytes(np.ascontiguousarray(samples, np.int16).tobytes())
    if status := mps2_image.run(image, folder):
        raise ToolError(f"the front end's test image on {mps2_image.BOARD.name} ended with code {status}")
    shape = (len(pcm), *config.shape)
    ends = np.cumsum([stage.size(config.n_fft, config.n_mels) for stage in Stage])
    values = np.fromfile(folder / "stages.bin", np.float32).reshape(len(frames), ends[-1])
    return BoardFeatures(
        np.fromfile(folder / "images.bin", np.float32).reshape(shape),
        np.fromfile(folder / "features.bin", np.int8).reshape(shape),
        np.fromfile(folder / "instructions.bin", np.uint32),
        [dict(zip(Stage, np.split(frame, ends[:-1]), strict=True)) for frame in values],
    )
