"""TensorFlow Lite Micro, the alternative to the compiled engine: its library, and a model's C and C++ for it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
