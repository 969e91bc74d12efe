"""Measurements of ours and of peers: instructions, RAM and flash of networks, front ends and features."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
