"""The layers of a compiled model as a table for the console."""

from rich.table import Column, Table

from tinyscene.compiler.compiled import CompileReport
from tinyscene.console import console

WIDE_COLUMNS = 110  # width of a console with room for two spaces between the columns of the table


def layer_table(compiled: CompileReport) -> Table:
    """Return the table of layers: kernel, output, bytes of constants, scratch and arena (its peak is marked), and the
    estimated instructions; the last row has the sums.

    Layers with the same number run together; "rows" are the rows kept of an output that is never kept whole.
    """
    table = Table(
        *(Column(name, no_wrap=True) for name in ("run", "op", "layer", "kernel", "output")),
        *(
            Column(name, justify="right", no_wrap=True)
            for name in ("rows", "constants", "scratch", "arena", "M instr.")
        ),
        box=None,
        header_style="bold",
        padding=(0, 2 if console.width >= WIDE_COLUMNS else 1, 0, 0),
        pad_edge=False,
    )
    peak = max((layer.live_bytes for layer in compiled.layers), default=0)
    for layer in compiled.layers:
        table.add_row(
            str(layer.group),
            str(layer.index),
            layer.kind,
            layer.kernel.removeprefix("engine_"),
            "x".join(map(str, layer.output_shape)),
            "" if layer.rows_kept is None else str(layer.rows_kept),
            f"{layer.constant_bytes:,}",
            f"{layer.scratch_bytes:,}",
            f"{'peak ' if layer.live_bytes == peak else ''}{layer.live_bytes:,}",
            "-" if layer.instructions is None else f"{layer.instructions / 1e6:.3f}",
        )
    constants = sum(layer.constant_bytes for layer in compiled.layers)
    more = "> " * any(layer.instructions is None for layer in compiled.layers)
    millions = f"{more}{compiled.instructions / 1e6:.3f}"
    table.add_row("", "", "sum", "", "", "", f"{constants:,}", "", "", millions, style="bold")
    return table
