"""Cycles of a built image on a model of its board, and the profile that a board measures itself."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
