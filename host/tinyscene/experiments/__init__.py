"""Tables of training runs: those of the thesis, the network search, and microphones that training never heard."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
