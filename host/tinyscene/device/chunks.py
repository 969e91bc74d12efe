"""Transfers in pieces that suit the line: a long frame does not survive where one byte in a hundred is hurt."""

from collections.abc import Callable, Iterator

from tinyscene.device.link import Link, UnansweredError

SMALLEST = 16  # bytes of data in a frame, where nothing larger comes through
ATTEMPTS = 2  # at a larger piece, before it is halved
CLEAN_RUN = 32  # pieces that come through at once, before they are doubled

Exchange = Callable[[int, int, int | None], object]


class Chunks:
    """Cuts the transfers over one link; what one transfer has learnt of the line is the next one's start.

    Args:
        link: the line.
        most: bytes of data that a frame can carry.
    """

    def __init__(self, link: Link, most: int) -> None:
        self._link = link
        self._most = self._bytes = most
        self._clean = 0

    def transfer(self, count: int, largest: int, item_bytes: int, exchange: Exchange) -> Iterator[int]:
        """Exchange the items 0..count, piece after piece; yields how many are done.

        The pieces of a piece that failed end where it ended: the board may have received it, and then acknowledges
        what lies within it, but not what reaches beyond.

        Args:
            count: items in all; whoever learns on the way that there are fewer closes the iterator.
            largest: items of one frame.
            item_bytes: of one item.
            exchange: called with the first item, the one after the last, and the attempts to make (None: as usual).

        Raises:
            UnansweredError: the smallest piece did not come through either.
        """
        begin = fence = 0
        while begin < count:
            end = min(begin + self._items(largest, item_bytes), fence if begin < fence else count)
            before = self._link.repetitions
            smallest = self._bytes == SMALLEST
            try:
                exchange(begin, end, None if smallest else ATTEMPTS)
            except UnansweredError:
                if smallest:
                    raise
                self._bytes = max(SMALLEST, self._bytes // 2)
                self._clean = 0
                fence = max(fence, end)
                continue
            self._note(clean=self._link.repetitions == before)
            begin = end
            yield end

    def _items(self, largest: int, item_bytes: int) -> int:
        return max(1, min(largest, self._bytes // item_bytes))

    def _note(self, clean: bool) -> None:
        self._clean = self._clean + 1 if clean else 0
        if self._clean == CLEAN_RUN:
            self._bytes, self._clean = min(self._most, 2 * self._bytes), 0
