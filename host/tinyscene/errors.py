"""The errors a user can cause or repair; the command line prints them as one sentence and exits with 1."""


class TinysceneError(Exception):
    """Base of every expected failure: the message names the place and the remedy, in one sentence."""


class DatasetError(TinysceneError):
    """A data set, a list or a clip that cannot be used as it is."""


class ConfigError(TinysceneError):
    """A run configuration with a missing, unknown or impossible value."""


class BundleError(TinysceneError):
    """A bundle that is damaged, incomplete or inconsistent."""


class ModelError(TinysceneError):
    """A .tflite file that is damaged, or uses something that the compiler does not support."""


class ToolError(TinysceneError):
    """A program or package that is missing from this machine, or that failed."""


class LinkError(TinysceneError):
    """The serial link to a board: no answer, a refused request, or a board that carries another bundle."""
