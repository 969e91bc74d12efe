"""A copy of this checkout without anything that was built in it, and PlatformIO run there without a network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tinyscene.paths import REPOSITORY

NOWHERE = "http://127.0.0.1:9"  # the discard port: whoever asks for a proxy there gets a refusal at once


class CleanCheckout:
    """What `pio run` needs of a checkout: sources, and no bundle yet.

    Attributes:
        folder: the checkout.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("generated*", "__pycache__", "*.egg-info")
        for name in ("firmware", "host"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=ignore)
        for name in ("platformio.ini", "pyproject.toml"):
            shutil.copy(REPOSITORY / name, folder)

    def pio(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run PlatformIO with a home of its own, where nothing can be downloaded; variables go on top."""
        ours = ("PLATFORMIO_", "TINYSCENE_BUNDLE", "TINYSCENE_OPTIMIZE", "TINYSCENE_TFLM_KERNELS")
        mine = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        mine |= {"PLATFORMIO_CORE_DIR": str(self.folder / "platformio"), "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE}
        return subprocess.run(
            [sys.executable, "-m", "platformio", *arguments],
            cwd=self.folder,
            env=mine | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> str:
        """Run PlatformIO, which must succeed, and return what it printed."""
        result = self.pio(*arguments, **environment)
        assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
        return result.stdout

    def built(self, env: str, name: str = "firmware.elf") -> Path:
        """Return a file that was built for a board."""
        return self.folder / ".pio" / "build" / env / name
