"""One HTML page about a training run, from the files that the commands left in its folder; it says what is missing."""

import base64
import dataclasses
import io
import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jinja2
import soundfile
from matplotlib import image as pictures
from numpy.typing import NDArray

from tinyscene import __version__, figures, files, places
from tinyscene.advice import needs
from tinyscene.bundle import Bundle
from tinyscene.compiler import MAX_MACS, MAX_PARAMETERS
from tinyscene.errors import BundleError, ModelError, TinysceneError
from tinyscene.evaluation import comparison, misheard, teacher_scores
from tinyscene.firmware import boards as known_boards
from tinyscene.paths import PROJECT
from tinyscene.training import STUDENT_FOLDERS, run_files

EPOCH_KEYS = ("epoch", "learning_rate", "loss", "val_log_loss", "val_accuracy")
MOST_MISHEARD = 12  # clips on the page
SCORE_KEYS = ("clips", "accuracy", "log_loss", "per_scene", "per_device", "confusion", "classes")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What a run folder holds; None or empty where a file is absent.

    Attributes:
        name: name of the folder.
        config: text of config.toml.
        histories: network -> lines of history.jsonl.
        evaluation: contents of evaluation.json: `split`, and scores under `float` and `int8`.
        complexity: contents of complexity.json.
        boards: title -> device evaluate's JSON, one for each device*.json; "device_audio.json" is "the board, audio".
        hosts: title of a board -> evaluate's JSON on the clips that the board was sent, from host*.json.
        bundle: the bundle that bundle.txt names.
        folds: the runs in fold1, fold2, ... of a cross-validation.
        misheard: the clips that its INT8 model is most wrong about; None: not kept.
        final: the run in `final`, on all clips, of a cross-validation.
        notes: sentences on what could not be read.
    """

    name: str
    config: str | None
    histories: dict[str, list[dict[str, Any]]]
    evaluation: dict[str, Any] | None
    complexity: dict[str, Any] | None
    boards: dict[str, dict[str, Any]]
    hosts: dict[str, dict[str, Any]]
    bundle: Bundle | None
    folds: list["Run"]
    misheard: list[misheard.Misheard] | None
    final: "Run | None"
    notes: list[str]

    def of_bundle(self, attribute: str) -> Any:
        """Return an attribute about the bundle: a cross-validated run may have it in `final`."""
        return getattr(self, attribute) or (getattr(self.final, attribute) if self.final else None)


def write(run_dir: Path) -> Path:
    """Write `report.html` and `figures/*.png` into a run folder.

    Args:
        run_dir: the folder that `tinyscene train` made.

    Returns:
        Path of the page, which needs no other file.

    Raises:
        TinysceneError: the folder is not that of a run, a file in it is damaged, or there is no space for the page.
    """
    run_dir = Path(run_dir)
    run = load(run_dir)
    host, tempered = _host_scores(run), _calibrated(run)
    boards = run.of_bundle("boards") or {}
    hosts = {title: score for title, score in (run.of_bundle("hosts") or {}).items() if title in boards}
    compared = host | tempered or boards  # on the same clips, so that one table can show their scenes and devices
    page = _template().render(
        run=run,
        folder=run_dir,
        bundle=run.of_bundle("bundle"),
        boards=boards,
        hosts=hosts,
        identical={title: all(boards[title].get(key) == hosts[title][key] for key in hosts[title]) for title in hosts},
        complexity=run.of_bundle("complexity"),
        limits={"parameters": MAX_PARAMETERS, "macs": MAX_MACS},
        scores=host | tempered | boards,
        compared=compared,
        takes=_takes(run.of_bundle("bundle")),
        misheard=_misheard(run),
        teachers=teacher_scores.rows(run.evaluation or {}),
        with_interval=comparison.score_with_interval,
        rounding=_rounding(run),
        rows=lambda key: sorted({row for score in compared.values() for row in score[key]}),
        curves=list(_curves(run, run_dir / run_files.FIGURES)),
        confusions=list(_confusions(host, run_dir / run_files.FIGURES)),
        reliability=_reliability(run, run_dir / run_files.FIGURES),
        version=__version__,
    )
    path = run_dir / run_files.REPORT
    files.write_text(path, page)
    return path


def load(run_dir: Path) -> Run:
    """Read a run folder.

    Raises:
        TinysceneError: the folder holds nothing of a run, or a file in it is damaged.
    """
    places.require_run(run_dir)
    run = _load(run_dir)
    if not (run.config or run.histories or run.evaluation or run.folds):
        raise TinysceneError(
            f"{run_dir} holds no run: neither config.toml nor evaluation.json is there; "
            "name the folder that `tinyscene train` printed"
        )
    return run


def _load(folder: Path) -> Run:
    paths = run_files.histories(folder)
    histories = {
        network: _read_lines(paths[network])
        for network in sorted(paths, key=lambda name: (name in STUDENT_FOLDERS, name))
    }
    bundle, notes = _read_bundle(folder / run_files.BUNDLE_PATH)
    final = folder / run_files.FINAL
    return Run(
        name=folder.resolve().name,
        config=_read_config(folder / run_files.CONFIG),
        histories={network: lines for network, lines in histories.items() if lines},
        evaluation=_read_evaluation(folder / run_files.EVALUATION),
        complexity=_read_json(folder / run_files.COMPLEXITY),
        boards=_read_scores(folder, run_files.BOARD_SCORES),
        hosts=_read_scores(folder, run_files.HOST_SCORES),
        bundle=bundle,
        folds=[_load(path) for path in run_files.folds(folder)],
        misheard=misheard.read(folder / run_files.MISHEARD),
        final=_load(final) if final.is_dir() else None,
        notes=notes,
    )


def _read_scores(folder: Path, kind: str) -> dict[str, dict[str, Any]]:
    """Return title of the board -> scores, of device.json, device_audio.json and so on, or of host*.json."""
    found = {}
    for how, path in run_files.scores(folder, kind):
        scores = _read_json(path) or {}
        _require(path, scores, SCORE_KEYS)
        found[", ".join(["the board", *([how] if how else [])])] = scores
    return dict(sorted(found.items(), key=lambda item: (-item[1]["clips"], item[0])))


def _read_config(path: Path) -> str | None:
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _damaged(path, str(error)) from error
    return text


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(value, dict):
        raise _damaged(path, "not a JSON object")
    return value


def _read_lines(path: Path) -> list[dict[str, Any]]:
    lines = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        try:
            epoch = json.loads(line)
        except ValueError as error:
            raise _damaged(path, f"line {number}: {error}") from error
        _require(path, epoch, EPOCH_KEYS, f"line {number}: ")
        lines.append(epoch)
    return lines


def _require(path: Path, value: Any, keys: Sequence[str], place: str = "") -> None:
    for key in keys:
        if key not in value:
            raise _damaged(path, f"{place}no {key}")


def _damaged(path: Path, reason: str) -> TinysceneError:
    return TinysceneError(f"{path} is damaged ({reason}); delete it and run the command that writes it again")


def _read_evaluation(path: Path) -> dict[str, Any] | None:
    evaluation = _read_json(path)
    for form in ("float", "int8"):
        if evaluation is not None and form in evaluation:
            _require(path, evaluation[form], SCORE_KEYS)
    for _, score in teacher_scores.rows(evaluation or {}):
        _require(path, score, ("accuracy", "log_loss", "intervals"))
    return evaluation


def _read_bundle(path: Path) -> tuple[Bundle | None, list[str]]:
    if not path.is_file():
        return None, []
    named = Path(path.read_text(errors="replace").strip())
    try:
        return Bundle.load(named if named.is_absolute() else PROJECT / named), []
    except BundleError as error:
        return None, [f"The bundle of this run: {error}."]


def _curves(run: Run, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield two <svg> for each network that was trained, here or in the folds: wide and narrow; save the wide one."""
    parts = run.folds or [run]
    for network in dict.fromkeys(network for part in parts for network in part.histories):
        histories = [part.histories[network] for part in parts if network in part.histories]
        wide, narrow = (figures.learning_curves(histories, network, stacked) for stacked in (False, True))
        figures.save_png(wide, folder / f"curves_{network}.png")
        said = f"Learning curves of the {network}"
        yield figures.svg(wide, said), figures.svg(narrow, f"{said}, below each other")


