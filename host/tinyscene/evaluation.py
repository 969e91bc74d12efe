"""Scoring a bundle's INT8 model on a list of clips with TensorFlow Lite's reference kernels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import features, files, metrics, quantize
from tinyscene.bundle import Bundle
from tinyscene.console import console, progress_bar
from tinyscene.dataset import Clip, Dataset, pcm16, read_clip
from tinyscene.errors import ConfigError, DatasetError
from tinyscene.score_table import render_scores

FRONTENDS = ("librosa", "c")
BOOTSTRAP_ROUNDS = 1000
CONFIDENCE = 0.95
BATCH = 64  # clips between two steps of the progress bar


def evaluate(
    bundle: Bundle, dataset: Dataset, clips: Sequence[Clip], frontend: str = "librosa"
) -> tuple[dict[str, Any], NDArray[np.int8]]:
    """Score a bundle on labelled clips.

    Args:
        bundle: the classifier.
        dataset: where the clips are.
        clips: every one with a scene that the bundle knows.
        frontend: "librosa" (the reference), or "c": the firmware's front end, compiled for this machine, on PCM16.

    Returns:
        (`metrics.score`'s scores, the model's INT8 outputs [len(clips), classes]).

    Raises:
        ConfigError: no such front end.
        DatasetError: no clips, a clip without a label or with one that the bundle does not know, or unreadable audio.
    """
    if frontend not in FRONTENDS:
        raise ConfigError(f"no front end {frontend!r}; choose one of {', '.join(FRONTENDS)}")
    labels = _labels(bundle, clips)
    inputs = quantised_inputs(bundle, dataset, clips, frontend)
    outputs = run(bundle.model, inputs)
    scores = metrics.score(labels, bundle.probabilities(outputs), [clip.device for clip in clips], bundle.classes)
    return scores, outputs


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


def quantised_inputs(
    bundle: Bundle, dataset: Dataset, clips: Sequence[Clip], frontend: str = "librosa"
) -> NDArray[np.int8]:
    """Return the model's INT8 inputs [len(clips), n_mels, frames], from librosa's front end or from the firmware's."""
    inputs = np.empty((len(clips), *bundle.frontend.shape), np.int8)
    if frontend == "librosa":
        images = features.extract(dataset, clips, bundle.frontend).images
        for start in range(0, len(clips), BATCH):
            inputs[start : start + BATCH] = bundle.quantised_features(np.asarray(images[start : start + BATCH]))
        return inputs
    from tinyscene.frontend_c import HostFrontend

    host = HostFrontend(bundle.frontend, bundle.normalisation, bundle.input)
    with progress_bar() as progress:
        for position, clip in enumerate(progress.track(clips, description="C front end")):
            samples = read_clip(dataset.path(clip), bundle.frontend.sample_rate, bundle.frontend.clip_samples)
            inputs[position] = host.features(pcm16(samples))
    return inputs


def run(model: bytes, inputs: NDArray[np.int8], title: str = "INT8 reference kernels") -> NDArray[np.int8]:
    """Run the reference kernels on inputs [n, n_mels, frames] with a progress bar; returns [n, classes]."""
    with progress_bar() as progress:
        bar = progress.add_task(title, total=len(inputs))
        outputs = []
        for start in range(0, len(inputs), BATCH):
            outputs.append(quantize.run_reference(model, inputs[start : start + BATCH]))
            progress.advance(bar, len(outputs[-1]))
    return np.concatenate(outputs)


def confidence_intervals(
    clips: Sequence[Clip], probabilities: NDArray[np.floating], classes: Sequence[str], seed: int = 1
) -> dict[str, list[float]]:
    """Return 95 % intervals of accuracy and log loss, by resampling whole locations.

    Clips of one location are alike, so that an interval over clips would be far too narrow. Percentile bootstrap:
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Args:
        clips: labelled.
        probabilities: [len(clips), len(classes)].
        classes: scene names.
        seed: of the resampling.

    Returns:
        {"accuracy": [low, high], "log_loss": [low, high]}.
    """
    truth = np.array([list(classes).index(str(clip.scene)) for clip in clips])
    probabilities = np.asarray(probabilities, np.float64)
    losses = -np.log(np.maximum(probabilities[np.arange(len(clips)), truth], np.finfo(np.float64).tiny))
    hits = probabilities.argmax(axis=1) == truth
    _, place = np.unique([repr(clip.location) for clip in clips], return_inverse=True)
    sums = np.stack([np.bincount(place), np.bincount(place, hits), np.bincount(place, losses)])
    drawn = np.random.default_rng(seed).integers(sums.shape[1], size=(BOOTSTRAP_ROUNDS, sums.shape[1]))
    counts, hit_sums, loss_sums = sums[:, drawn].sum(axis=2)
    tails = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
    return {
        "accuracy": [float(value) for value in np.percentile(hit_sums / counts, tails)],
        "log_loss": [float(value) for value in np.percentile(loss_sums / counts, tails)],
    }


def report(folder: Path, data: Path, split: str, frontend: str = "librosa", as_json: Path | None = None) -> None:
    """Score the bundle in `folder` on a list of the data set in `data`, write the JSON if asked, and print tables."""
    bundle = Bundle.load(folder)
    dataset = Dataset(data)
    scores, _ = evaluate(bundle, dataset, list(dataset.list(split)), frontend)
    if as_json is not None:
        files.write_json(as_json, scores)
    console.print(render_scores(scores, f"{bundle.name} (INT8) on {split}, {frontend} front end"))
