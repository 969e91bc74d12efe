"""Keras networks, the back end that trains them, and their conversion to INT8 .tflite."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
