"""TensorFlow Lite Micro beside the compiled engine: its library, the C and C++ of a model for it, and what it takes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
