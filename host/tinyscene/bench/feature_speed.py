"""How many clips a second this machine reads, and turns into features with C and with librosa, measured in one run."""

import dataclasses
import functools
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import joblib
import librosa
import numpy as np
import threadpoolctl
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from tinyscene import files
from tinyscene.console import console, error_console
from tinyscene.data import evenly_spread
from tinyscene.frontend import (
    FrontendConfig,
    cache as feature_cache,
    choose_clips,
    engines as feature_engines,
    features,
    pools,
)

OFFICIAL_CLIPS = 139_620  # clips in the training list of TAU Urban Acoustic Scenes 2022 Mobile
ROUNDS = 5
BATCHES_A_WORKER = 8  # in each round, so that no worker waits long for the others
READING, C, LIBROSA, PLAIN = "reading alone", "C", "librosa, filters kept", "plain librosa"

Way = Callable[[Path], Any]


def plain_librosa(path: Path, config: FrontendConfig) -> NDArray[np.floating]:
    """Return a clip's log-mel image as a user of librosa would compute it: float32, mel filters made every time."""
    samples, _ = librosa.load(path, sr=config.sample_rate)
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=config.sample_rate,
        n_fft=config.n_fft,
        hop_length=config.hop_length,
        win_length=config.win_length,
        window=config.window,
        center=config.center,
        pad_mode=config.pad_mode,
        power=config.power,
        n_mels=config.n_mels,
        fmin=config.fmin,
        fmax=config.fmax,
        htk=config.htk,
        norm=config.norm,
    )
    if config.log == "db":
        convert = librosa.power_to_db if config.power == 2 else librosa.amplitude_to_db
        return convert(mel, amin=config.eps, top_db=config.top_db)
    return (np.log if config.log == "ln" else np.log10)(mel + config.eps)


def ways(config: FrontendConfig) -> dict[str, Way]:
    """Return the functions to measure, by name; each takes a clip's path."""
    image = functools.partial(features.log_mel_of_file, config=config)
    return {
        READING: functools.partial(_read, config=config),
        C: functools.partial(image, engine=feature_engines.C),
        LIBROSA: functools.partial(image, engine=feature_engines.LIBROSA),
        PLAIN: functools.partial(plain_librosa, config=config),
    }


def _read(path: Path, config: FrontendConfig) -> None:
    features.clip_pcm(path, config)


@dataclasses.dataclass(frozen=True)
class Speed:
    """Clips a second of one function: by processor time on one core, and by elapsed time with worker processes."""

    one_core: float
    all_workers: float


def measure(paths: Sequence[Path], config: FrontendConfig, workers: int) -> dict[str, Speed]:
    """Measure all functions on the same clips, in turn, so that other work of the machine disturbs all alike.

    Args:
        paths: files of the clips; each is read beforehand, so that the disk's speed does not count.
        config: the front end.
        workers: number of processes for `Speed.all_workers`.

    Raises:
        DatasetError: a clip cannot be used.
        ConfigError, ToolError: as for `frontend.engines.prepare`.
    """
    batches = [paths[start : start + features.BATCH] for start in range(0, len(paths), features.BATCH)]
    with threadpoolctl.threadpool_limits(1):
        jobs = {name: functools.partial(_alone, batches, way) for name, way in ways(config).items()}
        alone = _seconds(jobs, time.process_time)
    turns = math.ceil(BATCHES_A_WORKER * workers / len(batches))
    with pools.processes(workers) as executor:
        jobs = {
            name: functools.partial(_together, executor, turns * batches, way, features.AHEAD * workers)
            for name, way in ways(config).items()
        }
        together = _seconds(jobs, time.perf_counter)
    return {name: Speed(len(paths) / alone[name], turns * len(paths) / together[name]) for name in alone}


def _seconds(jobs: Mapping[str, Callable[[], None]], clock: Callable[[], float]) -> dict[str, float]:
    """Return the median time of every job, after an uncounted turn, which reads, loads and compiles."""
    taken: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(1 + ROUNDS):
        for name, job in jobs.items():
            begin = clock()
            job()
            taken[name].append(clock() - begin)
    return {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}


def _alone(batches: Sequence[Sequence[Path]], way: Way) -> None:
    for batch in batches:
        _do(batch, way)


def _together(executor: Executor, batches: Sequence[Sequence[Path]], way: Way, at_once: int) -> None:
    for _ in pools.unordered(executor, functools.partial(_do, way=way), batches, at_once):
        pass


def _do(batch: Sequence[Path], way: Way) -> list[Any]:
    return [way(path) for path in batch]


def report(
    data: Path, split: str | None, config: FrontendConfig, clips: int, workers: int | None, as_json: Path | None
) -> None:
    """Measure, and print how long the official data set would take.

    Args:
        data, split, config: as for `frontend.report.report`.
        clips: number of clips, evenly spread over the list.
        workers: number of processes; None: one a core.
        as_json: file to write the figures to; None: no file.

    Raises:
        TinysceneError: as for `measure`, or a bad argument or list.
    """
    dataset, listed = choose_clips(data, split)
    paths = [dataset.path(clip) for clip in evenly_spread(listed, clips)]
    count = workers or joblib.cpu_count()
    with error_console.status(f"{len(paths)} clips, {ROUNDS} rounds"):
        speeds = measure(paths, config, count)
    if as_json is not None:
        files.write_json(as_json, {name: dataclasses.asdict(speed) for name, speed in speeds.items()})
    console.print(_table(speeds, count))
    clip_bytes = statistics.mean(path.stat().st_size for path in paths)
    cached = OFFICIAL_CLIPS * feature_cache.bytes_of_a_clip(config.shape)
    console.print(
        f"hours are of {OFFICIAL_CLIPS:,} clips, {OFFICIAL_CLIPS * clip_bytes / 1e9:.1f} GB like these {len(paths)}, "
        f"which were read from memory: a disk keeps up with {count} workers of C if it delivers "
        f"{speeds[C].all_workers * clip_bytes / 1e6:,.0f} MB/s; the features take {cached / 1e9:.2f} GB in the cache",
        soft_wrap=True,
    )


def _table(speeds: dict[str, Speed], workers: int) -> Table:
    table = Table("", box=box.SIMPLE_HEAD)
    for heading in ("one core\nclips/s", "\nhours", f"{workers} workers\nclips/s", "\nhours", "one core\nx plain"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, speed in speeds.items():
        rates = speed.one_core, speed.all_workers
        hours = (f"{OFFICIAL_CLIPS / rate / 3600:.3f}" for rate in rates)
        cells = [cell for rate, hour in zip(rates, hours, strict=True) for cell in (f"{rate:,.0f}", hour)]
        table.add_row(name, *cells, f"{speed.one_core / speeds[PLAIN].one_core:.2f}")
    return table
