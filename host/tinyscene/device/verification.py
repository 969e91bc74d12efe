"""Verify a board: golden vectors through its front end and its network, and the first stage that differs.

Every stage is compared with its reference: librosa up to the INT8 features, TensorFlow Lite's reference kernels for the
network. If this machine has a C compiler, the front end's values must also equal those of the same C here, bit for bit.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from tinyscene import files
from tinyscene.bundle import DESCRIPTION_FILE, Bundle
from tinyscene.compiler import make_inputs
from tinyscene.console import console, error_console, progress_bar
from tinyscene.device.board import Board
from tinyscene.device.description import DeviceInfo
from tinyscene.device.link import Link
from tinyscene.errors import BundleError, LinkError, ToolError
from tinyscene.firmware import boards, export
from tinyscene.frontend import HostFrontend, Stage, golden
from tinyscene.paths import REPOSITORY

# The stages in their order, and where to look when one is the first that differs.
LOOK_AT = {
    "windowed": "the samples on their way (crc_errors and overruns of `tinyscene device info`), frontend_window.c and "
    "the window's table, and whether firmware/generated was changed after `tinyscene export`",
    "spectrum": "frontend_fft.c and its tables, and the compiler's flags for floating point (-ffp-contract=off, "
    "nothing like -ffast-math)",
    "power": "frontend_power() in frontend_stages.c, and the compiler's flags for floating point",
    "mel": "the mel filters' tables and frontend_exact.c, and whether firmware/generated was changed after "
    "`tinyscene export`",
    "log": "frontend_log() in frontend_stages.c, and its constants in the tables",
    "features": "hop and padding of the frames, what happens at a clip's end, and the tables of the normalisation",
    "outputs": "the network's C: `tinyscene verify BUNDLE --board mps2` shows whether it is wrong, or this build of it",
}
EXTREMES = ("lowest", "highest", "random", "smooth")  # the inputs of make_inputs


@dataclass(frozen=True)
class Outcome:
    """The result of one vector in one stage on the board.

    Attributes:
        stage: a key of `LOOK_AT`.
        vector: name of the clip or input.
        values: number of values compared.
        snr_db: for a frame's stage, the reference's energy over that of the differences; inf if there are none.
        equal: for features and outputs, the share of values that equal the reference's.
        largest: for features and outputs, the largest difference.
        same_bits: whether the values are bit for bit those of the C on this machine; None: not compared.
    """

    stage: str
    vector: str
    values: int
    snr_db: float | None = None
    equal: float | None = None
    largest: int | None = None
    same_bits: bool | None = None

    @property
    def near(self) -> bool:
        """Whether the reference is met: up to rounding for all stages to the features, exactly for the outputs."""
        if self.snr_db is not None:
            return self.snr_db >= golden.SNR_DB
        assert self.equal is not None
        assert self.largest is not None
        if self.stage == "features":
            return self.equal >= golden.FEATURES_EQUAL and self.largest <= 1
        return self.largest == 0

    @property
    def agrees(self) -> bool:
        """Whether the board computes what it should."""
        return self.near and self.same_bits is not False

    @property
    def measure(self) -> str:
        """The distance from the reference, as text for people."""
        if self.snr_db is not None:
            return "no difference" if self.snr_db == math.inf else f"{self.snr_db:.1f} dB"
        return f"{self.equal:.2%}" + (f", {self.largest} apart" if self.largest else "")

    def to_json(self) -> dict[str, Any]:
        """Return the fields; an SNR that is not finite is null."""
        finite = self.snr_db is not None and math.isfinite(self.snr_db)
        return asdict(self) | {"snr_db": self.snr_db if finite else None, "agrees": self.agrees}


def report(port: str, bundle: Path | None, as_json: Path | None) -> int:
    """Verify a board and print a table: the command `tinyscene device verify`; returns the exit code.

    Args:
        port: pyserial URL of the board.
        bundle: folder of the bundle that it must carry; None: found by the identity that the board reports.
        as_json: file to write the result to; None: no file.

    Returns:
        0, or 1 if a stage differs.

    Raises:
        TinysceneError: the board does not answer or carries another bundle, or its bundle is not found.
    """
    model = Bundle.load(bundle) if bundle else None
    with Link(port) as link:
        board = Board(link, model.identity if model else None)
        model = model or find_bundle(board.info)
        board.expected = model.identity
        host = _host_frontend(model)
        outcomes = verify(board, model, host)
    first = first_difference(outcomes)
    if as_json:
        files.write_json(as_json, _summary(board.info, outcomes, first, host is not None))
    console.print(_table(outcomes, f"{board.info.board}, bundle {board.info.bundle}"))
    if first is None:
        console.print(f"{board.info.board} agrees at every stage")
        return 0
    console.print(
        f"the first stage that differs is {first.stage}: {_reason(first)}; look at {LOOK_AT[first.stage]}",
        style="red",
        soft_wrap=True,
    )
    return 1


def find_bundle(info: DeviceInfo) -> Bundle:
    """Return the bundle with a board's identity: one of models/, or the one that was exported last.

    Raises:
        BundleError: none of these has the identity.
    """
    folders = sorted(path.parent for path in (REPOSITORY / "models").glob(f"*/{DESCRIPTION_FILE}"))
    if last := export.read_record().get("bundle"):
        folders.append(Path(last))
    for folder in folders:
        try:
            bundle = Bundle.load(folder)
        except BundleError:
            continue  # whatever is wrong with this one, it is not the board's
        if bundle.identity == info.identity:
            return bundle
    raise BundleError(
        f"the board carries bundle {info.bundle!r} with identity {info.identity}, which is neither in models/ nor the "
        "one exported last; name its folder with --bundle"
    )


def _host_frontend(bundle: Bundle) -> HostFrontend | None:
    try:
        return HostFrontend(bundle.frontend, bundle.normalisation, bundle.input)
    except ToolError as error:
        error_console.print(f"bits are not compared with this machine's C: {error}")
        return None


def verify(board: Board, bundle: Bundle, host: HostFrontend | None) -> list[Outcome]:
    """Run the golden vectors of a bundle on a board that carries it; shows its progress.

    Args:
        board: the board.
        bundle: the bundle that it carries.
        host: the same front end on this machine; None: bits are not compared.

    Returns:
        One outcome for each vector and stage, in the order of the stages.

    Raises:
        LinkError: the board is lost, or its data do not fit this bundle.
    """
    with error_console.status("golden vectors from librosa"):
        vectors = golden.make(bundle.frontend, bundle.normalisation, bundle.input)
    stages = len(vectors.frames) * len(Stage) + len(golden.WHOLE) * 2 + len(EXTREMES)
    outcomes: list[Outcome] = []
    with progress_bar() as progress:
        task = progress.add_task("", total=stages)
        for name in vectors.frames:
            progress.update(task, description=f"{name}: frame, windowed to log")
            outcomes += _frame(board, vectors, name, host)
            progress.update(task, completed=len(outcomes))
        for name in golden.WHOLE:
            progress.update(task, description=f"{name}: clip, features and outputs")
            outcomes += _clip(board, bundle, vectors, name, host)
            progress.update(task, completed=len(outcomes))
        for name, image in zip(EXTREMES, make_inputs(bundle.frontend.shape, len(EXTREMES), seed=1), strict=True):
            progress.update(task, description=f"{name}: outputs")
            outcomes.append(_outputs(bundle, name, image, board.classify_features(image).outputs))
            progress.update(task, completed=len(outcomes))
    order = list(LOOK_AT)
    return sorted(outcomes, key=lambda outcome: order.index(outcome.stage))


def _frame(board: Board, vectors: golden.Vectors, name: str, host: HostFrontend | None) -> Iterator[Outcome]:
    frame = vectors.frames[name]
    for stage, values in board.probe(frame.samples).items():
        if len(values) != (expected := stage.size(vectors.config.n_fft, vectors.config.n_mels)):
            raise LinkError(
                f"the board at {board.link.url} has {len(values)} values at stage {stage} where its bundle has "
                f"{expected}; build and flash its firmware again (make flash BOARD={board.info.board})"
            )
        yield Outcome(
            str(stage),
            name,
            len(values),
            snr_db=frame.snr_db(stage, values),
            same_bits=None if host is None else values.tobytes() == host.stage(frame.samples, stage).tobytes(),
        )


def _clip(
    board: Board, bundle: Bundle, vectors: golden.Vectors, name: str, host: HostFrontend | None
) -> Iterator[Outcome]:
    samples = vectors.clips[name]
    answer, image = board.classify_and_show(samples)
    equal, largest = golden.equal_and_largest(vectors.features[name], image)
    same_bits = None if host is None else np.array_equal(image, host.features(samples))
    yield Outcome("features", name, image.size, equal=equal, largest=largest, same_bits=same_bits)
    yield _outputs(bundle, name, image, answer.outputs)


def _outputs(bundle: Bundle, name: str, image: NDArray[np.int8], outputs: NDArray[np.int8]) -> Outcome:
    from tinyscene.networks import run_reference

    equal, largest = golden.equal_and_largest(run_reference(bundle.model, image[None])[0], outputs)
    return Outcome("outputs", name, outputs.size, equal=equal, largest=largest)


def first_difference(outcomes: list[Outcome]) -> Outcome | None:
    """Return the worst outcome of the first stage that differs; None if all agree."""
    for stage in LOOK_AT:
        apart = [outcome for outcome in outcomes if outcome.stage == stage and not outcome.agrees]
        if apart:
            return min(apart, key=_badness)
    return None


def _badness(outcome: Outcome) -> tuple[bool, float]:
    """Order outcomes of one stage, the worst first."""
    value = outcome.snr_db if outcome.snr_db is not None else outcome.equal
    assert value is not None
    return outcome.near, value


def _reason(first: Outcome) -> str:
    reference = "TensorFlow Lite's reference kernels" if first.stage == "outputs" else "librosa"
    if first.near:
        return f"{first.vector} is near {reference} ({first.measure}), but differs in bits from this machine's C"
    bits = {True: ", with the bits of this machine's C", False: ", and not with the bits of this machine's C", None: ""}
    if first.snr_db is not None:
        return (
            f"{first.vector} has an SNR of {first.measure} against {reference}, less than {golden.SNR_DB:g} dB"
            f"{bits[first.same_bits]}"
        )
    return (
        f"{first.equal:.2%} of the values of {first.vector} are those of {reference}, the others are up to "
        f"{first.largest} apart{bits[first.same_bits]}"
    )


def _summary(info: DeviceInfo, outcomes: list[Outcome], first: Outcome | None, host: bool) -> dict[str, Any]:
    return {
        "board": info.board,
        "bundle": info.bundle,
        "identity": info.identity,
        "firmware": info.firmware,
        "emulated": boards.is_emulated(info.board),
        "bits_compared": host,
        "agrees": first is None,
        "first_difference": first.stage if first else None,
        "stages": [outcome.to_json() for outcome in outcomes],
    }


def _table(outcomes: list[Outcome], title: str) -> Table:
    """Return a table with a row for each stage, with its worst vector."""
    table = Table("stage", title=title, title_justify="left")
    for heading in ("vectors", "values", "SNR or equal"):
        table.add_column(heading, justify="right")
    for heading in ("lowest of", "host's C", ""):
        table.add_column(heading)
    for stage in LOOK_AT:
        mine = [outcome for outcome in outcomes if outcome.stage == stage]
        worst = min(mine, key=_badness)
        other_bits = sum(outcome.same_bits is False for outcome in mine)
        table.add_row(
            stage,
            str(len(mine)),
            f"{sum(outcome.values for outcome in mine):,}",
            worst.measure,
            worst.vector,
            "" if worst.same_bits is None else f"{other_bits} differ" if other_bits else "same bits",
            Text("agrees") if all(outcome.agrees for outcome in mine) else Text("differs", "bold red"),
        )
    return table
