"""How long to wait for an answer before the request is sent again, and when to give up."""

import time

REPETITIONS = 5  # least number of attempts before a request is given up
PERSISTENCE = (
    60  # the same on a line that damages what the board sends: it is there, and one frame in four gets through
)
_LONGEST = 2.0  # longest wait for one attempt, in multiples of the limit
_ENDURANCE = 30.0  # how long a request is repeated: in multiples of the limit, and at most as many seconds
_MARGIN = 4.0  # patience, in multiples of the usual time of a request's answers
_SLACK = 0.1  # share of the limit that is added to the patience: schedulers and USB bridges take their time
_FADING = 0.9  # factor on the weight of a slow answer, with every later one


class Pace:
    """What is known of a board's answer times, by request type.

    A request whose time is not known yet gets its whole limit. If an answer comes after its wait has ended, the wait
    was too short, and the usual time is doubled.
    """

    def __init__(self) -> None:
        self._usual: dict[int, float] = {}

    def patience(self, kind: int, limit: float) -> float:
        """Return the seconds to wait for the first answer to a request of type `kind`, at most `limit`."""
        usual = self._usual.get(kind)
        return limit if usual is None else min(limit, _MARGIN * usual + _SLACK * limit)

    def answered(self, kind: int, seconds: float) -> None:
        """Note how long an answer took; only if the request was sent once, as otherwise its start is ambiguous."""
        self._usual[kind] = max(seconds, _FADING * self._usual.get(kind, 0.0))

    def came_late(self, kind: int) -> None:
        """Note that an answer came after its request had been sent again."""
        if kind in self._usual:
            self._usual[kind] *= 2


class Attempts:
    """The repetitions of one request.

    After silence each wait is twice as long as the one before, up to _LONGEST. A damaged answer shows that the board is
    there and the line is bad: the request is repeated at once, and from then on the waits do not grow. It is given up
    once REPETITIONS, or on a bad line PERSISTENCE, have had no answer and _ENDURANCE is over.

    Args:
        patience: first wait, in seconds.
        limit: seconds that an answer may take.
        most: number of attempts after which to give up instead; None: as above.
        bad_line: whether this line has damaged answers before.

    Attributes:
        made: number of attempts without an answer so far.
    """

    def __init__(self, patience: float, limit: float, most: int | None = None, bad_line: bool = False) -> None:
        self.made = 0
        self.patience = patience
        self._longest = _LONGEST * limit
        self._most = most
        self._bad_line = bad_line
        self._end = time.monotonic() + _ENDURANCE * min(limit, 1.0)

    @property
    def exhausted(self) -> bool:
        """Whether to give up."""
        if self._most is not None:
            return self.made >= self._most
        return self.made > (PERSISTENCE if self._bad_line else REPETITIONS) and time.monotonic() >= self._end

    def had_silence(self) -> None:
        """Wait longer the next time, unless the line explains the silence."""
        if not self._bad_line:
            self.patience = min(2 * self.patience, self._longest)

    def had_damage(self) -> None:
        """Note that the board answered, and that the line damaged the answer."""
        self._bad_line = True
