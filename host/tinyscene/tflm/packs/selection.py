"""Choose components from installed packs, with all that they require, and list their files for a compiler."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tinyscene.errors import ToolError
from tinyscene.tflm.packs import pdsc, store
from tinyscene.tflm.packs.conditions import CORTEX_M4F, Target, holds, missing
from tinyscene.tflm.packs.pdsc import Component, File, Package

TFLM: tuple[Mapping[str, str], ...] = (
    {"Cclass": "Machine Learning", "Cgroup": "TensorFlow", "Csub": "Kernel", "Cvariant": "CMSIS-NN"},
    {"Cclass": "CMSIS", "Cgroup": "CORE"},
)
_IGNORED = {"doc", "image", "other", "utility", "generator", "linkerScript"}  # categories without files to compile


@dataclasses.dataclass(frozen=True, slots=True)
class Sources:
    """What to compile, and how.

    Attributes:
        sources: C, C++ and assembler files.
        config: those of `sources` that a project may replace with its own.
        includes: folders for the compiler's -I.
        defines: macros for the compiler's -D, as "NAME" or "NAME=VALUE".
        rte_components: lines of the header RTE_Components.h, which some sources include.
        packs: version by pack, such as {"ARM.CMSIS-NN": "7.0.0"}.
        components: names of the selected components, such as "CMSIS:NN Lib".
        licences: licence file of each pack.
    """

    sources: tuple[Path, ...]
    config: tuple[Path, ...]
    includes: tuple[Path, ...]
    defines: tuple[str, ...]
    rte_components: tuple[str, ...]
    packs: Mapping[str, str]
    components: tuple[str, ...]
    licences: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the keys of `tinyscene packs files --json FILE`; paths are absolute."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            key: value if isinstance(value, dict) else [str(item) for item in value] for key, value in values.items()
        }


def resolve(target: Target = CORTEX_M4F) -> Sources:
    """Return TensorFlow Lite Micro with its CMSIS-NN kernels, and CMSIS's core headers, from the installed packs.

    Raises:
        ToolError: a pack is not installed, or is damaged; the message says how to get it.
    """
    return select([pdsc.read(pack.description) for pack in store.all_installed()], TFLM, target)


def select(packages: Sequence[Package], wanted: Iterable[Mapping[str, str]], target: Target) -> Sources:
    """Return the files of the wanted components and of all that these require.

    Args:
        packages: packs to search, the preferred first.
        wanted: attributes of each wanted component.
        target: attributes of device and compiler.

    Raises:
        ToolError: a component is missing, ambiguous or unfit for the target, or a file is missing.
    """
    chosen: list[tuple[Package, Component]] = []

    def selected(attributes: Mapping[str, str]) -> bool:
        return any(component.matches(attributes) for _, component in chosen)

    queue = list(wanted)
    while queue:
        attributes = queue.pop(0)
        if not selected(attributes):
            package, component = _find(packages, attributes, target)
            chosen.append((package, component))
            queue += missing(package.conditions, component.condition, target, selected)
    for package, component in chosen:
        if not holds(package.conditions, component.condition, target, selected):
            raise ToolError(f"{component} of {package.id} conflicts with the other components; see {_where(package)}")
    parts = [
        (package, file)
        for package, component in chosen
        for file in component.files
        if holds(package.conditions, file.condition, target, selected)
    ]
    used = list(dict.fromkeys(package for package, _ in chosen))
    components = [component for _, component in chosen]
    return Sources(
        sources=_paths(parts, _source),
        config=_paths([(package, file) for package, file in parts if file.attr == "config"], _source),
        includes=_paths(parts, _include),
        defines=tuple(dict.fromkeys(define for component in components for define in component.defines)),
        rte_components=tuple(dict.fromkeys(line for component in components for line in component.rte_components)),
        packs={package.id: package.version for package in used},
        components=tuple(str(component) for component in components),
        licences=tuple(_inside(package, package.licence) for package in used if package.licence),
    )


def _find(packages: Sequence[Package], attributes: Mapping[str, str], target: Target) -> tuple[Package, Component]:
    """Return the component with these attributes; of several variants, the default one."""
    name = pdsc.name_of(attributes)
    found = [(package, each) for package in packages for each in package.components if each.matches(attributes)]
    fit = [
        (package, each)
        for package, each in found
        if holds(package.conditions, each.condition, target, lambda _: None) is not False
    ]
    if not fit:
        why = f"none is for {target.get('Dcore')} with {target.get('Tcompiler')}" if found else "no pack has it"
        raise ToolError(f"cannot find the component {name}: {why}; run `tinyscene packs install`")
    fit = [each for each in fit if each[1].default] or fit
    names = sorted({str(component) for _, component in fit})
    if len(names) > 1:
        raise ToolError(f"the component {name} may be any of {', '.join(names)}; select one of them by name")
    return fit[0]


def _paths(parts: Iterable[tuple[Package, File]], choose: Callable[[Package, File], str | None]) -> tuple[Path, ...]:
    """Return the paths that `choose` finds in the files, each once, in order."""
    names = ((package, choose(package, file)) for package, file in parts)
    return tuple(dict.fromkeys(_inside(package, name) for package, name in names if name is not None))


def _source(package: Package, file: File) -> str | None:
    """Return the name of a file to compile; None for other files."""
    if file.attr == "template" or file.category in _IGNORED | {"header", "include"}:
        return None
    if file.category in ("source", "sourceC", "sourceCpp", "sourceAsm"):
        return file.name
    raise ToolError(f"{file.name} of {package.id} is of category {file.category!r}, which tinyscene cannot build")


def _include(_: Package, file: File) -> str | None:
    """Return the name of the include folder that a file adds, or None."""
    if file.category == "include":
        return file.name
    if file.category == "header" and file.attr != "template":
        return file.path or os.path.dirname(file.name)  # noqa: PTH120 - a path in the pack, not on this machine
    return None


def _inside(package: Package, name: str) -> Path:
    root = os.path.abspath(package.root)  # noqa: PTH100 - without following links
    path = Path(os.path.normpath(os.path.join(root, name)))  # noqa: PTH118
    if not path.is_relative_to(root) or not path.exists():
        raise ToolError(
            f"{_where(package)} names {name!r}, which is not in the pack; run `tinyscene packs install --force`"
        )
    return path


def _where(package: Package) -> str:
    return f"{package.root / package.id}.pdsc"
