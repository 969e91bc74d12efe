"""What a serial port raises when it cannot be opened, or vanishes: pyserial lets through what its system raises."""

import serial

PORT_ERRORS: tuple[type[Exception], ...] = (serial.SerialException, OSError)
try:
    import termios  # not on Windows
except ImportError:
    pass
else:
    PORT_ERRORS += (termios.error,)  # not an OSError; raised where a port vanishes while it is opened
OPEN_ERRORS: tuple[type[Exception], ...] = (*PORT_ERRORS, ValueError)  # a URL that pyserial does not understand
