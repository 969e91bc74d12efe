"""The bundle: a folder with the INT8 model and all that is needed to use it, the only thing passed downstream."""

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tomli_w
from numpy.typing import NDArray

from tinyscene import files, places
from tinyscene.bundle.probabilities import softmax
from tinyscene.errors import BundleError, ConfigError
from tinyscene.frontend import FrontendConfig, Normalisation, Quantisation
from tinyscene.sections import choice, section, typed

FORMAT = 1
MODEL_FILE = "model.tflite"
DESCRIPTION_FILE = places.BUNDLE_FILE
CARD_FILE = "MODEL_CARD.md"
LARGEST_MODEL = 1 << 28  # bytes; no board has 1 % of it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle:
    """A trained, quantised classifier.

    Attributes:
        name: name of the model, such as "student".
        classes: scene names in the order of the model's outputs.
        frontend: how audio becomes a log-mel image.
        normalisation: standardisation applied to that image.
        input, output: quantisation of the model's INT8 input [1, n_mels, frames, 1] and output [1, len(classes)].
        output_kind: "logits" (softmax is taken after dequantisation) or "probabilities".
        model: bytes of the .tflite file.
        provenance: data set, seed, commit, command, and whatever else made it.
        metrics: scores, as `metrics.score` and the trainer write them.
    """

    name: str
    classes: tuple[str, ...]
    frontend: FrontendConfig
    normalisation: Normalisation
    input: Quantisation
    output: Quantisation
    output_kind: Literal["logits", "probabilities"]
    model: bytes
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def identity(self) -> str:
        """16 hex digits over all that changes a prediction: model, classes, front end, normalisation, quantisation.

        The firmware reports the same 8 bytes, so that the host can refuse a board with another bundle.
        """
        fields = self._answer_fields()
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
        digest.update(self.model)
        return digest.hexdigest()[:16]

    def _answer_fields(self) -> dict[str, Any]:
        return {
            "classes": list(self.classes),
            "output_kind": self.output_kind,
            "frontend": self.frontend.to_dict(),
            "normalisation": {"mean": list(self.normalisation.mean), "std": list(self.normalisation.std)},
            "input": dataclasses.asdict(self.input),
            "output": dataclasses.asdict(self.output),
        }

    def quantised_features(self, image: NDArray[np.floating]) -> NDArray[np.int8]:
        """Turn log-mel images [..., n_mels, frames] into the model's INT8 input, same shape."""
        return self.input.quantise(self.normalisation.apply(image))

    def probabilities(self, outputs: NDArray[np.int8]) -> NDArray[np.float64]:
        """Turn the model's INT8 outputs [..., classes] into class probabilities that sum to 1."""
        values = self.output.dequantise(outputs)
        if self.output_kind == "logits":
            return softmax(values)
        values = np.asarray(values, np.float64)
        return values / values.sum(axis=-1, keepdims=True)

    def at_rate(self, rate: int) -> "Bundle":
        """Return the same classifier for sound sampled at another rate.

        Bands that the rate does not cover get the standardised value of the highest covered band. Of the ways to fill
        them that need no training, this one's predictions are closest to the original's (docs/FRONTEND.md).

        Args:
            rate: sampling rate, Hz.

        Returns:
            A bundle whose provenance names this one. It has no metrics: this one's were measured at its own rate.

        Raises:
            ConfigError: the bundle has this rate already; else as for `FrontendConfig.at_rate`.
        """
        frontend = self.frontend.at_rate(rate)
        if frontend == self.frontend:
            raise ConfigError(f"{self.name} takes {rate} Hz already; use it as it is, or choose another rate")
        covered = frontend.n_mels - frontend.held_mels
        mean, std = (
            values[:covered] + values[covered - 1 : covered] * frontend.held_mels
            for values in (self.normalisation.mean, self.normalisation.std)
        )
        return dataclasses.replace(
            self,
            name=f"{self.name}-{rate}",
            frontend=frontend,
            normalisation=Normalisation(mean, std),
            provenance={"derived_from": self.identity, "rate": rate, "original": self.provenance},
            metrics={},
        )

    def save(self, folder: Path, card: str) -> None:
        """Write the bundle; `bundle.toml` last, so that a folder with it is complete.

        Args:
            folder: folder of the bundle, made if absent; files of an earlier bundle in it are replaced.
            card: text of MODEL_CARD.md.

        Raises:
            TinysceneError: the files cannot be written.
        """
        folder = Path(folder)
        description = {
            "format": FORMAT,
            "name": self.name,
            "identity": self.identity,
            "model_sha256": hashlib.sha256(self.model).hexdigest(),
            **self._answer_fields(),
            "provenance": self.provenance,
            "metrics": self.metrics,
        }
        files.write_bytes(folder / MODEL_FILE, self.model)
        files.write_text(folder / CARD_FILE, card)
        files.write_text(folder / DESCRIPTION_FILE, tomli_w.dumps(description))

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Read and check a bundle.

        Raises:
            BundleError: a file is missing, damaged, of another format version, or the parts do not fit together.
        """
        folder = Path(folder)
        places.require_bundle(folder)
        try:
            description = files.read_toml(folder / DESCRIPTION_FILE)
            model = files.read_bounded(folder / MODEL_FILE, LARGEST_MODEL)
        except FileNotFoundError as error:
            raise BundleError(
                f"{folder} is not a bundle: {error.filename} is missing; train one or name another folder"
            ) from error
        except (OSError, ValueError) as error:
            path = getattr(error, "filename", None) or folder / DESCRIPTION_FILE
            raise BundleError(f"{path} cannot be read ({files.reason(error)}); restore it or train again") from error
        if description.get("format") is not FORMAT:  # True equals 1
            raise BundleError(
                f"{folder} has bundle format {description.get('format')!r}, this tinyscene reads {FORMAT}; train again"
            )
        if hashlib.sha256(model).hexdigest() != description.get("model_sha256"):
            raise BundleError(
                f"{folder / MODEL_FILE} is not the file that {DESCRIPTION_FILE} describes; restore it or train again"
            )
        try:
            bundle = cls._from_description(description, model)
        except ConfigError as error:
            raise BundleError(f"{folder / DESCRIPTION_FILE} is damaged ({error}); restore it or train again") from error
        if bundle.identity != description.get("identity"):
            raise BundleError(
                f"{folder / DESCRIPTION_FILE} was changed after training (identity differs); restore it or train again"
            )
        return bundle

    @classmethod
    def _from_description(cls, description: dict[str, Any], model: bytes) -> "Bundle":
        """Build from what `save` wrote.

        Raises:
            ConfigError: a value is missing, of another type or impossible; the message names it.
        """
        fields = section(_Description, "", {key: description[key] for key in _FIELDS if key in description})
        frontend = FrontendConfig.from_dict(fields.frontend)
        normalisation = section(_Normalisation, "normalisation", fields.normalisation)
        mean, std = (_numbers(f"normalisation.{key}", getattr(normalisation, key)) for key in ("mean", "std"))
        if not len(mean) == len(std) == frontend.n_mels:
            raise ConfigError(f"normalisation does not have {frontend.n_mels} values")
        if not all(value > 0 for value in std):
            raise ConfigError("a standard deviation is not positive")
        return cls(
            name=_text("name", fields.name),
            classes=_names(fields.classes),
            frontend=frontend,
            normalisation=Normalisation(mean, std),
            input=section(Quantisation, "input", fields.input),
            output=section(Quantisation, "output", fields.output),
            output_kind=fields.output_kind,
            model=model,
            provenance=fields.provenance,
            metrics=fields.metrics,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Description:
    """The fields of bundle.toml that describe the classifier, by type."""

    name: str
    classes: list
    output_kind: Literal["logits", "probabilities"] = choice(among=("logits", "probabilities"))
    frontend: dict
    normalisation: dict
    input: dict
    output: dict
    provenance: dict = dataclasses.field(default_factory=dict)
    metrics: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Normalisation:
    mean: list
    std: list


_FIELDS = tuple(field.name for field in dataclasses.fields(_Description))


def _numbers(place: str, values: list[Any]) -> tuple[float, ...]:
    numbers = tuple(float(typed(f"{place}[{index}]", value, float)) for index, value in enumerate(values))
    if wrong := [index for index, number in enumerate(numbers) if not math.isfinite(number)]:
        raise ConfigError(f"{place}[{wrong[0]}] is {numbers[wrong[0]]}; it must be finite")
    return numbers


def _names(values: list[Any]) -> tuple[str, ...]:
    names = tuple(_text(f"classes[{index}]", value) for index, value in enumerate(values))
    if len(set(names)) != len(names) or not names:
        raise ConfigError(f"classes are {', '.join(names) or 'none'}; each must be there once")
    return names


def _text(place: str, value: Any) -> str:
    """Return a name of one line, without what a terminal or a font would take for something else."""
    text = str(typed(place, value, str))
    if not text.strip() or not text.isprintable():
        raise ConfigError(f"{place} is {text!r}; it must be text of one line")
    return text
