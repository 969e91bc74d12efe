"""The baud rate of the boards' UARTs, from its only definition: `monitor_speed` in platformio.ini."""

import configparser

from tinyscene.errors import LinkError
from tinyscene.paths import REPOSITORY

SETTINGS = REPOSITORY / "platformio.ini"


def monitor_speed() -> int:
    """Return the baud rate that every firmware is built with, and that ports are opened with.

    Raises:
        LinkError: platformio.ini has no such number.
    """
    settings = configparser.ConfigParser(interpolation=None)
    try:
        settings.read_string(SETTINGS.read_text())
        speed = settings.getint("env", "monitor_speed")
    except (OSError, ValueError, configparser.Error) as error:
        raise LinkError(
            f"{SETTINGS} sets no baud rate ({str(error).splitlines()[0]}); write monitor_speed = 115200 into [env]"
        ) from error
    return speed
