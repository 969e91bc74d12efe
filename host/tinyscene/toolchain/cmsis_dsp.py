"""Fetch Arm's CMSIS-DSP C sources into .deps/cmsis-dsp, from the cmsisdsp source distribution on PyPI.

`python -m tinyscene.toolchain.cmsis_dsp` (which `make setup` runs) prints the folder. Builds need no list of files: the
only user of CMSIS-DSP, bench/frontend_bench_cmsis.c, includes what it needs, given `INCLUDES`.
"""

import dataclasses
import hashlib
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

from tinyscene import files
from tinyscene.errors import TinysceneError, ToolError
from tinyscene.paths import DEPENDENCIES, REPOSITORY

FOLDER = DEPENDENCIES / "cmsis-dsp"
KEPT = ("Include", "PrivateInclude", "Source")
INCLUDES = tuple(FOLDER / name for name in KEPT)
_MARKER = ".sha256"  # written last: a folder with this file is complete


@dataclasses.dataclass(frozen=True)
class Pin:
    """The one source distribution that is accepted."""

    version: str
    sha256: str

    @property
    def archive(self) -> str:
        """File name of the source distribution."""
        return f"cmsisdsp-{self.version}.tar.gz"


def pinned() -> Pin:
    """Return the pin of pyproject.toml, in [tool.tinyscene.sources.cmsisdsp]."""
    project = files.read_toml(REPOSITORY / "pyproject.toml")
    return Pin(**project["tool"]["tinyscene"]["sources"]["cmsisdsp"])


def fetch(folder: Path = FOLDER, pin: Pin | None = None) -> Path:
    """Make sure that `folder` holds the pinned sources, and return it; instant if it already does.

    The archive is downloaded with pip, unless it is already next to `folder`. An interrupted call leaves the previous
    sources or none.

    Args:
        folder: folder for `KEPT` and the licence; another version there is replaced.
        pin: version and hash; default: `pinned()`.

    Raises:
        ToolError: the archive cannot be downloaded or is not the pinned one.
        TinysceneError: `folder` cannot be written.
    """
    folder = Path(folder)
    pin = pin or pinned()
    marker = folder / _MARKER
    if marker.is_file() and marker.read_text() == pin.sha256:
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with files.scratch_folder(folder.parent, folder.name) as scratch:
            archive = folder.parent / pin.archive
            if not archive.is_file():
                archive = _download(pin, scratch)
            _check(archive, pin)
            complete = scratch / "complete"
            _extract(archive, complete)
            (complete / _MARKER).write_text(pin.sha256)
            if folder.exists():
                folder.rename(scratch / "previous")
            complete.rename(folder)
    except OSError as error:
        raise TinysceneError(f"cannot write {folder}: {error.strerror or error}; free some space there") from error
    return folder


def _download(pin: Pin, scratch: Path) -> Path:
    """Download the archive; pip checks the hash before it runs any code of it."""
    requirement = scratch / "requirement.txt"
    requirement.write_text(f"cmsisdsp=={pin.version} --hash=sha256:{pin.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "2"]
    # Without isolation pip needs nothing else to read the package's name: its build needs are in our environment.
    command += ["--no-deps", "--no-build-isolation", "--no-binary", "cmsisdsp", "--require-hashes"]
    command += ["--requirement", str(requirement), "--dest", str(scratch)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return scratch / pin.archive
    if "DO NOT MATCH THE HASHES" in result.stderr:
        raise _mismatch(f"{pin.archive} as downloaded")
    reasons = [line for line in result.stderr.splitlines() if line.startswith("ERROR:")] or [result.stderr.strip()]
    raise ToolError(
        f"cannot download {pin.archive} from PyPI ({reasons[0].removeprefix('ERROR: ')[:300]}); connect this machine, "
        f"or copy that file into {scratch.parent}, and run `make setup` again"
    )


def _check(archive: Path, pin: Pin) -> None:
    with archive.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != pin.sha256:
            raise _mismatch(str(archive))


def _mismatch(what: str) -> ToolError:
    return ToolError(
        f"{what} does not have the SHA-256 that pyproject.toml pins ([tool.tinyscene.sources.cmsisdsp]); "
        "remove it and fetch it from a source you trust, or correct the pin"
    )


def _extract(archive: Path, folder: Path) -> None:
    """Write the C files of `KEPT` and the licence; nothing else in the archive has an effect."""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            if not member.isfile() or ".." in path.parts or path.is_absolute():
                continue
            wanted = path.parts[0] in KEPT and path.suffix in (".c", ".h")
            if wanted or path == PurePosixPath("LICENSE"):
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with tar.extractfile(member) as source, target.open("wb") as sink:  # type: ignore[union-attr]
                    shutil.copyfileobj(source, sink)


if __name__ == "__main__":
    try:
        print(fetch())
    except TinysceneError as error:
        sys.exit(f"error: {error}")
