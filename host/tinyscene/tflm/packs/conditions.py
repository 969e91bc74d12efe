"""Evaluate the conditions of a pack description for a device, a compiler and a choice of components.

A condition holds when no deny is true, all requires are true and, if there are accepts, at least one is true
(Open-CMSIS-Pack-Spec, "Conditions"). Whether a component is selected may be undecided yet; a condition is therefore
True, False or None, as in Kleene's three-valued logic.
"""

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping

from tinyscene.errors import ToolError
from tinyscene.tflm.packs.pdsc import Clause

Target = Mapping[str, str]  # Dcore, Dfpu, Tcompiler, ... and their values
Selected = Callable[[Mapping[str, str]], bool | None]  # whether a component with these attributes is selected
Conditions = Mapping[str, tuple[Clause, ...]]

CORTEX_M4F: Target = {
    "Dcore": "Cortex-M4",
    "Dfpu": "SP_FPU",
    "Ddsp": "DSP",
    "Dmve": "NO_MVE",
    "Dmpu": "MPU",
    "Dtz": "NO_TZ",
    "Dendian": "Little-endian",
    "Tcompiler": "GCC",
    "Toutput": "exe",
}


def holds(conditions: Conditions, name: str | None, target: Target, selected: Selected) -> bool | None:
    """Return whether a condition holds; None: it depends on components for which `selected` returns None.

    Args:
        conditions: conditions of the pack.
        name: id of the condition; None always holds.
        target: attributes of the device and the compiler; an attribute that is not among them matches nothing.
        selected: function that returns whether a component is selected.

    Raises:
        ToolError: there is no such condition, or it refers to itself.
    """
    return _holds(conditions, name, target, selected, ())


def missing(
    conditions: Conditions, name: str | None, target: Target, selected: Selected
) -> Iterator[Mapping[str, str]]:
    """Yield the attributes of components that have to be selected before a condition can hold.

    Of several accepts, the first one that suits the target is taken.
    """
    clauses = _clauses(conditions, name, ())
    accepts = [clause for clause in clauses if clause.kind == "accept"]
    needed = [clause for clause in clauses if clause.kind == "require"]
    if not any(_true(conditions, clause, target, selected, ()) for clause in accepts):
        suits = (clause for clause in accepts if _true(conditions, clause, target, lambda _: None, ()) is not False)
        needed += list(suits)[:1]
    for clause in needed:
        if clause.component and not selected(clause.component):
            yield clause.component
        if clause.condition is not None:
            yield from missing(conditions, clause.condition, target, selected)


def _holds(
    conditions: Conditions, name: str | None, target: Target, selected: Selected, within: tuple[str | None, ...]
) -> bool | None:
    truth: dict[str, list[bool | None]] = {"require": [], "accept": [], "deny": []}
    for clause in _clauses(conditions, name, within):
        truth[clause.kind].append(_true(conditions, clause, target, selected, (*within, name)))
    denied = _not(_all(_not(value) for value in truth["deny"]))
    accepted = _not(_all(_not(value) for value in truth["accept"])) if truth["accept"] else True
    return _all([_not(denied), *truth["require"], accepted])


def _clauses(conditions: Conditions, name: str | None, within: tuple[str | None, ...]) -> tuple[Clause, ...]:
    if name is None:
        return ()
    if name in within:
        raise ToolError(f"condition {name!r} of a pack refers to itself; take another release of that pack")
    if name not in conditions:
        raise ToolError(f"a pack refers to condition {name!r}, which it lacks; take another release of that pack")
    return conditions[name]


def _true(
    conditions: Conditions, clause: Clause, target: Target, selected: Selected, within: tuple[str | None, ...]
) -> bool | None:
    fits = all(key in target and fnmatch.fnmatchcase(target[key], pattern) for key, pattern in clause.target.items())
    component = selected(clause.component) if clause.component else True
    return _all([fits, component, _holds(conditions, clause.condition, target, selected, within)])


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _all(values: Iterable[bool | None]) -> bool | None:
    found = set(values)
    return False if False in found else None if None in found else True
