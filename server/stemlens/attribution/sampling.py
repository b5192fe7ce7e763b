"""Which coalitions to score when there are too many to score all: pairs, drawn by size.

A coalition is always scored together with its complement: the Shapley and Banzhaf values depend
on the differences v(S) − v(Sᶜ) alone, and these are free of every interaction of two stems. Of
each pair the smaller coalition stands for both, and its number of players, 1 to n/2, is the *size*
of the pair. The pair of everybody and nobody (size 0) is known to every estimator and never drawn.

All pairs of size 1 come first: they are the mute and the solo effect of each stem. After them
every size gets pairs in proportion to its *mass*, what all pairs of the size weigh together in the
value, until there are none left. No pair is drawn twice, so that small sizes are soon complete,
and asking for enough pairs gives all of them.

Sources: I. Covert and S. Lee, "Improving KernelSHAP", 2021 (pairs); C. Musco and R. Witter,
"Provably Accurate Shapley Value Estimation via Leverage Score Sampling", 2025 (without
replacement inside sizes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice
from math import comb

import numpy as np
from numpy.typing import NDArray

Plays = NDArray[np.bool_]
"""Who plays in which coalition: `[coalitions, players]`."""
Mass = Callable[[int], NDArray[np.float64]]
"""For n players what all pairs of size 0, 1 … n/2 weigh together: `[n // 2 + 1]`."""


def all_pairs(n: int) -> int:
    """How many pairs n players have, beside everybody and nobody."""
    return 2 ** (n - 1) - 1 if n else 0


def pairs_of_size(n: int, size: int) -> int:
    """How many pairs there are of which the smaller coalition has `size` players."""
    return comb(n, size) // (2 if 2 * size == n > 0 else 1)


def shapley_mass(n: int) -> NDArray[np.float64]:
    """1 / (k (n − k)) for each of the two coalition sizes k that pairs have; 1 for size 0."""
    sizes = np.arange(1, n // 2 + 1)
    return np.append(1.0, np.where(2 * sizes == n, 1, 2) / (sizes * (n - sizes)))


def banzhaf_mass(n: int) -> NDArray[np.float64]:
    """The part of all pairs that has a size."""
    return np.array([pairs_of_size(n, size) / 2 ** (n - 1) for size in range(n // 2 + 1)])


class PairSampler:
    """Pairs of coalitions of n players, in an order that `n`, `seed` and `mass` decide.

    Asking for 3 and then for 5 gives the same as asking for 8.
    """

    def __init__(self, n: int, seed: int | Sequence[int] = 0, mass: Mass = shapley_mass) -> None:
        self.n = n
        generators = np.random.default_rng(seed).spawn(n // 2 + 1)
        self._of_size = [_coalitions(n, size, random) for size, random in enumerate(generators)]
        self._sizes = _sizes(n, mass)

    def take(self, count: int) -> Plays:
        """The next pairs, one coalition of each: `[count, n]`, fewer where no more are left."""
        rows = [next(self._of_size[size]) for size in islice(self._sizes, count)]
        return np.array(rows, dtype=bool).reshape(len(rows), self.n)


def _sizes(n: int, mass: Mass) -> Iterator[int]:
    """The sizes of all pairs of n players in the order in which they are drawn.

    After size 1 always the size whose number of pairs is furthest behind its share: the divisor
    method of A. Sainte-Laguë, by which no size ever gets fewer of more pairs.
    """
    if n < 2:
        return
    yield from [1] * pairs_of_size(n, 1)
    share = mass(n)[2:]
    left = [pairs_of_size(n, size) for size in range(2, n // 2 + 1)]
    due = 0.5 / share
    while any(left):
        at = int(due.argmin())
        yield at + 2
        left[at] -= 1
        due[at] = due[at] + 1 / share[at] if left[at] else np.inf


def _coalitions(n: int, size: int, random: np.random.Generator) -> Iterator[Plays]:
    """One coalition of each pair of `size`, in random order.

    Of two halves the one with player 0 stands for both.
    """
    total = pairs_of_size(n, size)
    drawn: set[bytes] = set()
    while 2 * len(drawn) < total:  # up to here fewer than half of the draws are repetitions
        coalitions = random.random((32, n)).argsort(axis=1) < size
        if 2 * size == n:
            coalitions ^= ~coalitions[:, :1]
        for coalition in coalitions:
            key = coalition.tobytes()
            if key not in drawn and 2 * len(drawn) < total:
                drawn.add(key)
                yield coalition
    # combinations() gives those with player 0 first, which are the first half of the halves.
    every = np.zeros((total, n), dtype=bool)
    for coalition, members in zip(every, combinations(range(n), size), strict=False):
        coalition[list(members)] = True
    rest = [coalition for coalition in every if coalition.tobytes() not in drawn]
    yield from random.permutation(np.array(rest).reshape(len(rest), n))
