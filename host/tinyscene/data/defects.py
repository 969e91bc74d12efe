"""What can be wrong with a data set: the kinds, and the error that names one defect's place and remedy."""

import enum
from pathlib import Path

from tinyscene.errors import DatasetError


class Kind(enum.StrEnum):
    """What can be wrong with a data set."""

    MISSING_FILE = "missing file"
    UNREADABLE = "unreadable file"
    WRONG_RATE = "wrong rate"
    NOT_MONO = "not mono"
    TRUNCATED = "truncated"
    TOO_LONG = "too long"
    BEYOND_FULL_SCALE = "beyond full scale"
    EMPTY = "nothing found"
    MALFORMED_LIST = "malformed list"
    MALFORMED_ROW = "malformed row"
    UNKNOWN_LABEL = "unknown label"
    CONTRADICTION = "contradiction"
    DUPLICATE_ROW = "duplicate row"
    LEAK = "clip in train and test"


class DefectError(DatasetError):
    """One defect of a list or a clip.

    Attributes:
        kind: what is wrong.
        path: the list or the clip.
        line: 1-based line of a list; None for a clip.
        problem: what is wrong, with the value; a clip's problem does not name the clip.
        remedy: what the user can do.
        filename: the clip that the row of a list names; None if that could not be read.
    """

    def __init__(
        self, kind: Kind, path: Path, line: int | None, problem: str, remedy: str, filename: str | None = None
    ) -> None:
        place = f"{path} " if line is None else f"{path}:{line}: "
        super().__init__(f"{place}{problem}; {remedy}")
        self.kind, self.path, self.line, self.problem, self.remedy = kind, path, line, problem, remedy
        self.filename = filename
