"""Run a compiler: its temporary files stay in a folder of ours, and a full disk is told from code that it refuses."""

import errno
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tinyscene.errors import ToolError


def run(command: Sequence[str], refused: str, scratch: Path) -> None:
    """Run a compiler, linker or archiver.

    Args:
        command: program and arguments.
        refused: begins the message if it fails, such as "the C compiler refused NAME".
        scratch: folder for its temporary files, which is removed even if the program is killed.

    Raises:
        ToolError: it failed; its first lines are in the message.
        OSError: there is no space left on the disk.
    """
    environment = os.environ | {"TMPDIR": str(scratch), "LC_ALL": "C"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        if os.strerror(errno.ENOSPC) in result.stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise ToolError(f"{refused}: {result.stderr.strip()[:2000]}")
