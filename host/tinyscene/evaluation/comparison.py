"""Two predictions for the same clips: how far apart their scores are, and whether that is more than chance.

The difference is taken clip by clip, so that clips which are hard for both cancel out: its interval is much narrower
than those of the two scores.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from tinyscene.data import SCENES, Clip
from tinyscene.errors import TinysceneError
from tinyscene.evaluation import intervals

SCORES = {"accuracy": "accuracy", "log_loss": "log loss"}
INT8_MINUS_FLOAT = "int8_minus_float"  # key of a run's scores: what rounding changes
ROUNDING = {"accuracy": (100, 1), "log_loss": (1, 3)}  # as scores are shown: factor, decimals
_UNITS = {"accuracy": " points", "log_loss": ""}  # units of differences


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Scores of A and B, and B's minus A's; every dictionary has the keys of `SCORES`.

    Attributes:
        clips, locations: number of clips, and of locations, which are what is resampled.
        a, b: accuracy and log loss of each.
        difference: scores of b minus those of a.
        intervals: 95 % intervals [low, high] of the difference.
    """

    clips: int
    locations: int
    a: dict[str, float]
    b: dict[str, float]
    difference: dict[str, float]
    intervals: dict[str, list[float]]

    def differs(self, score: str) -> bool:
        """Whether the interval of a difference excludes zero."""
        low, high = self.intervals[score]
        return low > 0 or high < 0

    def in_words(self, score: str, a: str = "A", b: str = "B") -> str:
        """Return a sentence on what the interval of a difference means, with the names of the two."""
        if not self.differs(score):
            return f"{SCORES[score]}: {a} and {b} cannot be told apart, the interval includes zero"
        word = "higher" if self.intervals[score][0] > 0 else "lower"
        least, most = sorted(abs(bound) for bound in self.intervals[score])
        by = f"{_difference(score, least, '')} to {_difference(score, most, '')}"
        return f"{SCORES[score]}: that of {b} is {word}, by {by}; the interval excludes zero"

    def to_json(self) -> dict[str, Any]:
        """Return all fields, and `differs` for each score."""
        return {**dataclasses.asdict(self), "differs": {score: self.differs(score) for score in SCORES}}


def compare(
    clips: Sequence[Clip],
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    classes: Sequence[str] = SCENES,
    seed: int = 1,
) -> Comparison:
    """Compare two predictions for the same clips, with 95 % intervals by resampling whole locations.

    Args:
        clips: labelled clips.
        a, b: class probabilities [len(clips), len(classes)].
        classes: scene names.
        seed: seed of the resampling.

    Raises:
        TinysceneError: no clips, or predictions for another number of clips or classes.
    """
    if not clips:
        raise TinysceneError("there are no clips to compare; name runs that were tested")
    for each in (a, b):
        if each.shape != (len(clips), len(classes)):
            raise TinysceneError(
                f"predictions of shape {each.shape} do not belong to {len(clips)} clips of {len(classes)} classes; "
                "compare predictions for the same clips"
            )
    of_a, of_b = (intervals.of_clips(clips, each, classes) for each in (a, b))
    difference = {score: of_b[score] - of_a[score] for score in SCORES}
    a_mean, b_mean, mean = (
        {score: float(values[score].mean()) for score in SCORES} for values in (of_a, of_b, difference)
    )
    places = len({clip.location for clip in clips})
    return Comparison(
        len(clips), places, a_mean, b_mean, mean, intervals=intervals.over_locations(clips, difference, seed)
    )


def table(found: Comparison, title: str, a: str = "A", b: str = "B", difference: str = "B - A") -> Table:
    """Return the scores of both and their difference as a table with these headings."""
    rows = Table("", title=f"{found.clips} clips of {found.locations} locations, {title}")
    for heading in (a, b, difference, "95 %"):
        rows.add_column(heading, justify="right", no_wrap=True)
    for score, name in SCORES.items():
        low, high = (_difference(score, bound) for bound in found.intervals[score])
        rows.add_row(
            name,
            *(shown(score, values[score]) for values in (found.a, found.b)),
            _difference(score, found.difference[score]),
            f"{low} to {high}",
        )
    return rows


def score_with_interval(score: str, scores: Mapping[str, Any]) -> str:
    """Return one of the scores (which have `intervals`) and its 95 % interval, as shown in tables."""
    low, high = scores["intervals"][score]
    bounds = f"{100 * low:.1f} to {100 * high:.1f}" if score == "accuracy" else f"{low:.2f} to {high:.2f}"
    return f"{shown(score, scores[score])} ({bounds})"


def shown(score: str, value: float) -> str:
    """Return a score as shown in tables."""
    factor, decimals = ROUNDING[score]
    return f"{factor * value:.{decimals}f}{' %' if score == 'accuracy' else ''}"


def difference_with_interval(score: str, value: float, interval: Sequence[float]) -> str:
    """Return a difference with its 95 % interval, as shown in sentences."""
    factor, decimals = ROUNDING[score]
    low, high = (f"{factor * bound:+.{decimals}f}" for bound in interval)
    return f"{_difference(score, value)} (95 %: {low} to {high})"


def paired_cell(compared: Mapping[str, Any] | None, score: str) -> str:
    """Return a difference from `Comparison.to_json` as a Markdown cell; a dot for the reference, which has none."""
    if compared is None:
        return "·"
    return difference_with_interval(score, compared["difference"][score], compared["intervals"][score])


def _difference(score: str, value: float, sign: str = "+") -> str:
    factor, decimals = ROUNDING[score]
    return f"{factor * value:{sign}.{decimals}f}{_UNITS[score]}"
