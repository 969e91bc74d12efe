"""Score the very board: send it every clip of a list, keep its answers in a journal, and sum them up."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyscene import features, files, metrics
from tinyscene.bundle import Bundle
from tinyscene.console import console, error_console, progress_bar
from tinyscene.dataset import Clip, Dataset
from tinyscene.device.board import Board
from tinyscene.device.emulator import MACHINES
from tinyscene.device.journal import Header, Journal, fingerprint
from tinyscene.device.link import Link
from tinyscene.device.messages import DeviceInfo, Inference
from tinyscene.errors import ConfigError, DatasetError
from tinyscene.feature_engines import LIBROSA
from tinyscene.paths import REPOSITORY
from tinyscene.score_table import render_scores

MODES = ("features", "audio")

Item = TypeVar("Item")


def report(
    port: str,
    bundle: Path,
    data: Path,
    split: str,
    mode: str,
    limit: int | None,
    journal: Path | None,
    as_json: Path | None,
) -> None:
    """Score a board on a list of clips, write the JSON and print the tables; the same command resumes.

    Args:
        port: pyserial URL of the board.
        bundle: folder of the bundle that it must carry.
        data: data set in the TAU layout.
        split: a list with labels: a path, or a name in evaluation_setup.
        mode: "features": INT8 images computed here; "audio": PCM16, the board computes the features.
        limit: only so many clips, evenly spread over the list.
        journal: where the answers are kept; None: beside the JSON or in runs/, and put aside when all are there.
        as_json: where to write the result.

    Raises:
        TinysceneError: a bad argument, list, clip, journal or bundle, a board that does not answer or carries
            another bundle.
    """
    if mode not in MODES:
        raise ConfigError(f"no mode {mode!r}; modes are {', '.join(MODES)}")
    model = Bundle.load(bundle)
    dataset = Dataset(data)
    clips = _labelled(dataset.list(split), split, model.classes)
    with Link(port) as link:
        board = Board(link, model.identity)
        header = Header(bundle=model.identity, board=board.info.board, split=fingerprint(clips), mode=mode)
        chosen = spread(clips, limit)
        path = journal or _default_journal(model, split, mode, as_json)
        with Journal(path, header) as book:
            answers = evaluate(board, model, dataset, chosen, mode, book)
    result = summarise(model, chosen, answers) | _about(board.info, split, mode, answers)
    if as_json:
        files.write_json(as_json, result)
    console.print(render_scores(result, f"{board.info.board}, {mode}, {Path(split).name}"))
    clock = "by the emulator's clock, which is this machine's" if result["emulated"] else "on the board"
    console.print(f"model: {result['microseconds'] / 1000:.1f} ms a clip (median) {clock}", highlight=False)
    if journal is None:
        path.replace(path.with_name(path.name.replace(".journal.", ".answers.")))


def evaluate(
    board: Board, bundle: Bundle, dataset: Dataset, clips: Sequence[Clip], mode: str, journal: Journal
) -> list[Inference]:
    """Send the clips that the journal does not have yet, and return the answers to all, in their order.

    Raises:
        TinysceneError: a clip cannot be read, or the board is lost or carries another bundle now.
    """
    missing = [clip for clip in clips if clip.filename not in journal.answers]
    known = len(clips) - len(missing)
    if known:
        error_console.print(f"{known} of {len(clips)} answers are in {journal.path}", highlight=False)
    if missing:
        ask = _asker(board, bundle, dataset, missing, mode)
        begin = time.monotonic()
        with progress_bar() as progress:
            task = progress.add_task(mode, total=len(clips), completed=known)
            for number, clip in enumerate(missing):
                journal.append(clip.filename, ask(number))
                rate = (number + 1) / (time.monotonic() - begin)
                progress.update(task, advance=1, description=f"{mode}, {rate:.2f} clips/s")
    return [journal.answers[clip.filename] for clip in clips]


def _asker(
    board: Board, bundle: Bundle, dataset: Dataset, clips: Sequence[Clip], mode: str
) -> Callable[[int], Inference]:
    """Return what classifies the clip of a number on the board."""
    if mode == "features":
        images = features.extract(dataset, clips, bundle.frontend, engine=LIBROSA).images
        return lambda number: board.classify_features(bundle.quantised_features(images[number]))

    return lambda number: board.classify_audio(features.clip_pcm(dataset.path(clips[number]), bundle.frontend))


def summarise(bundle: Bundle, clips: Sequence[Clip], answers: Sequence[Inference]) -> dict[str, Any]:
    """Return `metrics.score` of a board's answers."""
    outputs = np.stack([answer.outputs for answer in answers])
    scenes = [str(clip.scene) for clip in clips]
    return metrics.score(scenes, bundle.probabilities(outputs), [clip.device for clip in clips], bundle.classes)


def compare_with_host(
    bundle: Bundle, images: NDArray[np.floating], answers: Sequence[Inference]
) -> dict[str, int | float]:
    """Compare a board's answers with TensorFlow Lite's reference kernels on the host.

    Args:
        bundle: what the board carries.
        images: [N, n_mels, frames] log-mel images, as `features.extract` gives them.
        answers: the board's, N of them.

    Returns:
        `clips`; `identical`: clips whose outputs are the same bytes; `same_class`: clips with the same answer;
        `max_abs_diff`: the largest difference of an output.
    """
    from tinyscene import quantize  # imports TensorFlow

    host = quantize.run_reference(bundle.model, bundle.quantised_features(images)).astype(int)
    device = np.stack([answer.outputs for answer in answers]).astype(int)
    return {
        "clips": len(host),
        "identical": int((host == device).all(axis=1).sum()),
        "same_class": int((host.argmax(axis=1) == device.argmax(axis=1)).sum()),
        "max_abs_diff": int(np.abs(host - device).max()),
    }


def spread(items: Sequence[Item], limit: int | None) -> list[Item]:
    """Return `limit` items, evenly spread; all of them when there are no more."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[k * len(items) // limit] for k in range(limit)]


def _labelled(clips: Iterator[Clip], split: str, classes: Sequence[str]) -> list[Clip]:
    chosen = []
    for clip in clips:
        if clip.scene not in classes:
            raise DatasetError(
                f"{split}:{clip.line}: {clip.filename} has the scene {clip.scene}, which the bundle does not know; "
                f"it knows {', '.join(classes)}"
            )
        chosen.append(clip)
    return chosen


def _default_journal(bundle: Bundle, split: str, mode: str, as_json: Path | None) -> Path:
    """Name a journal that no other bundle or mode has."""
    start = as_json.with_suffix("") if as_json else REPOSITORY / "runs" / f"device-{bundle.name}-{Path(split).stem}"
    return start.with_name(f"{start.name}.{mode}.{bundle.identity[:8]}.journal.jsonl")


def _about(info: DeviceInfo, split: str, mode: str, answers: Sequence[Inference]) -> dict[str, Any]:
    frontend = [answer.frontend_microseconds for answer in answers if answer.frontend_microseconds is not None]
    return {
        "split": Path(split).name,
        "mode": mode,
        "board": info.board,
        "bundle": info.bundle,
        "identity": info.identity,
        "firmware": info.firmware,
        "clock_hz": info.clock_hz,
        "emulated": info.board in MACHINES,
        "microseconds": statistics.median(answer.model_microseconds for answer in answers),
        "frontend_microseconds": statistics.median(frontend) if frontend else None,
    }
