"""The checkpoint of a training: all that it needs to resume after an epoch as if it had not been stopped."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.errors import TinysceneError
from tinyscene.networks import keras
from tinyscene.training.averaging import WeightMean
from tinyscene.training.run_files import CHECKPOINT, HISTORY

_COUNT = "averaged"  # epochs in the mean weights


def save(folder: Path, model: keras.Model, history: list[dict[str, Any]], mean: WeightMean) -> None:
    """Write the checkpoint (weights, optimiser, history, mean weights), then history.jsonl; each in one step.

    Raises:
        TinysceneError: a file cannot be written; the previous one stays as it was.
    """
    lines = "".join(json.dumps(line) + "\n" for line in history)
    arrays: dict[str, NDArray[Any]] = {"history": np.array(lines), _COUNT: np.array(mean.count)}
    for kind, position, variable in _variables(model):
        arrays[f"{kind}{position}"] = keras.ops.convert_to_numpy(variable)
    arrays |= {_mean(position): weights for position, weights in enumerate(mean.weights)}
    files.write_arrays(folder / CHECKPOINT, arrays)
    files.write_text(folder / HISTORY, lines)


def restore(folder: Path, model: keras.Model, mean: WeightMean) -> list[dict[str, Any]]:
    """Load the last checkpoint, if there is one, into the model and the mean; return its history.

    Raises:
        TinysceneError: the checkpoint is damaged.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return []
    try:
        with np.load(path) as arrays:
            for kind, position, variable in _variables(model):
                variable.assign(arrays[f"{kind}{position}"])
            mean.count = int(arrays[_COUNT])
            mean.weights = [arrays[_mean(k)] for k in range(len(model.trainable_weights))] if mean.count else []
            lines = str(arrays["history"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise TinysceneError(f"{path} is damaged ({error}); delete it to train this network again") from error
    files.write_text(folder / HISTORY, lines)
    return [json.loads(line) for line in lines.splitlines()]


def history(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a training's history.jsonl; none if it has not begun, or the file cannot be read."""
    try:
        return [json.loads(line) for line in (folder / HISTORY).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError):
        return []


def _mean(position: int) -> str:
    return f"mean{position}"


def _variables(model: keras.Model) -> Iterator[tuple[str, int, Any]]:
    """Yield (kind, position, variable) of the model's own variables that a checkpoint holds."""
    for position, variable in enumerate(model.weights):
        yield "weight", position, variable
    for position, variable in enumerate(model.optimizer.variables):
        yield "optimizer", position, variable
