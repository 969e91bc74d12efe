"""Score boards: divide the clips of a list among them, keep their predictions in a journal, and compute the scores."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.bundle import Bundle
from tinyscene.console import console, error_console, progress_bar
from tinyscene.data import Clip, Dataset, doubts, evenly_spread
from tinyscene.device import answers, subset
from tinyscene.device.board import Board
from tinyscene.device.fleet import Fleet
from tinyscene.device.journal import Header, Journal, fingerprint
from tinyscene.device.messages import Inference
from tinyscene.errors import ConfigError, DatasetError
from tinyscene.evaluation import metrics, render_scores
from tinyscene.firmware import boards
from tinyscene.frontend import LIBROSA, features
from tinyscene.paths import PROJECT

FRONTENDS = {"features": LIBROSA, "audio": "c"}  # mode: front end of the features that the boards' networks get


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to score, and what to write.

    Attributes:
        ports: pyserial URLs of the boards.
        bundle: folder of the bundle that they must carry.
        data: data set in the TAU layout.
        split: list of clips: a path, or a name in evaluation_setup; without labels only for a submission or a
            comparison.
        mode: "features": send INT8 images computed here; "audio": send PCM16, and the board computes the features.
        limit: largest number of clips, evenly spread over the list; None: all.
        subset: number of clips to choose, stratified by scene, device and location, with confidence intervals; None:
            all.
        seed: seed of the subset.
        journal: file that keeps the predictions; None: a file next to the JSON or in runs/, put aside when complete.
        as_json: file to write the result to; None: no file.
        submission: file for the predictions in the format of a DCASE submission; None: no file.
        diff: file for the clips whose outputs differ from those of the host's INT8 run; None: no file.
    """

    ports: Sequence[str]
    bundle: Path
    data: Path
    split: str
    mode: str = "features"
    limit: int | None = None
    subset: int | None = None
    seed: int = 1
    journal: Path | None = None
    as_json: Path | None = None
    submission: Path | None = None
    diff: Path | None = None


def report(options: Options) -> None:
    """Score boards on a list of clips, write the requested files and print the tables; the same command resumes.

    Raises:
        TinysceneError: a bad argument, list, clip, journal or bundle; a board that does not answer or carries another
            bundle at the start; or all boards are lost on the way.
    """
    _check(options)
    bundle = Bundle.load(options.bundle)
    dataset = Dataset(options.data)
    clips = _listed(dataset, options, bundle.classes)
    chosen = _choose(clips, options)
    doubts.say(options.split, doubts.of_test(chosen))
    path = options.journal or _default_journal(bundle, options)
    with Fleet(options.ports, bundle.identity) as fleet:
        kinds = "+".join(sorted({board.info.board for board in fleet.boards.values()}))
        header = Header(bundle=bundle.identity, board=kinds, split=fingerprint(clips), mode=options.mode)
        with Journal(path, header) as journal:
            evaluate(fleet, bundle, dataset, chosen, options.mode, journal)
    outputs = np.stack([journal.answers[clip.filename].outputs for clip in chosen])
    result = _about(fleet, options, chosen, journal)
    if chosen[0].scene is not None:
        result |= _score(bundle, chosen, outputs, options)
    if options.submission:
        answers.write_submission(options.submission, bundle, chosen, outputs)
    if options.diff:
        result["host"] = _compare(options, bundle, dataset, chosen, outputs, journal)
    if options.as_json:
        files.write_json(options.as_json, result)
    _print(result, options, len(clips))
    if options.journal is None:
        path.replace(path.with_name(path.name.replace(".journal.", ".answers.")))


def evaluate(
    fleet: Fleet, bundle: Bundle, dataset: Dataset, clips: Sequence[Clip], mode: str, journal: Journal
) -> None:
    """Have the clips that are not in the journal yet classified, and write the predictions into it.

    Raises:
        TinysceneError: a clip cannot be read, or all boards are lost or now carry another bundle.
    """
    missing = [clip for clip in clips if clip.filename not in journal.answers]
    known = len(clips) - len(missing)
    if known:
        error_console.print(f"{known} of {len(clips)} predictions are in {journal.path}")
    if not missing:
        return
    ask = _asker(bundle, dataset, missing, mode)
    begin = time.monotonic()
    with progress_bar() as progress:
        task = progress.add_task(mode, total=len(clips), completed=known)
        for count, answer in enumerate(fleet.classify(len(missing), ask), start=1):
            journal.append(missing[answer.number].filename, answer.inference, answer.port)
            rate = count / (time.monotonic() - begin)
            progress.update(task, advance=1, description=f"{mode}, {rate:.2f} clips/s, {_boards(fleet)}")


def _boards(fleet: Fleet) -> str:
    """Return a phrase for how many boards are working."""
    count = len(fleet.boards)
    if fleet.lost:
        return f"{count - len(fleet.lost)} of {count} boards"
    return "1 board" if count == 1 else f"{count} boards"


def _asker(bundle: Bundle, dataset: Dataset, clips: Sequence[Clip], mode: str) -> Callable[[Board, int], Inference]:
    """Return a function that has a board classify the clip with a number."""
    if mode == "features":
        images = features.extract(dataset, clips, bundle.frontend, engine=LIBROSA).images
        return lambda board, number: board.classify_features(bundle.quantised_features(images[number]))

    return lambda board, number: board.classify_audio(features.clip_pcm(dataset.path(clips[number]), bundle.frontend))


