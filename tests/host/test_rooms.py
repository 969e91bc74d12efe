"""The packages import one way: each only those that stand before it, through their faces, and no module in a circle."""

import ast
import functools
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinyscene

ROOT = Path(tinyscene.__file__).parent
# Lowest first: a package imports only what stands before it. The modules that lie in the root itself come before all of
# them, but for the last ones, which may import everything.
ORDER = (
    "toolchain",
    "data",
    "frontend",
    "augment",
    "bundle",
    "networks",
    "compiler",
    "evaluation",
    "tflm",
    "training",
    "firmware",
    "experiments",
    "advice",
    "device",
    "report",
    "cycles",
    "bench",
    "cli",
)
# Modules of the root that may import everything; what was run as `python -m` before it was a verb is kept in one place.
MOVED = ("frontend_check", "rate_check", "golden", "sizes", "results_docs", "augmentation_figure", "tflm.compare")
LAST = ("__main__", *MOVED)
MOST_MODULES = 22  # "about twenty" in a package, its face not counted


@functools.cache
def modules() -> dict[str, Path]:
    """Dotted name below tinyscene -> path; a package's name stands for its face."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix("__init__").removesuffix(".")] = path
    return found


def room(module: str) -> str:
    """The package at the top that a module lies in; "" for the root's own modules."""
    first = module.split(".")[0]
    return first if first in packages() else ""


@functools.cache
def packages() -> set[str]:
    return {path.parent.name for path in ROOT.glob("*/__init__.py")}


@functools.cache
def face(package: str) -> dict[str, str]:
    """What can be imported from a package: name -> the module that it is, or is defined in."""
    stub = modules()[package].with_suffix(".pyi")
    if not stub.exists():
        return {}
    names = {}
    for node in ast.parse(stub.read_text()).body:
        assert isinstance(node, ast.ImportFrom), f"{stub}: only imports make a face"
        assert node.level == 1, f"{stub}: a face shows its own modules"
        for alias in node.names:
            names[alias.name] = f"{package}.{node.module or alias.name}"
    return names


def imports(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Yield (line, module below tinyscene, name or None) of every import, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            if node.module and node.module.split(".")[0] == "tinyscene":
                below = node.module.removeprefix("tinyscene").removeprefix(".")
                yield from ((node.lineno, below, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "tinyscene":
                    yield node.lineno, alias.name.removeprefix("tinyscene").removeprefix("."), None


def targets(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield (line, where from, module that is meant) of every import; names of a face are followed to their modules."""
    for line, source, name in imports(path):
        inside = ".".join(filter(None, (source, name)))
        if name is None or inside in modules():
            yield line, source, inside
        elif source in modules() and name in face(source) if modules()[source].name == "__init__.py" else False:
            yield line, source, face(source)[name]
        else:
            yield line, source, source


def height(module: str) -> int:
    """Where a module's package stands in the order."""
    if module in LAST:
        return len(ORDER)
    return ORDER.index(room(module)) if room(module) else -1


def test_every_package_stands_in_the_order() -> None:
    assert packages() == set(ORDER)


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_package_imports_only_those_before_it_and_by_their_faces(module: str) -> None:
    path = modules()[module]
    for line, source, meant in targets(path):
        place = f"{path.relative_to(ROOT)}:{line}"
        assert meant in modules(), f"{place}: there is no {meant}"
        if room(meant) == room(module):
            continue
        assert height(meant) < height(module), f"{place}: {room(module) or module} stands before {room(meant)}"
        if room(meant):
            assert source in {package for package in modules() if modules()[package].name == "__init__.py"}, (
                f"{place}: take it from the face of {room(meant)}, not from {source}"
            )
            assert meant == source or meant in face(source).values(), f"{place}: {source} does not show {meant}"


def test_no_module_is_imported_in_a_circle() -> None:
    graph = {module: {meant for _, _, meant in targets(path)} - {module} for module, path in modules().items()}
    for package, path in modules().items():
        if path.name == "__init__.py":
            graph[package] = set()  # a face is lazy: what it shows is followed where it is used
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("package", ["", *sorted(packages())])
def test_no_package_is_crowded(package: str) -> None:
    files = {path.stem for path in (ROOT / package).glob("*.py")}
    assert len(files - {"__init__"}) <= MOST_MODULES


@pytest.mark.parametrize("package", [name for name, path in modules().items() if path.name == "__init__.py" and name])
def test_a_face_says_what_its_room_is_for_and_shows_what_is_there(package: str) -> None:
    tree = ast.parse(modules()[package].read_text())
    sentence = " ".join((ast.get_docstring(tree) or "").split())
    assert sentence.endswith(".")
    assert sentence.count(". ") == 0, "one sentence"
    shown = __import__(f"tinyscene.{package}", fromlist=["__name__"])
    for name, module in face(package).items():
        assert module in modules()
        assert getattr(shown, name) is not None
