"""What a serial port raises when it cannot be opened, or vanishes: pyserial lets through what its system raises."""

import errno

import serial

PORT_ERRORS: tuple[type[Exception], ...] = (serial.SerialException, OSError)
try:
    import termios  # not on Windows
except ImportError:
    pass
else:
    PORT_ERRORS += (termios.error,)  # not an OSError; raised where a port vanishes while it is opened
OPEN_ERRORS: tuple[type[Exception], ...] = (*PORT_ERRORS, ValueError)  # a URL that pyserial does not understand
_VANISHED = {errno.EIO, errno.ENXIO, errno.ENODEV}


def vanished(error: Exception) -> bool:
    """Whether a port was there and went while it was used, as that of a device that was told to restart."""
    return getattr(error, "errno", None) in _VANISHED or (bool(error.args) and error.args[0] in _VANISHED)
