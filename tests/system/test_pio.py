"""`pio run` in a clean checkout without a network: three boards that fit, and clear words when something is missing."""

import importlib.util
import re
import runpy
import struct
import zlib
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from clean_checkout import CleanCheckout
from tiny_bundle import tiny_bundle
from tinyscene.firmware import sizes, stack_usage
from tinyscene.paths import REPOSITORY

pytestmark = pytest.mark.xdist_group("pio")  # one build for all of them

KB = 1024
# Board: start of its program in flash and end of it, end of RAM, interrupts, and the one that receives.
BOARDS = {
    "mps2": (0x00000000, 4096 * KB, 0x20000000 + 4096 * KB, 32, (0, "uart0_receive_interrupt")),
    "stm32l496": (0x08000000, 0x08000000 + 1024 * KB, 0x20000000 + 320 * KB, 91, (70, "serial_interrupt")),
    "nano33ble": (0x00010000, 1024 * KB, 0x20000000 + 256 * KB, 48, (2, "uart0_interrupt")),
}
SHIPPED = sorted(path.parent for path in (REPOSITORY / "models").glob("*/bundle.toml"))


def test_first_run_builds_all_boards_from_the_default_bundle(first_run: str) -> None:
    assert "3 succeeded" in first_run
    assert first_run.count(f"Bundle: tiny, identity {tiny_bundle().identity}") == 3
    assert len(re.findall(r"^RAM: .*used \d+ bytes", first_run, re.MULTILINE)) == 3
    assert len(re.findall(r"^Flash: .*used \d+ bytes", first_run, re.MULTILINE)) == 3
    assert "warning:" not in first_run


@pytest.mark.parametrize("env", BOARDS)
@pytest.mark.usefixtures("first_run")
def test_image_is_for_its_board(checkout: CleanCheckout, env: str) -> None:
    flash, flash_end, ram_end, interrupts, (number, handler) = BOARDS[env]
    with checkout.built(env).open("rb") as stream:
        elf = ELFFile(stream)
        assert elf["e_machine"] == "EM_ARM"
        assert elf["e_flags"] & 0x400  # EF_ARM_ABI_FLOAT_HARD
        symbols = {symbol.name: symbol["st_value"] for symbol in elf.get_section_by_name(".symtab").iter_symbols()}
        text = elf.get_section_by_name(".text")
        table = elf.get_section_by_name(".vectors")
        assert table["sh_addr"] == flash
        vectors = struct.unpack(f"<{16 + interrupts}I", table.data())
        loaded = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        used = [(segment["p_paddr"], segment["p_paddr"] + segment["p_filesz"]) for segment in loaded]
        end_of_ram = max(segment["p_vaddr"] + segment["p_memsz"] for segment in loaded)
    assert vectors[0] == symbols["__stack_top"]
    assert symbols["__stack_guard"] == 0x20000000  # so that an overflow leaves RAM and faults
    assert vectors[1] == symbols["startup_reset"] | 1
    assert vectors[2] == vectors[3] == symbols["startup_fault_entry"] | 1
    assert vectors[16 + number] == symbols[handler] | 1
    code = {vector for vector in vectors[1:] if vector}
    assert all(vector & 1 and text["sh_addr"] <= vector < text["sh_addr"] + text["sh_size"] for vector in code)
    assert all(vectors[16:])
    assert min(begin for begin, end in used if end > begin) == flash
    assert max(end for begin, end in used if end > begin) <= flash_end
    assert 0x20000000 < end_of_ram <= ram_end
    flat = checkout.built(env, "firmware.bin").read_bytes()
    assert flat[: 4 * len(vectors)] == struct.pack(f"<{len(vectors)}I", *vectors)
    assert bytes.fromhex(tiny_bundle().identity) in flat
    start, end, word = (symbols[f"__constants_{name}"] - flash for name in ("start", "end", "crc"))
    assert end - start > 1000
    assert struct.unpack_from("<I", flat, word) == (zlib.crc32(flat[start:end]),)
    assert not {"malloc", "_sbrk", "printf", "_printf_float", "semihost_exit"} & set(symbols)


@pytest.mark.parametrize("env", BOARDS)
@pytest.mark.usefixtures("first_run")
def test_sizes_by_group_are_those_of_the_image(checkout: CleanCheckout, env: str) -> None:
    found = sizes.of_map(checkout.built(env, "firmware.map").read_text())
    with checkout.built(env).open("rb") as stream:
        sections = {section.name: section["sh_size"] for section in ELFFile(stream).iter_sections()}
    flash = (".vectors", ".text", ".constants", ".constants_crc", ".rodata", ".ARM.extab", ".ARM.exidx", ".data")
    assert found.flash.total() == sum(sections.get(name, 0) for name in flash)
    assert found.ram.total() == sum(sections[name] for name in (".stack", ".noinit", ".data", ".bss"))
    for memory in found:
        assert memory["others and alignment"] < 128  # newlib aligns strlen() to 64 bytes, so up to 60 are chance
    usage = stack_usage.of_image(checkout.built(env))
    assert 1000 < usage.total < usage.available


