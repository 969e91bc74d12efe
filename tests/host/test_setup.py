"""Set-up asks for nothing it can do itself, does nothing twice, and recovers from having been stopped.

The real script runs in a made-up checkout whose PATH holds stand-ins that write down how they were called.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tinyscene.paths import REPOSITORY

COREUTILS = ["bash", "sh", "env", "dirname", "basename", "cat", "rm", "touch", "mkdir", "cp", "sha256sum"]
TOOLS = ["make", "cc", "arm-none-eabi-gcc", "qemu-system-arm", "clang-format"]
LOG = 'echo "$(basename "$0") $*" >>"$CHECKOUT/log"\n'
VENV_PYTHON = "#!/bin/bash\n" + LOG + '[ ! -e "$CHECKOUT/fail-$(echo "$2" | tr . -)" ]\n'
PYTHON = f"""#!/bin/bash
{LOG}
case "$*" in
*version_info*) [ ! -e "$CHECKOUT/old-python" ] ;;
*ensurepip*) [ ! -e "$CHECKOUT/no-ensurepip" ] ;;
"-m venv --clear .venv") rm -rf .venv; mkdir -p .venv/bin; cp "$CHECKOUT/venv-python" .venv/bin/python ;;
*) exit 9 ;;
esac
"""
# Installs by making the tool appear, as apt-get would.
APT_GET = f"""#!/bin/bash
{LOG}
for word in "$@"; do
    case "$word" in
    qemu-system-arm) cp "$CHECKOUT/bin/make" "$CHECKOUT/bin/qemu-system-arm" ;;
    python3-venv) rm -f "$CHECKOUT/no-ensurepip" ;;
    esac