def _score(bundle: Bundle, clips: Sequence[Clip], outputs: NDArray[np.int8], options: Options) -> dict[str, Any]:
    """Return `metrics.score` of the boards' predictions, and the intervals of a subset."""
    probabilities = bundle.probabilities(outputs)
    scenes = [str(clip.scene) for clip in clips]
    scores = metrics.score(scenes, probabilities, [clip.device for clip in clips], bundle.classes)
    if options.subset and len(clips) > 1:
        scores["intervals"] = subset.intervals(clips, probabilities, bundle.classes)
    return scores


def _compare(
    options: Options,
    bundle: Bundle,
    dataset: Dataset,
    clips: Sequence[Clip],
    outputs: NDArray[np.int8],
    journal: Journal,
) -> dict[str, int]:
    """Run the same clips through TensorFlow Lite's reference kernels, and write the differences."""
    from tinyscene.evaluation import scoring  # imports TensorFlow

    assert options.diff
    images = features.extract(dataset, clips, bundle.frontend, engine=FRONTENDS[options.mode]).images
    host = scoring.run(bundle, images)
    answers.write_differences(options.diff, bundle, clips, journal.ports, outputs, host)
    return answers.compare(outputs, host)


def _print(result: dict[str, Any], options: Options, whole: int) -> None:
    if "accuracy" in result:
        console.print(render_scores(result, f"{result['board']}, {options.mode}, {result['split']}"))
    if "intervals" in result:
        console.print(subset.render(result, whole), soft_wrap=True)
    clock = "by the emulator's clock, which is this machine's" if result["emulated"] else "on the board"
    console.print(f"model: {result['microseconds'] / 1000:.1f} ms a clip (median) {clock}")
    if len(result["boards"]) > 1:
        for port, about in result["boards"].items():
            share = f"{port}: {about['clips']:,} clips, {about['microseconds'] / 1000:.1f} ms"
            console.print(share, soft_wrap=True)
    if host := result.get("host"):
        differ = host["clips"] - host["identical"]
        said = f"{differ:,} of them differ, see {options.diff}" if differ else "all are the same bytes"
        console.print(
            f"outputs of {host['clips']:,} clips compared with TensorFlow Lite's reference kernels: {said}",
            soft_wrap=True,
        )


def _check(options: Options) -> None:
    if options.mode not in FRONTENDS:
        raise ConfigError(f"no mode {options.mode!r}; modes are {', '.join(FRONTENDS)}")
    if options.limit and options.subset:
        raise ConfigError("both --clips and --subset choose clips; use only one of them")


def _choose(clips: list[Clip], options: Options) -> list[Clip]:
    if options.subset:
        return subset.stratified(clips, options.subset, options.seed)
    return evenly_spread(clips, options.limit)


def _listed(dataset: Dataset, options: Options, classes: Sequence[str]) -> list[Clip]:
    """Read the list, and refuse scenes that the bundle does not know; labels may be missing if no scores are wanted."""
    clips = list(dataset.list(options.split, labelled=not (options.submission or options.diff)))
    for clip in clips:
        if clip.scene is not None and clip.scene not in classes:
            raise DatasetError(
                f"{options.split}:{clip.line}: {clip.filename} has the scene {clip.scene}, which the bundle does not "
                f"know; it knows {', '.join(classes)}"
            )
    return clips


def _default_journal(bundle: Bundle, options: Options) -> Path:
    """Return the path of a journal that no other bundle or mode uses."""
    if options.as_json:
        start = options.as_json.with_suffix("")
    else:
        start = PROJECT / "runs" / f"device-{bundle.name}-{Path(options.split).stem}"
    return start.with_name(f"{start.name}.{options.mode}.{bundle.identity[:8]}.journal.jsonl")


def _about(fleet: Fleet, options: Options, clips: Sequence[Clip], journal: Journal) -> dict[str, Any]:
    """Return what the boards are and how long they took; boards of an earlier, resumed run have only their ports."""
    given = [journal.answers[clip.filename] for clip in clips]
    frontend = [answer.frontend_microseconds for answer in given if answer.frontend_microseconds is not None]
    infos = {port: board.info for port, board in fleet.boards.items()}
    first = infos[options.ports[0]]
    each: dict[str, dict[str, Any]] = {}
    for port in sorted({journal.ports[clip.filename] for clip in clips}):
        times = [journal.answers[c.filename].model_microseconds for c in clips if journal.ports[c.filename] == port]
        each[port] = {"clips": len(times), "microseconds": statistics.median(times)}
        if info := infos.get(port):
            each[port] |= {"board": info.board, "firmware": info.firmware, "build": info.build}
    return {
        "split": Path(options.split).name,
        "mode": options.mode,
        "board": "+".join(sorted({info.board for info in infos.values()})),
        "bundle": first.bundle,
        "identity": first.identity,
        "firmware": first.firmware,
        "clock_hz": first.clock_hz,
        "emulated": all(boards.is_emulated(info.board) for info in infos.values()),
        "microseconds": statistics.median(answer.model_microseconds for answer in given),
        "frontend_microseconds": statistics.median(frontend) if frontend else None,
        "boards": each,
    }
