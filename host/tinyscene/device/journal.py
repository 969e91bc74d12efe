"""The journal of a board's evaluation: one JSON line for each classified clip, from which a run resumes."""

import dataclasses
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene.data import Clip
from tinyscene.device.messages import Inference
from tinyscene.errors import TinysceneError

FORMAT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    """The first line of a journal: what its predictions belong to.

    Attributes:
        bundle: identity of the bundle.
        board: name of the board; for boards of several kinds, all names joined by "+".
        split: `fingerprint` of the list of clips.
        mode: "features" or "audio".
    """

    bundle: str
    board: str
    split: str
    mode: str


def fingerprint(clips: Iterable[Clip]) -> str:
    """Return 16 hex digits that name a list: its clips and their scenes, in order."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(f"{clip.filename}\t{clip.scene}\n".encode())
    return digest.hexdigest()[:16]


class Journal:
    """An open journal, locked against other processes.

    Args:
        path: file, made if absent; its predictions are read, and an incomplete last line is dropped.
        header: what the predictions belong to.

    Attributes:
        answers: predictions so far, by the clip's file name.
        ports: port that each came from, by the clip's file name.

    Raises:
        TinysceneError: the file cannot be used, belongs to something else, is damaged, or is in use.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = Path(path)
        self.answers: dict[str, Inference] = {}
        self.ports: dict[str, str] = {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._take(header)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()

    def append(self, filename: str, answer: Inference, port: str) -> None:
        """Add a clip's prediction by the board at a port; it is on disk when this returns.

        Raises:
            TinysceneError: the journal cannot be written.
        """
        self._write(
            {
                "clip": filename,
                "outputs": answer.outputs.tolist(),
                "model_us": answer.model_microseconds,
                "frontend_us": answer.frontend_microseconds,
                "port": port,
            }
        )
        self.answers[filename] = answer
        self.ports[filename] = port

    def _take(self, header: Header) -> None:
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TinysceneError(
                f"{self.path} is in use by another evaluation; wait for it, or name another --journal"
            ) from error
        self._stream.seek(0)
        lines = self._stream.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):  # the process was killed while writing it
            cut = lines.pop()
            self._stream.truncate(self._stream.tell() - len(cut))
        if not lines:
            self._write({"journal": FORMAT, **dataclasses.asdict(header)})
            return
        self._check_header(_object(lines[0]), header)
        for number, line in enumerate(lines[1:], start=2):
            entry = _object(line)
            try:
                clip = str(entry["clip"])
                self.answers[clip] = Inference(_int8(entry["outputs"]), entry["model_us"], entry["frontend_us"])
                self.ports[clip] = str(entry.get("port", "?"))  # journals of 0.1.0 do not have it
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise TinysceneError(f"{self.path}:{number} is damaged; delete this line, or the file") from error

    def _check_header(self, found: dict[str, Any], wanted: Header) -> None:
        if found.get("journal") != FORMAT:
            raise TinysceneError(
                f"{self.path}:1 is not the header of a journal of this version; name another --journal, or delete it"
            )
        for name, what in (("bundle", "bundle"), ("split", "list of clips"), ("mode", "mode"), ("board", "board")):
            ours = getattr(wanted, name)
            if found.get(name) != ours:
                raise TinysceneError(
                    f"{self.path}:1 belongs to another {what} ({found.get(name)}, not {ours}); "
                    "name another --journal, or delete it"
                )

    def _write(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        try:
            if self._stream.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> TinysceneError:
        return TinysceneError(
            f"cannot write the journal {self.path}: {error.strerror}; free some space or name another --journal"
        )


def _object(line: bytes) -> dict[str, Any]:
    """Parse one line; anything but a JSON object gives an empty dictionary."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _int8(values: Any) -> NDArray[np.int8]:
    return np.array([int(value) for value in values], np.int8)
