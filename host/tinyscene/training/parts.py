"""A run and its parts: the clips that each part trains on, watches and tests, and the networks' examples of them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyscene.augment import AugmentConfig, Images, variants
from tinyscene.data import SCENES, Clip, Dataset, location_disjoint_split
from tinyscene.errors import DatasetError
from tinyscene.frontend import FrontendConfig, Normalisation, features
from tinyscene.training import examples, run_files
from tinyscene.training.config import ALL, CROSS_VALIDATE, NetworkConfig, RunConfig
from tinyscene.training.duration import UNPLANNED, Plan
from tinyscene.training.examples import Examples
from tinyscene.training.fit import Task


@dataclasses.dataclass(frozen=True)
class Run:
    """What all parts of a run have in common.

    Attributes:
        folder: folder of the run.
        settings: configuration of the run.
        dataset: data set that it is trained on.
        origin: provenance of its bundles, see `provenance.describe`.
        live: whether its trainings draw progress bars.
    """

    folder: Path
    settings: RunConfig
    dataset: Dataset
    origin: dict[str, Any] = dataclasses.field(default_factory=dict)
    live: bool = True

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of its networks, in the order of their outputs."""
        return SCENES


@dataclasses.dataclass(frozen=True)
class Part:
    """One training of a run: a fold, or the final weights.

    Attributes:
        run: the run that it is a part of.
        folder: its folder in the run's.
        number: number of the fold, or `config.ALL`.
        title: name shown in the progress display.
        training: clips to learn from.
        validation: clips that only watch the training; may be empty.
        test: clips to score; empty for the final weights.
        split: name of the test list.
        plan: plan of the whole run, to predict how long it will take.
    """

    run: Run
    folder: Path
    number: int | str
    title: str
    training: list[Clip]
    validation: list[Clip]
    test: list[Clip]
    split: str
    plan: Plan = UNPLANNED

    @property
    def settings(self) -> RunConfig:
        """The run's configuration."""
        return self.run.settings

    def labels_of(self, clips: Sequence[Clip]) -> NDArray[np.int64]:
        """Return the clips' class numbers."""
        return examples.labels_of(clips, self.run.classes)

    def task(self, network: str, config: NetworkConfig, augment: AugmentConfig, seed: int) -> Task:
        """Return the task for `fit` to train a network of this part, or to load it.

        Args:
            network: name of its folder in the part's.
            config: the network and its hyperparameters.
            augment: augmentation of its training batches.
            seed: seed of everything random in its training.
        """
        return Task(
            folder=self.folder / network,
            config=config,
            augment=augment,
            seed=seed,
            classes=len(self.run.classes),
            title=f"{self.title}: {network}",
            live=self.run.live,
            plan=self.plan,
        )


def of_run(run: Run) -> list[Part]:
    """Return a run's parts: its one fold; or every fold and, last, the final weights from all clips; or only these.

    Raises:
        DatasetError: the data set has no folds, or no such fold.
    """
    wanted = run.settings.data.folds
    if wanted != CROSS_VALIDATE:
        return [of_number(run, run.folder, wanted)]
    numbers = run.dataset.folds()
    if not numbers:
        raise DatasetError(f"{run.dataset.root} has no folds in evaluation_setup; add them, or set data.folds to 'all'")
    folds = [fold(run, run_files.fold(run.folder, number), number) for number in numbers]
    return [*folds, of_number(run, run.folder / run_files.FINAL, ALL)]


def of_number(run: Run, folder: Path, number: int | str) -> Part:
    """Return the part that is a fold, by its number, or the final weights, by `config.ALL`."""
    if number == ALL:
        return Part(run, folder, ALL, "all clips", list(run.dataset.clips()), [], [], "")
    return fold(run, folder, int(number))


def fold(run: Run, folder: Path, number: int) -> Part:
    """Return the part of a fold: its own lists, with some locations of the training list held out to watch."""
    training = list(run.dataset.split(number, "train"))
    test = list(run.dataset.split(number, "evaluate"))
    validation: list[Clip] = []
    if run.settings.data.validation_fraction:
        fraction, seed = run.settings.data.validation_fraction, run.settings.seed
        training, validation = location_disjoint_split(training, fraction, seed)
    return Part(run, folder, number, f"fold {number}", training, validation, test, f"fold{number}_evaluate.csv")


def images_of(part: Part, clips: Sequence[Clip], frontend: FrontendConfig) -> Images:
    """Return a front end's images of some of a part's clips, computed if they are not cached."""
    return features.extract(part.run.dataset, clips, frontend).images


def seen(part: Part, frontend: FrontendConfig) -> tuple[Examples, Examples]:
    """Return a part's training and validation examples, with a front end's images."""
    return seen_of(part, frontend, *(images_of(part, clips, frontend) for clips in (part.training, part.validation)))


def seen_of(part: Part, frontend: FrontendConfig, images: Images, watching: Images) -> tuple[Examples, Examples]:
    """Return a part's training and validation examples with these images, normalised by the training images."""
    normalisation = examples.normalise(images)
    return (
        Examples(
            images,
            part.labels_of(part.training),
            normalisation,
            devices=np.array([clip.device for clip in part.training]),
            cities=np.array([clip.city for clip in part.training]),
            decibel=frontend.decibel,
        ),
        Examples(watching, part.labels_of(part.validation), normalisation),
    )


def tested(part: Part, frontend: FrontendConfig, normalisation: Normalisation) -> Examples:
    """Return a part's test examples, with a front end's images."""
    return Examples(images_of(part, part.test, frontend), part.labels_of(part.test), normalisation)


def varied(part: Part, plain: Examples, frontend: FrontendConfig, augment: AugmentConfig) -> Examples:
    """Return a part's training examples with the variants of their clips that an augmentation asks for."""
    return dataclasses.replace(plain, variants=variants.extract(part.run.dataset, part.training, frontend, augment))
