"""The compilers and the QEMU of this machine: portable C built for the host, test images built for mps2."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
