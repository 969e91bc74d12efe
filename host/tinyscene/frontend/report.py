"""The command `tinyscene features`: compute a data set's features before training, and report how long it took."""

import resource
import time
from pathlib import Path

from tinyscene import files
from tinyscene.console import console
from tinyscene.data import Clip, Dataset
from tinyscene.frontend import features
from tinyscene.frontend.config import FrontendConfig


def choose_clips(data: Path, split: str | None) -> tuple[Dataset, list[Clip]]:
    """Return a data set, and the clips of one of its lists, labelled or not, or all its clips.

    Raises:
        DatasetError: no data set, no such list, a bad row, or no clips.
    """
    dataset = Dataset(data)
    clips = list(dataset.clips() if split is None else dataset.list(split, labelled=False))
    return dataset, clips


def report(
    data: Path,
    split: str | None,
    config: FrontendConfig,
    engine: str,
    workers: int | None = None,
    scheduler: str | None = None,
    as_json: Path | None = None,
) -> None:
    """Compute the features of a data set that are not cached; print how many, how fast, and where they are.

    Args:
        data: data set in the TAU layout.
        split: a list, as for `choose_clips`.
        config: the front end.
        engine, workers, scheduler: as for `features.extract`.
        as_json: file to write the figures to; None: no file.

    Raises:
        TinysceneError: a bad argument, list or clip; see `features.extract`.
    """
    dataset, clips = choose_clips(data, split)
    begin = time.perf_counter()
    store = features.extract(dataset, clips, config, engine=engine, workers=workers, scheduler=scheduler)
    seconds = time.perf_counter() - begin
    size = sum(path.stat().st_size for path in store.folder.iterdir())
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if as_json is not None:
        figures = {"clips": len(clips), "computed": store.computed, "seconds": seconds, "peak_memory_bytes": peak}
        files.write_json(as_json, {**figures, "cache": str(store.folder), "cache_bytes": size})
    console.print(
        f"{len(clips):,} clips, {store.computed:,} of them computed now, in {seconds:.1f} s "
        f"({store.computed / seconds:,.0f} clips/s); {store.folder} has {size / 1e6:,.0f} MB; "
        f"peak memory of this process {peak / 1e6:,.0f} MB",
        soft_wrap=True,
    )
