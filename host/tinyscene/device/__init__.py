"""A board at the other end of a serial port, real or emulated: protocol, link, evaluation, verification, upload."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
