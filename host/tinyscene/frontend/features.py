"""Log-mel features of many clips: computed in parallel, kept on disk, never computed twice."""

import dataclasses
import functools
import hashlib
import itertools
import socket
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from tinyscene.console import progress_bar
from tinyscene.data import NATIVE_RATE, Clip, Dataset, at_rate, pcm16, read_clip
from tinyscene.errors import DatasetError, TinysceneError, ToolError
from tinyscene.frontend import engines, pools
from tinyscene.frontend.cache import KEY_BYTES, FeatureCache
from tinyscene.frontend.config import FrontendConfig
from tinyscene.frontend.variant import Variant
from tinyscene.paths import cache_directory

FEW = 2000  # up to this many clips, starting workers takes longer than the work
BATCH, AHEAD = 16, 3  # clips handed to a worker of this machine at a time; batches submitted and not written, a worker
CLUSTER_BATCH, CLUSTER_AHEAD = 64, 64  # the same for a cluster, and for all its workers together: 67 MB of p1's images


@dataclasses.dataclass(frozen=True)
class FeatureImages:
    """Images of clips in the order of the clips, read from disk when indexed; like an array [clips, n_mels, frames].

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

    def take(self, chosen: NDArray[np.bool_]) -> "FeatureImages":
        """Return the images of the clips chosen by a mask [clips], still on disk."""
        return FeatureImages(self.rows, self.order[chosen])

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """Return what indexing the array would return, in memory; only the indexed clips are read."""
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
        clips: the clips, in the order of the request.
        images: their images by the engine, [clips, n_mels, frames] float32.
        folder: the cache that holds them.
        computed: number of images that were not cached before.
        elsewhere: processor seconds that other processes spent on them.
    """

    clips: Sequence[Clip]
    images: FeatureImages
    folder: Path
    computed: int
    elsewhere: float

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.clips)

    def __getitem__(self, clip: Clip) -> NDArray[np.float32]:
        """Return the image [n_mels, frames] of a clip."""
        return self.images[self.clips.index(clip)]


def clip_pcm(path: Path, config: FrontendConfig, variant: Variant | None = None) -> NDArray[np.int16]:
    """Return the samples of a clip that a board would get, [clip_samples]: at the front end's rate, rounded to 16 bits.

    Args:
        path: file of the clip.
        config: the front end.
        variant: change made to the clip at its own rate; None: no change.

    Raises:
        DatasetError: the clip cannot be used; the message names it.
    """
    if variant is None:
        return pcm16(read_clip(path, config.sample_rate, config.clip_samples))
    native = read_clip(path, clip_samples=round(config.clip_samples * NATIVE_RATE / config.sample_rate))
    return pcm16(at_rate(variant.apply(native), config.sample_rate, config.clip_samples))


def log_mel_of_file(
    path: Path, config: FrontendConfig, engine: str, variant: Variant | None = None
) -> NDArray[np.float32]:
    """Return the log-mel image [n_mels, frames] of a clip, or of a variant of it, from its 16-bit samples.

    Raises:
        DatasetError: the clip cannot be used; the message names it.
        ConfigError, ToolError: as for `frontend.engines.prepare`.
    """
    return engines.log_mel(clip_pcm(path, config, variant), config, engine)


def extract(
    dataset: Dataset,
    clips: Sequence[Clip],
    config: FrontendConfig,
    *,
    engine: str = engines.DEFAULT,
    variant: Variant | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    cache: Path | None = None,
) -> FeatureStore:
    """Return the features of clips, computing those that are not cached.

    Results are written to disk at once: after Ctrl-C or a kill, the same call resumes. The features of a clip are
    computed again if its size or time of modification has changed, or if their data on disk is damaged. Only this
    process writes; it keeps in memory no more images than the workers have in progress, however many clips there are.

    Args:
        dataset: data set of the clips.
        clips: the clips in any order; repetitions are allowed.
        config: the front end.
        engine: one of `frontend.engines.ENGINES`; each has its own cache.
        variant: change of the clips' waveforms; each has its own cache; None: the clips as they are.
        workers: number of worker processes; default: one a core. Small jobs run in this process.
        scheduler: address of a Dask scheduler, whose workers do the work instead; they must find the clips at the same
            paths.
        cache: folder of the caches of all front ends; default: `features` in `paths.cache_directory()`.

    Returns:
        The store; its images stay on disk until they are indexed.

    Raises:
        DatasetError: a clip cannot be used; the message names it, and clips before it are cached.
        ConfigError: no such engine, or the front end is beyond it.
        ToolError: there is no C compiler for the engine "c", a worker was killed, or the cluster cannot be used.
        TinysceneError: the cache cannot be written.
    """
    clips = list(clips)
    name = engines.identity(config, engine)
    title = engine if variant is None else f"{engine}, {variant.title}"
    folder = name if variant is None else f"{name}-{variant.identity}"
    store = FeatureCache((cache or cache_directory() / "features") / folder, config.shape)
    paths = [dataset.path(clip).absolute() for clip in clips]
    keys = file_keys(paths)
    rows = store.find(keys)
    computed, elsewhere = 0, 0.0
    if any(key not in rows for key in keys):
        engines.prepare(config, engine)
        by_key = dict(zip(keys, paths, strict=True))
        with store.adding(keys) as writer, progress_bar() as progress:
            task, begin = progress.add_task(f"features ({title})", total=len(writer.missing)), time.monotonic()
            remote = scheduler is not None
            job = functools.partial(
                _compute_batch, config=config, engine=engine, identity=name, remote=remote, variant=variant
            )
            work = [(key, str(by_key[key])) for key in writer.missing]
            for images, seconds in _compute(work, job, workers or joblib.cpu_count(), scheduler):
                for key, image in images:
                    writer.add(key, image)
                computed, elsewhere = computed + len(images), elsewhere + seconds
                rate = computed / (time.monotonic() - begin)
                progress.update(task, completed=computed, description=f"features ({title}), {rate:,.0f} clips/s")
        rows = store.find(keys)
        if lost := [path for key, path in by_key.items() if key not in rows]:
            raise TinysceneError(f"{store.folder} lost what was just written of {lost[0]}; check that disk")
    order = np.fromiter((rows[key] for key in keys), np.int64, len(keys))
    return FeatureStore(clips, FeatureImages(store.rows(), order), store.folder, computed, elsewhere)


