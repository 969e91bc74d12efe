"""protocol.h for what is compiled without an export."""

from pathlib import Path

from tinyscene.firmware import protocol
from tinyscene.paths import REPOSITORY


def generated_protocol() -> Path:
    """Write it into a folder of the tests; returns that folder."""
    folder = REPOSITORY / "build" / "tests" / "protocol"
    protocol.write_header(folder)
    return folder
