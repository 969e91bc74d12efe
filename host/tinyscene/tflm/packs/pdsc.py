"""Read a pack description (.pdsc): components, their files, and the conditions on both.

The format is Open-CMSIS-Pack's (Open-CMSIS-Pack-Spec, "Pack Description (*.PDSC) Format").
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

from tinyscene.errors import ToolError

COMPONENT_ATTRIBUTES = ("Cvendor", "Cbundle", "Cclass", "Cgroup", "Csub", "Cvariant")
_DEFINE = re.compile(r"^\s*#define\s+(\w+)[ \t]*(.*?)\s*(?:/\*.*|//.*)?$", re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True)
class Clause:
    """One line of a condition; it is true if all its attributes are.

    Attributes:
        kind: require, accept or deny.
        condition: id of another condition of the same pack, or None.
        target: attributes of device and compiler (Dcore, Dfpu, Tcompiler, ...) with patterns for their values.
        component: attributes of a component that has to be selected (Cclass, Cgroup, ...), without versions, because
            packs are pinned.
    """

    kind: str
    condition: str | None
    target: Mapping[str, str]
    component: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """A file of a component.

    Attributes:
        category: source, sourceC, sourceCpp, header, include, doc, ...
        name: path in the pack; ends with a slash for a folder.
        attr: None, "config" (a project may have its own copy) or "template" (a project must have its own copy).
        condition: id of the condition under which it belongs to the component, or None.
        path: for a header, the folder to include if that is not the header's own.
    """

    category: str
    name: str
    attr: str | None
    condition: str | None
    path: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Component:
    """A software component.

    Attributes:
        attributes: those of Cclass, Cgroup, ... that it has.
        version: Cversion.
        condition: id of its condition, or None.
        default: whether it is the default variant.
        files: all its files, whatever their conditions.
        defines: macros for every source of the project, as "NAME" or "NAME=VALUE" (Pre_Include_Global_h).
        rte_components: the lines that it adds to the header RTE_Components.h.
    """

    attributes: Mapping[str, str]
    version: str
    condition: str | None
    default: bool
    files: tuple[File, ...]
    defines: tuple[str, ...]
    rte_components: tuple[str, ...]

    def __str__(self) -> str:
        """Return its name in Open-CMSIS-Pack's tools, such as "CMSIS:NN Lib"."""
        return name_of(self.attributes)

    def matches(self, wanted: Mapping[str, str]) -> bool:
        """Return whether it has all the attributes in `wanted`."""
        return all(self.attributes.get(key) == value for key, value in wanted.items())


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Package:
    """The contents of a .pdsc file.

    Attributes:
        root: folder of the .pdsc file.
        vendor: vendor of the pack.
        name: name of the pack.
        url: folder that its packs are downloaded from.
        releases: URL of the .pack file, or None if it is in `url`, by version; the latest first.
        licence: path of the licence in the pack, or None.
        conditions: clauses by id.
        components: all components.
    """

    root: Path
    vendor: str
    name: str
    url: str
    releases: Mapping[str, str | None]
    licence: str | None
    conditions: Mapping[str, tuple[Clause, ...]]
    components: tuple[Component, ...]

    @property
    def id(self) -> str:
        """Vendor and name, such as "ARM.CMSIS-NN"."""
        return f"{self.vendor}.{self.name}"

    @property
    def version(self) -> str:
        """The release that this file describes."""
        return next(iter(self.releases))


def name_of(attributes: Mapping[str, str]) -> str:
    """Return a component's attributes as one name: "Class:Group:Sub&Variant"."""
    name = ":".join(attributes[key] for key in ("Cclass", "Cgroup", "Csub") if key in attributes)
    return f"{name}&{attributes['Cvariant']}" if "Cvariant" in attributes else name


def read(path: Path) -> Package:
    """Read a .pdsc file.

    Raises:
        ToolError: the file cannot be read, or is not a pack description.
    """
    try:
        tree = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise _damaged(path, str(error)) from error
    releases = {
        release.attrib["version"]: release.get("url")
        for release in tree.iterfind("releases/release")
        if release.get("version")
    }
    vendor, name, url, licence = (_text(tree, tag) for tag in ("vendor", "name", "url", "license"))
    if tree.tag != "package" or not (vendor and name and releases):
        raise _damaged(path, "it lacks a vendor, a name or a release")
    return Package(
        root=path.parent,
        vendor=vendor,
        name=name,
        url=url,
        releases=releases,
        licence=_slashed(licence) or None,
        conditions={
            element.get("id", ""): tuple(_clauses(element)) for element in tree.iterfind("conditions/condition")
        },
        components=tuple(
            [_component(element, {}) for element in tree.iterfind("components/component")]
            + [
                _component(element, bundle.attrib)
                for bundle in tree.iterfind("components/bundle")
                for element in bundle.iterfind("component")
            ]
        ),
    )


def _damaged(path: Path, why: str) -> ToolError:
    return ToolError(f"{path} is not a pack description ({why}); reinstall that pack with `packs install --force`")


def _text(element: ElementTree.Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _clauses(condition: ElementTree.Element) -> Iterable[Clause]:
    for element in condition:
        if element.tag in ("require", "accept", "deny"):
            attributes = element.attrib
            yield Clause(
                kind=element.tag,
                condition=attributes.get("condition"),
                target={key: value for key, value in attributes.items() if key[0] not in "Cc"},
                component=_component_attributes(attributes),
            )


def _component_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    return {key: attributes[key] for key in COMPONENT_ATTRIBUTES if key in attributes}


def _component(element: ElementTree.Element, bundle: Mapping[str, str]) -> Component:
    return Component(
        attributes=_component_attributes({**bundle, **element.attrib}),
        version=element.get("Cversion") or bundle.get("Cversion", ""),
        condition=element.get("condition"),
        default=element.get("isDefaultVariant") in ("1", "true"),
        files=tuple(
            File(
                category=file.get("category", ""),
                name=_slashed(file.get("name", "")),
                attr=file.get("attr"),
                condition=file.get("condition"),
                path=_slashed(file.get("path", "")) or None,
            )
            for file in element.iterfind("files/file")
        ),
        defines=tuple(
            f"{name}={value}" if value else name
            for name, value in _DEFINE.findall(element.findtext("Pre_Include_Global_h") or "")
        ),
        rte_components=tuple(
            line.strip() for line in (element.findtext("RTE_Components_h") or "").splitlines() if line.strip()
        ),
    )
