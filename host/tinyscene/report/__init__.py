"""The HTML page of a run, and the generated parts of docs/RESULTS.md."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
