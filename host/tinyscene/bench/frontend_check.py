"""Compare the C front end with librosa on clips; `tinyscene frontend check DATA` prints a table.

The signals at the limits of PCM16 are compared as well. Both sides get the same 16-bit samples; instructions are
counted on the emulated board.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.data import Clip, Dataset, evenly_spread
from tinyscene.frontend import (
    FrontendConfig,
    HostFrontend,
    Normalisation,
    Quantisation,
    clip_pcm,
    config as frontend_config,
    measured,
    mps2 as frontend_mps2,
    signals,
    tables as frontend_tables,
)

COLUMNS = (
    "preset",
    "SNR dB",
    "lowest of a clip",
    "lowest of the signals",
    "largest error / range",
    "INT8 equal %",
    "largest INT8 difference",
    "instructions a frame",
    "RAM bytes",
)


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far the C front end is from librosa in float64.

    Attributes:
        snr_db: energy of librosa's features over that of the differences.
        lowest_snr_db: the same for the worst clip.
        relative_error: largest difference over the range of librosa's features.
        equal: share of equal INT8 features.
        largest_step: largest difference of INT8 features.
    """

    snr_db: float
    lowest_snr_db: float
    relative_error: float
    equal: float
    largest_step: int


def references(pcm: NDArray[np.int16], config: FrontendConfig) -> NDArray[np.float32]:
    """Return librosa's images [clips, n_mels, frames] of clips [clips, clip_samples]."""
    return np.stack([frontend_config.log_mel(clip / 32768, config) for clip in pcm])


def compare(
    expected: NDArray[np.float32],
    computed: NDArray[np.float32],
    expected_int8: NDArray[np.int8],
    computed_int8: NDArray[np.int8],
) -> Agreement:
    """Compare images [clips, n_mels, frames], and their INT8 features."""
    error = computed.astype(np.float64) - expected
    signal_energy, error_energy = (np.square(x, dtype=np.float64).sum(axis=(1, 2)) for x in (expected, error))
    steps = np.abs(computed_int8.astype(int) - expected_int8)
    span = float(expected.max() - expected.min())
    return Agreement(
        snr_db=_decibels(signal_energy.sum(), error_energy.sum()),
        lowest_snr_db=min(map(_decibels, signal_energy, error_energy)),
        relative_error=float(np.abs(error).max()) / (span or 1.0),
        equal=float((steps == 0).mean()),
        largest_step=int(steps.max()),
    )


def _decibels(signal: float, error: float) -> float:
    return float(10 * np.log10(signal / error)) if error else np.inf


def check(pcm: NDArray[np.int16], config: FrontendConfig) -> tuple[Agreement, Normalisation, Quantisation]:
    """Compare the C front end on this machine with librosa on clips [clips, clip_samples]."""
    expected = references(pcm, config)
    normalisation, quantisation = measured(expected)
    host = HostFrontend(config, normalisation, quantisation)
    images = np.stack([host.log_mel(clip) for clip in pcm])
    features = np.stack([host.features(clip) for clip in pcm])
    expected_int8 = quantisation.quantise(normalisation.apply(expected))
    return compare(expected, images, expected_int8, features), normalisation, quantisation


def _row(name: str, dataset: Dataset, clips: Sequence[Clip]) -> tuple[str, ...]:
    config = frontend_config.preset(name)
    pcm = np.stack([clip_pcm(dataset.path(clip), config) for clip in clips])
    agreement, normalisation, quantisation = check(pcm, config)
    edges = signals.clips(config)
    on_edges, *_ = check(np.stack([edges[edge] for edge in signals.EDGES]), config)
    with files.temporary_folder("frontend") as folder:
        image = frontend_mps2.build(config, normalisation, quantisation, folder)
        instructions = frontend_mps2.run(image, config, pcm[:2]).instructions.max() / config.frames
    ram = 2 * frontend_tables.history_samples(config) + 4 * frontend_tables.work_floats(config)
    return (
        name,
        f"{agreement.snr_db:.1f}",
        f"{agreement.lowest_snr_db:.1f}",
        f"{on_edges.lowest_snr_db:.1f}",
        f"{max(agreement.relative_error, on_edges.relative_error):.1e}",
        f"{100 * min(agreement.equal, on_edges.equal):.3f}",
        f"{max(agreement.largest_step, on_edges.largest_step)}",
        f"{instructions:,.0f}",
        f"{ram:,}",
    )


def report(data: Path, count: int) -> None:
    """Print the table, in Markdown: the command `tinyscene frontend check`.

    Args:
        data: data set in the TAU layout.
        count: number of clips to compare, evenly spread.
    """
    dataset = Dataset(data)
    clips = evenly_spread(list(dataset.clips()), count)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for name in frontend_config.PRESETS:
        print(f"| {' | '.join(_row(name, dataset, clips))} |", flush=True)
