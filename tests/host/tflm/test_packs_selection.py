"""Pack descriptions are read, and their conditions evaluated, as the Open-CMSIS-Pack specification says."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from pack_maker import CONTENTS, VERSION, pdsc_text, pins_text, write_unpacked
from tinyscene import cli
from tinyscene.errors import ToolError
from tinyscene.tflm.packs import conditions, install, pdsc, pins, selection, store
from tinyscene.tflm.packs.conditions import CORTEX_M4F
from tinyscene.tflm.packs.pdsc import Clause

M55 = {**CORTEX_M4F, "Dcore": "Cortex-M55", "Dmve": "MVE"}
KERNEL = {"Cclass": "Machine Learning", "Cgroup": "TensorFlow", "Csub": "Kernel"}
CORE_HEADERS = {"Cclass": "CMSIS", "Cgroup": "CORE"}


def package(folder: Path, body: str, pack: str = "tests.pack") -> pdsc.Package:
    folder.mkdir(exist_ok=True)
    (folder / "LICENSE.txt").touch()
    (folder / f"{pack}.pdsc").write_text(pdsc_text(pack, body=body))
    return pdsc.read(folder / f"{pack}.pdsc")


@pytest.fixture
def unpacked(tmp_path: Path) -> list[pdsc.Package]:
    folder = write_unpacked(tmp_path / "unpacked")
    return [pdsc.read(folder / pack / f"{pack}.pdsc") for pack in CONTENTS]


def names(root: Path, paths: Iterable[Path]) -> list[str]:
    return [str(path.relative_to(root)) for path in paths]


def test_tensorflow_lite_micro_for_a_cortex_m4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From installed packs to what the command prints."""
    monkeypatch.setenv("TINYSCENE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "packs.toml").write_text(pins_text())
    monkeypatch.setattr(pins, "PINS", tmp_path / "packs.toml")
    install.run(str(write_unpacked(tmp_path / "unpacked")))
    found = selection.resolve(CORTEX_M4F)
    assert names(store.folder(), found.sources) == [
        f"tensorflow/micro/{VERSION}/src/conv.cpp",
        f"tensorflow/micro/{VERSION}/src/time.cpp",
        f"ARM/core/{VERSION}/Source/convolve.c",
    ]
    assert names(store.folder(), found.config) == [f"tensorflow/micro/{VERSION}/src/time.cpp"]
    assert names(store.folder(), found.includes) == [
        f"tensorflow/micro/{VERSION}",
        f"ARM/core/{VERSION}/core",
        f"tensorflow/micro/{VERSION}/include",
        f"ARM/core/{VERSION}/Include",
    ]
    assert found.defines == ("TF_LITE_STATIC_MEMORY=1", "CMSIS_NN")
    assert found.rte_components == ("#define RTE_ML_TF_LITE     /* TF */",)
    assert found.packs == {"tensorflow.micro": VERSION, "ARM.core": VERSION}
    assert found.components == (
        "Machine Learning:TensorFlow:Kernel&CMSIS-NN",
        "CMSIS:CORE",
        "Machine Learning:TensorFlow:Kernel Utils",
        "CMSIS:NN Lib",
    )
    assert names(store.folder(), found.licences) == [
        f"tensorflow/micro/{VERSION}/LICENSE.txt",
        f"ARM/core/{VERSION}/LICENSE.txt",
    ]
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["tinyscene", "packs", "files", "--json"])  # as a flag, it was
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == found.to_json()
    assert printed["sources"] == [str(path) for path in found.sources]
    assert printed["packs"] == {"tensorflow.micro": VERSION, "ARM.core": VERSION}


def test_another_core_takes_other_files(unpacked: list[pdsc.Package]) -> None:
    variant = {**KERNEL, "Cvariant": "CMSIS-NN"}
    found = selection.select(unpacked, [variant], M55)
    assert [path.name for path in found.sources] == ["conv_mve.cpp", "time.cpp", "convolve.c"]
    found = selection.select(unpacked, [variant], {**CORTEX_M4F, "Tcompiler": "ARMCC"})
    assert [path.name for path in found.sources] == ["conv.cpp", "armclang.s", "time.cpp", "convolve.c"]


def test_a_component_that_is_for_no_such_core(unpacked: list[pdsc.Package]) -> None:
    with pytest.raises(ToolError, match=r"component CMSIS:CORE: none is for Cortex-M55 with GCC; run `tinyscene packs"):
        selection.select(unpacked, [CORE_HEADERS], M55)


def test_a_component_of_a_missing_pack(unpacked: list[pdsc.Package]) -> None:
    with pytest.raises(ToolError, match=r"component CMSIS:NN Lib: no pack has it; run `tinyscene packs install`"):
        selection.select(unpacked[:1], [{**KERNEL, "Cvariant": "CMSIS-NN"}], CORTEX_M4F)


