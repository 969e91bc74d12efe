"""Claim the folder of a run, which belongs to one configuration and one data set."""

from pathlib import Path
from typing import Any

import tomli_w

from tinyscene import files
from tinyscene.errors import ConfigError
from tinyscene.frontend import engines as feature_engines
from tinyscene.networks import BACKEND, distribution
from tinyscene.training import run_files
from tinyscene.training.config import RunConfig

_BACKEND = "KERAS_BACKEND"  # as a user sets it: back ends draw different numbers and round differently
_DEVICES = "devices"  # their number divides batches and changes rounding


def claim(folder: Path, settings: RunConfig, fingerprint: str) -> None:
    """Write the run's configuration, or check that the folder has the same, so that no two runs are mixed."""
    wanted = {
        **settings.to_dict(),
        "data_fingerprint": fingerprint,
        "features": feature_engines.DEFAULT,
        _BACKEND: BACKEND,
        _DEVICES: distribution.devices(),
    }
    path = folder / run_files.CONFIG
    if not path.exists():
        files.write_text(path, tomli_w.dumps(wanted))
        return
    try:
        found = files.read_toml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read ({files.reason(error)}); delete {folder} or choose another --run"
        ) from error
    found.setdefault(_BACKEND, "tensorflow")  # older folders do not record it
    found.setdefault(_DEVICES, 1)
    if difference := _difference(found, wanted):
        raise ConfigError(
            f"{folder} holds a run with other settings ({difference}); choose another folder with --run, or delete "
            "this one to train from scratch"
        )


def _difference(found: dict[str, Any], wanted: dict[str, Any], place: str = "") -> str:
    """Return the first difference as "student.epochs was 40, is 60", or nothing."""
    for key in sorted(set(found) | set(wanted)):
        before, now = found.get(key, "not set"), wanted.get(key, "not set")
        if isinstance(before, list) and isinstance(now, list):  # lists of teachers
            before, now = ({table["name"]: table for table in tables} for tables in (before, now))
        if isinstance(before, dict) and isinstance(now, dict):
            if inner := _difference(before, now, f"{place}{key}."):
                return inner
        elif before != now:
            return f"{place}{key} was {before}, is {now}"
    return ""
