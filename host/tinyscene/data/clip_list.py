"""Lists of clips in the official TAU format, read row by row: tab separated, CRLF or LF, plain or gzip.

Format: TAU Urban Acoustic Scenes 2022 Mobile, development dataset (https://zenodo.org/records/6337421).
"""

import gzip
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from tinyscene import files
from tinyscene.data.defects import DefectError, Kind

SCENES: tuple[str, ...] = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)

Place = tuple[str, str]  # (identifier, device)

_LONGEST_ROW = 1 << 16  # bytes; a longer "row" is a file of another kind
_LONGEST_LIST = 1 << 28  # bytes when unpacked; the largest official list has 3 % of it
_MOST_BLANK_LINES = 10_000


@dataclass(frozen=True, slots=True)
class Clip:
    """One row of a list.

    Attributes:
        filename: relative to the data set, with forward slashes: "audio/airport-lisbon-1000-40000-0-a.wav".
        scene: one of SCENES, or None where the list has no labels.
        identifier: the recording location, "lisbon-1000"; unique together with the scene.
        city: "lisbon".
        device: "a", "b", "c", "s1" ... "s6".
        line: 1-based line in the list that it was read from; 0 for a file found in the audio folder.
    """

    filename: str
    scene: str | None
    identifier: str
    city: str
    device: str
    line: int

    @property
    def location(self) -> tuple[str | None, str]:
        """(scene, identifier): what must not be shared between training and test."""
        return self.scene, self.identifier


def parse_name(filename: str) -> tuple[str, str, str] | None:
    """Return (scene, identifier, device) of an official name, scene-city-location-...-device.wav, else None."""
    parts = filename.rpartition("/")[2].rpartition(".")[0].split("-")
    if len(parts) < 5 or not all(parts):
        return None
    scene, city, location, device = parts[0], parts[1], parts[2], parts[-1]
    return scene, f"{city}-{location}", device


def scan_list(
    path: Path, *, labelled: bool = False, places: Mapping[str, Place] | None = None
) -> Iterator[Clip | DefectError]:
    """Read a list row by row; continue after a bad row.

    Args:
        path: tab separated, CRLF or LF, UTF-8, with a header line; gzip if its name ends in ".gz". The columns
            filename, scene_label, identifier and source_label are found by name, others are ignored, and blank
            lines are skipped.
        labelled: whether the column scene_label must be there.
        places: identifier and device by file name, for a list without these columns; where a file is missing here too,
            they are taken from its name.

    Yields:
        A Clip for every good row and a DefectError for every bad one. A list that cannot be read any further (missing,
        damaged, without rows or without a column it needs) gives a last DefectError.
    """
    path = Path(path)
    number = 0
    try:
        with _open(path) as stream:
            header = _split_row(stream.readline(_LONGEST_ROW), first=True)
            number = 1
            columns = {name.strip(): index for index, name in enumerate(header or ())}
            wanted = ("filename", "scene_label") if labelled else ("filename",)
            if missing := [name for name in wanted if name not in columns or any("\r" in cell for cell in columns)]:
                yield _no_column(path, missing[0], header)
                return
            parser = _RowParser(path, columns, len(header or ()), places or {})
            blank = size = 0
            while line := stream.readline(_LONGEST_ROW):
                number += 1
                size += len(line)
                is_blank = not line.strip()
                blank += is_blank
                if problem := _no_list(len(line), size, blank):
                    yield DefectError(Kind.MALFORMED_LIST, path, number, problem, "name a list in the TAU format")
                    return
                if not is_blank:
                    yield parser.parse(line, number)
            if number - blank == 1:
                yield DefectError(Kind.MALFORMED_LIST, path, number, "the list has no rows", "restore it or remove it")
    except FileNotFoundError:
        yield DefectError(Kind.MISSING_FILE, path, number + 1, "there is no such list", "check the name or restore it")
    except (OSError, EOFError, zlib.error) as error:
        problem = f"the list cannot be read ({files.reason(error)})"
        yield DefectError(Kind.UNREADABLE, path, number + 1, problem, "restore it")


def read_list(path: Path, *, labelled: bool = False, places: Mapping[str, Place] | None = None) -> Iterator[Clip]:
    """Read a list lazily; arguments as for `scan_list`.

    Raises:
        DefectError: at the first bad row, naming path:line (a DatasetError).
    """
    for row in scan_list(path, labelled=labelled, places=places):
        if isinstance(row, DefectError):
            raise row
        yield row


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    with files.open_regular(files.as_on_disk(path)) as stream:
        if path.suffix != ".gz":
            yield stream
            return
        with gzip.open(stream, "rb") as unpacked:
            yield cast(BinaryIO, unpacked)


