"""Boards without hardware: QEMU, models of the boards' processors, and Renode, each behind a serial port."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
