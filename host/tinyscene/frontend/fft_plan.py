"""Plans of the front end's real FFT: its passes, and the tables that they read (frontend_fft.h)."""

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from tinyscene.errors import ConfigError

RADICES = (2, 3, 4, 5, 6, 7, 8)
_PASSES_MAX = 16  # FRONTEND_FFT_PASSES_MAX


@dataclasses.dataclass(frozen=True)
class FftPlan:
    """A real FFT of `n` points.

    Attributes:
        n: number of points, even.
        radices: radix of each pass over the n / 2 complex numbers, in order.
        twiddles: complex64, in the order in which the passes read them.
        roots: complex64, exp(-2 pi i k / n) for k = 0..n/4.
        roots_low: complex64, the rounding errors of `roots`; both together have twice float32's precision.
    """

    n: int
    radices: tuple[int, ...]
    twiddles: NDArray[np.complex64]
    roots: NDArray[np.complex64]
    roots_low: NDArray[np.complex64]


def plan(n: int) -> FftPlan:
    """Return the plan of an n-point real FFT.

    Raises:
        ConfigError: n is odd or has a prime factor other than 2, 3, 5 and 7.
    """
    if n < 2 or n % 2 or (not (radices := _factors(n // 2)) and n != 2):
        raise ConfigError(
            f"the C front end has no FFT of n_fft = {n} points; choose an even number without a prime factor above 7, "
            f"such as {nearest(n)}"
        )
    length = n // 2
    tables = [np.zeros(0, np.complex128)]
    for radix in radices[:-1]:  # the last pass has no twiddles
        length //= radix
        column, output = np.arange(length)[:, None], np.arange(1, radix)[None, :]
        tables.append(_roots(column * output, radix * length).ravel())
    twiddles = np.concatenate(tables).astype(np.complex64)
    exact = _roots(np.arange(n // 4 + 1), n)
    roots = exact.astype(np.complex64)
    return FftPlan(n, radices, twiddles, roots, (exact - roots).astype(np.complex64))


def nearest(n: int) -> int:
    """Return the even size nearest to `n` that has a plan."""
    return min((m for m in range(2, 2 * max(n, 2) + 2, 2) if _factors(m // 2) or m == 2), key=lambda m: (abs(m - n), m))


def at_least(n: int) -> int:
    """Return the smallest even size, not below `n`, that has a plan."""
    return next(m for m in itertools.count(max(n + n % 2, 2), 2) if _factors(m // 2) or m == 2)


def _factors(m: int) -> tuple[int, ...]:
    """Return radices with product m, ascending (the last pass needs no twiddles, and a large radix saves most there).

    Empty when m is 1 or has another prime factor.
    """
    factors = []
    for radix in (8, 6, 4, 2, 3, 5, 7):
        while m % radix == 0:
            factors.append(radix)
            m //= radix
    if 2 in factors and 8 in factors:  # 4 x 4 takes as many points in as many passes, with fewer instructions
        factors.remove(2)
        factors.remove(8)
        factors += [4, 4]
    return tuple(sorted(factors)) if m == 1 and len(factors) <= _PASSES_MAX else ()


def _roots(numerator: NDArray[np.int64], denominator: int) -> NDArray[np.complex128]:
    """Return exp(-2 pi i numerator / denominator), the angle reduced to one turn first."""
    angle = -2 * np.pi * (numerator % denominator) / denominator
    return np.cos(angle) + 1j * np.sin(angle)
