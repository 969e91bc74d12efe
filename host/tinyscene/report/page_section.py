"""Parts of a Markdown page that a command writes: the text between two comment lines."""

from pathlib import Path

from tinyscene import files
from tinyscene.errors import TinysceneError

END = "<!-- end -->"


def around(page: Path, begin: str) -> tuple[str, str]:
    """Return the text before the line `begin`, and the text after the line END that follows it.

    Raises:
        TinysceneError: the page is missing or does not contain both lines.
    """
    try:
        text = page.read_text()
    except OSError as error:
        raise TinysceneError(f"cannot read {page}: {error.strerror}; restore it from the repository") from error
    before, found, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise TinysceneError(f"{page} does not contain the lines {begin!r} and {END!r}; put them where the table goes")
    return before, after


def replaced(page: Path, begin: str, body: str) -> str:
    """Return the page's text with `body` between the two lines; errors as for `around`."""
    before, after = around(page, begin)
    return f"{before}{begin}\n{body}\n{END}{after}"


def replace(page: Path, begin: str, body: str) -> None:
    """Write `body` between the two lines; errors as for `around`."""
    files.write_text(page, replaced(page, begin, body))
