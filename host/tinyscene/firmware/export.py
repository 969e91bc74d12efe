"""A bundle as C for the firmware: the compiled model, the front end's tables, and a description of the bundle.

The result is a folder (firmware/generated) that is replaced as a whole or not at all. `export.json` in it records the
bundle and hashes of everything that the C depends on, so that a build can tell without running our Python code whether
the folder is out of date (firmware/platform/generate.py).
"""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinyscene import files
from tinyscene.bundle import DESCRIPTION_FILE, MODEL_FILE, Bundle
from tinyscene.compiler import pipeline as compiler
from tinyscene.console import console
from tinyscene.errors import BundleError
from tinyscene.firmware import project, protocol, runtimes
from tinyscene.firmware.runtimes import Built, Choice
from tinyscene.frontend import Quantisation, host as frontend_host
from tinyscene.paths import GENERATED

RECORD_FILE = "export.json"
MAX_NAME_BYTES = 64
MAX_CLASSES = 255
OUTPUT_KINDS = {"logits": "SCENE_LOGITS", "probabilities": "SCENE_PROBABILITIES"}


def export_bundle(bundle: Bundle, out: Path = GENERATED, choice: Choice = Choice()) -> Built:  # noqa: B008 - frozen
    """Write model.c/.h, frontend_tables.c/.h, bundle.c/.h and protocol.h; files that are already right stay untouched.

    Args:
        bundle: the bundle to export.
        out: folder of the C sources; those of an earlier export are replaced.
        choice: runtime, kernels and optimisation for its network.

    Raises:
        BundleError: model, front end, classes and quantisation do not fit together, or a label cannot be sent.
        ModelError: the model has something that the compiler or the runtime does not support.
        ConfigError: the front end is beyond the firmware's.
        ToolError: the runtime is not installed.
        TinysceneError: the files cannot be written. In all these cases `out` is unchanged, or has no record file.
    """
    return _export(bundle, Path(out), {}, choice)


def report(
    bundle: Path, out: Path | None, optimize: str = "memory", runtime: str = "engine", kernels: str = "cmsis-nn"
) -> None:
    """Export a bundle and print what was generated: the command `tinyscene export`."""
    choice = Choice(compiler.checked_optimize(optimize), runtime, kernels)
    source = Path(bundle).resolve()
    loaded = Bundle.load(source)
    if out is None:
        out = choice.folder
        project.prepare()
    inputs = [source / DESCRIPTION_FILE, source / MODEL_FILE, *_our_modules()]
    hashes = {str(path): _sha256(path.read_bytes()) for path in inputs}
    record = {"bundle": str(source), **dataclasses.asdict(choice), "inputs": hashes}
    built = _export(loaded, out, record, choice)
    mels, frames = loaded.frontend.shape
    console.print(
        f"{out}: bundle {loaded.name} ({loaded.identity}), {mels} x {frames} features, {len(loaded.classes)} classes, "
        f"model arrays {built.constant_bytes:,} bytes, arena {built.arena_bytes:,} bytes",
        soft_wrap=True,
    )


def _export(bundle: Bundle, out: Path, record: dict[str, Any], choice: Choice) -> Built:
    _check(bundle)
    with files.writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with files.writing(out), files.scratch_folder(out.parent, out.name) as scratch:
        built = runtimes.write(bundle, choice, scratch)
        frontend_host.emit(bundle.frontend, bundle.normalisation, bundle.input, scratch)
        protocol.write_header(scratch)
        files.write_text(scratch / "bundle.h", HEADER)
        files.write_text(scratch / "bundle.c", _source(bundle))
        made = {path.name: path.read_bytes() for path in sorted(scratch.iterdir())}
    outputs = {name: _sha256(content) for name, content in made.items()}
    record = {"name": bundle.name, "identity": bundle.identity, **record, **built.record, "outputs": outputs}
    _install(made, record, out)
    return built


