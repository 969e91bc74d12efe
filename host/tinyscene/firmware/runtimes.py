"""What runs a bundle's network in the firmware: the compiled engine, or TensorFlow Lite Micro."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinyscene import files
from tinyscene.bundle import Bundle
from tinyscene.compiler import pipeline as compiler
from tinyscene.errors import ConfigError
from tinyscene.paths import GENERATED
from tinyscene.toolchain import mps2_image

RUNTIMES = ("engine", "tflm")
KERNELS = ("cmsis-nn", "tinyscene")


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """How to build a network into the firmware.

    Attributes:
        optimize: as for `compiler.pipeline.plan_model`, for layers that run the engine's kernels.
        runtime: engine, or tflm for TensorFlow Lite Micro.
        kernels: kernels of TensorFlow Lite Micro: cmsis-nn, or tinyscene for those of the engine.
    """

    optimize: compiler.Optimize = "memory"
    runtime: str = "engine"
    kernels: str = "cmsis-nn"

    def __post_init__(self) -> None:
        for what, value, allowed in (("runtime", self.runtime, RUNTIMES), ("kernels", self.kernels, KERNELS)):
            if value not in allowed:
                raise ConfigError(f"{what} {value!r} is not known; choose {' or '.join(allowed)}")

    @property
    def folder(self) -> Path:
        """The folder of the firmware's C, one for each runtime, so that builds of both can exist."""
        return GENERATED if self.runtime == "engine" else GENERATED.with_name(f"{GENERATED.name}_{self.runtime}")


@dataclasses.dataclass(frozen=True, slots=True)
class Built:
    """The bytes that a network takes, and what a build must know about it besides its C."""

    constant_bytes: int
    arena_bytes: int
    record: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(bundle: Bundle, choice: Choice, out: Path) -> Built:
    """Write a network's model.h, and the C or C++ behind it.

    Raises:
        ModelError: the network has something that the compiler or the runtime does not support.
        ToolError: the runtime is not installed, or a program to build or measure it is missing.
    """
    writers: dict[str, Callable[[Bundle, Choice, Path], Built]] = {"engine": _engine, "tflm": _tflm}
    return writers[choice.runtime](bundle, choice, out)


def _engine(bundle: Bundle, choice: Choice, out: Path) -> Built:
    compiled = compiler.compile_model(bundle.model, out, optimize=choice.optimize)
    return Built(compiled.constant_bytes, compiled.arena_bytes)


def _tflm(bundle: Bundle, choice: Choice, out: Path) -> Built:
    from tinyscene.tflm import generate as tflm

    made = tflm.generate(bundle.model, bundle.identity, choice.kernels, choice.optimize)
    for name, text in made.sources.items():
        files.write_text(out / name, text)
    flags = [*mps2_image.CXX_COMPILER[1:], *made.library.flags]  # for our C++
    library = {"path": str(made.library.path), "flags": flags, "packs": made.library.packs}
    return Built(len(bundle.model) + made.table_bytes, made.measured.arena_bytes, {"library": library})
