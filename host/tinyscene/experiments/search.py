"""A search for networks, as a TOML file: what may vary, what a board allows, and how long each candidate is tried.

title = "..."
[run]               the run of a training without teachers, see `config`; all candidates share it
[reference]         the network that the others are compared with
[[space]]           a part of the run in which a list stands for all its values:
                    student = { network = "limited", width = [0.75, 1.0] }
                    frontend = { n_mels = [40, 80] }
[limits]            limits on the candidates to try, see `Limits`
[[rounds]]          each trains from scratch the candidates that the previous round kept, see `Round`
"""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyscene import files, places
from tinyscene.errors import ConfigError
from tinyscene.experiments.network_cost import Cost
from tinyscene.sections import limited, section
from tinyscene.training import ALL, RunConfig, config as run_config

_KEYS = {"title": str, "run": dict, "reference": dict, "space": list, "limits": dict, "rounds": list}
_PARTS = ("student", "frontend", "augment")  # parts of a run that a space may vary
NETWORK = "network"

Choices = list[tuple[str, str, Any]]
"""(section, key, value) that a candidate sets in the run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What a candidate may cost, in addition to the challenge's limits of parameters and MACs; None: no limit.

    Attributes:
        instructions: instructions of one inference.
        ram_bytes: bytes of arena, input and output.
    """

    instructions: int | None = limited(None, low=1, high=10**12)
    ram_bytes: int | None = limited(None, low=1, high=10**9)

    def excess(self, cost: Cost) -> str:
        """Return a phrase on what exceeds the limits, or an empty string."""
        beyond = [
            f"{getattr(cost, name):,} {words}, the limit is {limit:,}"
            for name, words in (("instructions", "instructions"), ("ram_bytes", "bytes of RAM"))
            if (limit := getattr(self, name)) is not None and getattr(cost, name) > limit
        ]
        return "; ".join((*cost.excess, *beyond))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
    """One round of a search.

    Attributes:
        epochs: epochs of every candidate, from fresh weights.
        keep: number of candidates kept for the next round, see `search_run.best`; None in the last round.
    """

    epochs: int = limited(low=1, high=100_000)
    keep: int | None = limited(None, low=1, high=10_000)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network to try.

    Attributes:
        name: name of its folder.
        title: title for people.
        settings: configuration of its run.
    """

    name: str
    title: str
    settings: RunConfig

    def trained_for(self, epochs: int) -> RunConfig:
        """Return the configuration of its run with this many epochs."""
        return dataclasses.replace(self.settings, student=dataclasses.replace(self.settings.student, epochs=epochs))


@dataclasses.dataclass(frozen=True)
class Search:
    """A search as its file describes it; the reference is not among the candidates."""

    title: str
    reference: Candidate
    candidates: tuple[Candidate, ...]
    limits: Limits
    rounds: tuple[Round, ...]


def load(path: Path) -> Search:
    """Read a search.

    Raises:
        ConfigError: the file cannot be read, or a key in it is unknown, missing, of another type or impossible.
    """
    places.require_file(path, places.SEARCH)
    try:
        return _parse(files.read_toml(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read as TOML ({files.reason(error)}); name a search such as experiments/search.toml"
        ) from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _parse(table: dict[str, Any]) -> Search:
    for key in sorted(set(table) | {"run", "reference", "space", "rounds"}):
        if key not in _KEYS:
            raise ConfigError(f"unknown key {key!r}; keys are {', '.join(_KEYS)}")
        if key not in table:
            raise ConfigError(f"{key} is missing; add it")
        if not isinstance(table[key], _KEYS[key]) or not table[key]:
            raise ConfigError(f"{key} is {table[key]!r}; see the example in experiments/search.toml")
    rounds = tuple(section(Round, f"rounds[{i}]", each) for i, each in enumerate(table["rounds"]))
    for i, each in enumerate(rounds):
        if (each.keep is None) != (i + 1 == len(rounds)):
            raise ConfigError(f"rounds[{i}].keep: set it in every round but the last: the number of candidates to keep")
    for part in _PARTS:
        if not isinstance(table["run"].get(part, {}), dict):
            raise ConfigError(f"run.{part} is {table['run'][part]!r}; it must be a table")
    if "epochs" in table["run"].get("student", {}):
        raise ConfigError("run.student.epochs is set; remove it: the rounds set the number of epochs")
    reference = _candidates("reference", table["reference"], table["run"])
    if len(reference) != 1:
        raise ConfigError("reference has a list, but it is one network; choose one value")
    spaces = [_candidates(f"space[{i}]", space, table["run"]) for i, space in enumerate(table["space"])]
    candidates = [candidate for space in spaces for candidate in space]
    names = [each.name for each in (*reference, *candidates)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name} occurs {names.count(name)} times; remove it from a space")
    return Search(
        title=table.get("title", "Networks"),
        reference=reference[0],
        candidates=tuple(candidates),
        limits=section(Limits, "limits", table.get("limits", {})),
        rounds=rounds,
    )


def _candidates(place: str, space: Any, run: dict[str, Any]) -> list[Candidate]:
    """Return a candidate for every choice of every list in a space."""
    if not isinstance(space, dict) or NETWORK not in space.get("student", {}):
        raise ConfigError(f'{place} names no network; write student = {{ network = "..." }}')
    if unknown := sorted(set(space) - set(_PARTS)):
        raise ConfigError(f"unknown key {place}.{unknown[0]}; keys there are {', '.join(_PARTS)}")
    return [_candidate(place, choices, run) for choices in _choices(space)]


def _choices(space: dict[str, Any]) -> Iterator[Choices]:
    keys = [(section, key, value) for section in space for key, value in space[section].items()]
    lists = [value if isinstance(value, list) else [value] for *_, value in keys]
    for values in itertools.product(*lists):
        yield [(section, key, value) for (section, key, _), value in zip(keys, values, strict=True)]


def _candidate(place: str, choices: Choices, run: dict[str, Any]) -> Candidate:
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in run.items()}
    network, words = "", []  # type: tuple[str, list[tuple[str, Any]]]
    for part, key, value in choices:
        table.setdefault(part, {})[key] = value
        if key == NETWORK:
            network = str(value)
        else:
            words.append((key, value))
    name = "-".join((network, *(f"{key}{value}" for key, value in words))).replace(".", "_")
    title = ", ".join((network, *(f"{key} {value}" for key, value in words)))
    table["student"]["epochs"] = 1  # the rounds set the number
    try:
        settings = run_config.parse({**table, "name": name})
    except ConfigError as error:
        raise ConfigError(f"{place}: {title}: {error}") from error
    if settings.teachers or settings.data.folds == ALL:
        raise ConfigError("run has teachers or data.folds 'all'; candidates are trained alone, on folds")
    return Candidate(name, title, settings)