def _confusions(host: dict[str, dict[str, Any]], folder: Path) -> Iterator[str]:
    """Yield an <svg> for the float network and one for the INT8 model, and save the PNGs."""
    for title, score in host.items():
        caption = f"{title[0].upper()}{title[1:]}: predictions in % of each true scene"
        figure = figures.confusion(score, caption)
        figures.save_png(figure, folder / f"confusion_{title}.png")
        yield figures.svg(figure, f"Confusion matrix. {caption}")


def _host_scores(run: Run) -> dict[str, dict[str, Any]]:
    """Return title -> score: the float network, then the INT8 model."""
    evaluation = run.evaluation or {}
    titles = {"float": "float", "int8": "INT8"}
    return {title: evaluation[key] for key, title in titles.items() if key in evaluation}


def _calibrated(run: Run) -> dict[str, Any]:
    """Return title -> score of the INT8 model with a temperature; nothing for a run of one fold."""
    calibrated = (run.evaluation or {}).get("calibrated")
    return {"INT8, calibrated": calibrated["int8"]} if calibrated else {}


def _rounding(run: Run) -> dict[str, str]:
    """Return score's name -> what INT8 changes in it, clip by clip; empty for scores of an earlier version."""
    found = (run.evaluation or {}).get(comparison.INT8_MINUS_FLOAT)
    if found is None:
        return {}
    return {
        name: comparison.difference_with_interval(score, found[score], found["intervals"][score])
        for score, name in comparison.SCORES.items()
    }


