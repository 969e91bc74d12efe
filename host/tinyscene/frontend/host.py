"""The firmware's C front end for a configuration: written out as C, or compiled for this machine and called.

The code is in firmware/lib/frontend, whose frontend.h explains it; docs/FRONTEND.md has its accuracy and its cost.
"""

import ctypes
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.errors import TinysceneError
from tinyscene.frontend import tables as frontend_tables
from tinyscene.frontend.config import FrontendConfig
from tinyscene.frontend.scaling import Normalisation, Quantisation
from tinyscene.frontend.stage import Stage
from tinyscene.paths import FIRMWARE_LIB, cache_directory
from tinyscene.toolchain import native

LIBRARY = FIRMWARE_LIB / "frontend"
SOURCES = tuple(sorted(LIBRARY.glob("*.c")))
HOST_SOURCE = Path(__file__).with_name("frontend_host.c")
HOST_FLAGS = ("-O3",)
NO_QUANTISATION = Quantisation(1.0, 0)


def emit(config: FrontendConfig, normalisation: Normalisation, input_quantisation: Quantisation, out: Path) -> None:
    """Write frontend_tables.c and frontend_tables.h into `out`; files that are already right stay untouched.

    Raises:
        ConfigError: the configuration is beyond the C front end, or the parts do not fit together.
        TinysceneError: the files cannot be written.
    """
    for name, text in frontend_tables.generate(config, normalisation, input_quantisation).items():
        path = Path(out) / name
        if not path.is_file() or path.read_text() != text:
            files.write_text(path, text)


