"""Look at a board: what it is, and what it says of one clip."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from tinyscene import files
from tinyscene.bundle import softmax
from tinyscene.console import console, error_console
from tinyscene.data import pcm16, resample
from tinyscene.device import health
from tinyscene.device.board import Board
from tinyscene.device.emulators import ONLY_EMULATED
from tinyscene.device.link import Link
from tinyscene.device.messages import DeviceInfo, Inference, Request, Statistics
from tinyscene.errors import DatasetError, LinkError
from tinyscene.frontend import Quantisation

_COUNTERS = {
    "frames_ok": "frames received",
    "crc_errors": "damaged: wrong CRC",
    "oversize": "damaged: too long",
    "malformed": "damaged: no frame",
    "overruns": "bytes lost",
    "inferences": "runs of the model",
}


def info(port: str, as_json: Path | None, forget_crash: bool = False) -> None:
    """Print what a board is and which bundle it carries, what it has counted since it started, and how it is.

    Args:
        port: pyserial URL of the board.
        as_json: where to write the same.
        forget_crash: make the board forget the crash that is shown.

    Raises:
        LinkError: no answer, or what the board's flash holds of the bundle is damaged; then all else is printed first.
    """
    with Link(port) as link:
        tested, crash = health.self_test(link), health.last_crash(link)
        damaged = tested is not None and not tested.bundle_is_whole
        described = None if damaged else Board(link).info
        counted = Statistics.unpack(link.request(Request.STATISTICS))
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
        error_console.print(complaint, style="yellow", highlight=False, soft_wrap=True)


def _show(info: DeviceInfo | None, about: dict[str, Any], crash: health.Crash | None) -> None:
    """Print what a board says of itself, in the units that people think in; its crash in one line."""
    table = Table(show_header=False)
    table.add_column(style="bold")
    for name, value in _described(info) if info else ():
        table.add_row(name, Text(value))
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
    """Return what a board is, by name."""
    seconds = info.clip_samples / info.sample_rate
    zero = f"{'-' if info.output_zero_point > 0 else '+'} {abs(info.output_zero_point)}"
    return [
        ("board", f"{info.board}, {info.clock_hz / 1e6:g} MHz{', emulated' if info.board in ONLY_EMULATED else ''}"),
        ("firmware", f"{info.firmware}, build {info.build or 'unknown'}"),
        ("protocol", f"version {info.protocol}, up to {info.max_payload:,} bytes a frame"),
        ("bundle", f"{info.bundle}, identity {info.identity}"),
        ("clip", f"{seconds:g} s: {info.clip_samples:,} samples at {info.sample_rate:,} Hz"),
        ("features", f"{info.mels} mel bands x {info.frames} frames, INT8"),
        ("classes", f"{len(info.labels)}: {', '.join(info.labels)}"),
        ("outputs", f"{info.output_kind}: {info.output_scale:g} * (INT8 {zero})"),
    ]


def reboot(port: str, boot_loader: bool) -> None:
    """Start a board again and say what it then is, or send it to its boot loader."""
    with Link(port) as link:
        board = Board(link).info.board
        link.tell(Request.REBOOT, bytes([boot_loader]))
        if boot_loader:
            console.print(f"{board} is in its boot loader; flash it with: make flash BOARD={board}", highlight=False)
            return
        info = Board(link).info
    console.print(f"{info.board} restarted; it carries bundle {info.bundle}", highlight=False)


def classify(port: str, audio: Path) -> None:
    """Send the first clip of an audio file and print the board's class probabilities, the likeliest first."""
    with Link(port) as link:
        board = Board(link)
        samples = read_audio(audio, board.info.sample_rate, board.info.clip_samples)
        answer = board.classify_audio(samples[: board.info.clip_samples])
    probabilities = _probabilities(board.info, answer)
    for label, value in sorted(zip(board.info.labels, probabilities, strict=True), key=lambda pair: -pair[1]):
        console.print(f"{label:<20} {value:6.1%}", highlight=False)
    frontend, model = answer.frontend_microseconds or 0, answer.model_microseconds
    console.print(f"front end {frontend / 1000:.1f} ms, model {model / 1000:.1f} ms", highlight=False)


def read_audio(path: Path, sample_rate: int, clip_samples: int) -> NDArray[np.int16]:
    """Read an audio file of any format, rate and length for a board.

    Args:
        path: the file; several channels are averaged.
        sample_rate: Hz wanted; resampled by `resampling.resample`.
        clip_samples: the samples of one clip.

    Returns:
        int16 [n * clip_samples]: whole clips; what is left of the file is dropped.

    Raises:
        DatasetError: no audio file, or shorter than one clip.
    """
    try:
        signal, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise DatasetError(f"{path} cannot be read as audio ({error}); name a WAV, FLAC, OGG or MP3 file") from error
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
        error_console.print(f"the last {rest / sample_rate:.2f} s of {path} are no whole clip", highlight=False)
    return pcm16(samples[: clips * clip_samples])


def _probabilities(board: DeviceInfo, answer: Inference) -> NDArray[np.float64]:
    """Turn a board's INT8 outputs into class probabilities, by what it says of them."""
    values = Quantisation(board.output_scale, board.output_zero_point).dequantise(answer.outputs)
    return softmax(values) if board.output_kind == "logits" else values / values.sum()
