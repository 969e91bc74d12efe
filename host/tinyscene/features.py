"""Log-mel features of many clips: computed with librosa in parallel, kept on disk, never computed twice."""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from tinyscene import frontend
from tinyscene.console import progress_bar
from tinyscene.dataset import Clip, Dataset, pcm16, read_clip
from tinyscene.errors import DatasetError, TinysceneError
from tinyscene.feature_cache import KEY_BYTES, FeatureCache
from tinyscene.frontend import FrontendConfig
from tinyscene.paths import cache_directory
from tinyscene.workers import end_with

BATCH = 16  # clips handed to a worker at a time
FEW = 32  # with so few clips, starting workers takes longer than the work


@dataclasses.dataclass(frozen=True)
class FeatureImages:
    """Images of clips in their order, read from disk when indexed: behaves like an array of [clips, n_mels, frames].

    Attributes:
        rows: the cache's images, memory-mapped.
        order: row of each clip.
    """

    rows: NDArray[np.float32]
    order: NDArray[np.int64]

    dtype = np.dtype(np.float32)
    ndim = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """(clips, n_mels, frames)."""
        return len(self.order), *self.rows.shape[1:]

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.order)

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """Return what indexing the array would, read into memory; only the clips asked for are read."""
        first, *rest = index if isinstance(index, tuple) else (index,)
        images = np.asarray(self.rows[self.order[first]])
        return images[(slice(None),) * (np.ndim(self.order[first])) + tuple(rest)] if rest else images

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Yield one image [n_mels, frames] after the other."""
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all images in memory."""
        if copy is False:
            raise ValueError("images on disk cannot become an array without a copy")
        return np.asarray(self[:], dtype)


@dataclasses.dataclass(frozen=True)
class FeatureStore:
    """Features of some clips.

    Attributes:
        clips: in the order in which they were asked for.
        images: [clips, n_mels, frames] float32, of `frontend.log_mel`.
    """

    clips: Sequence[Clip]
    images: FeatureImages

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.clips)

    def __getitem__(self, clip: Clip) -> NDArray[np.float32]:
        """Return the image [n_mels, frames] of a clip."""
        return self.images[self.clips.index(clip)]


def clip_pcm(path: Path, config: FrontendConfig) -> NDArray[np.int16]:
    """Return the samples that a board hears of a clip, [clip_samples]: at the front end's rate, rounded to 16 bits.

    Raises:
        DatasetError: the clip cannot be used, naming it.
    """
    return pcm16(read_clip(path, config.sample_rate, config.clip_samples))


def log_mel_of_file(path: Path, config: FrontendConfig) -> NDArray[np.float32]:
    """Return the log-mel image [n_mels, frames] of a clip, from its 16-bit samples.

    Raises:
        DatasetError: the clip cannot be used, naming it.
    """
    return frontend.log_mel(clip_pcm(path, config) / 32768, config)


def extract(
    dataset: Dataset,
    clips: Sequence[Clip],
    config: FrontendConfig,
    *,
    workers: int | None = None,
    cache: Path | None = None,
) -> FeatureStore:
    """Return the features of clips, computing those that are not cached.

    What is computed is on disk at once: after Ctrl-C or a kill, the same call goes on where it was. A clip whose size
    or time of modification has changed is computed again, and so is one whose features have rotted.

    Args:
        dataset: where the clips are.
        clips: in any order; repetitions are allowed.
        config: the front end.
        workers: processes; default: one a core. Small jobs are done in this one.
        cache: folder of the caches of all front ends; default: `features` in `paths.cache_directory()`.

    Returns:
        The store; its images stay on disk until they are indexed.

    Raises:
        DatasetError: a clip cannot be used, naming it; those before it are cached.
        TinysceneError: the cache cannot be written.
    """
    clips = list(clips)
    store = FeatureCache((cache or cache_directory() / "features") / config.digest, config.shape)
    paths = [dataset.path(clip) for clip in clips]
    keys = [file_key(path) for path in paths]
    rows = store.find(keys)
    if any(key not in rows for key in keys):
        by_key = dict(zip(keys, paths, strict=True))
        with store.adding(keys) as writer, progress_bar() as progress:
            task = progress.add_task("features", total=len(writer.missing))
            work = [(key, by_key[key]) for key in writer.missing]
            for key, image in _compute(work, config, workers or os.cpu_count() or 1):
                writer.add(key, image)
                progress.advance(task)
        rows = store.find(keys)
        if lost := [path for key, path in by_key.items() if key not in rows]:
            raise TinysceneError(f"{store.folder} lost what was just written of {lost[0]}; check that disk")
    order = np.fromiter((rows[key] for key in keys), np.int64, len(keys))
    return FeatureStore(clips, FeatureImages(store.rows(), order))


def file_key(path: Path) -> bytes:
    """Return a key of a file as it is now: its path, size and time of modification.

    Raises:
        DatasetError: there is no such file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); restore it or remove its rows") from error
    words = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.blake2b(words.encode(), digest_size=KEY_BYTES).digest()


Work = tuple[bytes, Path]


def _compute(work: Sequence[Work], config: FrontendConfig, workers: int) -> Iterator[tuple[bytes, NDArray[np.float32]]]:
    """Yield key and image of all files, in any order, as they are ready."""
    if workers == 1 or len(work) <= FEW:
        for key, path in work:
            yield key, log_mel_of_file(path, config)
        return
    me = os.getpid()
    problems: list[str] = []

    def calls() -> Iterator[Any]:
        for start in range(0, len(work), BATCH):
            if problems:
                return
            yield joblib.delayed(_compute_batch)(work[start : start + BATCH], config, me)

    for images, problem in joblib.Parallel(n_jobs=workers, return_as="generator_unordered")(calls()):
        yield from images
        if problem:
            problems.append(problem)
    if problems:
        raise DatasetError(problems[0])


def _compute_batch(
    batch: Iterable[Work], config: FrontendConfig, parent: int
) -> tuple[list[tuple[bytes, NDArray[np.float32]]], str | None]:
    """Compute what can be in a worker; return it, and what was wrong with the first clip that cannot."""
    end_with(parent)
    images = []
    for key, path in batch:
        try:
            images.append((key, log_mel_of_file(path, config)))
        except DatasetError as error:
            return images, str(error)
    return images, None
