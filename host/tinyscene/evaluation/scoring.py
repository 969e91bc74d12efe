"""Scoring a bundle's INT8 model on a list of clips with TensorFlow Lite's reference kernels."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.augment import Images
from tinyscene.bundle import Bundle
from tinyscene.console import console, progress_bar
from tinyscene.data import Clip, Dataset, doubts
from tinyscene.errors import DatasetError
from tinyscene.evaluation import intervals, metrics
from tinyscene.evaluation.score_table import render_scores
from tinyscene.frontend import engines as feature_engines, features
from tinyscene.networks import conversion

BATCH = 64  # clips whose INT8 images are in memory at a time


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How a bundle did on some clips.

    Attributes:
        scores: result of `metrics.score`.
        outputs: outputs of the model, INT8 [clips, classes].
        computed: number of clips whose features were not in the cache.
        seconds: time from the first clip to the last output, without loading and compiling.
        processor_seconds: processor time of all cores together, from the first clip to the last output.
    """

    scores: dict[str, Any]
    outputs: NDArray[np.int8]
    computed: int
    seconds: float
    processor_seconds: float


def evaluate(
    bundle: Bundle,
    dataset: Dataset,
    clips: Sequence[Clip],
    frontend: str = feature_engines.LIBROSA,
    workers: int | None = None,
) -> Evaluation:
    """Score a bundle on labelled clips.

    Args:
        bundle: the classifier.
        dataset: data set of the clips.
        clips: clips labelled with scenes that the bundle knows.
        frontend: "librosa" (the reference), or "c": the firmware's front end, compiled for this machine.
        workers: number of cores to use; default: all.

    Raises:
        ConfigError: no such front end, or the bundle's configuration is beyond it.
        DatasetError: no clips, a clip without a label or with one that the bundle does not know, or unreadable audio.
        ToolError: there is no C compiler for the front end "c".
    """
    labels = _labels(bundle, clips)
    feature_engines.prepare(bundle.frontend, frontend)
    conversion.run_reference(bundle.model, np.empty((0, *bundle.frontend.shape), np.int8))  # loads TensorFlow
    begin = time.perf_counter(), time.process_time()
    store = features.extract(dataset, clips, bundle.frontend, engine=frontend, workers=workers)
    outputs = run(bundle, store.images, workers)
    seconds, ours = time.perf_counter() - begin[0], time.process_time() - begin[1]
    scores = metrics.score(labels, bundle.probabilities(outputs), [clip.device for clip in clips], bundle.classes)
    return Evaluation(scores, outputs, store.computed, seconds, ours + store.elsewhere)


def _labels(bundle: Bundle, clips: Sequence[Clip]) -> list[str]:
    if not clips:
        raise DatasetError("the list has no clips; choose another one")
    for clip in clips:
        if clip.scene not in bundle.classes:
            raise DatasetError(
                f"line {clip.line} of the list: {clip.filename} has the label {clip.scene!r}, which {bundle.name} does "
                f"not know; use a labelled list with {', '.join(bundle.classes)}"
            )
    return [str(clip.scene) for clip in clips]


def run(bundle: Bundle, images: Images, workers: int | None = None, live: bool = True) -> NDArray[np.int8]:
    """Run the reference kernels on log-mel images, which are read and quantised a batch at a time.

    Args:
        bundle: the classifier.
        images: [n, n_mels, frames] float32, n at least 1.
        workers: number of cores to use; default: all.
        live: whether to draw a progress bar.

    Returns:
        The model's outputs, INT8 [n, classes].
    """
    with progress_bar(disable=not live) as progress:
        bar = progress.add_task("INT8 reference kernels", total=len(images))
        outputs = []
        for start in range(0, len(images), BATCH):
            inputs = bundle.quantised_features(np.asarray(images[start : start + BATCH]))
            outputs.append(conversion.run_reference(bundle.model, inputs, workers=workers))
            progress.advance(bar, len(inputs))
    return np.concatenate(outputs)


def confidence_intervals(
    clips: Sequence[Clip], probabilities: NDArray[np.floating], classes: Sequence[str], seed: int = 1
) -> dict[str, list[float]]:
    """Return 95 % intervals of accuracy and log loss, by resampling whole locations; see `intervals`.

    Args:
        clips: labelled clips.
        probabilities: [len(clips), len(classes)].
        classes: scene names.
        seed: seed of the resampling.

    Returns:
        {"accuracy": [low, high], "log_loss": [low, high]}.
    """
    return intervals.over_locations(clips, intervals.of_clips(clips, probabilities, classes), seed)


def report(
    folder: Path, data: Path, split: str, frontend: str, workers: int | None = None, as_json: Path | None = None
) -> None:
    """Score the bundle in `folder` on a list of the data set in `data`, and print tables; `as_json`: file to write."""
    bundle = Bundle.load(folder)
    dataset = Dataset(data)
    clips = list(dataset.list(split))
    doubts.say(split, doubts.of_test(clips))
    result = evaluate(bundle, dataset, clips, frontend, workers)
    if as_json is not None:
        files.write_json(as_json, result.scores)
    console.print(render_scores(result.scores, f"{bundle.name} (INT8) on {split}, {frontend} front end"))
    console.print(_speed(bundle, result, frontend), highlight=False, soft_wrap=True)


def _speed(bundle: Bundle, result: Evaluation, frontend: str) -> str:
    """Report what ran, and how fast on one core, by processor time, so that the machine's other work counts little."""
    clips = len(result.outputs)
    real_time = clips * bundle.frontend.clip_samples / bundle.frontend.sample_rate / result.processor_seconds
    return (
        f"features by {feature_engines.ENGINES[frontend]}, {result.computed} computed and {clips - result.computed} "
        f"from the cache; outputs by TensorFlow Lite's reference kernels\n{clips} clips in {result.seconds:.2f} s, "
        f"{clips / result.seconds:.0f} clips/s; {result.processor_seconds:.2f} s of processor time, "
        f"{clips / result.processor_seconds:.0f} clips/s a core: {real_time:.0f} x real time a core"
    )
