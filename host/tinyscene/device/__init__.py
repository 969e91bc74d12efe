"""The host side of the serial link: protocol, link, emulator, evaluation, monitor."""
