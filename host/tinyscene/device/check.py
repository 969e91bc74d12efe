"""After flashing: check that the board runs and carries the intended bundle."""

from pathlib import Path

from serial.tools import list_ports

from tinyscene.bundle import Bundle
from tinyscene.console import console, error_console
from tinyscene.device import health
from tinyscene.device.board import Board
from tinyscene.device.link import Link
from tinyscene.errors import LinkError, ToolError
from tinyscene.firmware import export

NO_PORT = 3  # exit code: no board was found, so nothing was checked
_ST, _ST_LINKS = 0x0483, 0x37  # USB vendor, and the upper byte of the product numbers of ST-LINKs: 0x374B and others


def report(bundle: Path | None, port: str | None) -> int:
    """Ask the board which bundle it carries and how it is: the command `tinyscene device check`.

    Args:
        bundle: folder of the bundle that it should carry; None: the one that was exported last.
        port: pyserial URL of the board; None: that of the only ST-LINK.

    Returns:
        Exit code: 0, or NO_PORT if there is no ST-LINK.

    Raises:
        TinysceneError: the board does not answer, or carries another bundle or a damaged one; or there are several
            ST-LINKs.
    """
    expected = Bundle.load(bundle).identity if bundle else export.read_record().get("identity")
    if expected is None:
        raise ToolError("nothing was exported yet; name the bundle: tinyscene device check --bundle BUNDLE")
    url = port or st_link_port()
    if url is None:
        error_console.print(
            "no ST-LINK serial port found; the board was not checked; connect it and check it with: "
            "tinyscene device check --port PORT",
            style="yellow",
            soft_wrap=True,
        )
        return NO_PORT
    with Link(url) as link:
        tested = health.self_test(link)
        complaints = tested.complaints() if tested else []
        if tested and not tested.bundle_is_whole:
            raise LinkError(f"the board at {url}: {complaints[0]}")
        board = Board(link, expected)
    for complaint in complaints:
        error_console.print(complaint, style="yellow", soft_wrap=True)
    info = board.info
    console.print(
        f"{info.board} at {url} runs bundle {info.bundle}, identity {info.identity}, at {info.clock_hz / 1e6:g} MHz",
        soft_wrap=True,
    )
    return 0


def st_link_port() -> str | None:
    """Return the serial port of the only ST-LINK; None if there is none.

    Raises:
        LinkError: there are several.
    """
    found = [port.device for port in list_ports.comports() if port.vid == _ST and (port.pid or 0) >> 8 == _ST_LINKS]
    if len(found) > 1:
        raise LinkError(f"there are several ST-LINKs ({', '.join(found)}); choose one with --port")
    return found[0] if found else None
