"""A bundle comes back as it was saved; one that was damaged or changed is refused with the reason."""

import copy
import dataclasses
import functools
import operator
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

import runs
from tinyscene import files
from tinyscene.bundle.bundle import CARD_FILE, DESCRIPTION_FILE, MODEL_FILE, Bundle
from tinyscene.errors import BundleError, TinysceneError
from tinyscene.frontend.config import PRESETS
from tinyscene.frontend.scaling import Quantisation

UNCHECKED = {"name", "provenance", "metrics"}  # they change no answer of the model
Place = tuple[str | int, ...]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "student"
    runs.bundle().save(folder, "# Card\n")
    return folder


def description() -> dict[str, Any]:
    fields = runs.bundle()
    return {
        "format": 1,
        "identity": fields.identity,
        "model_sha256": "0" * 64,
        **fields._answer_fields(),
    }


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every value in a description; of long lists only the first and the last."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*place, key))
    elif isinstance(value, list):
        for index in {0, len(value) - 1}:
            yield from leaves(value[index], (*place, index))
    else:
        yield place


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + "x" if isinstance(value, str) else value + 1


def edit(folder: Path, place: Place, new: Any = None) -> None:
    """Change one value of bundle.toml: to `new`, or else to something near the old one."""
    path = folder / DESCRIPTION_FILE
    whole = tomllib.loads(path.read_text())
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = changed(inner[place[-1]]) if new is None else new
    path.write_text(tomli_w.dumps(whole))


def test_round_trip(saved: Path) -> None:
    assert Bundle.load(saved) == runs.bundle()
    assert (saved / CARD_FILE).read_text() == "# Card\n"
    assert sorted(path.name for path in saved.iterdir()) == sorted([CARD_FILE, DESCRIPTION_FILE, MODEL_FILE])


@pytest.mark.parametrize("name", PRESETS)
def test_round_trip_of_every_front_end(name: str, tmp_path: Path) -> None:
    frontend = PRESETS[name]
    bands = (0.1,) * frontend.n_mels
    bundle = dataclasses.replace(
        runs.bundle(),
        frontend=frontend,
        normalisation=dataclasses.replace(runs.bundle().normalisation, mean=bands, std=bands),
    )
    bundle.save(tmp_path, "")
    assert Bundle.load(tmp_path) == bundle


@pytest.mark.parametrize("place", list(leaves(description())), ids=lambda place: ".".join(map(str, place)))
def test_every_changed_value_is_refused(saved: Path, place: Place) -> None:
    edit(saved, place)
    with pytest.raises(BundleError, match="train again"):
        Bundle.load(saved)


def test_what_changes_no_answer_may_be_edited(saved: Path) -> None:
    edit(saved, ("name",), "renamed")
    assert Bundle.load(saved).identity == runs.bundle().identity


@pytest.mark.parametrize("key", sorted(set(description()) - UNCHECKED))
def test_every_missing_field_is_refused(saved: Path, key: str) -> None:
    path = saved / DESCRIPTION_FILE
    whole = tomllib.loads(path.read_text())
    del whole[key]
    path.write_text(tomli_w.dumps(whole))
    with pytest.raises(BundleError):
        Bundle.load(saved)


@pytest.mark.parametrize("key", sorted({*description(), *UNCHECKED} - {"name"}))
@pytest.mark.parametrize("nonsense", [7, "seven", [], {}, ["a", {"b": 1}]], ids=repr)
def test_a_value_of_another_type_is_refused(saved: Path, key: str, nonsense: Any) -> None:
    edit(saved, (key,), copy.deepcopy(nonsense))
    if key in UNCHECKED and nonsense == {}:
        assert Bundle.load(saved).identity == runs.bundle().identity
    else:
        with pytest.raises(BundleError):
            Bundle.load(saved)


