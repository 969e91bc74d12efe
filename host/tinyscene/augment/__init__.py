"""Augmentation of waveforms and of batches of images: its settings, and the variants of clips that it makes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
