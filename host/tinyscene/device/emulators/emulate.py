"""The command `tinyscene emulate`: run a built image in an emulator that knows its board, until Ctrl-C."""

import contextlib
import itertools
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

from tinyscene.console import error_console
from tinyscene.device.emulators import emulator
from tinyscene.device.emulators.board_machine import Machine
from tinyscene.device.emulators.board_models import BOARDS
from tinyscene.device.emulators.emulator import HOST, Emulator, first_line, listen
from tinyscene.errors import ToolError
from tinyscene.firmware import boards
from tinyscene.paths import REPOSITORY

RENODE = "renode"
RENODE_FOLDER = REPOSITORY / "firmware" / "renode"
START_SECONDS = 60.0  # time for Renode to open the serial port
CYCLES_A_LOOK = 10_000
_RECEIVE_BYTES = 4096

Run = Callable[[Path, str, int], None]


def run(env: str, engine: str | None, port: int) -> None:
    """Boot an environment's built image, print the URL of its serial line, and run until Ctrl-C or the emulator's end.

    Args:
        env: PlatformIO environment.
        engine: "unicorn", "qemu" or "renode"; None: the first of these that knows the board.
        port: TCP port of the serial line; 0: any free one.

    Raises:
        ToolError: an environment or engine that cannot be emulated, nothing built, or the emulator failed.
    """
    board = boards.of_environment(env)
    able = {name: known for name, known in _engines().items() if board in known}
    if not able:
        names = sorted({name for known in _engines().values() for name in known})
        raise ToolError(f"no emulator knows the environment {env!r}; choose {', '.join(names)}")
    chosen = engine or next(iter(able))
    if chosen not in able:
        raise ToolError(f"{chosen} cannot emulate {env}; choose --emulator {' or '.join(able)}")
    elf = emulator.built_image(env)
    with _asked_to_end():
        able[chosen][board](elf, board, port)


def _engines() -> Mapping[str, Mapping[str, Run]]:
    """Return the boards that each engine knows, and how it runs them."""
    return {
        "unicorn": dict.fromkeys(BOARDS, _in_unicorn),
        "qemu": {name: _in_qemu for name, board in boards.every().items() if board.qemu},
        "renode": {path.stem: _in_renode for path in sorted(RENODE_FOLDER.glob("*.resc"))},
    }


def _say(url: str, env: str, engine: str) -> None:
    print(url, flush=True)
    error_console.print(f"{env} runs in {engine}; Ctrl-C ends it")


def _in_qemu(elf: Path, env: str, port: int) -> None:
    known = boards.every()[env].qemu
    with Emulator(elf, env, port) as board:
        _say(board.url, env, emulator.PROGRAM)
        if known and known.slow_line:
            error_console.print(
                f"{env} receives some hundred bytes a second here: enough for `tinyscene device info`, not for scores; "
                "omit --emulator for those",
                style="yellow",
                soft_wrap=True,
            )
        board.wait()
        if board.exit_code:
            said = board.complaints()
            error_console.print(said)
            raise ToolError(f"{emulator.PROGRAM} ended with code {board.exit_code}: {first_line(said)}")


def _in_unicorn(elf: Path, env: str, port: int) -> None:
    with listen(port) as listener:
        _say(f"socket://{HOST}:{listener.getsockname()[1]}", env, "Unicorn, where times mean nothing")
        serve(BOARDS[env](elf), listener)


def serve(machine: Machine, listener: socket.socket) -> None:
    """Boot a machine and connect its serial line to one client after the other; does not return.

    Output sent before a client connects is kept for the first client. The board's cycle counter advances by
    CYCLES_A_LOOK whenever the board reads it, so that its waits end; the times that it reports mean nothing.
    """
    machine.clock = itertools.count(0, CYCLES_A_LOOK).__next__
    machine.run()
    while True:
        client, _ = listener.accept()
        with client, contextlib.suppress(ConnectionError):
            while True:
                client.sendall(bytes(machine.sent))
                machine.sent.clear()
                received = client.recv(_RECEIVE_BYTES)
                if not received:
                    break
                machine.line.extend(received)
                machine.run()


def _in_renode(elf: Path, env: str, port: int) -> None:
    program = shutil.which(RENODE)
    if program is None:
        raise ToolError(f"{RENODE} is not on the PATH; install it from renode.io, or omit --emulator")
    with listen(port) as listener:  # finds a free port, which Renode takes next
        port = listener.getsockname()[1]
    resc = RENODE_FOLDER / f"{env}.resc"
    script = f"$bin={_in_renode_script(elf)}; $port={port}; include {_in_renode_script(resc)}; start"
    with tempfile.TemporaryFile("w+") as said:
        command = [program, "--disable-gui", "--port", "0", "-e", script]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            if _answers(process, port):
                _say(f"socket://{HOST}:{port}", env, "Renode")
                process.wait()
            said.seek(0)
            last = said.read().strip().rpartition("\n")[2]
            raise ToolError(f"{RENODE} ended with code {process.returncode}: {last or 'it gave no reason'}")
        finally:
            process.terminate()
            process.wait()


def _in_renode_script(path: Path) -> str:
    """Return a path as Renode's monitor reads it, which ends it at a space that has no backslash."""
    return "@" + str(path).replace(" ", "\\ ")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the serial port is there; False if Renode ended instead.

    Raises:
        ToolError: it took too long.
    """
    for _ in range(int(START_SECONDS / 0.2)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
            return False
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 0.2):
            return True
    raise ToolError(
        f"{RENODE} has not opened the serial port within {START_SECONDS:g} s; try it by hand: renode FILE.resc"
    )


@contextlib.contextmanager
def _asked_to_end() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP as a request to leave, so that the emulator is stopped on the way out."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