@pytest.mark.parametrize("nonsense", ["0.1", [0.1], {"x": 1}, float("nan"), float("inf"), True, 10**400], ids=repr)
def test_no_kind_of_value_is_a_traceback(saved: Path, nonsense: Any) -> None:
    """Every value of the file, one at a time, but for the few whose type is right."""
    before = (saved / DESCRIPTION_FILE).read_text()
    for place in leaves(description()):
        if functools.reduce(operator.getitem, place, description()) is nonsense:
            continue
        (saved / DESCRIPTION_FILE).write_text(before)
        edit(saved, place, copy.deepcopy(nonsense))
        with pytest.raises(BundleError, match=r"restore it|train again"):
            Bundle.load(saved)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("output", "scale"), "0.1", r"output\.scale is '0\.1'; it must be a number"),
        (("output", "scale"), 0.0, r"output\.scale is 0\.0; it must lie between"),
        (("output", "zero_point"), 128, r"output\.zero_point is 128; it must lie between -128 and 127"),
        (("classes", 0), "a\0b", r"classes\[0\] is 'a\\x00b'; it must be text of one line"),
        (("classes", 0), "\x1b[31mred", r"classes\[0\] is .*; it must be text of one line"),
        (("classes", 0), "bus", "classes are bus, .* each must be there once"),
        (("name",), "a\nb", "name is .*; it must be text of one line"),
        (("name",), ["x"], r"name is \['x'\]; it must be text"),
        (("normalisation", "mean", 0), "x", r"normalisation\.mean\[0\] is 'x'; it must be a number"),
    ],
)
def test_the_value_that_is_wrong_is_named(saved: Path, place: Place, value: Any, said: str) -> None:
    edit(saved, place, value)
    with pytest.raises(BundleError, match=said):
        Bundle.load(saved)


@pytest.mark.parametrize("name", [MODEL_FILE, DESCRIPTION_FILE])
def test_a_file_that_is_none_is_not_waited_for(saved: Path, name: str) -> None:
    (saved / name).unlink()
    os.mkfifo(saved / name)
    with pytest.raises(BundleError, match=f"{name} cannot be read .it is a pipe, not a file"):
        Bundle.load(saved)


@pytest.mark.parametrize("name", [MODEL_FILE, DESCRIPTION_FILE])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(BundleError, match=f"is not a bundle: .*{name} is missing; train one or name another folder"):
        Bundle.load(saved)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere is not a bundle"):
        Bundle.load(tmp_path / "nowhere")


@pytest.mark.parametrize("position", [0, 30, -1])
def test_one_flipped_bit_of_the_model_is_refused(saved: Path, position: int) -> None:
    model = bytearray((saved / MODEL_FILE).read_bytes())
    model[position] ^= 1
    (saved / MODEL_FILE).write_bytes(model)
    with pytest.raises(BundleError, match=r"is not the file that bundle\.toml describes"):
        Bundle.load(saved)


@pytest.mark.parametrize("damage", [b"", b"\x00\xff", b"format = ", b"\xe9t\xe9"], ids=repr)
def test_a_damaged_description_is_refused(saved: Path, damage: bytes) -> None:
    (saved / DESCRIPTION_FILE).write_bytes(damage)
    with pytest.raises(BundleError, match=r"bundle\.toml cannot be read|has bundle format None"):
        Bundle.load(saved)


def test_stopped_between_the_files_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(path: Path, _: str) -> None:
        raise TinysceneError(f"cannot write {path}")

    monkeypatch.setattr(files, "write_text", no_space)
    with pytest.raises(TinysceneError):
        dataclasses.replace(runs.bundle(), model=b"another model").save(saved, "# Another\n")
    with pytest.raises(BundleError, match=r"is not the file that bundle\.toml describes"):
        Bundle.load(saved)


def test_identity_covers_the_model() -> None:
    assert dataclasses.replace(runs.bundle(), model=b"other").identity != runs.bundle().identity


def test_quantise_rounds_half_away_and_saturates() -> None:
    quantisation = Quantisation(0.5, 3)
    values = np.array([0.0, 0.25, -0.25, 0.24, 1e9, -1e9], np.float32)
    assert quantisation.quantise(values).tolist() == [3, 4, 2, 3, 127, -128]
    assert quantisation.dequantise(np.array([3, 5], np.int8)).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_probabilities_sum_to_one(kind: Any) -> None:
    bundle = dataclasses.replace(runs.bundle(), output=Quantisation(1 / 256, -128), output_kind=kind)
    outputs = np.random.default_rng(1).integers(-127, 128, size=(4, 10), dtype=np.int8)
    probabilities = bundle.probabilities(outputs)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert (probabilities.argmax(axis=1) == outputs.argmax(axis=1)).all()
