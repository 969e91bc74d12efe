"""Emulated boards: boot a built firmware image in QEMU, with its serial line on a TCP port."""

import contextlib
import functools
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO

from tinyscene.errors import ToolError
from tinyscene.firmware import Qemu, boards
from tinyscene.paths import PROJECT

HOST = "127.0.0.1"
PROGRAM = "qemu-system-arm"
STOP_SECONDS = 5.0


def _machine(env: str) -> Qemu:
    """Return the machine of QEMU that runs an environment's image.

    Raises:
        ToolError: QEMU has no such machine.
    """
    machine = boards.named(boards.of_environment(env)).qemu
    if machine is None:
        raise ToolError(f"{PROGRAM} has no machine for {env}; choose another --emulator")
    return machine


class Emulator:
    """A firmware image running in QEMU, from `start` (or `with`) to `stop`.

    The serial line is a TCP server that takes one client at a time; others wait until it has left. Without icount, time
    on the emulated board is this machine's, and the serial line is not slowed down.

    On Linux QEMU is killed with the thread that started it, however that thread ends.

    Args:
        elf: the image.
        env: PlatformIO environment that it was built for.
        port: TCP port; 0: any free one, the same for every `start`.

    Attributes:
        url: pyserial URL of the serial line, once started.
    """

    def __init__(self, elf: Path, env: str = "mps2", port: int = 0) -> None:
        self.elf = Path(elf)
        self.url = ""
        self._machine = _machine(env)
        self._port = port
        self._errors: IO[str] | None = None
        self._said = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Emulator":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Boot the image.

        Raises:
            ToolError: QEMU is missing or refused the image, or the port is taken.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise ToolError(f"{PROGRAM} is not on the PATH; install it with: apt-get install qemu-system-arm")
        if not _knows(program, self._machine):
            raise ToolError(
                f"{program} does not know {self._machine.machine}; install QEMU {self._machine.since} or newer "
                "(Debian has it in backports), or choose another --emulator"
            )
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - stop() closes it
        # We listen and QEMU inherits the socket, so that the port is known and taken before QEMU starts.
        with listen(self._port) as listener:
            self._port = listener.getsockname()[1]
            self._process = subprocess.Popen(
                [*_die_with_parent(), *self._command(program, listener.fileno())],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # Ctrl-C is for us: we stop QEMU
            )
        self.url = f"socket://{HOST}:{self._port}"
        try:
            runs = _answers(self._process)
        except BaseException:  # Ctrl-C
            self.stop()
            raise
        if not runs:
            self.stop()
            raise ToolError(f"{PROGRAM} could not run {self.elf}: {first_line(self.complaints())}")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until QEMU ends by itself; return whether it did within `seconds`."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False

    @property
    def exit_code(self) -> int | None:
        """QEMU's exit code, once it has ended by itself."""
        return self._process.returncode if self._process else None

    def complaints(self) -> str:
        """Return what QEMU has written to standard error."""
        if self._errors:
            self._errors.seek(0)
            self._said = self._errors.read().strip()
        return self._said or "it gave no reason"

    def stop(self) -> None:
        """End QEMU if it still runs."""
        process = self._process
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process:
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        if self._errors:
            self.complaints()
            self._errors.close()
            self._errors = None

    def restart(self) -> None:
        """Boot again, as after a power cut: the connection ends, the port stays the same."""
        self.stop()
        self.start()

    def reset(self) -> None:
        """Reset the board, as its button does: the connection and the bytes on the line stay."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b'{"execute": "system_reset"}\n')

    def _command(self, program: str, listener: int) -> list[str]:
        return [
            *(program, "-M", self._machine.machine, "-display", "none", "-qmp", "stdio"),
            *("-chardev", f"socket,id=line,fd={listener},server=on,wait=off,nodelay=on"),
            *(("-serial", "null") * self._machine.serial),
            *("-serial", "chardev:line", "-kernel", str(self.elf)),
        ]


@functools.cache
def _knows(program: str, machine: Qemu) -> bool:
    listed = subprocess.run([program, "-M", "help"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    return any(line.split()[:1] == [machine.machine] for line in listed.splitlines())


def listen(port: int) -> socket.socket:
    """Return a server on a TCP port of this machine; 0: any free one.

    Raises:
        ToolError: the port is taken or impossible.
    """
    try:
        return socket.create_server((HOST, port), backlog=1)
    except (OSError, OverflowError) as error:
        raise ToolError(f"cannot listen on TCP port {port} ({error}); choose another --port") from error


def _answers(process: subprocess.Popen[bytes]) -> bool:
    """Wait for QEMU's control monitor, which answers once the image is loaded; False if QEMU ended instead."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b'{"execute": "qmp_capabilities"}\n')
    process.stdout.readline()  # the greeting comes earlier
    return bool(process.stdout.readline())


def _die_with_parent() -> list[str]:
    """Return a command prefix that ends QEMU when this process is killed without a chance to do so."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def built_image(env: str) -> Path:
    """Return the path of an environment's built image.

    Raises:
        ToolError: it has not been built.
    """
    elf = PROJECT / ".pio" / "build" / env / "firmware.elf"
    if not elf.is_file():
        raise ToolError(f"{elf} is not there; build it with: pio run -e {env} (or make firmware, for all boards)")
    return elf


def first_line(text: str) -> str:
    """Return the first line, as QEMU may add all registers below it."""
    return text.partition("\n")[0]
