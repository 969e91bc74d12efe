"""Generated C of a bundle: complete, rewritten only where it changed, refused when it would answer nonsense."""

import ctypes
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from tflite_models import ModelBuilder
from tiny_bundle import CLASSES, tiny_bundle
from tinyscene.bundle.bundle import Bundle
from tinyscene.compiler import pipeline as compiler
from tinyscene.errors import BundleError, ModelError, TinysceneError
from tinyscene.firmware import export
from tinyscene.firmware.export import export_bundle
from tinyscene.frontend import host as frontend_host
from tinyscene.frontend.config import preset
from tinyscene.frontend.scaling import Quantisation
from tinyscene.networks import conversion
from tinyscene.paths import FIRMWARE_LIB
from tinyscene.toolchain import native

FILES = [
    "bundle.c",
    "bundle.h",
    "export.json",
    "frontend_tables.c",
    "frontend_tables.h",
    "model.c",
    "model.h",
    "protocol.h",
]
LIBRARIES = [FIRMWARE_LIB / name for name in ("engine", "frontend", "health", "link", "scene")]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return tiny_bundle()


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class ExportedBundle(ctypes.Structure):
    """struct scene_bundle."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("identity", ctypes.c_uint8 * 8),
        ("labels", ctypes.POINTER(ctypes.c_char_p)),
        ("classes", ctypes.c_uint8),
        ("output_kind", ctypes.c_int),
        ("output_scale", ctypes.c_float),
        ("output_zero_point", ctypes.c_int32),
        ("frontend", ctypes.c_void_p),
        ("run", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)),
    )


def load(folder: Path) -> ExportedBundle:
    """Compile what was exported for this machine, and return its scene_bundle."""
    sources = [*sorted(folder.glob("*.c")), *sorted((FIRMWARE_LIB / "engine").glob("*.c")), *frontend_host.SOURCES]
    library = native.build_library("exported", sources, [folder, *LIBRARIES])
    return ExportedBundle.in_dll(library, "scene_bundle")


def test_export_is_complete_and_computes_what_the_bundle_says(bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "generated"
    report = export_bundle(bundle, out)
    assert files_of(out) == FILES
    assert files_of(out.parent) == ["generated"]
    exported = load(out)
    assert exported.name == b"tiny"
    assert bytes(exported.identity).hex() == bundle.identity
    assert [exported.labels[i].decode() for i in range(exported.classes)] == list(CLASSES)
    assert exported.output_kind == 0
    assert exported.output_scale == np.float32(bundle.output.scale)
    assert exported.output_zero_point == bundle.output.zero_point

    image = np.random.default_rng(1).integers(-128, 127, (*bundle.frontend.shape, 1), dtype=np.int8)
    arena = np.empty(report.arena_bytes + 15, np.uint8)
    aligned = arena.ctypes.data + -arena.ctypes.data % 16
    outputs = np.empty(len(CLASSES), np.int8)
    exported.run(aligned, image.ctypes.data, outputs.ctypes.data)
    assert outputs.tolist() == conversion.run_reference(bundle.model, image[None])[0].tolist()


def test_unchanged_files_are_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    export_bundle(bundle, tmp_path)
    times = {name: (tmp_path / name).stat().st_mtime_ns for name in FILES}
    export_bundle(bundle, tmp_path)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in FILES} == times
    renamed = dataclasses.replace(bundle, name="renamed")
    export_bundle(renamed, tmp_path)
    changed = {name for name in FILES if (tmp_path / name).stat().st_mtime_ns != times[name]}
    assert changed == {"bundle.c", "export.json"}
    assert load(tmp_path).name == b"renamed"


def test_what_an_earlier_export_left_is_removed_and_nothing_else(bundle: Bundle, tmp_path: Path) -> None:
    export_bundle(bundle, tmp_path)
    record = json.loads((tmp_path / "export.json").read_text())
    (tmp_path / "old.c").write_text("int old;\n")
    record["outputs"]["old.c"] = "0"
    (tmp_path / "export.json").write_text(json.dumps(record))
    (tmp_path / "mine.txt").write_text("not generated\n")
    export_bundle(bundle, tmp_path)
    assert files_of(tmp_path) == sorted([*FILES, "mine.txt"])


def test_command_records_what_the_export_depends_on(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle.save(tmp_path / "bundle", "# card\n")
    export.report(tmp_path / "bundle", tmp_path / "out")
    record = export.read_record(tmp_path / "out")
    assert (record["name"], record["identity"]) == ("tiny", bundle.identity)
    assert record["bundle"] == str(tmp_path / "bundle")
    inputs = {Path(path) for path in record["inputs"]}
    assert {tmp_path / "bundle" / "bundle.toml", tmp_path / "bundle" / "model.tflite"} <= inputs
    assert {Path(compiler.__file__), Path(export.__file__)} <= inputs
    assert sorted(record["outputs"]) == [name for name in FILES if name != "export.json"]
    assert bundle.identity in capsys.readouterr().out
    assert record["optimize"] == "memory"
    export.report(tmp_path / "bundle", tmp_path / "out", "speed")
    assert export.read_record(tmp_path / "out")["optimize"] == "speed"
    with pytest.raises(ModelError, match="cannot optimise for 'size'"):
        export.report(tmp_path / "bundle", tmp_path / "out", "size")


def with_float_output(bundle: Bundle) -> bytes:
    net = ModelBuilder(1)
    x = net.input((1, *bundle.frontend.shape, 1), scale=bundle.input.scale, zero_point=bundle.input.zero_point)
    return net.finish(net.dequantize(net.dense(net.mean(x, (1, 2), keep=False), len(bundle.classes))))


def broken(bundle: Bundle) -> list[tuple[Bundle, str]]:
    replace = dataclasses.replace
    return [
        (replace(bundle, frontend=preset("p4")), r"input is \[1, 80, 51, 1\], its front end makes \[1, 80, 87, 1\]"),
        (replace(bundle, classes=CLASSES[1:]), "5 outputs for 4 classes"),
        (replace(bundle, model=with_float_output(bundle)), "the model's output is float32; convert it with int8 ends"),
        (replace(bundle, input=Quantisation(0.06, -3)), "input quantisation"),
        (replace(bundle, output=Quantisation(bundle.output.scale, 99)), "output quantisation"),
        (replace(bundle, classes=("a b", *CLASSES[1:])), "'a b' cannot be a name"),
        (replace(bundle, classes=("a:b", *CLASSES[1:])), "'a:b' cannot be a name"),
        (replace(bundle, classes=("café", *CLASSES[1:])), "cannot be a name"),
        (replace(bundle, classes=("", *CLASSES[1:])), "'' cannot be a name"),
        (replace(bundle, name="x" * 65), "cannot be a name"),
        (replace(bundle, classes=(*CLASSES[1:], "x" * 65)), "cannot be a name"),
    ]


def test_bundles_that_contradict_themselves_are_refused_and_leave_the_old_export(
    bundle: Bundle, tmp_path: Path
) -> None:
    export_bundle(bundle, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for bad, message in broken(bundle):
        with pytest.raises(BundleError, match=message):
            export_bundle(bad, tmp_path)
    with pytest.raises(ModelError):
        export_bundle(dataclasses.replace(bundle, model=b"no model"), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_labels_become_c_strings_whatever_signs_they_have(tmp_path: Path) -> None:
    classes = ('say"it"', "back\\slash", "what??!", "100%", "semi;colon")
    export_bundle(tiny_bundle(classes=classes), tmp_path)
    exported = load(tmp_path)
    assert tuple(exported.labels[i].decode() for i in range(len(classes))) == classes


def test_an_interrupted_export_is_known_as_such(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_bundle(bundle, tmp_path)

    write = export.files.write_bytes

    def disk_full(path: Path, data: bytes) -> None:
        if path.parent == tmp_path:
            raise TinysceneError(f"cannot write {path}: disk full; free some space")
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(export.files, "write_bytes", disk_full)
        with pytest.raises(TinysceneError, match="disk full"):
            export_bundle(dataclasses.replace(bundle, name="other"), tmp_path)
    assert export.read_record(tmp_path) == {}
    export_bundle(dataclasses.replace(bundle, name="other"), tmp_path)
    assert export.read_record(tmp_path)["name"] == "other"


def test_a_place_that_cannot_be_written_is_named(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TinysceneError, match=r"cannot write .*file.*choose another"):
        export_bundle(bundle, tmp_path / "file" / "generated")
