"""Write files so that a full disk or a kill leaves the old file or the new one, never half of either."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene.errors import TinysceneError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success it is flushed to disk and replaces `path`.

    On any exception the temporary file is removed and `path` stays as it was.

    Raises:
        TinysceneError: the file cannot be written (no space, no permission); the message names `path`.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise _cannot_write(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> TinysceneError:
    return TinysceneError(f"cannot write {path}: {error.strerror or error}; free some space or choose another place")


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` with `data` in one step."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Replace `path` with UTF-8 `text` in one step."""
    write_bytes(path, text.encode())


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Replace `path` with an .npz file of `arrays`, none of them of objects, in one step."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` with `value` as indented JSON in one step."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