def test_a_choice_of_variants(unpacked: list[pdsc.Package], tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"may be any of .*Kernel&CMSIS-NN, .*Kernel&Reference; select one"):
        selection.select(unpacked, [KERNEL], CORTEX_M4F)
    default = package(
        tmp_path / "default",
        """<components>
        <component Cclass="A" Cgroup="B" Cvariant="x"/>
        <component Cclass="A" Cgroup="B" Cvariant="y" isDefaultVariant="1"/>
        </components>""",
    )
    assert selection.select([default], [{"Cclass": "A"}], CORTEX_M4F).components == ("A:B&y",)


def test_components_that_exclude_each_other(tmp_path: Path) -> None:
    pack = package(
        tmp_path / "pack",
        """<conditions><condition id="alone"><deny Cclass="A" Cgroup="other"/></condition></conditions>
        <components>
        <component Cclass="A" Cgroup="one" condition="alone"/><component Cclass="A" Cgroup="other"/>
        </components>""",
    )
    wanted = [{"Cclass": "A", "Cgroup": "one"}, {"Cclass": "A", "Cgroup": "other"}]
    assert selection.select([pack], wanted[:1], CORTEX_M4F).components == ("A:one",)
    with pytest.raises(ToolError, match=r"A:one of tests\.pack conflicts with the other components"):
        selection.select([pack], wanted, CORTEX_M4F)


def test_one_of_several_components_is_enough(tmp_path: Path) -> None:
    """The first that suits the core is taken, unless one of them is selected anyway."""
    pack = package(
        tmp_path / "pack",
        """<conditions>
        <condition id="a clock"><accept condition="big clock"/><accept condition="small clock"/></condition>
        <condition id="big clock"><require Dcore="Cortex-A9"/><require Cclass="Clock" Cgroup="big"/></condition>
        <condition id="small clock"><require Cclass="Clock" Cgroup="small"/></condition>
        <condition id="any"><accept Cclass="Clock" Cgroup="small"/><accept Cclass="Clock" Cgroup="other"/></condition>
        </conditions><components>
        <component Cclass="A" Cgroup="one" condition="a clock"/><component Cclass="A" Cgroup="two" condition="any"/>
        <component Cclass="Clock" Cgroup="big"/><component Cclass="Clock" Cgroup="small"/>
        <component Cclass="Clock" Cgroup="other"/></components>""",
    )
    one, two, other = ({"Cclass": c, "Cgroup": g} for c, g in (("A", "one"), ("A", "two"), ("Clock", "other")))
    assert selection.select([pack], [one], CORTEX_M4F).components == ("A:one", "Clock:small")
    assert selection.select([pack], [two], CORTEX_M4F).components == ("A:two", "Clock:small")
    assert selection.select([pack], [other, two], CORTEX_M4F).components == ("Clock:other", "A:two")


@pytest.mark.parametrize(
    ("file", "match"),
    [
        ('category="source" name="../outside.c"', r"names '\.\./outside\.c', which is not in the pack"),
        ('category="source" name="/etc/passwd"', "which is not in the pack"),
        ('category="header" name="gone/a.h"', "names 'gone', which is not in the pack; run .* --force"),
        ('category="library" name="lib.a"', r"lib\.a of tests\.pack is of category 'library', which tinyscene cannot"),
    ],
)
def test_files_that_cannot_be_used(file: str, match: str, tmp_path: Path) -> None:
    (tmp_path / "outside.c").touch()
    pack = package(
        tmp_path / "pack",
        f'<components><component Cclass="A" Cgroup="B"><files><file {file}/></files></component></components>',
    )
    with pytest.raises(ToolError, match=match):
        selection.select([pack], [{"Cclass": "A"}], CORTEX_M4F)


@pytest.mark.parametrize(
    ("conditions_", "match"),
    [
        ('<condition id="x"><require condition="y"/></condition>', "refers to condition 'y', which it lacks"),
        ('<condition id="x"><accept condition="x"/></condition>', "'x' of a pack refers to itself"),
        (
            '<condition id="x"><deny condition="z"/></condition><condition id="z"><require condition="x"/></condition>',
            "'x' of a pack refers to itself",
        ),
    ],
)
def test_conditions_that_lead_nowhere(conditions_: str, match: str, tmp_path: Path) -> None:
    component = '<components><component Cclass="A" Cgroup="B" condition="x"/></components>'
    pack = package(tmp_path / "pack", f"<conditions>{conditions_}</conditions>{component}")
    with pytest.raises(ToolError, match=match):
        selection.select([pack], [{"Cclass": "A"}], CORTEX_M4F)


