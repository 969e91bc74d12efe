"""The experiments: a folder for each table, with a TOML file for each row: a training run and the thesis's figures.

A row's file is merged over its table's `table.toml`:

- `title`: title of the row, or, in `table.toml`, of the table;
- `thesis_log_loss`, `thesis_accuracy`: figures of the thesis on the official test list;
- `split`: 1 to 3, the thesis's ways of mixing augmented clips in, see `augment.lists`; absent: the fold's own list;
- `scored`: "float", or "int8" after conversion;
- `reference`: only in `table.toml`: the row that the others are compared with, clip by clip;
- `[run]`: a run configuration, see `config`, of one fold, or of "cross-validate": all folds pooled, no final weights.
  The thesis gives no learning rates: 1e-3 falling to 1e-5 is ours.
"""

import dataclasses
from pathlib import Path
from typing import Any

from tinyscene import files
from tinyscene.errors import ConfigError
from tinyscene.evaluation import FLOAT, INT8
from tinyscene.paths import REPOSITORY
from tinyscene.training import ALL, CROSS_VALIDATE, RunConfig, config as run_config

FOLDER = REPOSITORY / "experiments"
TABLE_FILE = "table.toml"
_KEYS = {
    "title": str,
    "thesis_log_loss": float,
    "thesis_accuracy": float,
    "split": int,
    "scored": str,
    "reference": str,
    "run": dict,
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        table, name: names of its folder and of its file; on the command line the row is "table/name".
        table_title, title: titles for people.
        thesis_log_loss, thesis_accuracy: figures of the thesis; None if it has none.
        split: number of a split of `augment.lists`; None: the fold's own training list.
        scored: FLOAT or INT8.
        reference: name of the row that this table's rows are compared with, or None.
        settings: configuration of the run.
    """

    table: str
    name: str
    table_title: str
    title: str
    thesis_log_loss: float | None
    thesis_accuracy: float | None
    split: int | None
    scored: str
    reference: str | None
    settings: RunConfig


def tables(folder: Path = FOLDER) -> list[str]:
    """Return the names of the tables."""
    return sorted(path.parent.name for path in folder.glob(f"*/{TABLE_FILE}"))


def find(name: str, folder: Path = FOLDER) -> list[Row]:
    """Return the rows of a table, or the one row "table/name".

    Raises:
        ConfigError: there is no table or row of that name, or one of its files is wrong.
    """
    table, _, row = name.partition("/")
    if table not in tables(folder):
        raise ConfigError(f"no experiment {name!r}; tables are {', '.join(tables(folder))}")
    paths = {path.stem: path for path in sorted((folder / table).glob("*.toml")) if path.name != TABLE_FILE}
    if row and row not in paths:
        raise ConfigError(f"table {table} has no row {row!r}; rows are {', '.join(paths)}")
    common = _read(folder / table / TABLE_FILE)
    if (reference := common.get("reference")) not in (None, *paths):
        raise ConfigError(
            f"{folder / table / TABLE_FILE}: reference is {reference!r}, which is no row; rows are {', '.join(paths)}"
        )
    return [_row(path, common) for stem, path in paths.items() if row in ("", stem)]


def _read(path: Path) -> dict[str, Any]:
    try:
        table = files.read_toml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as TOML ({files.reason(error)}); correct it") from error
    for key, value in table.items():
        if key not in _KEYS:
            raise ConfigError(f"{path}: unknown key {key!r}; keys are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise ConfigError(f"{path}: {key} is {value!r}, which is no {_KEYS[key].__name__}; correct it")
    return table


def _row(path: Path, common: dict[str, Any]) -> Row:
    own = _read(path)
    table = _merged(common, own)
    try:
        scored, split = table.get("scored", FLOAT), table.get("split")
        if scored not in (FLOAT, INT8):
            raise ConfigError(f"scored is {scored!r}; use {FLOAT!r} or {INT8!r}")
        if split not in (None, 1, 2, 3):
            raise ConfigError(f"split is {split}; splits are 1, 2 and 3")
        if "reference" in own:
            raise ConfigError(f"reference is set; a table has one: move it to {TABLE_FILE}")
        settings = _settings({"name": path.stem, **table.get("run", {})}, scored)
        folds = settings.data.folds
        if split is not None and folds == CROSS_VALIDATE:
            raise ConfigError(f"split is set, which mixes clips into one fold's list, but run.data.folds is {folds!r}")
        if "reference" in common and folds != CROSS_VALIDATE:
            raise ConfigError(
                f"run.data.folds is {folds!r}, but the table has a reference; use {CROSS_VALIDATE!r} to compare rows"
            )
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return Row(
        table=path.parent.name,
        name=path.stem,
        table_title=common.get("title", path.parent.name),
        title=own.get("title", path.stem),
        thesis_log_loss=table.get("thesis_log_loss"),
        thesis_accuracy=table.get("thesis_accuracy"),
        split=split,
        scored=scored,
        reference=common.get("reference"),
        settings=settings,
    )


def _settings(run: dict[str, Any], scored: str) -> RunConfig:
    settings = run_config.parse(run, converted=scored == INT8)
    if settings.data.folds == ALL:
        raise ConfigError(
            f"run.data.folds is {ALL!r}; a row is scored on one fold or on all of them: name its number, or use "
            f"{CROSS_VALIDATE!r}"
        )
    if settings.data.folds == CROSS_VALIDATE:
        return run_config.parse(run)  # it converts every fold's student, whatever is scored
    return settings


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        inner = below.get(key)
        merged[key] = _merged(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return merged
