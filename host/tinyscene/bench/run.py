"""Instructions, RAM and flash of the shipped models on the emulated Cortex-M4, for our engine and for peers.

Figures are measured or recorded; those of the front end are in `bench.frontend`.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.table import Column, Table

from tinyscene import files
from tinyscene.bench import bakenn, docs as bench_docs, engine as bench_engine, frontend, networks, start, tflm
from tinyscene.bench.engine import Engine, Figures
from tinyscene.bundle import MODEL_FILE
from tinyscene.compiler import complexity, plan_model, verify
from tinyscene.console import console, progress_bar
from tinyscene.networks import run_reference
from tinyscene.paths import REPOSITORY

VECTORS = 4  # the count of instructions hardly depends on the input
SEED = 1
SHIPPED = ("student", "baseline")

TFLM = "TFLM + CMSIS-NN"  # TensorFlow Lite Micro
TFLM_OURS = "TFLM + tinyscene"  # with the engine's kernels

# Engines that are always measured.
ENGINES: dict[str, Engine] = {
    "tinyscene": bench_engine.tinyscene,
    "tinyscene, for speed": functools.partial(bench_engine.tinyscene, optimize="speed"),
    "bakenn, plain C": functools.partial(bakenn.measure, optimised=False),
    "bakenn + CMSIS-NN": functools.partial(bakenn.measure, optimised=True),
}

# Engines that are measured if `tinyscene packs install` has installed them; their recorded rows are dropped then.
PACKED: dict[str, Engine] = {
    TFLM: functools.partial(tflm.measure, kernels="cmsis-nn"),
    TFLM_OURS: functools.partial(tflm.measure, kernels="tinyscene"),
}

# Counted earlier with the same compiler, emulator and networks: student with its additions, the DCASE 2022 baseline,
# and the networks of MLPerf Tiny.
RECORDED = (
    Figures("student", TFLM, "recorded", 65_300_000, 167_100, 77_000, 74_000),
    Figures("baseline", TFLM, "recorded", 64_050_000, 71_400),
    Figures("ResNet-8", TFLM, "recorded", 29_900_000, 55_000),
    Figures("DS-CNN", TFLM, "recorded", 7_700_000, 22_800),
    Figures("MobileNetV1 0.25", TFLM, "recorded", 24_100_000, 100_700),
    Figures("autoencoder", TFLM, "recorded", 580_000),
)


def measure(models: Mapping[str, bytes], engines: Mapping[str, Engine]) -> list[Figures]:
    """Compile and run every model with every engine on the emulated board; recorded figures come after a model's.

    Args:
        models: .tflite files by name of the network.
        engines: engines by name.

    Raises:
        ModelError, ToolError: as for `execution.run_image`. A network that an engine refuses gives a row that says so.
    """
    rows: list[Figures] = []
    with progress_bar() as progress:
        task = progress.add_task("models", total=len(models) * len(engines))
        for network, model in models.items():
            inputs = verify.make_inputs(plan_model(model).input.shape[1:], VECTORS, SEED)
            for name, engine in engines.items():
                rows.append(_figures(network, name, engine, model, inputs))
                progress.advance(task)
            rows += [figures for figures in RECORDED if figures.network == network and figures.engine not in engines]
    return rows


def _figures(network: str, name: str, engine: Engine, model: bytes, inputs: NDArray[np.int8]) -> Figures:
    """Measure one engine on one network."""
    try:
        measured = engine(model, inputs)
    except bench_engine.RefusedError as refusal:
        return Figures(network, name, "refused", note=str(refusal))
    expected = run_reference(measured.reference, inputs).reshape(len(inputs), -1)
    run = measured.run
    return Figures(
        network=network,
        engine=name,
        source="measured",
        instructions=run.instructions,
        ram_bytes=measured.ram_bytes,
        code_bytes=run.code_bytes,
        constant_bytes=run.constant_bytes,
        mismatches=int(np.count_nonzero(run.outputs != expected)),
        note=measured.note,
    )


def shipped_models(folder: Path = REPOSITORY / "models") -> dict[str, bytes]:
    """Return the .tflite files of the shipped bundles by name; a missing one is replaced with random weights."""
    models = {path.parent.name: path.read_bytes() for path in sorted(folder.glob(f"*/{MODEL_FILE}"))}
    for name in SHIPPED:
        if name not in models:
            console.print(f"no models/{name}: using random weights instead")
            models[name] = complexity.converted(name)
    return models


def report(as_json: Path | None, docs: bool = False) -> None:
    """Measure, write JSON and print tables: the command `tinyscene bench`; `docs`: update docs/RESULTS.md."""
    if docs:
        bench_docs.check(bench_docs.PAGE)  # before measuring for minutes
    models = shipped_models() | {name: networks.converted(name) for name in networks.NETWORKS}
    rows = measure(models, ENGINES | (PACKED if tflm.is_installed() else {}))
    if docs:
        bench_docs.write(rows, bench_docs.PAGE)
    frames = frontend.measure()
    begun = start.measure()
    if as_json:
        as_dicts = {"rows": [*map(dataclasses.asdict, rows)], "frontend": [*map(dataclasses.asdict, frames)]}
        files.write_json(as_json, as_dicts | {"start": dataclasses.asdict(begun)})
    console.print("Networks, an inference")
    console.print(_table(rows))
    for note in bench_docs.notes(rows):
        console.print(f"* {note}", soft_wrap=True)
    for table in frontend.tables(frames):
        console.print("\nFront ends, instructions a frame")
        console.print(table)
    console.print(f"\n{begun}")


def _table(rows: Sequence[Figures]) -> Table:
    names = (Column(name, no_wrap=True) for name in ("network", "engine"))
    table = Table(*names, Column("figures", min_width=9, max_width=30), box=None, header_style="bold", pad_edge=False)
    for column in bench_docs.COLUMNS:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row.network, row.engine, *bench_docs.cells(row))
    return table
