"""Look at a board: what it is, and its prediction for one clip."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.table import Table

from tinyscene import files
from tinyscene.bundle import softmax
from tinyscene.console import console, error_console
from tinyscene.data import check_samples, pcm16, resample
from tinyscene.device import health
from tinyscene.device.board import Board
from tinyscene.device.description import DeviceInfo
from tinyscene.device.link import Link
from tinyscene.device.messages import Inference, Statistics
from tinyscene.errors import DatasetError, LinkError
from tinyscene.firmware import Request, boards
from tinyscene.frontend import Quantisation

_COUNTERS = {
    "frames_ok": "frames received",
    "crc_errors": "damaged: wrong CRC",
    "oversize": "damaged: too long",
    "malformed": "damaged: not a frame",
    "overruns": "bytes lost",
    "inferences": "runs of the model",
}


def info(port: str, as_json: Path | None, forget_crash: bool = False) -> None:
    """Print what a board is and which bundle it carries, what it has counted since it started, and its health.

    Args:
        port: pyserial URL of the board.
        as_json: file to write the same to; None: no file.
        forget_crash: whether to make the board forget the crash that is shown.

    Raises:
        LinkError: no answer, or the bundle in the board's flash is damaged; then all else is printed first.
    """
    with Link(port) as link:
        tested, crash = health.self_test(link), health.last_crash(link)
        damaged = tested is not None and not tested.bundle_is_whole
        described = None if damaged else Board(link).info
        counted = link.ask(Request.STATISTICS, Statistics.unpack)
        if forget_crash:
            health.forget_crash(link)
    parts = {"statistics": counted, "self_test": tested, "crash": crash}
    about = dataclasses.asdict(described) if described else {}
    about |= {name: dataclasses.asdict(part) for name, part in parts.items() if part is not None}
    _show(described, about, crash)
    if as_json:
        files.write_json(as_json, about)
    complaints = tested.complaints() if tested else []
    if damaged:
        raise LinkError(f"the board at {port}: {complaints[0]}")
    for complaint in complaints:
        error_console.print(complaint, style="yellow", soft_wrap=True)


def _show(info: DeviceInfo | None, about: dict[str, Any], crash: health.Crash | None) -> None:
    """Print a board's description of itself, in readable units; its crash in one line."""
    table = Table(show_header=False)
    table.add_column(style="bold")
    for name, value in _described(info) if info else ():
        table.add_row(name, value)
    for numbers in (about.get("statistics", {}), about.get("self_test", {})):
        table.add_section()
        for name, value in numbers.items():
            if name != "clock_hz" or info is None:
                said = f"{value:08x}" if name.endswith("crc") else str(value)
                table.add_row(_COUNTERS.get(name, name.replace("_", " ")), said)
    if crash:
        table.add_section()
        table.add_row("last reset", crash.reset_cause.name.lower())
        table.add_row("last crash", crash.describe())
    console.print(table)


def _described(info: DeviceInfo) -> list[tuple[str, str]]:
    """Return the rows (name, value) that describe a board."""
    seconds = info.clip_samples / info.sample_rate
    zero = f"{'-' if info.output_zero_point > 0 else '+'} {abs(info.output_zero_point)}"
    return [
        ("board", f"{info.board}, {info.clock_hz / 1e6:g} MHz{', emulated' if boards.is_emulated(info.board) else ''}"),
        ("firmware", f"{info.firmware}, build {info.build or 'unknown'}"),
        ("protocol", f"version {info.protocol}, up to {info.max_payload:,} bytes a frame"),
        ("bundle", f"{info.bundle}, identity {info.identity}"),
        ("clip", f"{seconds:g} s: {info.clip_samples:,} samples at {info.sample_rate:,} Hz"),
        ("features", f"{info.mels} mel bands x {info.frames} frames, INT8"),
        ("classes", f"{len(info.labels)}: {', '.join(info.labels)}"),
        ("outputs", f"{info.output_kind}: {info.output_scale:g} * (INT8 {zero})"),
    ]


def reboot(port: str, boot_loader: bool) -> None:
    """Restart a board and print what it is then, or start its boot loader."""
    with Link(port) as link:
        board = Board(link).info.board
        link.tell(Request.REBOOT, bytes([boot_loader]))
        if boot_loader:
            console.print(f"{board} is in its boot loader; flash it with: make flash BOARD={board}")
            return
        info = Board(link).info
    console.print(f"{info.board} restarted; it carries bundle {info.bundle}")


def classify(port: str, audio: Path) -> None:
    """Send the first clip of an audio file and print the board's class probabilities, the highest first."""
    with Link(port) as link:
        board = Board(link)
        samples = read_audio(audio, board.info.sample_rate, board.info.clip_samples)
        answer = board.classify_audio(samples[: board.info.clip_samples])
    probabilities = _probabilities(board.info, answer)
    for label, value in sorted(zip(board.info.labels, probabilities, strict=True), key=lambda pair: -pair[1]):
        console.print(f"{label:<20} {value:6.1%}")
    frontend, model = answer.frontend_microseconds or 0, answer.model_microseconds
    console.print(f"front end {frontend / 1000:.1f} ms, model {model / 1000:.1f} ms")


def read_audio(path: Path, sample_rate: int, clip_samples: int) -> NDArray[np.int16]:
    """Read an audio file of any format, rate and length for a board.

    Args:
        path: the file; several channels are averaged.
        sample_rate: rate of the result, Hz; `resampling.resample` makes it.
        clip_samples: number of samples in a clip.

    Returns:
        int16 [n * clip_samples]: whole clips; the rest of the file is dropped.

    Raises:
        DatasetError: no such file, not an audio file, shorter than one clip, or with samples that are not finite or
            beyond full scale.
    """
    try:
        files.require_regular(path)
        with soundfile.SoundFile(str(path)) as stream:
            signal, rate = stream.read(dtype="float32", always_2d=True), stream.samplerate
            subtype = stream.subtype
    except (soundfile.SoundFileError, OSError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "it does not exist" if missing else getattr(error, "error_string", None) or files.reason(error)
        raise DatasetError(f"{path} cannot be read as audio ({reason}); name a WAV, FLAC, OGG or MP3 file") from error
    check_samples(path, signal, subtype)
    samples = signal.mean(axis=1)
    if rate != sample_rate:
        samples = resample(samples, rate, sample_rate)
    clips, rest = divmod(len(samples), clip_samples)
    if clips == 0:
        raise DatasetError(
            f"{path} lasts {len(samples) / sample_rate:.2f} s, and the board's clips last "
            f"{clip_samples / sample_rate:.2f} s; name a longer file"
        )
    if rest:
        error_console.print(f"the last {rest / sample_rate:.2f} s of {path} are not a whole clip")
    return pcm16(samples[: clips * clip_samples])


def _probabilities(board: DeviceInfo, answer: Inference) -> NDArray[np.float64]:
    """Turn a board's INT8 outputs into class probabilities, by its own description of them."""
    values = Quantisation(board.output_scale, board.output_zero_point).dequantise(answer.outputs)
    return softmax(values) if board.output_kind == "logits" else values / values.sum()
