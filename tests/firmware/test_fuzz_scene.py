"""lib/link and lib/scene under hostile bytes, with AddressSanitizer and UndefinedBehaviorSanitizer.

Here a short run with gcc alone. With clang, as long as you like: `build_fuzzer` below says how, and by hand it is

    PYTHONPATH=host:tests/support:tests/firmware .venv/bin/python tests/firmware/test_fuzz_scene.py FOLDER
    FOLDER/fuzzer -runs=10000000 -max_len=4096 FOLDER/corpus
"""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiny_bundle import tiny_bundle
from tinyscene.firmware.export import export_bundle
from tinyscene.frontend.config import FrontendConfig
from tinyscene.paths import FIRMWARE_LIB
from tinyscene.toolchain import native

HERE = Path(__file__).parent
CASES = json.loads((HERE.parent / "protocol_cases.json").read_text())
SANITISE = ("-g", "-O1", "-fno-sanitize-recover=all")
CONFIG = FrontendConfig(
    sample_rate=8000, clip_samples=480, n_fft=64, win_length=64, hop_length=32, n_mels=8, top_db=80.0
)
RAW = 0xFF


def record(kind: int, data: bytes) -> bytes:
    """Return a record of fuzz_scene.c."""
    return struct.pack("<BH", kind, len(data)) + data


def corpus() -> Iterator[bytes]:
    """Yield every stream of the case table as it is, and its frames as requests; and whole conversations."""
    for case in CASES:
        yield record(RAW, bytes.fromhex(case["stream_hex"]))
        frames = [event for event in case["expect"] if event["kind"] == "frame"]
        yield b"".join(record(frame["type"], bytes.fromhex(frame["payload_hex"])) for frame in frames)
    features = CONFIG.shape[0] * CONFIG.shape[1]
    yield record(0x10, bytes(2) + bytes(range(features % 256))) + record(0x11, b"") + record(0x12, b"\0\0\5\0")
    sound = bytes(k * 37 % 256 for k in range(960))
    for begin, write, end in ((b"", 0x21, b""), (b"\0", 0x31, b"")):
        start = 0x20 if write == 0x21 else 0x30
        chunks = [record(write, struct.pack("<I", k // 2) + sound[k : k + 320]) for k in range(0, len(sound), 320)]
        yield record(start, begin) + b"".join(chunks) + record(start + 2, end)
    yield record(0x40, bytes(2) + sound[:128]) + b"".join(record(0x41, struct.pack("<BHH", k, 0, 20)) for k in range(5))
    yield record(0x13, b"") + record(0x14, b"\0\0\1\0")
    yield b"".join(record(kind, data) for kind, data in ((0x03, b"\0"), (0x04, b""), (0x05, b"\0"), (0x33, b"")))
    yield (
        record(0x06, b"")
        + record(0x01, struct.pack("<HH", 0, 40))
        + record(0x02, b"")
        + record(RAW, b"hello\r\n\0")
        + record(0x02, b"")
    )


def build_fuzzer(folder: Path, compiler: list[str], flags: tuple[str, ...], driver: tuple[Path, ...] = ()) -> Path:
    """Build fuzz_scene.c with all that is behind it and a bundle that takes no time; write the corpus beside it."""
    export_bundle(tiny_bundle(frontend=CONFIG), folder / "generated")
    (folder / "corpus").mkdir()
    for number, content in enumerate(corpus()):
        (folder / "corpus" / f"{number:03}").write_bytes(content)
    libraries = [FIRMWARE_LIB / name for name in ("link", "scene", "health", "frontend", "engine")]
    folders = [*libraries, folder / "generated"]
    sources = [HERE / "fuzz_scene.c", *driver, *(path for lib in folders for path in sorted(lib.glob("*.c")))]
    command = [*compiler, *native.C_FLAGS, *SANITISE, *flags, *(f"-I{path}" for path in folders), *map(str, sources)]
    result = subprocess.run([*command, "-lm", "-o", str(folder / "fuzzer")], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[:4000]
    return folder / "fuzzer"


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with our own driver."""
    driver = (HERE / "fuzz_driver.c",)
    folder = tmp_path_factory.mktemp("fuzz")
    return build_fuzzer(folder, native.host_compiler(), ("-fsanitize=address,undefined",), driver)


@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_bytes(fuzzer: Path, seed: int) -> None:
    """Nothing leaves its memory or is undefined, and every request is answered once."""
    files = sorted((fuzzer.parent / "corpus").iterdir())
    run = subprocess.run([fuzzer, str(seed), "100000", *files], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[:4000]
    assert run.stdout == "100000 executions\n"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    print(build_fuzzer(target, ["clang"], ("-fsanitize=fuzzer,address,undefined",)))
