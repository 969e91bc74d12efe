"""A bundle as C for the firmware, and the flash, RAM and stack of a built image."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
