"""One training run as a TOML file: its sections as frozen dataclasses, read strictly.

An unknown key, a wrong type or an impossible value is a ConfigError that names the file and the key.
"""

import dataclasses
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyscene import files, places
from tinyscene.augment import AugmentConfig, settings as augment_settings
from tinyscene.errors import ConfigError
from tinyscene.frontend import FrontendConfig, config as frontend_config
from tinyscene.networks import ACTIVATIONS, NETWORKS, check_options
from tinyscene.sections import check_type, check_value, choice, limited, section
from tinyscene.training import run_files
from tinyscene.training.logit_adjustment import KINDS as ADJUSTMENTS, NONE as NO_ADJUSTMENT
from tinyscene.training.schedule import SCHEDULES

if TYPE_CHECKING:
    from tinyscene.networks import keras

CROSS_VALIDATE = "cross-validate"
ALL = "all"
TEACHER = "teacher"
# Names of students' folders; a student whose network is of the teacher's kind is in "student".
_STUDENTS = [network for network in NETWORKS if network != TEACHER]
STUDENT_FOLDERS = (*_STUDENTS, *(f"{network}{run_files.ROUNDED}" for network in _STUDENTS))
# Names of a run's folders, except those of its teachers.
FOLDERS = (*STUDENT_FOLDERS, run_files.BUNDLE, run_files.FIGURES, run_files.FINAL)
LARGEST_SEED = 2**32 - 1
MOST_COPIES = 100  # largest number of copies of a teacher
ADAM, ADAMW = "adam", "adamw"
OPTIMIZERS = (ADAM, ADAMW)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is trained on.

    Attributes:
        folds: a fold's number; "cross-validate": every fold, then final weights from all clips; "all": only those.
        validation_fraction: share of a fold's training clips, in whole locations, held out to watch the training; 0 for
            none. Final weights come from all clips, with nothing held out.
    """

    folds: int | str = CROSS_VALIDATE
    validation_fraction: float = limited(0.1, low=0, high=0.5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A network and how it is trained.

    Attributes:
        network, width, activation, dropout, depth, expansion, stem_stride: see `networks.catalogue.build`.
        epochs, batch_size: number of epochs, and of clips in a batch.
        optimizer: "adam", or "adamw" (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019).
        weight_decay: weight decay of AdamW, times the learning rate; kernels decay, biases and batch normalisation do
            not.
        learning_rate, final_learning_rate, schedule, warmup: see `schedule`; "constant" uses only the first.
        label_smoothing: share of a label's probability that is spread over all classes.
        logit_adjustment: "overall": the network predicts as if all scenes were equally frequent in its training clips;
            "city": as if they were equally frequent in each city; "none": as the training clips are; see
            `logit_adjustment`.
        average_from: share of the training after which the weights at the ends of epochs are averaged, see
            `averaging`; None: the weights are those of the last epoch.
    """

    network: str = choice(among=tuple(NETWORKS))
    width: float = limited(1.0, low=0.01, high=4)
    activation: str = choice("relu", among=ACTIVATIONS)
    dropout: float | None = limited(None, low=0, high=0.9)
    depth: int | None = limited(None, low=1, high=8)
    expansion: float | None = limited(None, low=1, high=8)
    stem_stride: int | None = choice(None, among=(2, 4))
    epochs: int = limited(low=1, high=100_000)
    batch_size: int = limited(32, low=2, high=65_536)
    learning_rate: float = limited(1e-3, low=1e-8, high=10)
    final_learning_rate: float = limited(1e-5, low=0, high=10)
    schedule: str = choice("sigmoid", among=SCHEDULES)
    warmup: float = limited(0.1, low=0, high=0.9)
    optimizer: str = choice("adam", among=OPTIMIZERS)
    weight_decay: float = limited(0.0, low=0, high=10)
    label_smoothing: float = limited(0.0, low=0, high=0.9)
    logit_adjustment: str = choice(NO_ADJUSTMENT, among=ADJUSTMENTS)
    average_from: float | None = limited(None, low=0, high=1)

    @property
    def options(self) -> dict[str, float | None]:
        """The options for `networks.catalogue.build`."""
        return {option: getattr(self, option) for option in ("dropout", "depth", "expansion", "stem_stride")}

    def build(self, shape: tuple[int, int], classes: int) -> "keras.Model":
        """Build the network, with fresh weights, for images of `shape` (n_mels, frames)."""
        from tinyscene.networks import catalogue  # imports Keras, which reading a configuration does not need

        return catalogue.build(self.network, (*shape, 1), classes, self.activation, self.width, **self.options)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015.

    Attributes:
        temperature: divisor of all networks' logits.
        soft_weight: share of the teachers' soft targets in the loss; the labels have the rest.
        cross_fit: number of subsets of the training clips, disjoint in location; each is taught by teachers trained on
            the others, for which its clips are as new as test clips are; 0: teachers teach the clips that they were
            trained on.
    """

    temperature: float = limited(2.0, low=0.1, high=100)
    soft_weight: float = limited(0.9, low=0, high=1)
    cross_fit: int = limited(0, low=0, high=100)


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuantisationConfig:
    """Fine-tuning of the trained student with INT8 rounding, see `quantisation_aware`.

    Attributes:
        epochs: number of epochs; 0 for no fine-tuning.
        learning_rate, final_learning_rate: first and last learning rate, along half a cosine.
    """

    epochs: int = limited(0, low=0, high=10_000)
    learning_rate: float = limited(1e-4, low=1e-8, high=1)
    final_learning_rate: float = limited(1e-6, low=0, high=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TeacherConfig(NetworkConfig):
    """One of the networks whose mean prediction the student learns from.

    Attributes:
        name: name of its folder in the run's; no two teachers have the same.
        seed: seed, together with its name, of everything random in its training; None: the run's seed.
        augment: augmentation of its training batches; None: the run's.
        frontend: front end of its images of the same clips; None: the run's.
    """

    name: str = TEACHER
    seed: int | None = limited(None, low=0, high=LARGEST_SEED)
    augment: AugmentConfig | None = None
    frontend: FrontendConfig | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run. `distillation` is set if and only if there are teachers."""

    name: str
    seed: int
    frontend: FrontendConfig
    data: DataConfig
    teachers: tuple[TeacherConfig, ...]
    student: NetworkConfig
    distillation: DistillationConfig | None
    augment: AugmentConfig
    quantisation: QuantisationConfig = QuantisationConfig()

    def images(self) -> list[tuple[FrontendConfig, AugmentConfig]]:
        """Return the front end and the augmentation of the student, then those of every teacher."""
        return [
            (self.frontend, self.augment),
            *((teacher.frontend or self.frontend, teacher.augment or self.augment) for teacher in self.teachers),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, resolved, without those that are None, as in the run's config.toml."""
        return {**_without_none(dataclasses.asdict(self)), "frontend": self.frontend.to_dict()}


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, tuple):
        return [_without_none(item) for item in value]
    return value


