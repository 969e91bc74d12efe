"""CMSIS-Packs: bring them onto this machine, and find out which of their files to compile.

`packs.toml` pins them, `install` fetches and verifies them, `store` keeps them in the user's cache, `pdsc` and
`conditions` read what a pack says of itself, and `selection` turns that into lists for a compiler.
"""

from tinyscene.packs.conditions import CORTEX_M4F
from tinyscene.packs.selection import Sources, resolve

__all__ = ["CORTEX_M4F", "Sources", "resolve"]