done
"""


class Checkout:
    """A folder with the set-up script, a pyproject.toml, and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.stamp = folder / ".venv" / "setup-done"
        (folder / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(REPOSITORY / "scripts" / "setup", folder / "scripts" / "setup")
        (folder / "pyproject.toml").write_text("[project]\n")
        for name in (*COREUTILS, "tr"):
            (self.bin / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name} here"))
        for name in TOOLS:
            self.add(name, "#!/bin/bash\n" + ('echo "$CHECKOUT/pyproject.toml"\n' if "gcc" in name else ""))
        self.add("python3", PYTHON)
        (folder / "venv-python").write_text(VENV_PYTHON)
        (folder / "venv-python").chmod(0o755)

    def add(self, name: str, script: str) -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def become(self, user: int) -> None:
        self.add("id", f"#!/bin/bash\necho {user}\n")

    def mark(self, name: str) -> None:
        (self.folder / name).touch()

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the script; `log` then holds the calls of this run only."""
        (self.folder / "log").write_text("")
        environment = {"PATH": str(self.bin), "CHECKOUT": str(self.folder), "HOME": str(self.folder)}
        command = [self.folder / "scripts" / "setup"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def calls(self, words: str) -> list[str]:
        """The lines of the log that hold these words."""
        return [line for line in (self.folder / "log").read_text().splitlines() if words in line]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "a checkout")
    made.become(1000)
    return made


def test_first_time_then_nothing_to_do(checkout: Checkout) -> None:
    first = checkout.run()
    assert first.returncode == 0, first.stderr
    assert len(checkout.calls("-m venv")) == 1
    assert len(checkout.calls("pip install")) == 1
    assert "--editable .[dev]" in checkout.calls("pip install")[0]
    assert "the command is .venv/bin/tinyscene" in first.stdout
    second = checkout.run()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert checkout.calls("-m venv") == checkout.calls("pip install") == []


@pytest.mark.parametrize("works", [True, False])
def test_uv_goes_before_pip_where_it_is_installed(checkout: Checkout, works: bool) -> None:
    """And pip does it where uv cannot."""
    checkout.add("uv", f"#!/bin/bash\n{LOG}exit {0 if works else 1}\n")
    result = checkout.run()
    assert result.returncode == 0, result.stderr
    assert checkout.calls("uv pip install") == [
        "uv pip install --python .venv/bin/python --quiet --editable .[dev]",
    ]
    assert len(checkout.calls("python -m pip install")) == (0 if works else 1)
    assert checkout.stamp.exists()


def test_readme_begins_with_two_commands_and_a_shell() -> None:
    """Both set up by themselves."""
    block = (REPOSITORY / "README.md").read_text().split("## Two commands", 1)[1].split("```")[1]
    assert [line.split("#")[0].strip() for line in block.strip().splitlines()] == [
        "make demo",
        "make test",
        ". .venv/bin/activate",
    ]
    for target in ("demo", "test"):
        command = ["make", "--no-print-directory", "--dry-run", target]  # it may run under make
        recipe = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        assert "scripts/setup" in recipe.splitlines()[0]


def test_pages_with_commands_say_how_to_get_them() -> None:
    pages = sorted((REPOSITORY / "docs").glob("*.md"))
    with_commands = [page for page in pages if re.search(r"^(\$ )?(tinyscene|pio) ", page.read_text(), re.MULTILINE)]
    assert len(with_commands) > 5
    assert all("(../README.md#two-commands)" in page.read_text() for page in with_commands)


def test_no_page_installs_over_the_checkout() -> None:
    """`pip install .` without -e would replace the editable installation."""
    for page in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]:
        for line in page.read_text().splitlines():
            assert not re.search(r"pip install '?\.(\[|'|\s|$)", line), f"{page.name}: {line}"


def test_changed_pins_are_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.run()
    (checkout.folder / "pyproject.toml").write_text("[project]\nversion = '2'\n")
    assert checkout.run().returncode == 0
    assert checkout.calls("-m venv") == []
    assert len(checkout.calls("pip install")) == 1
    checkout.run()
    assert checkout.calls("pip install") == []


def test_a_moved_checkout_is_set_up_again(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run()
    moved = Checkout(tmp_path / "elsewhere")
    moved.become(1000)
    shutil.copytree(checkout.folder / ".venv", moved.folder / ".venv")
    assert moved.run().returncode == 0
    assert len(moved.calls("pip install")) == 1


@pytest.mark.parametrize("failing", ["fail-pip", "fail-tinyscene-toolchain-cmsis_dsp"])
def test_a_failure_leaves_no_stamp_and_the_next_run_finishes(checkout: Checkout, failing: str) -> None:
    # `python -c 'import pip'` tells whether the environment works, and is not the call that fails here
    checkout.mark(failing)
    failed = checkout.run()
    assert failed.returncode != 0
    assert not checkout.stamp.exists()
    (checkout.folder / failing).unlink()
    assert checkout.run().returncode == 0
    assert checkout.stamp.exists()


def test_an_interrupted_installation_is_not_trusted(checkout: Checkout) -> None:
    checkout.mark("fail-pip")
    checkout.run()
    (checkout.folder / "fail-pip").unlink()
    checkout.run()
    assert len(checkout.calls("-m venv --clear")) == 1


def test_a_broken_environment_is_rebuilt(checkout: Checkout) -> None:
    checkout.run()
    (checkout.folder / ".venv" / "bin" / "python").unlink()
    assert checkout.run().returncode == 0
    assert len(checkout.calls("-m venv --clear")) == 1
    assert len(checkout.calls("pip install")) == 1


def test_missing_programs_without_the_right_to_install_them(checkout: Checkout) -> None:
    (checkout.bin / "qemu-system-arm").unlink()
    checkout.mark("no-ensurepip")
    checkout.add("apt-get", APT_GET)
    result = checkout.run()
    assert result.returncode == 1
    line = "apt-get update && apt-get install --yes --no-install-recommends qemu-system-arm python3-venv"
    assert f"sudo sh -c '{line}'" in result.stderr
    assert checkout.calls("apt-get") == []
    assert not (checkout.folder / ".venv").exists()


@pytest.mark.parametrize("who", ["root", "sudo"])
def test_missing_programs_are_installed_where_that_is_allowed(checkout: Checkout, who: str) -> None:
    (checkout.bin / "qemu-system-arm").unlink()
    checkout.mark("no-ensurepip")
    checkout.add("apt-get", APT_GET)
    if who == "root":
        checkout.become(0)
    else:
        checkout.add("sudo", '#!/bin/bash\n[ "$1" = -n ] && shift\n[ "$1" = true ] || exec "$@"\n')
    result = checkout.run()
    assert result.returncode == 0, result.stderr
    update, install = checkout.calls("apt-get")
    assert "update" in update
    assert install.endswith("qemu-system-arm python3-venv")
    assert checkout.stamp.exists()


def test_what_stays_missing_after_installing_is_said(checkout: Checkout) -> None:
    (checkout.bin / "clang-format").unlink()
    checkout.add("apt-get", APT_GET)
    checkout.become(0)
    result = checkout.run()
    assert result.returncode == 1
    assert "still missing after installing: clang-format" in result.stderr


def test_another_system_is_told_what_to_look_for(checkout: Checkout) -> None:
    (checkout.bin / "arm-none-eabi-gcc").unlink()
    result = checkout.run()
    assert result.returncode == 1
    assert result.stderr.endswith("gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib\n")


def test_an_old_python_is_not_used(checkout: Checkout) -> None:
    checkout.mark("old-python")
    checkout.add("apt-get", APT_GET)
    result = checkout.run()
    assert result.returncode == 1
    assert "python3 python3-venv" in result.stderr


def test_make_lists_every_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for target in ["help", "setup", "demo", "test", "check", "firmware", "flash", "bench", "clean"]:
        assert f"  make {target} " in listed
    assert subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout == listed


@pytest.mark.parametrize("target", ["firmware", "size", "flash"])
def test_a_bundle_with_spaces_is_one_path(target: str, tmp_path: Path) -> None:
    """What PlatformIO is told; the recipe's first program is a stand-in."""
    (tmp_path / "pio").write_text("#!/bin/sh\nprintf '%s\\n' \"$TINYSCENE_BUNDLE\"\n")
    (tmp_path / "pio").chmod(0o755)
    variables = ["BUNDLE=my models/mine (1)", "BOARD=mps2", f"PATH={tmp_path}:{os.environ['PATH']}"]
    command = ["make", "--silent", "--old-file=setup", *variables, target]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[0] == "my models/mine (1)"


def test_the_demo_gets_any_folder_as_one_word(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (tmp_path / "python").chmod(0o755)
    command = ["make", "--silent", "--old-file=setup", f"PATH={tmp_path}:{os.environ['PATH']}", "demo"]
    for data, options in (("", []), ("it's my (1) clips", ["--data", "it's my (1) clips"])):
        result = subprocess.run([*command, f"DATA={data}"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert result.stdout.splitlines() == ["scripts/demo", *options]


def test_flash_wants_a_board() -> None:
    command = ["make", "--dry-run", "flash"]
    recipe = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    guard = next(line for line in recipe.splitlines() if line.startswith("test -n"))
    result = subprocess.run(["sh", "-c", guard], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert result.returncode != 0
    assert "make flash BOARD=stm32l496" in result.stderr
