"""The words of the command line (docs/COMMANDS.md), in all verbs: one name a thing, choices, -h, early refusals."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer.main

import runs
from command_line import run
from tinyscene import cli, places
from tinyscene.cli.commands import OLD
from tinyscene.frontend.config import PRESETS
from tinyscene.frontend.preset_names import Preset
from tinyscene.paths import REPOSITORY

# Words whose value may be anything; all others that take text are choices, or complete what is known.
OPEN = {"--split", "--port", "--scheduler", "--identity", "--from", "{name}", "{model}"}
FORMER = re.compile(r"--(engine|limit|plot|on|env|environment)")
VALUES = {"path": "{good}", "integer": "16000"}
HEAVY = ("tensorflow", "keras", "librosa", "platformio", "sklearn", "matplotlib")


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every verb with its path."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path, command


TREE = dict(leaves(typer.main.get_command(cli.app)))


def words(parameter: Any) -> str:
    """The option, or the argument in braces."""
    return parameter.opts[0] if parameter.param_type_name == "option" else f"{{{parameter.name}}}"


def kind(parameter: Any) -> str:
    """Of which kind its values are: text, path, integer, choice, ..."""
    annotation = parameter.type_descriptor.annotation
    for inner in get_args(annotation) if get_origin(annotation) in (list, tuple) else ():
        annotation = inner
    names = {str: "text", Path: "path", int: "integer"}
    return "choice" if get_origin(annotation) is Literal else names.get(annotation, str(annotation))


def shown() -> list[tuple[str, str, Any]]:
    """Verb, word and parameter of all that help shows."""
    return [
        (" ".join(path), words(parameter), parameter)
        for path, command in TREE.items()
        for parameter in command.params
        if not parameter.hidden
    ]


def test_what_is_of_a_closed_set_is_a_choice() -> None:
    for verb, word, parameter in shown():
        completes = parameter._custom_shell_complete is not None
        assert kind(parameter) != "text" or completes or word in OPEN, f"{verb} {word} takes any text"
    assert set(get_args(Preset)) == set(PRESETS)


def test_one_word_a_thing() -> None:
    kinds: dict[str, set[str]] = {}
    for verb, word, parameter in shown():
        assert not FORMER.fullmatch(word), f"{verb} {word} is an old spelling"
        if word != "--clips":  # of one verb it is optional
            kinds.setdefault(word, set()).add(kind(parameter))
    for word in ("--port", "--json", "--frontend", "--bundle", "--out", "--data", "--split", "--runtime", "--figure"):
        assert len(kinds[word]) == 1, f"{word} is of different types: {kinds[word]}"
    page = (REPOSITORY / "docs" / "COMMANDS.md").read_text()
    for verb, options in OLD.items():
        for new in options.values():
            assert new.split()[0] in page
            assert any(given in (new.split()[0], f"{{{new.lower()}}}") for name, given, _ in shown() if name == verb)


def test_a_bundle_is_the_first_argument_or_has_a_default() -> None:
    for path, command in TREE.items():
        for parameter in command.params:
            if parameter.name == "bundle":
                assert (parameter.param_type_name == "argument") == parameter.required, path
                assert parameter._custom_shell_complete is not None, f"{path}: bundles are completed"


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_every_verb_has_short_help(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *path, "-h") == 0
    assert f"tinyscene {' '.join(path)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("features nowhere --engine c", "--engine is now --frontend"),
        ("features nowhere --engine=c", "--engine is now --frontend"),
        ("verify nowhere --on mps2", "--on is now --board"),
        ("emulate moon --engine qemu", "--engine is now --emulator"),
        ("emulate moon --port 4000", "--port is now --tcp-port"),
        ("device evaluate --port x --bundle {0} --data nowhere --split x", "--bundle is now BUNDLE"),
        ("device evaluate --port x {0} --limit 3 --data nowhere --split x", "--limit is now --clips"),
        ("device profile --port socket://127.0.0.1:1 --plot x.png", "--plot is now --figure"),
        ("device check --port socket://127.0.0.1:1 {0}", "BUNDLE without an option ({0}) is now --bundle BUNDLE"),
    ],
)
def test_old_spellings_work_with_a_hint(
    command: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.bundle().save(tmp_path, "# Card\n")
    assert run(monkeypatch, *command.format(tmp_path).split()) == 1, "the mistake is the one that the new spelling has"
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"hint: {hint.format(tmp_path)}"
    assert second.startswith("error: ")


@pytest.mark.parametrize(
    "command", ["verify README.md --board moon", "verify README.md --runtime moon", "emulate mps2 --emulator steam"]
)
def test_a_choice_that_is_none_is_refused(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert run(monkeypatch, *command.split()) == 2
    assert "is not one of" in capsys.readouterr().err


def test_json_on_standard_output_is_nothing_but_json(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "complexity", REPOSITORY / "models" / "compact", "--json", "-") == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["within_limits"] is True
    assert "NeSsi" in err


def mistakes() -> Iterator[str]:
    """Every verb, once for each path that it takes, with that path missing."""
    for path, command in TREE.items():
        for wrong in command.params:
            if kind(wrong) != "path" or wrong.callback is None or wrong.hidden or wrong.name == "as_json":
                continue
            line = list(path)
            for parameter in command.params:
                if parameter is wrong or parameter.required:
                    value = VALUES.get(kind(parameter), "x") if parameter is not wrong else "/dev/null/nowhere"
                    option = [parameter.opts[0]] if parameter.param_type_name == "option" else []
                    line += [*option, value]
            yield " ".join(line)


def test_paths_are_looked_at_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    """One process for all: what one verb has imported stays, so that it is named by the first command that did it."""
    commands = ["--help", "train {good} --dta x", *mistakes(), "train bad.toml --data . --out new"]
    assert len(commands) > 40
    (tmp_path / "bad.toml").write_text('name = "a"\n[student]\nnetwrok = "student"\n')
    program = f"""
