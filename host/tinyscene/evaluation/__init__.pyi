from . import (
    calibration as calibration,
    comparison as comparison,
    metrics as metrics,
    misheard as misheard,
    reliability as reliability,
    scoring as scoring,
    teacher_scores as teacher_scores,
)
from .comparison import (
    INT8_MINUS_FLOAT as INT8_MINUS_FLOAT,
    ROUNDING as ROUNDING,
    SCORES as SCORES,
    Comparison as Comparison,
    difference_with_interval as difference_with_interval,
    score_with_interval as score_with_interval,
)
from .kinds import FLOAT as FLOAT, INT8 as INT8
from .score_table import render_scores as render_scores