def test_damaged_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "x.pdsc"
    bomb = (
        '<!DOCTYPE x [<!ENTITY a "'
        + "a" * 1000
        + '">'
        + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 30}">' for i in range(6))
        + "]><package><vendor>&g;</vendor></package>"
    )
    for text in ("", "<package", "<index/>", "<package/>", pdsc_text("ARM.core", "").replace("0.9.0", ""), bomb):
        path.write_text(text)
        with pytest.raises(ToolError, match=r"x\.pdsc is not a pack description \(.*--force"):
            pdsc.read(path)
    path.write_bytes(b"\xff\xfe<\x00")
    with pytest.raises(ToolError, match="is not a pack description"):
        pdsc.read(path)
    with pytest.raises(ToolError, match="is not a pack description"):
        pdsc.read(tmp_path / "nowhere.pdsc")


# Conditions over two device attributes, two components and each other; a condition refers to later ones only.
COMPONENTS = ({"Cclass": "A"}, {"Cclass": "B"})
ATTRIBUTES = st.one_of(
    st.builds(lambda v: ({"Dcore": v}, {}), st.sampled_from(["Cortex-M4", "Cortex-M*", "Cortex-M0", "Cortex-A?"])),
    st.builds(lambda v: ({"Dmissing": v}, {}), st.just("*")),
    st.builds(lambda v: ({"Tcompiler": v}, {}), st.sampled_from(["GCC", "ARMCC"])),
    st.builds(lambda c: ({}, c), st.sampled_from(COMPONENTS)),
)


@st.composite
def condition_sets(draw: st.DrawFn) -> dict[str, tuple[Clause, ...]]:
    count = draw(st.integers(1, 4))
    made = {}
    for index in range(count):
        clauses = []
        for _ in range(draw(st.integers(0, 3))):
            target, component = draw(ATTRIBUTES)
            nested = draw(st.none() | st.integers(index + 1, count - 1)) if index + 1 < count else None
            kind = draw(st.sampled_from(["require", "accept", "deny"]))
            clauses.append(Clause(kind, None if nested is None else str(nested), target, component))
        made[str(index)] = tuple(clauses)
    return made


def by_the_book(made: Mapping[str, tuple[Clause, ...]], name: str | None, chosen: frozenset[str]) -> bool:
    """The specification's rules, one after the other, with a table instead of patterns."""
    matching = {
        "Cortex-M4": True,
        "Cortex-M*": True,
        "Cortex-M0": False,
        "Cortex-A?": False,
        "GCC": True,
        "ARMCC": False,
    }
    if name is None:
        return True
    accepts = 0
    accepted = False
    for clause in made[name]:
        true = by_the_book(made, clause.condition, chosen)
        for key, value in clause.target.items():
            true = true and key != "Dmissing" and matching[value]
        for value in clause.component.values():
            true = true and value in chosen
        if clause.kind == "deny" and true:
            return False
        if clause.kind == "require" and not true:
            return False
        if clause.kind == "accept":
            accepts += 1
            accepted = accepted or true
    return accepted or accepts == 0


def telling(truth: Mapping[str, bool | None]) -> Callable[[Mapping[str, str]], bool | None]:
    return lambda attributes: truth[attributes["Cclass"]]


@settings(deadline=None, max_examples=150)
@given(condition_sets())
def test_conditions_against_the_rules(made: dict[str, tuple[Clause, ...]]) -> None:
    by_choice = {}
    for a in (False, True):
        for b in (False, True):
            chosen = frozenset(name for name, there in (("A", a), ("B", b)) if there)
            by_choice[a, b] = by_the_book(made, "0", chosen)
            assert conditions.holds(made, "0", CORTEX_M4F, telling({"A": a, "B": b})) is by_choice[a, b]
    for a in (False, True, None):  # what is known in spite of open components is true of every choice
        for b in (False, True, None):
            truth = conditions.holds(made, "0", CORTEX_M4F, telling({"A": a, "B": b}))
            choices = {value for (x, y), value in by_choice.items() if a in (None, x) and b in (None, y)}
            assert truth is None or choices == {truth}


@settings(deadline=None, max_examples=150)
@given(condition_sets())
def test_what_is_missing_makes_a_condition_without_denials_hold(made: dict[str, tuple[Clause, ...]]) -> None:
    made = {name: tuple(clause for clause in clauses if clause.kind != "deny") for name, clauses in made.items()}
    chosen: set[str] = set()
    for _ in range(3):
        truth = {name: name in chosen for name in ("A", "B")}
        chosen |= {each["Cclass"] for each in conditions.missing(made, "0", CORTEX_M4F, telling(truth))}
    if by_the_book(made, "0", frozenset("AB")):  # it can hold at all
        assert by_the_book(made, "0", frozenset(chosen))


def test_the_pins_of_the_repository() -> None:
    found = {pin.id: pin for pin in pins.pinned()}
    assert {"tensorflow.tensorflow-lite-micro", "ARM.CMSIS-NN", "ARM.CMSIS"} <= set(found)
    for pin in found.values():
        assert pin.url.startswith("https://")
        assert pin.url.endswith("/")
        assert pin.sha256 == "" or len(bytes.fromhex(pin.sha256)) == 32