import sys
from tinyscene import cli
for command in {commands!r}:
    sys.argv = ["tinyscene", *command.replace("{{good}}", "/dev/null/good").split()]
    try:
        cli.main()
    except SystemExit as leaving:
        assert leaving.code or command == "--help", command
    loaded = [name for name in {HEAVY} if name in sys.modules]
    assert not loaded, (command, loaded)
"""
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "Traceback" not in ran.stderr
    assert "netwrok" in ran.stderr


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """One of each thing that a path can be."""
    runs.bundle().save(tmp_path / "bundle", "# Card\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").write_text("")
    (tmp_path / "run" / "bundle.txt").write_text("models/mine\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "meta.csv").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    (tmp_path / "model.tflite").write_bytes(b"\0\0\0\0TFL3")
    (tmp_path / "link").symlink_to("nowhere")
    return tmp_path


def test_what_a_path_is(things: Path) -> None:
    os.mkfifo(things / "pipe")
    found = {
        name: places.what(things / name) for name in ("bundle", "run", "data", "empty", "file", "pipe", "link", "x")
    }
    assert found == {
        "bundle": "a bundle",
        "run": "the folder of a run",
        "data": "a data set",
        "empty": "an empty folder",
        "file": "a file",
        "pipe": "a pipe",
        "link": "a link to nothing",
        "x": "missing",
    }
    assert places.what(things / "model.tflite") == "a .tflite model"
    assert places.what(things / "bundle" / "bundle.toml") == "the description of a bundle"
    assert places.what(things / "file" / "x") == f"below {things / 'file'}, which is a file"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            "export {0}/model.tflite",
            "{0}/model.tflite is not a bundle: it is a .tflite model; only verify, ",
        ),
        ("export {0}/bundle/bundle.toml", "it is the description of a bundle; name its folder: {0}/bundle"),
        ("card {0}/run", "it is the folder of a run, and bundle.toml is missing; name its bundle, models/mine"),
        ("evaluate {0}/data --data {0}/data --split x", "{0}/data is not a bundle: it is a data set, and"),
        ("features {0}/bundle", "{0}/bundle is not a data set: it is a bundle; name a data set"),
        ("features {0}/file", "{0}/file is not a folder: it is a file; name a data set"),
        ("report {0}/bundle", "{0}/bundle is not the folder of a run: it is a bundle; name the folder of a run"),
        ("verify {0}/data", "{0}/data is a data set; give the path of a .tflite file"),
        (
            "compile {0}/model.tflite --out {0}/file",
            "cannot write to the folder {0}/file: it is a file; choose ",
        ),
        ("at-rate {0}/bundle 16000 --out {0}/file/x", "it is below {0}/file, which is a file; choose another name"),
        (
            "data check {0}/data --json {0}/empty",
            "cannot write the file {0}/empty: it is an empty folder; choose",
        ),
        (
            "train {0}/empty --data {0}/data --out {0}/x",
            "{0}/empty is an empty folder; name a run configuration",
        ),
        ("train {0}/file --data /nowhere --out {0}/x", "/nowhere is not a folder: it is missing; name a data set"),
    ],
)
def test_a_message_says_what_a_path_is(
    command: str, said: str, things: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *command.format(things).split()) == 1
    error = capsys.readouterr().err
    assert said.format(things) in error
    assert "free some space" not in error


def test_the_demo_prints_a_path_as_it_was_given(tmp_path: Path) -> None:
    command = [sys.executable, REPOSITORY / "scripts" / "demo", "--data", "/nowhere"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "error: /nowhere is not a folder: it is missing; name a data set" in said.stderr
    assert "../" not in said.stdout + said.stderr
