"""The names of the front-end presets, without what makes them; `config.PRESETS` has the presets."""

from typing import Literal

Preset = Literal["base", "p1", "p2", "p3", "p4", "dcase2022"]
