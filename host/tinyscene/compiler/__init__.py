"""From .tflite to C: reader, graph, kernels, memory plan, emitter; what a network costs; the proof of exactness."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
