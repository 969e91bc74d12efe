"""What pyproject.toml cannot say: the wheel carries what the verbs read of the checkout, as tinyscene/_checkout."""

import shutil
import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
CARRIED = (
    *("configs", "experiments", "firmware", "models", "tests/golden"),
    *("docs/RESULTS.md", "platformio.ini", "pyproject.toml"),
)
LEFT_OUT = shutil.ignore_patterns("generated*", "__pycache__", ".*")


class BuildWithCheckout(build_py):
    """Build the package, and put beside it what host/tinyscene/paths.py looks for where there is no checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        to = Path(self.build_lib) / "tinyscene" / "_checkout"
        shutil.rmtree(to, ignore_errors=True)
        for name in CARRIED:
            source, target = HERE / name, to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=LEFT_OUT)
            else:
                shutil.copy(source, target)
        version = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]["version"]
        (to / "firmware" / "VERSION").write_text(f"{version}\n")


setup(cmdclass={"build_py": BuildWithCheckout})
