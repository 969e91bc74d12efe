"""The clips that a run's INT8 model is most wrong about: what the report shows of them, kept in the part's folder."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyscene import files
from tinyscene.augment import Images
from tinyscene.bundle import Bundle
from tinyscene.errors import TinysceneError
from tinyscene.frontend import features
from tinyscene.training import provenance, run_files
from tinyscene.training.parts import Part

MOST = 12  # clips of a part


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


def write(part: Part, made: Bundle, images: Images, probabilities: NDArray[np.float64]) -> None:
    """Keep the wrong predictions that have the highest probabilities.

    Args:
        part: the part that was tested.
        made: its bundle.
        images: log-mel images of its test clips, [clips, n_mels, frames].
        probabilities: the INT8 model's class probabilities, [clips, classes].
    """
    given, true = probabilities.argmax(axis=1), part.labels_of(part.test)
    wrong = [index for index in np.argsort(-probabilities.max(axis=1), kind="stable") if given[index] != true[index]]
    chosen = wrong[:MOST]
    free = part.run.origin.get("data_licence") == provenance.PUBLIC_DOMAIN
    paths = [part.run.dataset.path(part.test[index]) for index in chosen]
    sounds = [features.clip_pcm(path, made.frontend) for path in paths] if free else []
    seen = [np.asarray(images[index]) for index in chosen]
    arrays = {
        "filename": np.array([part.test[index].filename for index in chosen], np.str_),
        "true": np.array([part.run.classes[true[index]] for index in chosen], np.str_),
        "given": np.array([part.run.classes[given[index]] for index in chosen], np.str_),
        "probability": probabilities[chosen].max(axis=1) if chosen else np.empty(0),
        "images": made.quantised_features(np.stack(seen)) if seen else np.empty((0, *made.frontend.shape), np.int8),
        "samples": np.stack(sounds) if sounds else np.empty((len(chosen), 0), np.int16),
    }
    files.write_arrays(part.folder / run_files.MISHEARD, arrays)


def read(folder: Path) -> list[Misheard] | None:
    """Return what `write` kept in a part's folder; None: nothing, as an earlier version made the run.

    Raises:
        TinysceneError: the file is damaged.
    """
    path = folder / run_files.MISHEARD
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
