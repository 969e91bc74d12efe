"""SCons script of the platform: how the firmware is compiled, linked, measured and uploaded."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Builder, Default, DefaultEnvironment
from SCons.Subst import Literal

env = DefaultEnvironment()
platform = env.PioPlatform()
board = env.BoardConfig()

PROJECT = Path(env.subst("$PROJECT_DIR"))
FIRMWARE = PROJECT / "firmware"
BOARD = FIRMWARE / "boards" / board.get("build.folder", board.id)  # boards that differ by a flag share one
sys.path.insert(0, str(FIRMWARE / "platform" / "builder"))
from seal import seal  # noqa: E402 - SCons reads this file from elsewhere


def version():
    """Return the version of the checkout, or of the package that has written this project."""
    written = FIRMWARE / "VERSION"
    if written.is_file():
        return written.read_text().strip()
    return re.search(r'^version = "(.+)"$', (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)[1]


MACHINE = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Werror"]
SMALL = ["-Os"]
EXACT = ["-ffp-contract=off", "-fno-math-errno"]  # floats round as on the host
FAST = ["-O3", *EXACT]
ENGINE = ["-O2", *EXACT]  # -O3 makes it a quarter larger and 1 % faster: its inner loops are assembler
NO_PORT = 3  # exit code of `tinyscene device check`: there was nobody to ask
LIBRARY = env.get("TINYSCENE_LIBRARY")  # TensorFlow Lite Micro, from generate.py
GENERATED = env.get("TINYSCENE_GENERATED", "generated")
SOURCES = {
    "boards/common": SMALL,
    f"boards/{BOARD.name}": SMALL,
    GENERATED: FAST,
    "lib/engine": ENGINE,
    "lib/frontend": FAST,
    "lib/health": SMALL,
    "lib/link": SMALL,
    "lib/scene": SMALL,
    "lib/usb": SMALL,
    **({"lib/tflm": ENGINE} if LIBRARY else {}),
}


def word(argument):
    """Return an argument that the shell must take as it is: of others SCons quotes only those with a space."""
    return Literal(str(argument))


env.Replace(
    AR="arm-none-eabi-gcc-ar",
    AS="arm-none-eabi-gcc",
    CC="arm-none-eabi-gcc",
    CXX="arm-none-eabi-g++",
    LINK="arm-none-eabi-gcc",
    GDB="arm-none-eabi-gdb",
    OBJCOPY="arm-none-eabi-objcopy",
    RANLIB="arm-none-eabi-gcc-ranlib",
    SIZETOOL="arm-none-eabi-size",
    ARFLAGS=["rc"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SIZECHECKCMD="$SIZETOOL -A -d $SOURCES",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
    SIZEPROGREGEXP=r"^\.(?:vectors|text|constants|constants_crc|rodata|ARM\.exidx|ARM\.extab|data)\s+(\d+)",
    SIZEDATAREGEXP=r"^\.(?:stack|noinit|data|bss)\s+(\d+)",
)
env.Append(
    ASFLAGS=MACHINE,
    OPTIMISATION=SMALL,
    CCFLAGS=[
        *MACHINE,
        "$OPTIMISATION",
        "-g",
        "-ffunction-sections",
        "-fdata-sections",
        "-fcallgraph-info=su",
        *WARNINGS,
    ],
    CFLAGS=["-std=c11", *board.get("build.extra_flags", [])],
    CPPDEFINES=[
        ("TINYSCENE_VERSION", env.StringifyMacro(version())),
        ("BOARD_BAUD", f"{env.GetProjectOption('monitor_speed')}u"),
    ],
    CPPPATH=[FIRMWARE / "boards", *(FIRMWARE / folder for folder in SOURCES if not folder.startswith("boards/"))],
    LINKFLAGS=[
        *MACHINE,
        "-nostartfiles",
        "--specs=nano.specs",
        "-Wl,--gc-sections",
        "-Wl,--no-warn-rwx-segments",
        word(f"-Wl,-Map={env.subst('$BUILD_DIR')}/firmware.map"),
        word(f"-T{BOARD / 'linker.ld'}"),
    ],
    LIBPATH=[FIRMWARE / "boards" / "common"],
    LIBS=["m"],
    BUILDERS={
        "ElfToBin": Builder(
            action=env.VerboseAction("$OBJCOPY -O binary $SOURCES $TARGET", "Building $TARGET"), suffix=".bin"
        )
    },
)


def build_name():
    """Return what INFO calls this build: a digest of all that is compiled, and the compiler.

    The same sources give the same name, committed or not, here or elsewhere; the bundle's C is among them.
    """
    digest = hashlib.sha256((PROJECT / "firmware/platform/builder/main.py").read_bytes())
    digest.update(repr(env["CPPDEFINES"]).encode())
    for folder in [*SOURCES, "src"]:
        for path in sorted((FIRMWARE / folder).glob("*.[chl]*")):
            digest.update(path.relative_to(FIRMWARE).as_posix().encode() + b"\0" + path.read_bytes())
    if LIBRARY:
        digest.update(Path(LIBRARY["path"]).name.encode())  # named after its content
    version = subprocess.run([env.subst("$CC"), "-dumpfullversion"], capture_output=True, text=True, check=False)
    return f"{digest.hexdigest()[:12]} gcc {version.stdout.strip() or 'unknown'}"


def compile_sources():
    """Compile all but src, which PlatformIO takes by itself."""
    for folder, optimisation in SOURCES.items():
        # semihost.c is for test images; objects of all that is generated lie where sections.ld looks for constants
        built = f"$BUILD_DIR/{'generated' if folder == GENERATED else folder}"
        nodes = env.CollectBuildFiles(built, str(FIRMWARE / folder), "+<*.c> +<*.cc> -<semihost.c>")
        env.Append(PIOBUILDFILES=[env.Object(node, OPTIMISATION=optimisation) for node in nodes])
    if LIBRARY:
        env.Append(CXXFLAGS=LIBRARY["flags"], LIBS=[env.File(LIBRARY["path"])])


def seal_constants(target, source, env):  # noqa: ARG001
    """Give the image the checksum of its constants."""
    seal(Path(str(target[0])))


def build():
    """Build the image, unless told not to, and return it as ELF and as flat binary."""
    if "nobuild" in COMMAND_LINE_TARGETS:
        return "$BUILD_DIR/${PROGNAME}.elf", "$BUILD_DIR/${PROGNAME}.bin"
    compile_sources()
    env.Append(CPPDEFINES=[("TINYSCENE_BUILD", env.StringifyMacro(build_name()))])  # after the rest: for src only
    elf = env.BuildProgram()
    env.Depends(elf, [str(BOARD / "linker.ld"), str(FIRMWARE / "boards" / "common" / "sections.ld")])
    env.AddPostAction(elf, env.VerboseAction(seal_constants, "Sealing $TARGET"))
    flat = env.ElfToBin("$BUILD_DIR/${PROGNAME}", elf)
    env.Depends(flat, "checkprogsize")
    return elf, flat


def upload_by_openocd():
    """Write through the ST-LINK that is on the board, read back, compare, start."""
    package = platform.get_package_dir("tool-openocd")
    scripts = ["-s", word(Path(package) / "openocd" / "scripts")] if package else []
    commands = ["-f", board.get("upload.openocd_script"), "-c", "program {$SOURCE} verify reset exit"]
    env.Replace(UPLOADER="openocd", UPLOADERFLAGS=scripts + commands, UPLOADCMD="$UPLOADER $UPLOADERFLAGS")
    return [
        env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE"),
        env.VerboseAction(check_what_runs, "Asking the board what it runs..."),
    ]


def check_what_runs(target, source, env):  # noqa: ARG001
    """Fail unless the board answers with the bundle that was flashed; without a port, only say so."""
    if not env.get("TINYSCENE_PYTHON"):
        print("not asked: tinyscene is not installed here; run `make setup`, then `tinyscene device check`")
        return
    port = env.subst("$UPLOAD_PORT")
    command = [env["TINYSCENE_PYTHON"], "-m", "tinyscene", "device", "check", *(["--port", port] if port else [])]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "host")}
    if subprocess.run(command, cwd=PROJECT, env=environment).returncode not in (0, NO_PORT):
        env.Exit(1)


def upload_by_boot_loader():
    """Write through Arduino's boot loader, with the uploader of this package; generate.py says by which Python."""
    env.Replace(
        UPLOADER="$TINYSCENE_PYTHON",
        UPLOADERFLAGS=["-m", "tinyscene", "device", "upload", "--identity", "$TINYSCENE_IDENTITY"],
        UPLOADCMD='"$UPLOADER" $UPLOADERFLAGS $PORT_OPTION $SOURCE',
        PORT_OPTION='${UPLOAD_PORT and "--port " + UPLOAD_PORT}',
    )
    env["ENV"]["PYTHONPATH"] = str(PROJECT / "host")
    return [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")]


def upload_nothing():
    """Say what to do instead."""

    def explain(target, source, env):  # noqa: ARG001
        print(f"{board.id} is an emulated board, nothing to upload; boot it with: tinyscene emulate {board.id}")

    return [env.VerboseAction(explain, "Looking for upload port...")]


elf, flat = build()
protocol = env.subst("$UPLOAD_PROTOCOL") or board.get("upload.protocol")
UPLOADS = {"stlink": (elf, upload_by_openocd), "sam-ba": (flat, upload_by_boot_loader), "none": (elf, upload_nothing)}
if protocol not in UPLOADS:
    print(f"error: platformio.ini: upload_protocol = {protocol} is not known; choose one of {', '.join(UPLOADS)}")
    env.Exit(1)
source, uploader = UPLOADS[protocol]
size = AlwaysBuild(env.Alias("size", elf, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE")))
AlwaysBuild(env.Alias("upload", source, uploader()))
Default([AlwaysBuild(env.Alias("buildprog", flat))])
