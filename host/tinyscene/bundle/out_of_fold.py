"""A cross-validated model's prediction for every clip, by the fold that did not train on it: a list in the bundle.

It is readable, shows what changed between two versions, and lets two models be compared without their run folders.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.data import SCENES, Clip, read_list
from tinyscene.errors import BundleError

LIST = "out_of_fold.csv"
COLUMNS = ("filename", "scene_label", "identifier", "source_label")  # those of the TAU lists


def write(bundle: Path, clips: Sequence[Clip], probabilities: NDArray[np.floating]) -> None:
    """Write the list into a bundle's folder: tab separated, the TAU columns, then a column for each scene.

    Args:
        bundle: folder of the bundle.
        clips: labelled clips.
        probabilities: [len(clips), len(SCENES)], kept to nine significant digits.
    """
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow((*COLUMNS, *SCENES))
    for clip, row in zip(clips, probabilities, strict=True):
        table.writerow((clip.filename, clip.scene, clip.identifier, clip.device, *(f"{value:.9g}" for value in row)))
    files.write_text(bundle / LIST, text.getvalue())


def read(bundle: Path) -> tuple[list[Clip], NDArray[np.float64]]:
    """Return the clips and their class probabilities [clips, classes].

    Raises:
        BundleError: the list is missing or damaged.
    """
    path = bundle / LIST
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        probabilities = np.array([[float(row[scene]) for scene in SCENES] for row in rows])
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing; train with cross-validation to have it written") from error
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} is damaged ({error}); restore it or train again") from error
    if not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        raise BundleError(f"{path} is damaged (the probabilities of a clip do not add up to 1); restore it")
    return list(read_list(path, labelled=True)), probabilities
