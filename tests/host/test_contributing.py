"""CONTRIBUTING.md and docs/ARCHITECTURE.md name files, and names in them, that are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_rooms import ORDER

from tinyscene.paths import REPOSITORY

CONTRIBUTING = REPOSITORY / "CONTRIBUTING.md"
ARCHITECTURE = REPOSITORY / "docs" / "ARCHITECTURE.md"
TOPS = tuple(path.name for path in REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith("."))
MADE = {"firmware/generated"}  # by a build
RECIPES = ("A board", "An operator", "An augmentation", "A front-end option", "A request of the serial protocol")


def paths(text: str) -> Iterator[str]:
    """Yield what stands in backticks and begins with a folder of the checkout, but for the parts in capitals."""
    for quoted in re.findall(r"`([^`\s]+)`", text):
        if quoted.split("/")[0] in TOPS and "/" in quoted:
            yield "/".join(part for part in quoted.split("/") if not part.isupper())


def recipe(title: str) -> str:
    """The text of one recipe, its lines joined."""
    text = CONTRIBUTING.read_text()
    start = text.index(f"### {title}\n")
    return " ".join(re.split(r"\n##+ ", text[start + 4 :])[0].split())


@pytest.mark.parametrize("page", [CONTRIBUTING, ARCHITECTURE], ids=lambda page: page.stem)
def test_files_that_are_named_are_there(page: Path) -> None:
    named = set(paths(page.read_text())) - MADE
    assert named
    assert [path for path in sorted(named) if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_names_what_its_files_have(title: str) -> None:
    found = re.findall(r"`([\w./-]+/[\w.-]+)`: `([^`]+)`", recipe(title))
    assert len(found) >= 4
    for path, name in found:
        assert name in (REPOSITORY / path).read_text(), f"{path} has no {name}"


def test_the_rooms_are_listed_in_their_order() -> None:
    for page in (CONTRIBUTING, ARCHITECTURE):
        rows = re.findall(r"^\| (?:\[)?`(\w+)`", page.read_text(), re.MULTILINE)
        assert [row for row in rows if row in ORDER] == list(ORDER), page


def test_the_architecture_is_one_page_that_others_lead_to() -> None:
    assert len(ARCHITECTURE.read_text().splitlines()) <= 80
    for page in (REPOSITORY / "README.md", CONTRIBUTING, REPOSITORY / "docs" / "index.md"):
        assert "ARCHITECTURE.md" in page.read_text(), page
