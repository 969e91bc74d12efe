"""Assembler and intrinsics on an emulated Cortex-M4 and portable C on this machine give the same words."""

import ctypes
from pathlib import Path

import numpy as np

from tinyscene.compiler import execution
from tinyscene.toolchain import mps2_image, native

SOURCES = [
    Path(__file__).with_name("engine_twins.c"),
    *(execution.ENGINE / f"engine_{name}.c" for name in ("block", "columns", "dense_sums", "widen")),
    *(execution.ENGINE / f"engine_winograd_{name}.c" for name in ("block", "finish", "input")),
]


def test_assembler_and_portable_c_agree(tmp_path: Path) -> None:
    library = native.build_library("engine-twins", SOURCES, [execution.ENGINE])
    library.twin_results.restype = ctypes.POINTER(ctypes.c_uint32)
    count = ctypes.c_int32()
    words = library.twin_results(ctypes.byref(count))
    portable = np.ctypeslib.as_array(words, (count.value,))
    image = mps2_image.build(tmp_path / "twins.elf", SOURCES, [execution.ENGINE], execution.ENGINE_FLAGS)
    assert mps2_image.run(image, tmp_path) == 0
    assert len(np.unique(portable)) > 5000
    np.testing.assert_array_equal(np.fromfile(tmp_path / "results.bin", "<u4"), portable)
