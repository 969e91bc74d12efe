"""One training run, from its TOML file to a bundle and its card: run (folds), part (one fold), fit (epochs)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
