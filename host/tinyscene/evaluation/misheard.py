"""The clips that an INT8 model is most wrong about, kept in a file for the report."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.augment import Images
from tinyscene.bundle import Bundle
from tinyscene.data import Clip, Dataset
from tinyscene.errors import TinysceneError
from tinyscene.frontend import features

MOST = 12  # clips


@dataclass(frozen=True)
class Misheard:
    """A clip with a wrong prediction.

    Attributes:
        filename: its name in the list.
        true, given: its scene, and the predicted one.
        probability: of the predicted scene.
        image: INT8 [mels, frames], the network's input.
        samples: PCM16 at the front end's rate; empty unless the data's licence lets anybody have them.
    """

    filename: str
    true: str
    given: str
    probability: float
    image: NDArray[np.int8]
    samples: NDArray[np.int16]


def write(
    path: Path,
    bundle: Bundle,
    clips: Sequence[Clip],
    images: Images,
    probabilities: NDArray[np.float64],
    sounds_of: Dataset | None = None,
) -> None:
    """Keep the wrong predictions that have the highest probabilities.

    Args:
        path: file to write.
        bundle: the bundle that was tested.
        clips: labelled clips.
        images: their log-mel images, [clips, n_mels, frames].
        probabilities: the INT8 model's class probabilities, [clips, classes].
        sounds_of: data set whose sound may be passed on, and is kept, too; None: it may not.
    """
    given = probabilities.argmax(axis=1)
    true = [bundle.classes.index(str(clip.scene)) for clip in clips]
    wrong = [index for index in np.argsort(-probabilities.max(axis=1), kind="stable") if given[index] != true[index]]
    chosen = wrong[:MOST]
    paths = [sounds_of.path(clips[index]) for index in chosen] if sounds_of else []
    sounds = [features.clip_pcm(each, bundle.frontend) for each in paths]
    seen = [np.asarray(images[index]) for index in chosen]
    arrays = {
        "filename": np.array([clips[index].filename for index in chosen], np.str_),
        "true": np.array([bundle.classes[true[index]] for index in chosen], np.str_),
        "given": np.array([bundle.classes[given[index]] for index in chosen], np.str_),
        "probability": probabilities[chosen].max(axis=1) if chosen else np.empty(0),
        "images": bundle.quantised_features(np.stack(seen)) if seen else np.empty((0, *bundle.frontend.shape), np.int8),
        "samples": np.stack(sounds) if sounds else np.empty((len(chosen), 0), np.int16),
    }
    files.write_arrays(path, arrays)


def read(path: Path) -> list[Misheard] | None:
    """Return what `write` kept; None: there is no file, as an earlier version made the run.

    Raises:
        TinysceneError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path) as arrays:
            columns = [arrays[name] for name in ("filename", "true", "given", "probability", "images", "samples")]
        return [
            Misheard(
                str(name), str(true), str(given), float(probability), image.astype(np.int8), sound.astype(np.int16)
            )
            for name, true, given, probability, image, sound in zip(*columns, strict=True)
        ]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise TinysceneError(f"{path} is damaged ({error}); delete it and run the training command again") from error