class HostFrontend:
    """The C front end of one configuration, compiled for this machine; its results are the board's, bit for bit.

    The first build takes a second or two; later ones come from a cache. Only one thread at a time may use an object.
    """

    def __init__(
        self,
        config: FrontendConfig,
        normalisation: Normalisation | None = None,
        quantisation: Quantisation | None = None,
    ) -> None:
        """Generate, compile and load.

        Args:
            config: any configuration whose n_fft has no prime factor above 7.
            normalisation, quantisation: those of `features`; default: no normalisation, and a scale of 1.

        Raises:
            ConfigError: the configuration is beyond the C front end, or the parts do not fit together.
            ToolError: there is no C compiler.
        """
        self.config = config
        self._library = _build(config, normalisation or _no_normalisation(config), quantisation or NO_QUANTISATION)
        self._memory = ctypes.create_string_buffer(self._library.frontend_host_bytes())

    def log_mel(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the log-mel image [n_mels, frames] of a PCM16 clip [clip_samples]; as `frontend.config.log_mel`."""
        image = np.empty(self.config.shape, np.float32)
        self._check(self._library.frontend_host_log_mel(self._memory, self._clip(pcm), image))
        return image

    @property
    def exact_frames(self) -> int:
        """Number of frames of the last clip that float32 could not resolve (frontend.h says what happens to them)."""
        return int(self._library.frontend_host_exact_frames(self._memory))

    def features(self, pcm: NDArray[np.int16], chunks: Sequence[int] | None = None) -> NDArray[np.int8]:
        """Return the network's INT8 input [n_mels, frames] for a PCM16 clip [clip_samples].

        Args:
            pcm: the clip.
            chunks: sizes of the pieces that the C code gets it in; default: one piece.
        """
        sizes = np.asarray([len(pcm)] if chunks is None else chunks, np.uint32)
        if sizes.sum() != self.config.clip_samples:
            raise ValueError(f"the chunks have {sizes.sum()} samples, the clip {self.config.clip_samples}")
        features = np.empty(self.config.shape, np.int8)
        clip = self._clip(pcm)
        self._check(self._library.frontend_host_features(self._memory, clip, sizes, len(sizes), features))
        return features

    def follow(self, pcm: NDArray[np.int16], chunks: Sequence[int]) -> NDArray[np.int8]:
        """Return the image [n_mels, frames] that moves along continuous audio, as it is after the last sample.

        Args:
            pcm: the stream, int16, of any length.
            chunks: sizes of the pieces that the C code gets it in.

        Raises:
            ValueError: the configuration works only with clips: it has top_db, peak normalisation, or very few frames.
        """
        sizes, features = np.asarray(chunks, np.uint32), np.zeros(self.config.shape, np.int8)
        if pcm.dtype != np.int16 or pcm.shape != (sizes.sum(),):
            raise ValueError(f"the chunks have {sizes.sum()} samples, the stream is {pcm.dtype} {list(pcm.shape)}")
        stream = np.ascontiguousarray(pcm).ctypes.data_as(ctypes.c_void_p)
        if self._library.frontend_host_follow(self._memory, stream, sizes, len(sizes), features):
            raise ValueError(f"{self.config} works with clips only")
        return features

    def stage(self, samples: NDArray[np.int16], stage: Stage) -> NDArray[np.float32]:
        """Return one frame's values after a stage, in the units of frontend.h, from `win_length` PCM16 samples."""
        if samples.dtype != np.int16 or samples.shape != (self.config.win_length,):
            raise ValueError(f"a frame is int16 [{self.config.win_length}], not {samples.dtype} {list(samples.shape)}")
        values = np.empty(max(self.config.n_fft, self.config.n_mels), np.float32)
        count = self._library.frontend_host_stage(self._memory, np.ascontiguousarray(samples), stage, values)
        self._check(0 if count else -1)
        return values[:count]

    def _clip(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        if pcm.dtype != np.int16 or pcm.shape != (self.config.clip_samples,):
            raise ValueError(f"a clip is int16 [{self.config.clip_samples}], not {pcm.dtype} {list(pcm.shape)}")
        return np.ascontiguousarray(pcm)

    def _check(self, status: int) -> None:
        if status:
            raise TinysceneError(f"the C front end refused its own tables (status {status}); please report this")


def digest(config: FrontendConfig) -> str:
    """Return 16 hex digits over all that determines a log-mel image: the C code, its flags, and the tables.

    Raises:
        ConfigError: as for `emit`.
    """
    tables = frontend_tables.generate(config, _no_normalisation(config), NO_QUANTISATION)
    words = [*tables.values(), *native.C_FLAGS, *HOST_FLAGS]
    found = hashlib.sha256("\0".join(words).encode())
    for path in (*SOURCES, HOST_SOURCE, *sorted(LIBRARY.glob("*.h"))):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _no_normalisation(config: FrontendConfig) -> Normalisation:
    return Normalisation((0.0,) * config.n_mels, (1.0,) * config.n_mels)


@dataclasses.dataclass(frozen=True)
class Code:
    """C files of the front end with the tables of one configuration, and the include folders to compile them with."""

    sources: tuple[Path, ...]
    include: tuple[Path, ...]


def sources(
    config: FrontendConfig, normalisation: Normalisation, input_quantisation: Quantisation, folder: Path
) -> Code:
    """Emit the tables into `folder`, and return all that a library or a test image is built from.

    Raises:
        ConfigError: as for `emit`.
    """
    emit(config, normalisation, input_quantisation, folder)
    return Code((*SOURCES, HOST_SOURCE, folder / frontend_tables.SOURCE), (LIBRARY, HOST_SOURCE.parent, folder))


def _build(config: FrontendConfig, normalisation: Normalisation, quantisation: Quantisation) -> ctypes.CDLL:
    """Compile the tables of one configuration, once for each content, together with the code that all share."""
    native.build_library("frontend", SOURCES, [LIBRARY], HOST_FLAGS, mode=ctypes.RTLD_GLOBAL)
    texts = frontend_tables.generate(config, normalisation, quantisation)
    content = hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()[:16]
    tables = cache_directory() / "frontend" / content
    emit(config, normalisation, quantisation, tables)
    library = native.build_library(
        "frontend-tables", [HOST_SOURCE, tables / frontend_tables.SOURCE], [LIBRARY, HOST_SOURCE.parent, tables]
    )
    array = np.ctypeslib.ndpointer
    image, features = (array(dtype, shape=config.shape, flags="C") for dtype in (np.float32, np.int8))
    clip, sizes = array(np.int16, shape=(config.clip_samples,), flags="C"), array(np.uint32, ndim=1, flags="C")
    library.frontend_host_bytes.restype = ctypes.c_size_t
    library.frontend_host_log_mel.argtypes = [ctypes.c_void_p, clip, image]
    library.frontend_host_features.argtypes = [ctypes.c_void_p, clip, sizes, ctypes.c_size_t, features]
    library.frontend_host_follow.argtypes = [ctypes.c_void_p, ctypes.c_void_p, sizes, ctypes.c_size_t, features]
    library.frontend_host_stage.argtypes = [
        ctypes.c_void_p,
        array(np.int16, shape=(config.win_length,), flags="C"),
        ctypes.c_int,
        array(np.float32, ndim=1, flags="C"),
    ]
    library.frontend_host_stage.restype = ctypes.c_size_t
    return library