def file_keys(paths: Sequence[Path]) -> list[bytes]:
    """Return a key for each file as it is now: its path, size and time of modification.

    Raises:
        DatasetError: there is no such file.
    """
    # It asks the system about every part of a path: once a folder rather than once a clip.
    resolve = functools.cache(Path.resolve)
    return [_file_key(path, resolve) for path in paths]


def _file_key(path: Path, resolve: Callable[[Path], Path]) -> bytes:
    try:
        status = path.lstat()
        link = stat.S_ISLNK(status.st_mode)
        if link:
            status = path.stat()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); restore it or remove its rows") from error
    place = path.resolve() if link else resolve(path.parent) / path.name
    words = f"{place}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.blake2b(words.encode(), digest_size=KEY_BYTES).digest()


Work = tuple[bytes, str]
Images = list[tuple[bytes, NDArray[np.float32]]]


@dataclasses.dataclass(frozen=True)
class Answer:
    """A worker's result for a batch.

    Attributes:
        images: images by key, up to the first clip that cannot be used.
        problem: what is wrong with that clip; None: no clip is bad.
        seconds: processor seconds.
    """

    images: Images
    problem: str | None
    seconds: float


def _compute(
    work: Sequence[Work], job: Callable[[Sequence[Work]], Answer], workers: int, scheduler: str | None
) -> Iterator[tuple[Images, float]]:
    """Yield keys and images of all files, in any order as they are ready, and the seconds that other processes spent.

    Raises:
        DatasetError: a clip cannot be used; batches begun before are yielded first.
    """
    if scheduler is None and (workers == 1 or len(work) <= FEW):
        with threadpoolctl.threadpool_limits(1):  # more threads are slower on one clip's matrices
            for item in work:
                answer = job([item])
                yield answer.images, 0.0
                if answer.problem:
                    raise DatasetError(answer.problem)
        return
    if scheduler is None:
        pool, size, ahead = pools.processes(workers), BATCH, AHEAD * workers
    else:
        pool, size, ahead = pools.cluster(scheduler), CLUSTER_BATCH, CLUSTER_AHEAD
    problems: list[str] = []
    batches = (work[start : start + size] for start in range(0, len(work), size))
    wanted = itertools.takewhile(lambda _: not problems, batches)
    with pool as executor:
        for answer in pools.unordered(executor, job, wanted, ahead):
            yield answer.images, answer.seconds
            if answer.problem:
                problems.append(answer.problem)
    if problems:
        raise DatasetError(problems[0])


def _compute_batch(
    batch: Sequence[Work],
    config: FrontendConfig,
    engine: str,
    identity: str,
    remote: bool,
    variant: Variant | None = None,
) -> Answer:
    """Compute the images of a batch, in this process or in a worker; stops at the first bad clip.

    Raises:
        ToolError: this machine lacks something, or its code makes other images than `identity` stands for.
    """
    begin, me = time.thread_time(), socket.gethostname() if remote else ""
    if remote and engines.identity(config, engine) != identity:
        raise ToolError(f"{me} has another version of the front end than this machine; install the same tinyscene")
    images, problem = [], None
    for key, path in batch:
        try:
            images.append((key, log_mel_of_file(Path(path), config, engine, variant)))
        except DatasetError as error:
            problem = f"{error} (as {me} sees it)" if remote else str(error)
            break
        except ToolError as error:
            raise (ToolError(f"{me}: {error}") if remote else error) from error
    return Answer(images, problem, time.thread_time() - begin)
