"""From PCM to log-mel images: the configuration, librosa, the C front end with its tables, and the cache of features
of whole data sets.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
