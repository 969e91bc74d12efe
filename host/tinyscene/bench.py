"""Instructions, RAM and flash of the shipped models on the emulated Cortex-M4, beside recorded figures of peers.

The front end's are in `frontend_bench`.
"""

import dataclasses
from pathlib import Path

from rich.table import Table

from tinyscene import bench_networks, bundle, complexity, files, frontend_bench
from tinyscene.compiler import Optimize, plan_model, verify
from tinyscene.console import console, progress_bar
from tinyscene.paths import REPOSITORY

VECTORS = 4  # the count of instructions hardly depends on the input

TINYSCENE = "tinyscene"
FOR_SPEED = "tinyscene, for speed"  # compiled with --optimize speed
TWICE = ("student", "ResNet-8")  # measured in both ways: networks of 3 x 3 convolutions
TFLM = "TFLM + CMSIS-NN"  # TensorFlow Lite Micro


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What one engine takes for one network.

    Attributes:
        network, engine: names.
        source: "measured" now, or "recorded": in docs/ENGINE.md, on the same emulator and compiler.
        instructions: of one inference.
        ram_bytes: arena, input and output.
        code_bytes, constant_bytes: flash.
        mismatches: output bytes that differ from TensorFlow Lite's reference kernels; None where not compared.
    """

    network: str
    engine: str
    source: str
    instructions: int
    ram_bytes: int | None
    code_bytes: int | None
    constant_bytes: int | None
    mismatches: int | None


# docs/ENGINE.md, "Figures": student with its additions, the DCASE 2022 baseline, and the networks of MLPerf Tiny
RECORDED = (
    Figures("student", TFLM, "recorded", 65_300_000, 167_100, 77_000, 74_000, None),
    Figures("baseline", TFLM, "recorded", 64_050_000, 71_400, None, None, None),
    Figures("ResNet-8", TFLM, "recorded", 29_900_000, 55_000, None, None, None),
    Figures("DS-CNN", TFLM, "recorded", 7_700_000, 22_800, None, None, None),
    Figures("MobileNetV1 0.25", TFLM, "recorded", 24_100_000, 100_700, None, None, None),
    Figures("autoencoder", TFLM, "recorded", 580_000, None, None, None, None),
)


def measure(models: dict[str, bytes]) -> list[Figures]:
    """Compile and run every model on the emulated board, and return its figures, peers' recorded ones after them.

    Args:
        models: .tflite files by name of the network.

    Raises:
        ModelError, ToolError: as `verify.verify`.
    """
    rows: list[Figures] = []
    with progress_bar() as progress:
        for name, model in progress.track(models.items(), total=len(models), description="models"):
            rows.append(_measure_one(name, model, TINYSCENE, "memory"))
            if name in TWICE:
                rows.append(_measure_one(name, model, FOR_SPEED, "speed"))
            rows += [figures for figures in RECORDED if figures.network == name]
    return rows


def _measure_one(name: str, model: bytes, engine: str, optimize: Optimize) -> Figures:
    result = verify.verify(model, "mps2", VECTORS, optimize=optimize)
    assert result.instructions is not None
    sizes = plan_model(model).report()
    return Figures(
        network=name,
        engine=engine,
        source="measured",
        instructions=result.instructions,
        ram_bytes=result.arena_bytes + sizes.input_bytes + sizes.output_bytes,
        code_bytes=result.code_bytes,
        constant_bytes=result.constant_bytes,
        mismatches=result.mismatches,
    )


def shipped_models(folder: Path = REPOSITORY / "models") -> dict[str, bytes]:
    """Return the .tflite files of the shipped bundles by name; networks with random weights where one is missing."""
    models = {path.parent.name: path.read_bytes() for path in sorted(folder.glob(f"*/{bundle.MODEL_FILE}"))}
    for name in complexity.CONVERTED:
        if name not in models:
            console.print(f"no models/{name}: random weights in its place")
            models[name] = complexity.converted(name)
    return models


def report(as_json: Path | None) -> None:
    """Measure, write JSON and print tables: the command `tinyscene bench`."""
    rows = measure(shipped_models() | {name: bench_networks.converted(name) for name in bench_networks.NETWORKS})
    frames = frontend_bench.measure()
    if as_json:
        as_dicts = {"rows": [*map(dataclasses.asdict, rows)], "frontend": [*map(dataclasses.asdict, frames)]}
        files.write_json(as_json, as_dicts)
    console.print("Networks, an inference")
    console.print(_table(rows))
    for table in frontend_bench.tables(frames):
        console.print("\nFront ends, instructions a frame")
        console.print(table)


def _table(rows: list[Figures]) -> Table:
    table = Table("network", "engine", "figures", box=None, header_style="bold")
    for column in ("M instructions", "RAM KB", "code KB", "constants KB", "mismatches"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.network,
            row.engine,
            row.source,
            f"{row.instructions / 1e6:.2f}",
            *(_kilobytes(size) for size in (row.ram_bytes, row.code_bytes, row.constant_bytes)),
            "-" if row.mismatches is None else str(row.mismatches),
        )
    return table


def _kilobytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1000:.1f}"