def _reliability(run: Run, folder: Path) -> str | None:
    """Return the INT8 model's reliability diagrams, without and with temperature, as an <svg>, and save the PNG."""
    evaluation = run.evaluation or {}
    scores = {"INT8": evaluation.get("int8", {}), **_calibrated(run)}
    tables = {title: score["reliability"] for title, score in scores.items() if "reliability" in score}
    if not tables:
        return None
    figure = figures.reliability(tables)
    figures.save_png(figure, folder / "reliability.png")
    return figures.svg(figure, "Reliability diagram: accuracy of the predictions against their confidence")


def _takes(bundle: Bundle | None) -> list[needs.Fit]:
    """Return what the bundle takes of each board that exists; nothing where no board runs it."""
    if bundle is None:
        return []
    try:
        found = needs.of(bundle.frontend, bundle.model, len(bundle.classes))
    except ModelError:
        return []
    return [needs.Fit(board, found) for board in known_boards.every().values() if not board.emulated_only]


def _misheard(run: Run) -> list[dict[str, Any]] | None:
    """Return the clips that the INT8 model is most wrong about, with picture and sound; None: not kept."""
    kept = [part.misheard for part in (run.folds or [run]) if part.misheard is not None]
    clips = sorted((clip for each in kept for clip in each), key=lambda clip: -clip.probability)
    bundle = run.of_bundle("bundle")
    if not kept:
        return None
    rate = bundle.frontend.sample_rate if bundle else 0
    return [
        {"clip": clip, "picture": _picture(clip.image), "sound": _sound(clip.samples, rate) if rate else None}
        for clip in clips[:MOST_MISHEARD]
    ]


def _picture(image: NDArray[Any]) -> str:
    """Return a log-mel image as a PNG in a URL: low bands at the bottom, one pixel a value."""
    buffer = io.BytesIO()
    pictures.imsave(buffer, image, origin="lower", cmap="magma", format="png")
    return _as_url("image/png", buffer.getvalue())


def _sound(samples: NDArray[Any], rate: int) -> str | None:
    """Return sound as a WAV file in a URL; None for none."""
    if not len(samples):
        return None
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    return _as_url("audio/wav", buffer.getvalue())


def _as_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tinyscene.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.j2")
