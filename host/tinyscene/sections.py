"""TOML tables as frozen dataclasses, read strictly: an unknown key, a wrong type or an impossible value is an error."""

import dataclasses
import types
import typing
from typing import Any, TypeVar

from tinyscene.errors import ConfigError

Section = TypeVar("Section")

_NAMES = {
    dict: "a table",
    list: "a list",
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def limited(default: Any = dataclasses.MISSING, *, low: float | None = None, high: float | None = None) -> Any:
    """A field whose value lies between low and high, inclusive."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high})


def choice(default: Any = dataclasses.MISSING, *, among: tuple[Any, ...]) -> Any:
    return dataclasses.field(default=default, metadata={"among": among})


def section(kind: type[Section], place: str, table: Any) -> Section:
    """Build a dataclass from a TOML table, with every key checked; `place`: name of the table, "" for the top level."""
    check_type(place, table, dict)
    prefix = f"{place}." if place else ""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    if unknown := sorted(set(table) - set(fields)):
        raise ConfigError(f"unknown key {prefix}{unknown[0]}; keys there are {', '.join(fields)}")
    values = {}
    for key, field in fields.items():
        if key not in table:
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise ConfigError(f"{prefix}{key} is missing; add it")
            continue
        values[key] = typed(f"{prefix}{key}", table[key], hints[key])
        check_value(f"{prefix}{key}", table[key], field.metadata)
    return kind(**values)


def check_value(place: str, value: Any, limits: typing.Mapping[str, Any]) -> None:
    low, high, among = limits.get("low"), limits.get("high"), limits.get("among")
    if among and value not in among:
        raise ConfigError(f"{place} is {value!r}; choose one of {', '.join(map(str, among))}")
    if low is not None and not low <= value <= high:  # NaN fails as well
        raise ConfigError(f"{place} is {value}; it must lie between {low} and {high}")


def typed(place: str, value: Any, hint: Any) -> Any:
    """Return a value of the type that is wanted: TOML's 1 is 1.0 where a number is.

    Raises:
        ConfigError: it has another type.
    """
    check_type(place, value, hint)
    kinds = _kinds(hint)
    return float(value) if type(value) is int and float in kinds and int not in kinds else value


def check_type(place: str, value: Any, hint: Any) -> None:
    kinds = _kinds(hint)
    accepted = (*kinds, int) if float in kinds else kinds
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in kinds):
        raise ConfigError(f"{place} is {value!r}; it must be {' or '.join(_NAMES[kind] for kind in kinds)}")


def _kinds(hint: Any) -> tuple[type, ...]:
    """Return the types that a hint allows in TOML: `float | None` is float, Literal["a"] is str."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return tuple(kind for part in typing.get_args(hint) if part is not type(None) for kind in _kinds(part))
    if typing.get_origin(hint) is typing.Literal:
        return tuple({type(value) for value in typing.get_args(hint)})
    return (hint,)
