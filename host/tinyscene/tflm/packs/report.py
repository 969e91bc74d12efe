"""`tinyscene packs list` and `tinyscene packs files`."""

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from tinyscene import files
from tinyscene.console import console
from tinyscene.tflm.packs import store
from tinyscene.tflm.packs.install import said
from tinyscene.tflm.packs.pins import pinned
from tinyscene.tflm.packs.selection import resolve


def list_packs() -> int:
    """Print every pinned pack and whether it is installed; return 1 if one is missing."""
    table = Table("", "pack", "version", "verified", "from", box=box.SIMPLE_HEAD)
    packs = {pin: store.installed(pin) for pin in pinned()}
    for pin, pack in packs.items():
        if pack is None:
            table.add_row(Text("missing", "yellow"), pin.id, pin.version, "", "tinyscene packs install")
        else:
            table.add_row(Text("ok", "green"), pin.id, pin.version, said(pack.verified), pack.source)
    console.print(table)
    return int(None in packs.values())


def list_files(as_json: Path | None) -> None:
    """Print what to compile, or write it to a file as JSON (`Sources.to_json`)."""
    sources = resolve()
    if as_json:
        files.write_json(as_json, sources.to_json())
        return
    for path in sources.sources:
        print(path)
