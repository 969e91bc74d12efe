"""What is printed is text: no name in it is markup, and none reaches the terminal as a control sequence."""

import pytest
from rich.table import Table

from tinyscene.console import console, error_console, printable

HOSTILE = "[/x] [bold]b[/bold] \x1b[31mred\x07 :smile: \u202egnp"


def test_printable_keeps_text_and_lines() -> None:
    assert printable("zürich\t公園\n[x]") == "zürich\t公園\n[x]"
    assert printable("\x1b]0;title\x07") == r"\x1b]0;title\x07"


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name", title=HOSTILE)
    table.add_row(HOSTILE)
    for each in (console, error_console):
        each.print(HOSTILE, soft_wrap=True)
        each.print(table)
    captured = capsys.readouterr()
    for said in (captured.out, captured.err):
        assert said.count("[/x] [bold]b[/bold]") >= 2
        assert r"\x1b[31mred\x07 :smile: \u202egnp" in said
        assert "\x1b" not in said
        assert "\u202e" not in said
