"""Tell what a path is before saying what to do about it: for every verb that takes a bundle, a run, clips or an output.

A bundle, a run and a data set are told apart by the names of the files in them, which are written here once.
"""

import errno
import stat
from pathlib import Path

from tinyscene.errors import BundleError, ConfigError, DatasetError, ModelError, TinysceneError

BUNDLE_FILE = "bundle.toml"
RUN_FILES = ("config.toml", "evaluation.json", "history.jsonl", "bundle.txt")
DATA_FILES = ("meta.csv", "meta.csv.gz", "evaluation_setup")
MODEL_IDENTIFIER = slice(4, 8), b"TFL3"  # where a .tflite file has it, and what
CONFIGURATION, SEARCH = "a run configuration such as configs/student.toml", "a search such as experiments/search.toml"
_SPECIAL = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def special(mode: int) -> str | None:
    """Return what a thing that is neither file nor folder is, by its mode (`os.stat_result.st_mode`); None: unknown."""
    return next((name for test, name in _SPECIAL if test(mode)), None)


def what(path: Path) -> str:
    """Return what a path is, in words that follow "is" or "which is"; opens nothing but regular files."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return "a link to nothing" if path.is_symlink() else "missing"
    except NotADirectoryError:
        return f"below {_file_above(path)}, which is a file"
    except OSError as error:
        return f"not to be read ({error.strerror})"
    if stat.S_ISDIR(status.st_mode):
        return _folder(path)
    if not stat.S_ISREG(status.st_mode):
        return special(status.st_mode) or "no regular file"
    if path.name == BUNDLE_FILE:
        return "the description of a bundle"
    return "a .tflite model" if _is_model(path) else "a file"


def _folder(path: Path) -> str:
    try:
        names = {entry.name for entry in path.iterdir()}
    except OSError as error:
        return f"a folder that cannot be read ({error.strerror})"
    if BUNDLE_FILE in names:
        return "a bundle"
    if names & set(DATA_FILES):
        return "a data set"
    if _is_run(path):
        return "the folder of a run"
    return "a folder" if names else "an empty folder"


def _is_run(path: Path) -> bool:
    return any((path / name).exists() for name in RUN_FILES) or any(path.glob("*/history.jsonl"))


def _is_model(path: Path) -> bool:
    place, identifier = MODEL_IDENTIFIER
    try:
        with path.open("rb") as stream:
            return stream.read(8)[place] == identifier
    except OSError:
        return False


def _file_above(path: Path) -> Path:
    return next((parent for parent in path.parents if parent.exists()), Path())


def require_bundle(path: Path) -> None:
    """Refuse what is no bundle.

    Raises:
        BundleError: the message says what it is, and what to name.
    """
    found = what(path)
    if found == "a bundle":
        return
    remedy = {
        "the description of a bundle": f"name its folder: {path.parent}",
        "the folder of a run": f"name its bundle{_bundle_of_run(path)}",
        "a .tflite model": "only verify, compile and complexity take one; name a folder that `train --out` wrote",
    }.get(found, "train one or name another folder")
    lacks = f", and {BUNDLE_FILE} is missing" if path.is_dir() else ""
    raise BundleError(f"{path} is not a bundle: it is {found}{lacks}; {remedy}")


def _bundle_of_run(run: Path) -> str:
    try:
        return f", {(run / 'bundle.txt').read_text().strip()}"
    except (OSError, UnicodeDecodeError):
        return ""


def require_run(path: Path) -> None:
    """Refuse what is not the folder of a run.

    Raises:
        TinysceneError: the message says what it is, and what to name.
    """
    if path.is_dir() and _is_run(path):
        return
    found = what(path)
    if found in ("a folder", "an empty folder"):
        raise TinysceneError(
            f"{path} holds no run: neither config.toml nor evaluation.json is there; "
            "name the folder that `tinyscene train` printed"
        )
    remedy = "name the folder of a run, such as runs/student, which `tinyscene train` prints at its end"
    raise TinysceneError(f"{path} is not the folder of a run: it is {found}; {remedy}")


def require_data(path: Path) -> None:
    """Refuse what cannot be a data set: anything but a folder; what is in it is read later.

    Raises:
        DatasetError: the message says what it is, and what to name.
    """
    found = what(path)
    if not path.is_dir() or found == "a bundle":
        raise DatasetError(
            f"{path} is not a {'data set' if path.is_dir() else 'folder'}: it is {found}; "
            "name a data set in the TAU layout (meta.csv, evaluation_setup, audio)"
        )


def require_model(path: Path) -> None:
    """Refuse what is neither a bundle nor a file.

    Raises:
        ModelError: the message says what it is, and what to name.
    """
    found = what(path)
    if found != "a bundle" and not path.is_file():
        raise ModelError(f"{path} is {found}; give the path of a .tflite file, or the folder of a bundle")


def require_file(path: Path, example: str) -> None:
    """Refuse what is no regular file.

    Args:
        path: the file.
        example: what to name instead, such as CONFIGURATION.

    Raises:
        ConfigError: the message says what it is, and what to name.
    """
    if not path.is_file():
        raise ConfigError(f"{path} is {what(path)}; name {example}")


def require_folder(path: Path, example: str) -> None:
    """Refuse what is no folder; arguments and errors as for `require_file`."""
    if not path.is_dir():
        raise ConfigError(f"{path} is not a folder: it is {what(path)}; name {example}")


def require_out_folder(path: Path) -> None:
    """Refuse a folder to write to that is something else, or lies below a file.

    Raises:
        TinysceneError: the message says what it is.
    """
    if not path.is_dir() and (path.exists() or path.is_symlink() or _below_a_file(path)):
        raise TinysceneError(f"cannot write to the folder {path}: it is {what(path)}; choose another name")


def require_out_file(path: Path) -> None:
    """Refuse a file to write that is a folder, or lies below a file.

    Raises:
        TinysceneError: the message says what it is.
    """
    if path.is_dir() or _below_a_file(path):
        raise TinysceneError(f"cannot write the file {path}: it is {what(path)}; choose another name")


def _below_a_file(path: Path) -> bool:
    above = _file_above(path)
    return not above.is_dir()


def remedy(path: Path, error: OSError, elsewhere: str) -> str:
    """Return what to do about a file that cannot be written.

    Args:
        path: the file.
        error: what the system said.
        elsewhere: how to take another place, such as "choose another place".
    """
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return f"it is {what(path)}; {elsewhere}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"permit it or {elsewhere}"
    return f"free some space or {elsewhere}"
