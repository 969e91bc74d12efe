"""Flashing an Arduino Nano 33 BLE over its USB port: its USB products, and its boot loader's protocol."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