def load(path: Path) -> RunConfig:
    """Read a run configuration.

    Raises:
        ConfigError: the file cannot be read, or a key in it is unknown, missing, of another type or impossible.
    """
    places.require_file(path, places.CONFIGURATION)
    try:
        table = files.read_toml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as TOML ({files.reason(error)}); correct it") from error
    try:
        return parse(table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def parse(table: dict[str, Any], *, converted: bool = True) -> RunConfig:
    """Return the run configuration that a TOML table describes.

    Args:
        table: contents of a run's TOML file.
        converted: whether the student becomes an INT8 model, which not every activation allows.

    Raises:
        ConfigError: a key in it is unknown, missing, of another type or impossible.
    """
    known = {field.name for field in dataclasses.fields(RunConfig)} | {TEACHER}
    if unknown := sorted(set(table) - known):
        raise ConfigError(f"unknown key {unknown[0]!r}; keys are {', '.join(sorted(known))}")
    for key in ("name", "student"):
        if key not in table:
            raise ConfigError(f"{key} is missing; add it")
    name, seed = table["name"], table.get("seed", 1)
    check_type("name", name, str)
    _check_name("name", name)
    check_type("seed", seed, int)
    check_value("seed", seed, {"low": 0, "high": LARGEST_SEED})
    teachers = _teachers(table)
    if not teachers and "distillation" in table:
        raise ConfigError("distillation is set, but there is no teacher; add a [teacher] section or remove it")
    config = RunConfig(
        name=name,
        seed=seed,
        frontend=_frontend("frontend", table.get("frontend", {"preset": "p1"})),
        data=section(DataConfig, "data", table.get("data", {})),
        teachers=teachers,
        student=section(NetworkConfig, "student", table["student"]),
        distillation=section(DistillationConfig, "distillation", table.get("distillation", {})) if teachers else None,
        augment=augment_settings.read("augment", table.get("augment", {})),
        quantisation=section(QuantisationConfig, "quantisation", table.get("quantisation", {})),
    )
    _check_folds(config.data.folds)
    if config.distillation is not None and config.distillation.cross_fit == 1:
        raise ConfigError("distillation.cross_fit is 1, which leaves no clips to train on; use 0, or 2 and more")
    if any(image.peak_normalise and augment.gain for image, augment in config.images()):
        raise ConfigError("augment.gain is set, which a front end with peak_normalise undoes; remove one of them")
    for place, network in (("student", config.student), *((teacher.name, teacher) for teacher in teachers)):
        try:
            check_options(network.network, network.options)
        except ConfigError as error:
            raise ConfigError(f"{place}.{error}") from error
        if network.weight_decay and network.optimizer != ADAMW:
            raise ConfigError(
                f"{place}.weight_decay is set, which {network.optimizer} ignores; add optimizer = 'adamw'"
            )
    if converted and config.student.activation != "relu":
        raise ConfigError(
            f"student.activation is {config.student.activation!r}, which INT8 conversion leaves in float; use 'relu'"
        )
    return config


def _teachers(table: dict[str, Any]) -> tuple[TeacherConfig, ...]:
    """Return the teachers of [[teachers]], or the single one of [teacher]."""
    if TEACHER in table:
        if "teachers" in table:
            raise ConfigError("both teacher and teachers are set; keep [[teachers]] only")
        return _copies(TEACHER, table[TEACHER])
    tables = table.get("teachers", [])
    if not isinstance(tables, list):
        raise ConfigError("teachers is not a list; begin each teacher with [[teachers]]")
    teachers = tuple(copy for position, each in enumerate(tables) for copy in _copies(f"teachers[{position}]", each))
    names = [teacher.name for teacher in teachers]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{names.count(name)} teachers are named {name!r}; give each its own name")
    return teachers


def _copies(place: str, table: Any) -> tuple[TeacherConfig, ...]:
    """Return the teachers that a table stands for: NAME and, with `copies`, NAME-2, NAME-3 and so on."""
    check_type(place, table, dict)
    fields = dict(table)
    copies = fields.pop("copies", 1)
    check_type(f"{place}.copies", copies, int)
    check_value(f"{place}.copies", copies, {"low": 1, "high": MOST_COPIES})
    first = _teacher(place, fields)
    return (first, *(dataclasses.replace(first, name=f"{first.name}-{number}") for number in range(2, copies + 1)))


def _teacher(place: str, fields: dict[str, Any]) -> TeacherConfig:
    augment = augment_settings.read(f"{place}.augment", fields.pop("augment")) if "augment" in fields else None
    image = _frontend(f"{place}.frontend", fields.pop("frontend")) if "frontend" in fields else None
    teacher = dataclasses.replace(section(TeacherConfig, place, fields), augment=augment, frontend=image)
    _check_name(f"{place}.name", teacher.name)
    if teacher.name in FOLDERS:
        raise ConfigError(f"{place}.name is {teacher.name!r}, a folder of the run itself; choose another")
    return teacher


def _check_name(place: str, name: str) -> None:
    if not name or not all(character.isalnum() or character in "-_" for character in name):
        raise ConfigError(f"{place} is {name!r}; use letters, digits, - and _ only")


def _check_folds(folds: int | str) -> None:
    if isinstance(folds, str) and folds not in (CROSS_VALIDATE, ALL):
        raise ConfigError(f'data.folds is {folds!r}; use a number, "{CROSS_VALIDATE}" or "{ALL}"')
    if isinstance(folds, int) and folds < 0:
        raise ConfigError(f"data.folds is {folds}; the number of a fold is 0 or more")


def _frontend(place: str, table: Any) -> FrontendConfig:
    check_type(place, table, dict)
    fields = dict(table)
    base = frontend_config.preset(fields.pop("preset", "p1"))
    hints = typing.get_type_hints(FrontendConfig)
    for key, value in fields.items():
        if key in hints:
            check_type(f"{place}.{key}", value, hints[key])
    return FrontendConfig.from_dict({**base.to_dict(), **fields})