def _no_list(row: int, size: int, blank: int) -> str | None:
    """Return why a file is no list, by the bytes of a row and of all rows so far, and its blank lines."""
    if row == _LONGEST_ROW:
        return f"the row has more than {_LONGEST_ROW - 1} bytes"
    if size > _LONGEST_LIST:
        return f"the list has more than {_LONGEST_LIST >> 20} MiB"
    return f"the list has more than {_MOST_BLANK_LINES:,} blank lines" if blank > _MOST_BLANK_LINES else None


def _refused_character(name: str) -> str | None:
    """Return the first character that cannot be part of a file's name, or would garble a line on the terminal.

    Spaces of all widths and joiners occur in names that input methods and macOS make.
    """
    return next(
        (
            letter
            for letter in name
            if not letter.isprintable() and unicodedata.category(letter) != "Zs" and letter not in "\u200c\u200d"
        ),
        None,
    )


def _split_row(line: bytes, first: bool = False) -> list[str] | None:
    """Return the cells of a line, or None if it is not UTF-8."""
    try:
        return line.decode("utf-8-sig" if first else "utf-8").rstrip("\r\n").split("\t")
    except UnicodeDecodeError:
        return None


def _no_column(path: Path, name: str, header: list[str] | None) -> DefectError:
    if any("\r" in cell for cell in header or ()):
        problem, remedy = "its lines end in CR, as those of old Macs", "save it with lines that end in LF"
    elif header is None or any(not cell.isprintable() for cell in header):
        problem, remedy = "the header is not text in UTF-8", "name a list in the TAU format"
    elif header == [""]:
        problem, remedy = "the list is empty", "restore it: its first line names the columns"
    elif name == "scene_label" and path.name.split(".")[0].endswith("_test"):
        problem, remedy = "the list has no labels (no column 'scene_label')", "use the list named ..._evaluate instead"
    else:
        problem = f"there is no column {name!r} among {', '.join(map(repr, header))[:200]}"
        remedy = "separate the columns with tabs and name them in the first line"
    return DefectError(Kind.MALFORMED_LIST, path, 1, problem, remedy)


class _RowParser:
    """Turns lines of one list into clips."""

    def __init__(self, path: Path, columns: Mapping[str, int], width: int, places: Mapping[str, Place]) -> None:
        self.path, self.width, self.places = path, width, places
        self.filename = columns["filename"]
        self.scene = columns.get("scene_label")
        self.identifier = columns.get("identifier")
        self.device = columns.get("source_label")

    def parse(self, line: bytes, number: int) -> Clip | DefectError:
        filename = None

        def bad(problem: str, remedy: str, kind: Kind = Kind.MALFORMED_ROW) -> DefectError:
            return DefectError(kind, self.path, number, problem, remedy, filename)

        cells = _split_row(line)
        if cells is None:
            return bad("the row is not text in UTF-8", "save the list as UTF-8")
        if len(cells) != self.width:
            filename = next((cell for cell in cells if parse_name(cell)), None)
            return bad(f"columns in the row: {len(cells)}, in the header: {self.width}", "separate them with tabs")
        name = cells[self.filename]
        if not name or name.startswith("/") or ".." in name.split("/"):
            return bad(f"{name!r} is not the name of a file inside the data set", "write audio/NAME.wav")
        if letter := _refused_character(name):
            return bad(f"{name!r} has the character U+{ord(letter):04X}", "rename the file")
        filename = name
        scene = None if self.scene is None else cells[self.scene]
        if scene is not None and scene not in SCENES:
            return bad(f"{scene!r} is none of the ten scenes", f"scenes are {', '.join(SCENES)}", Kind.UNKNOWN_LABEL)
        identifier = cells[self.identifier] if self.identifier is not None else ""
        device = cells[self.device] if self.device is not None else ""
        if not (identifier and device):
            place = self.places.get(filename)
            if place is None:
                named = parse_name(filename)
                place = named[1:] if named else None
            if place is None:
                return bad(
                    f"location and device of {filename!r} are unknown",
                    "name it scene-city-location-...-device.wav, or give them in meta.csv",
                )
            identifier, device = identifier or place[0], device or place[1]
        return Clip(filename, scene, identifier, identifier.rpartition("-")[0] or identifier, device, number)
