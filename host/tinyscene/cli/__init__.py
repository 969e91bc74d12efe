"""The command line: one thin function a verb; the work is in the packages below."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
