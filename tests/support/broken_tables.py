"""A front end whose tables are wrong in one place, which shows in one stage and in all after it, but in none before."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from tinyscene.frontend import tables as frontend_tables


def in_array(name: str, change: Callable[[float], float]) -> Callable[[str], str]:
    """Return what changes the middle one of a table's values that are not 0."""

    def change_text(text: str) -> str:
        (table,) = re.finditer(rf"static const (\w+) {name}\[\] = {{(.*?)}};", text, re.DOTALL)
        values = [value for value in re.finditer(r"[^\s,]+", table[2]) if float(value[0].rstrip("f"))]
        value = values[len(values) // 2]
        changed = change(float(value[0].rstrip("f")))
        written = f"{changed!r}f" if table[1] == "float" else str(round(changed))
        start = table.start(2)
        return text[: start + value.start()] + written + text[start + value.end() :]

    return change_text


def in_field(name: str, change: Callable[[float], float]) -> Callable[[str], str]:
    """Return what changes a number of `struct frontend_config`."""

    def change_text(text: str) -> str:
        (field,) = re.finditer(rf"\.{name} = ([-\d.e]+)(f?),", text)
        changed = change(float(field[1]))
        written = f"{changed!r}f" if field[2] else str(round(changed))
        return text[: field.start(1)] + written + text[field.end(2) :]

    return change_text


# By the first stage that is wrong.
FAULTS: dict[str, Callable[[str], str]] = {
    "windowed": in_array("window", lambda value: 0.99 * value),
    "spectrum": in_array("twiddles", lambda value: value + 0.01),
    "power": in_field("power", lambda power: 3 - power),
    "mel": in_array("mel_weights", lambda weight: 1.01 * weight),
    "log": in_field("log_scale", lambda scale: 1.001 * scale),
    "features": in_field("input_zero_point", lambda zero_point: zero_point - 2),
}


@contextmanager
def broken_tables(stage: str) -> Iterator[None]:
    """While this lasts, front ends are built with the fault of a stage."""
    generate = frontend_tables.generate

    def wrong(*arguments: object) -> dict[str, str]:
        texts = generate(*arguments)  # type: ignore[arg-type]
        changed = FAULTS[stage](texts[frontend_tables.SOURCE])
        assert changed != texts[frontend_tables.SOURCE]
        return texts | {frontend_tables.SOURCE: changed}

    with patch.object(frontend_tables, "generate", wrong):
        yield