def _check(bundle: Bundle) -> None:
    """Refuse a bundle that would compile but predict nonsense."""
    planned = compiler.plan_model(bundle.model, f"the model of bundle {bundle.name}")
    expected = (1, *bundle.frontend.shape, 1)
    if planned.input.shape != expected:
        raise BundleError(
            f"bundle {bundle.name}: the model's input is {list(planned.input.shape)}, its front end makes "
            f"{list(expected)}; train it again with this front end"
        )
    if planned.output.elements != len(bundle.classes):
        raise BundleError(
            f"bundle {bundle.name}: the model has {planned.output.elements} outputs for {len(bundle.classes)} classes; "
            "train it again with these classes"
        )
    for what, tensor, said in (("input", planned.input, bundle.input), ("output", planned.output, bundle.output)):
        if tensor.dtype != "int8":
            raise BundleError(f"bundle {bundle.name}: the model's {what} is {tensor.dtype}; convert it with int8 ends")
        real = Quantisation(float(tensor.scale), int(tensor.zero_point))
        if np.float32(real.scale) != np.float32(said.scale) or real.zero_point != said.zero_point:
            raise BundleError(
                f"bundle {bundle.name}: its {what} quantisation is {said}, the model's {real}; train it again"
            )
    if len(bundle.classes) > MAX_CLASSES:
        raise BundleError(
            f"bundle {bundle.name}: it has {len(bundle.classes)} classes, more than the {MAX_CLASSES} that the serial "
            "protocol counts; train it with fewer"
        )
    for text in (bundle.name, *bundle.classes):
        if not text or not all("!" <= letter <= "~" and letter != ":" for letter in text) or len(text) > MAX_NAME_BYTES:
            raise BundleError(
                f"bundle {bundle.name}: {text!r} cannot be a name on the serial line; use 1 to {MAX_NAME_BYTES} ASCII "
                "letters, digits and signs other than space and colon"
            )


def _install(made: dict[str, bytes], record: dict[str, Any], out: Path) -> None:
    """Replace what differs; the record is removed first and written last, so that a half-made folder has none."""
    record_path = out / RECORD_FILE
    stale = set(read_record(out).get("outputs", {})) - set(made)
    changed = {name: content for name, content in made.items() if _content(out / name) != content}
    text = json.dumps(record, indent=2) + "\n"
    if not stale and not changed and _content(record_path) == text.encode():
        return
    with files.writing(out):
        record_path.unlink(missing_ok=True)
        for name in stale:
            (out / name).unlink(missing_ok=True)
    for name, content in changed.items():
        files.write_bytes(out / name, content)
    files.write_text(record_path, text)


def read_record(out: Path = GENERATED) -> dict[str, Any]:
    """Return export.json: name, identity, bundle, choice, inputs, outputs; empty if there is no complete export."""
    try:
        record = json.loads((out / RECORD_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _our_modules() -> list[Path]:
    """Return the loaded modules of this package: those that the C depends on, and a few more."""
    host = Path(__file__).parents[1]
    loaded = {Path(path) for module in list(sys.modules.values()) if (path := getattr(module, "__file__", None))}
    return sorted(path for path in loaded if path.is_relative_to(host) and path.parent not in (host, host / "cli"))


HEADER = """\
/* Generated by `tinyscene export`; do not edit. */
#ifndef BUNDLE_H
#define BUNDLE_H

#include "scene.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct scene_bundle scene_bundle;

#ifdef __cplusplus
}
#endif

#endif
"""

SOURCE = """\
/* Generated by `tinyscene export`; do not edit. */
#include "bundle.h"

#include "frontend_tables.h"
#include "model.h"

_Static_assert(MODEL_INPUT_BYTES == FRONTEND_MELS * FRONTEND_FRAMES, "model and front end are of different bundles");
_Static_assert(MODEL_OUTPUT_BYTES == {classes}, "model and classes are of different bundles");

static const char *const labels[] = {{
{labels}
}};

const struct scene_bundle scene_bundle = {{
    .name = {name},
    .identity = {{{identity}}},
    .labels = labels,
    .classes = {classes},
    .output_kind = {output_kind},
    .output_scale = {output_scale}, /* {readable_scale} */
    .output_zero_point = {output_zero_point},
    .frontend = &frontend_tables,
    .run = model_run,
    .profile = model_profile,
    .layers = MODEL_LAYERS,
}};
"""


def _source(bundle: Bundle) -> str:
    scale = np.float32(bundle.output.scale)
    return SOURCE.format(
        name=_string(bundle.name),
        identity=", ".join(f"0x{byte:02X}" for byte in bytes.fromhex(bundle.identity)),
        labels="\n".join(f"    {_string(name)}," for name in bundle.classes),
        classes=len(bundle.classes),
        output_kind=OUTPUT_KINDS[bundle.output_kind],
        output_scale=f"{float(scale).hex()}f",
        readable_scale=scale,
        output_zero_point=bundle.output.zero_point,
    )


def _string(text: str) -> str:
    """Return a C string literal; `_check` allows only printable ASCII."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
    return f'"{escaped}"'