@pytest.mark.usefixtures("first_run")
def test_second_run_has_nothing_to_do(checkout: CleanCheckout) -> None:
    times = {env: checkout.built(env).stat().st_mtime_ns for env in BOARDS}
    printed = checkout.run("run")
    assert "features" not in printed  # nothing was exported
    assert "Compiling" not in printed
    assert {env: checkout.built(env).stat().st_mtime_ns for env in BOARDS} == times


@pytest.mark.usefixtures("first_run")
def test_another_bundle_is_built_in_and_stays(checkout: CleanCheckout, tmp_path: Path) -> None:
    other = tiny_bundle("other", seed=2)
    other.save(tmp_path / "other", "# card\n")
    printed = checkout.run("run", "-e", "mps2", TINYSCENE_BUNDLE=str(tmp_path / "other"))
    assert f"Bundle: other, identity {other.identity}" in printed
    assert bytes.fromhex(other.identity) in checkout.built("mps2", "firmware.bin").read_bytes()
    assert "Bundle: other" in checkout.run("run", "-e", "mps2")
    assert "Bundle: tiny" in checkout.run("run", "-e", "mps2", TINYSCENE_BUNDLE="models/student")


@pytest.mark.usefixtures("first_run")
def test_damage_to_what_was_generated_is_mended(checkout: CleanCheckout) -> None:
    model = checkout.folder / "firmware" / "generated" / "model.c"
    good = model.read_text()
    model.write_text(good.replace("model_run", "model_ruin"))
    (checkout.folder / "firmware" / "generated" / "bundle.h").unlink()
    checkout.run("run", "-e", "mps2")
    assert model.read_text() == good


def test_a_bundle_that_is_not_there_is_named(checkout: CleanCheckout) -> None:
    result = checkout.pio("run", "-e", "mps2", TINYSCENE_BUNDLE="models/nowhere")
    assert result.returncode != 0
    assert re.search(r"error: .*models/nowhere is not a bundle: .* is missing", result.stdout + result.stderr)
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.usefixtures("first_run")
def test_what_does_not_fit_fails(checkout: CleanCheckout) -> None:
    script = checkout.folder / "firmware" / "boards" / "nano33ble" / "linker.ld"
    good = script.read_text()
    script.write_text(good.replace("LENGTH = 256K", "LENGTH = 16K"))
    result = checkout.pio("run", "-e", "nano33ble")
    script.write_text(good)
    assert result.returncode != 0
    assert "region `RAM' overflowed" in result.stdout + result.stderr
    checkout.run("run", "-e", "nano33ble")


@pytest.mark.usefixtures("first_run")
def test_upload_to_the_emulated_board_says_what_to_do(checkout: CleanCheckout) -> None:
    printed = checkout.run("run", "-e", "mps2", "-t", "upload")
    assert "mps2 is an emulated board, nothing to upload; boot it with: tinyscene emulate mps2" in printed


@pytest.mark.usefixtures("first_run")
def test_upload_without_a_board_says_what_to_look_at(checkout: CleanCheckout) -> None:
    result = checkout.pio("run", "-e", "nano33ble", "-t", "upload", "--upload-port", "/dev/ttyS99")
    assert result.returncode != 0
    assert "error: /dev/ttyS99 is not a Nano 33 BLE" in " ".join((result.stdout + result.stderr).split())
    assert "Traceback" not in result.stdout + result.stderr


def test_without_tinyscene_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Environment:
        def subst(self, _: str) -> str:
            return str(tmp_path)

        def GetProjectOption(self, _: str, default: str) -> str:  # noqa: N802
            return default

        def IsCleanTarget(self) -> bool:  # noqa: N802
            return False

        def IsIntegrationDump(self) -> bool:  # noqa: N802
            return False

        def Exit(self, code: int) -> None:  # noqa: N802
            raise SystemExit(code)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # noqa: ARG005
    script = REPOSITORY / "firmware" / "platform" / "generate.py"
    with pytest.raises(SystemExit):
        runpy.run_path(str(script), init_globals={"env": Environment(), "Import": lambda *names: None})  # noqa: ARG005
    assert "run `make setup`" in capsys.readouterr().err


@pytest.mark.parametrize("bundle", SHIPPED, ids=lambda path: path.name)
def test_shipped_model_fits_the_smallest_board(checkout: CleanCheckout, bundle: Path) -> None:
    printed = checkout.run("run", "-e", "nano33ble", TINYSCENE_BUNDLE=str(bundle))
    assert f"Bundle: {bundle.name}" in printed
    found = sizes.of_map(checkout.built("nano33ble", "firmware.map").read_text())
    assert 0 < found.ram["front end: state and buffers"] <= 24 * KB
    assert 0 < found.flash["front end: tables"] <= 40 * KB


def test_unknown_upload_protocol_is_named(checkout: CleanCheckout) -> None:
    """The last one, as another configuration makes PlatformIO forget what it has built."""
    settings = (checkout.folder / "platformio.ini").read_text()
    (checkout.folder / "pigeon.ini").write_text(settings.replace("[env:mps2]", "[env:mps2]\nupload_protocol = pigeon"))
    result = checkout.pio("run", "-e", "mps2", "-c", "pigeon.ini")
    assert result.returncode != 0
    assert "upload_protocol = pigeon is not known; choose one of stlink, sam-ba, none" in result.stdout
