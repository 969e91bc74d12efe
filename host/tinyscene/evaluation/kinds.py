"""The two networks that a run scores: the one that was trained, and its INT8 conversion."""

FLOAT, INT8 = "float", "int8"
