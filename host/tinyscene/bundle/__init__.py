"""The bundle: INT8 model, front end, normalisation and quantisation, the only thing passed downstream."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
