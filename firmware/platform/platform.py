"""PlatformIO development platform of tinyscene, used from the checkout that it lies in.

It decides, before PlatformIO resolves packages, what is taken from the PATH and what must come from PlatformIO's
registry: with a compiler on the PATH, `pio run` needs no network. PlatformIO wants SCons as a package of its own; it is
laid out from PyPI's `scons` when that is installed beside PlatformIO.
"""

import json
import os
import shutil
from pathlib import Path

import semantic_version
from platformio.dependencies import get_core_dependencies
from platformio.package.manager.core import get_core_package_dir
from platformio.package.manager.tool import ToolPackageManager
from platformio.package.meta import PackageSpec
from platformio.platform.base import PlatformBase

# Our PlatformIO is pinned, so that news of another one would mislead; asking for them takes a minute without internet.
os.environ.setdefault("PLATFORMIO_DISABLE_UPGRADE_CHECK", "true")

COMPILER = "toolchain-gccarmnoneeabi"
# Package -> program that makes it unnecessary.
PROGRAMS = {COMPILER: "arm-none-eabi-gcc", "tool-openocd": "openocd"}
UPLOADERS = {"stlink": "tool-openocd"}
SCONS_STARTER = """\
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from SCons.Script import main

main()
"""


class TinyscenePlatform(PlatformBase):
    """The platform; PlatformIO finds it by its base class."""

    def configure_default_packages(self, options, targets):
        """Require of PlatformIO's packages those that this run needs and this machine lacks."""
        provide_scons()
        needed = {COMPILER}
        if any("upload" in target for target in targets):
            protocol = options.get("upload_protocol") or self.board_config(options["board"]).get("upload.protocol")
            needed |= {UPLOADERS[protocol]} if protocol in UPLOADERS else set()
        for name, package in self.packages.items():
            found = shutil.which(PROGRAMS[name]) is not None
            package["optional"] = name not in needed or found

    def get_installed_packages(self, with_optional=True, with_optional_versions=False):  # noqa: ARG002
        """Return the packages that go before the PATH: only those chosen above."""
        return super().get_installed_packages(False, with_optional_versions)


def provide_scons():
    """Lay PyPI's `scons` out as the package that PlatformIO would download, unless it has that already."""
    if get_core_package_dir("tool-scons", auto_install=False):
        return
    try:
        import SCons
    except ImportError:
        return  # PlatformIO downloads its package
    major, minor, patch = (int(number) for number in SCons.__version__.split("."))
    version = f"4.{major}{minor:02d}{patch:02d}.0"  # as the package's versions are made from those of SCons
    wanted = PackageSpec("tool-scons@" + get_core_dependencies()["tool-scons"]).requirements
    if semantic_version.Version(version) not in wanted:
        print(f"note: scons {SCons.__version__} is not the one that this PlatformIO wants ({wanted}); downloading that")
        return
    manager = ToolPackageManager()
    folder = Path(manager.package_dir) / "tool-scons"
    scratch = Path(manager.package_dir) / f".tool-scons-{version}"
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(
        Path(SCons.__file__).parent, scratch / "SCons", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
    )
    (scratch / "scons.py").write_text(SCONS_STARTER)
    description = {"name": "tool-scons", "version": version, "description": f"SCons {SCons.__version__} of PyPI"}
    (scratch / "package.json").write_text(json.dumps(description))
    # without the owner, PlatformIO does not take it for the package that it looks for
    spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None}
    (scratch / ".piopm").write_text(
        json.dumps({"type": "tool", "name": "tool-scons", "version": version, "spec": spec})
    )
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
    manager.memcache_reset()
