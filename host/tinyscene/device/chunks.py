"""Transfers in pieces that suit the line: a long frame does not get through if one byte in a hundred is damaged."""

from collections.abc import Callable, Iterator

from tinyscene.device.link import Link, UnansweredError

SMALLEST = 16  # bytes of data in a frame, if nothing larger gets through
ATTEMPTS = 2  # attempts at a larger piece, before it is halved
CLEAN_RUN = 32  # pieces that get through at the first attempt, before their size is doubled

Exchange = Callable[[int, int, int | None], object]


class Chunks:
    """Cuts the transfers over one link into pieces; a transfer starts with the size that suited the previous one.

    Args:
        link: the link.
        most: largest number of bytes of data in a frame.
    """

    def __init__(self, link: Link, most: int) -> None:
        self._link = link
        self._most = self._bytes = most
        self._clean = 0

    def transfer(self, count: int, largest: int, item_bytes: int, exchange: Exchange) -> Iterator[int]:
        """Exchange the items 0..count, piece by piece; yields how many are done.

        A piece that failed is divided into pieces that end where it ended: the board may have received it, and would
        then acknowledge pieces within it, but none that reaches beyond.

        Args:
            count: number of items; close the iterator if there turn out to be fewer.
            largest: largest number of items in one frame.
            item_bytes: size of one item.
            exchange: called with the first item, the one after the last, and the attempts to make (None: as usual).

        Raises:
            UnansweredError: not even the smallest piece got through.
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
