"""How much processor time it takes until `tinyscene --help` has answered."""

import dataclasses
import os
import sys

RUNS = 5
LIMIT_SECONDS = 0.4


@dataclasses.dataclass(frozen=True, slots=True)
class Start:
    """What `tinyscene --help` takes on this machine.

    Attributes:
        processor_seconds: user and system time of the quickest of some runs, in seconds.
        limit_seconds: what it should stay below.
    """

    processor_seconds: float
    limit_seconds: float = LIMIT_SECONDS

    def __str__(self) -> str:
        return f"tinyscene --help: {self.processor_seconds:.2f} s of processor time; limit {self.limit_seconds} s"


def measure(runs: int = RUNS) -> Start:
    """Run the command several times; the first run may have to compile its modules.

    Args:
        runs: number of runs.
    """
    return Start(min(_help_seconds() for _ in range(runs)))


def _help_seconds() -> float:
    nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    command = [sys.executable, "-m", "tinyscene", "--help"]
    _, _, used = os.wait4(os.posix_spawn(sys.executable, command, os.environ, file_actions=nowhere), 0)
    return used.ru_utime + used.ru_stime
