"""Instructions of each step of a frame on the emulated Cortex-M4, for our front end and for CMSIS-DSP."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from tinyscene import files
from tinyscene.errors import ToolError
from tinyscene.frontend import (
    FrontendConfig,
    Normalisation,
    Quantisation,
    Stage,
    config as frontend_config,
    golden,
    host as frontend_host,
    mps2 as frontend_mps2,
    tables as frontend_tables,
)
from tinyscene.toolchain import cmsis_dsp, mps2_image

STEPS = ("window", "FFT", "power", "mel", "resolution", "logarithm", "INT8", "exact FFT")
RARE = "exact FFT"  # replaces the FFT's result in frames that float32 cannot resolve
TINYSCENE, CMSIS_DSP, KISSFFT = "tinyscene", "CMSIS-DSP", "kissfft"
PEER_SIZES = (512, 1024, 2048, 4096)  # sizes of CMSIS-DSP's real FFT that a front end may use
# kissfft's real FFT of 1764 points, counted on the same emulator; also in docs/FRONTEND.md
RECORDED_KISSFFT = {1764: 357_167}

_IMAGE = Path(__file__).with_name("frontend_bench.c")
_PEER = Path(__file__).with_name("frontend_bench_cmsis.c")


@dataclasses.dataclass(frozen=True, slots=True)
class StepCounts:
    """Instructions of a frame.

    Attributes:
        preset, engine: names of the two.
        source: "measured" now, or "recorded".
        steps: instructions by step; a step that the engine does not have is missing.
        total: instructions of all steps but the rare one; None if the engine does not have all steps.
        snr_db: SNR of this frame's log-mel column against librosa's; None if there is no column.
    """

    preset: str
    engine: str
    source: str
    steps: dict[str, int]
    total: int | None
    snr_db: float | None


def measure(presets: Sequence[str] = tuple(frontend_config.PRESETS)) -> list[StepCounts]:
    """Count the instructions of a frame of pink noise, for every preset and every engine that supports it.

    Raises:
        ToolError: the cross compiler, the emulator or CMSIS-DSP's sources are missing.
    """
    return [row for name in presets for row in _measure(name, frontend_config.preset(name))]


def _measure(name: str, config: FrontendConfig) -> list[StepCounts]:
    samples = _frame(config)
    expected = golden.frame(samples, config).stages[Stage.LOG]
    has_peer = config.n_fft in PEER_SIZES
    with files.temporary_folder("bench") as folder:
        counts, columns = _run(config, samples, folder, has_peer)
    rows = []
    for i, engine in enumerate((TINYSCENE, CMSIS_DSP)[: 1 + has_peer]):
        steps = {step: int(count) for step, count in zip(STEPS, counts[i], strict=True) if count}
        total = sum(count for step, count in steps.items() if step != RARE)
        error = np.square(columns[i] - expected).sum()
        snr = float(10 * np.log10(np.square(expected).sum() / error))
        rows.append(StepCounts(name, engine, "measured", steps, total, snr))
    if config.n_fft in RECORDED_KISSFFT:
        rows.append(StepCounts(name, KISSFFT, "recorded", {"FFT": RECORDED_KISSFFT[config.n_fft]}, None, None))
    return rows


def _frame(config: FrontendConfig) -> NDArray[np.int16]:
    """Return noise whose power falls by 3 dB an octave, as in most scenes."""
    random = np.random.default_rng(1)
    spectrum = np.fft.rfft(random.normal(size=config.win_length))
    shaped = np.fft.irfft(spectrum / np.sqrt(np.arange(len(spectrum)) + 1), config.win_length)
    return np.rint(shaped / np.abs(shaped).max() * 8000).astype(np.int16)


def _run(
    config: FrontendConfig, samples: NDArray[np.int16], folder: Path, has_peer: bool
) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Build and run the image; return counts [engines, steps] and columns [engines, n_mels]."""
    normalisation = Normalisation((-40.0,) * config.n_mels, (13.0,) * config.n_mels)
    quantisation = Quantisation(0.04, -7)
    code = frontend_host.sources(config, normalisation, quantisation, folder)
    flags = [f"-DBENCH_SAMPLES={config.win_length}", f"-DBENCH_FLOATS={max(config.n_fft, config.n_mels)}"]
    sources = [_IMAGE, *(source for source in code.sources if source != frontend_host.HOST_SOURCE)]
    include = [*code.include]
    peer: tuple[Path, ...] = ()
    if has_peer:
        cmsis_dsp.fetch()
        flags.append(f"-DPEER_FFT={config.n_fft}")
        include += cmsis_dsp.INCLUDES
        (folder / "peer_tables.c").write_text(_peer_tables(config, normalisation, quantisation))
        peer = (_PEER, folder / "peer_tables.c")
    image = mps2_image.build(folder / "image.elf", sources, include, [*frontend_mps2.FLAGS, *flags], third_party=peer)
    (folder / "frame.bin").write_bytes(samples.tobytes())
    if status := mps2_image.run(image, folder):
        raise ToolError(f"the front end's bench on {mps2_image.BOARD.name} ended with code {status}")
    counts = np.fromfile(folder / "counts.bin", np.uint32).reshape(2, len(STEPS))
    return counts, np.fromfile(folder / "columns.bin", np.float32).reshape(2, config.n_mels)


def _peer_tables(config: FrontendConfig, normalisation: Normalisation, quantisation: Quantisation) -> str:
    """Return the tables that CMSIS-DSP's steps need and ours do not, as C."""
    scale = 1 / (np.array(normalisation.std) * quantisation.scale * 128)
    tables = {
        "peer_window": frontend_tables.window(config),
        "peer_weights": frontend_tables.sparse(frontend_config.mel_filters(config))[2],
        "peer_inverse_deviation": scale,
    }
    return "\n".join(frontend_tables.array("float", name, table, "") for name, table in tables.items())


def tables(rows: Sequence[StepCounts]) -> Iterator[Table]:
    """Yield the figures as tables, one for each engine."""
    for engine in dict.fromkeys(row.engine for row in rows):
        mine = [row for row in rows if row.engine == engine]
        result = Table(f"{engine}, {mine[0].source}", box=None, header_style="bold")
        for row in mine:
            result.add_column(row.preset, justify="right")
        for step in STEPS:
            if any(step in row.steps for row in mine):
                result.add_row(step, *(f"{row.steps[step]:,}" if step in row.steps else "-" for row in mine))
        if engine != KISSFFT:  # it is only an FFT
            result.add_row("frame", *(f"{row.total:,}" for row in mine))
            result.add_row("SNR dB", *(f"{row.snr_db:.0f}" for row in mine))
        yield result
