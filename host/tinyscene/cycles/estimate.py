"""The command `tinyscene cycles`: the cycles of a clip on a board, estimated by running the image to be flashed."""

import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from rich.table import Table
from unicorn import UcError

from tinyscene import files
from tinyscene.bundle import Bundle
from tinyscene.compiler import pipeline as compiler
from tinyscene.console import console, error_console, progress_bar
from tinyscene.cycles import flash
from tinyscene.cycles.counter import Counter
from tinyscene.cycles.image import FRONT_END, NETWORK
from tinyscene.device import ProtocolError, find_bundle, read_description, samples_write
from tinyscene.device.emulators import BOARDS, Machine, ask
from tinyscene.errors import LinkError, ToolError
from tinyscene.firmware import BUILDS, Request, boards, project
from tinyscene.frontend import signals
from tinyscene.paths import PROJECT

CHUNK = 500  # samples in a request
SIGNAL = "noise"  # a clip of signals.clips; the front end takes longer for frames that float32 cannot resolve


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One line of the estimate.

    Attributes:
        part: front end or network.
        name: function of the front end, or operators of the layer.
        layer: number of the layer's operator; None: not a layer.
        instructions: number of executed instructions.
        cycles: cycles without waits.
        waits: cycles spent waiting for flash.
    """

    part: str
    name: str
    layer: int | None
    instructions: int
    cycles: int
    waits: int

    @property
    def total(self) -> int:
        """All cycles."""
        return self.cycles + self.waits


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of one clip on a board.

    Attributes:
        board: name of the board.
        bundle, identity: name and identity of the image's bundle.
        clock_hz: clock of the core.
        seconds: duration of the clip.
        rows: functions of the front end, then layers of the network, each in the order in which they first run.
    """

    board: str
    bundle: str
    identity: str
    clock_hz: int
    seconds: float
    rows: tuple[Row, ...]

    def sum(self, part: str | None = None) -> Row:
        """Return the sum of a part, or of all."""
        chosen = [row for row in self.rows if part in (None, row.part)]
        sums = (sum(getattr(row, name) for row in chosen) for name in ("instructions", "cycles", "waits"))
        return Row(part or "", "all", None, *sums)

    def milliseconds(self, row: Row) -> float:
        """Return the time that a row takes."""
        return 1000 * row.total / self.clock_hz

    def per_second(self, part: str | None = None) -> float:
        """Return milliseconds for each second of audio."""
        return self.milliseconds(self.sum(part)) / self.seconds

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and the times."""
        rows = [dataclasses.asdict(row) | {"total": row.total, "ms": self.milliseconds(row)} for row in self.rows]
        per_second = {"all": self.per_second()} | {part: self.per_second(part) for part in (FRONT_END, NETWORK)}
        return dataclasses.asdict(self) | {"rows": rows, "ms_per_second_of_audio": per_second}


def report(bundle: Path | None, board: str | None, as_json: Path | None) -> None:
    """Estimate and print tables, for one board or for all: the command `tinyscene cycles`.

    Raises:
        TinysceneError: no such board, no image, an image of an unknown bundle, or one that fails.
    """
    chosen = [board] if board else estimated()
    images = [built_image(env, bundle) for env in chosen]
    estimates = []
    with progress_bar() as progress:
        for env, elf in progress.track(list(zip(chosen, images, strict=True)), description="boards"):
            estimates.append(estimate(env, elf))
    if as_json:
        files.write_json(as_json, {"boards": [one.to_json() for one in estimates]})
    for one in estimates:
        console.print(table(one))
        megahertz = one.clock_hz / 1e6
        console.print(
            f"predicted: {one.per_second():.1f} ms per second of audio at {megahertz:g} MHz "
            f"(front end {one.per_second(FRONT_END):.1f}, network {one.per_second(NETWORK):.1f}), "
            f"{one.per_second() / 10:.1f} % of the time; not measured on silicon\n",
            soft_wrap=True,
        )


def estimated() -> list[str]:
    """Return the boards whose memories are modelled."""
    return [name for name, board in boards.every().items() if board.cycles]


def built_image(env: str, bundle: Path | None = None) -> Path:
    """Return the path of a board's image, built for `bundle` first if one is given.

    Raises:
        ToolError: the board is not modelled, or there is no image and none can be built.
    """
    if env not in estimated():
        raise ToolError(f"no model of the board {env!r}; available: {', '.join(estimated())}")
    elf = BUILDS / env / "firmware.elf"
    if bundle:
        project.prepare()
        with error_console.status(f"building {env}"):
            result = subprocess.run(
                [sys.executable, "-m", "platformio", "run", "-e", env],
                cwd=PROJECT,
                env=os.environ | {"TINYSCENE_BUNDLE": str(bundle.resolve())},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        if result.returncode:
            raise ToolError(f"pio run -e {env} failed: {(result.stderr or result.stdout).strip()[-2000:]}")
    if not elf.is_file():
        raise ToolError(f"{elf} is not there; build it with: pio run -e {env}, or name a bundle to build it for")
    return elf


def estimate(env: str, elf: Path, bundle: Bundle | None = None) -> Estimate:
    """Run one clip through an image's front end and network, and return the cost.

    Args:
        env: the board, one of `estimated`.
        elf: its image, with the linker's map in the same folder.
        bundle: the bundle that the image was built for; None: found by its identity.

    Raises:
        ToolError: the image is damaged or crashes, or its map or objdump is missing.
        LinkError: the image does not answer, or carries another bundle.
        BundleError: its bundle is not found.
    """
    try:
        return _estimate(env, elf, bundle)
    except (ELFError, UcError, ProtocolError) as error:
        raise ToolError(
            f"{elf} does not run on the model of {env} ({error}); build it again: pio run -e {env}"
        ) from error


def _estimate(env: str, elf: Path, bundle: Bundle | None) -> Estimate:
    machine = BOARDS[env](elf)
    counter = Counter(machine, elf)
    machine.run()
    info = read_description(functools.partial(ask, machine))
    bundle = bundle or find_bundle(info)
    if bundle.identity != info.identity:
        raise LinkError(
            f"the image built for {env} carries bundle {info.bundle!r} with identity {info.identity}, "
            f"not {bundle.identity}; build it again: TINYSCENE_BUNDLE=FOLDER pio run -e {env}"
        )
    counter.start(flash.of_machine(machine))
    classify(machine, bundle)
    names = {call.op.index: call.kind for call in compiler.plan_model(bundle.model).calls}
    rows = []
    for (part, name), count in counter.counts.items():
        if part in (FRONT_END, NETWORK):
            what, layer = (names[name], name) if isinstance(name, int) else (name, None)
            rows.append(Row(part, what, layer, count.instructions, count.cycles, count.waits))
    seconds = info.clip_samples / info.sample_rate
    return Estimate(env, info.bundle, info.identity, info.clock_hz, seconds, tuple(rows))


def classify(machine: Machine, bundle: Bundle) -> None:
    """Send a clip and have it classified."""
    pcm = signals.clips(bundle.frontend)[SIGNAL]
    ask(machine, Request.AUDIO_BEGIN)
    for offset in range(0, len(pcm), CHUNK):
        ask(machine, Request.AUDIO_WRITE, samples_write(offset, pcm[offset : offset + CHUNK]))
    ask(machine, Request.AUDIO_END)


def table(one: Estimate) -> Table:
    """Return an estimate as a table: a row for each function and layer, and the sums."""
    title = f"{one.board}, bundle {one.bundle}, one clip"
    result = Table("layer", "what", title=title, title_justify="left", box=None, header_style="bold")
    for heading in ("instructions", "cycles", "flash waits", "total", "ms"):
        result.add_column(heading, justify="right")
    for part in (FRONT_END, NETWORK):
        for row in [*(row for row in one.rows if row.part == part), one.sum(part)]:
            numbers = (f"{number:,}" for number in (row.instructions, row.cycles, row.waits, row.total))
            layer = "" if row.layer is None else str(row.layer)
            name, style = (part, "bold") if row.name == "all" else (row.name.removeprefix("frontend_"), None)
            result.add_row(layer, name, *numbers, f"{one.milliseconds(row):.2f}", style=style)
    return result
