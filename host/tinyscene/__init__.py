"""tinyscene: acoustic scene classification on Cortex-M4, from a folder of clips to a board that classifies."""

from importlib.metadata import version

__version__ = version("tinyscene")
