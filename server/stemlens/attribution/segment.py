"""The game of one segment: which coalitions are to be scored next, and what follows from those that
have been.

It is a game of its own, played by the stems that sound in the segment: a stem that does not sound
is a null player there and gets 0 without costing anything. Its coalitions come in complementary
pairs (see `sampling`); those of one stem against all others always come first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.banzhaf import banzhaf
from stemlens.attribution.gaussian_process import banzhaf_by_process, shapley_by_process
from stemlens.attribution.interactions import interactions, interactions_by_process
from stemlens.attribution.least_squares import Estimate
from stemlens.attribution.sampling import (
    Mass,
    PairSampler,
    Plays,
    all_pairs,
    banzhaf_mass,
    shapley_mass,
)
from stemlens.attribution.shapley import shapley

Values = NDArray[np.float64]
"""What coalitions are worth: `[coalitions, tags]`."""

INTERACTING = 48  # of more stems the pairs are too many to tell anything of each
PAIRS_A_STEM = 3  # fewer pairs do not tell how far an estimate may be off


class SegmentGame(ABC):
    """One segment with `n` players; `everybody` and `nobody` are worth `[tags]`.

    Until there are enough pairs to estimate values, `bounded` tells what is certain; when the game
    is `complete` they are exact. `pairs` of `pairs_in_all` are scored.
    """

    pairs_in_all: int

    def __init__(self, n: int, everybody: Values, nobody: Values) -> None:
        self.n = n
        self.everybody, self.nobody = everybody, nobody

    @property
    @abstractmethod
    def pairs(self) -> int:
        """How many pairs are scored."""

    @property
    @abstractmethod
    def estimable(self) -> bool:
        """Whether there are enough pairs for `estimate`."""

    @abstractmethod
    def take(self, pairs: int) -> Plays:
        """The next pairs to score (fewer where no more are left), one coalition of each."""

    @abstractmethod
    def add(self, plays: Plays, with_them: Values, without: Values) -> None:
        """Takes in what pairs are worth: the coalitions `plays`, and their complements."""

    @abstractmethod
    def estimate(self) -> Estimate:
        """The values as far as the pairs tell."""

    @abstractmethod
    def end_weight(self) -> float:
        """How much what a player does first counts in its value, and likewise what it does last."""

    efficient = True
    """Whether the values add up to what all do together."""

    @property
    def complete(self) -> bool:
        """Whether values are exact."""
        return self.pairs == self.pairs_in_all

    def interactions(self) -> Estimate | None:
        """How much of what each two players do they do only together, `[n, n, tags]`; None where
        too little is known."""
        return None

    def bounded(self, first: Values, last: Values, furthest: float) -> tuple[Values, Values]:
        """A guess of the values, and how far off it can be at most, both `[n, tags]`.

        `first` and `last` `[n, tags]` are what each player does when it enters first and last, NaN
        where not known. Whatever else it does is at most `furthest`.
        """
        known = np.stack([first, last])
        count = (~np.isnan(known)).sum(axis=0)
        weight = self.end_weight()
        unknown = 1 - weight * count
        certain = weight * np.nansum(known, axis=0)
        guess = certain + unknown * np.nansum(known, axis=0) / np.maximum(count, 1)
        if self.efficient:
            guess += (self.everybody - self.nobody - guess.sum(axis=0)) / self.n
        return guess, unknown * furthest + abs(guess - certain)


@dataclass(frozen=True, slots=True)
class Method:
    """How a value is had from a table of all coalitions, and from some pairs."""

    exact: Callable[[Values], Values]
    from_pairs: Callable[[Plays, Values, Values], Estimate]
    mass: Mass
    end_weight: Callable[[int], float]
    efficient: bool


SHAPLEY = Method(shapley, shapley_by_process, shapley_mass, lambda n: 1 / n, efficient=True)
BANZHAF = Method(
    banzhaf, banzhaf_by_process, banzhaf_mass, lambda n: 2.0 ** (1 - n), efficient=False
)


class PairsGame(SegmentGame):
    """Shapley or Banzhaf values, estimated by least squares on pairs drawn by `seed`."""

    def __init__(
        self, n: int, everybody: Values, nobody: Values, method: Method, seed: Sequence[int]
    ) -> None:
        super().__init__(n, everybody, nobody)
        self.pairs_in_all = all_pairs(n)
        self.efficient = method.efficient
        self._method = method
        self._sampler = PairSampler(n, seed, method.mass)
        self._plays = np.zeros((0, n), dtype=np.bool_)
        self._with = self._without = np.zeros((0, len(everybody)))

    @property
    def pairs(self) -> int:
        return len(self._plays)

    @property
    def estimable(self) -> bool:
        return self.complete or self.pairs >= PAIRS_A_STEM * self.n

    def take(self, pairs: int) -> Plays:
        return self._sampler.take(pairs)

    def add(self, plays: Plays, with_them: Values, without: Values) -> None:
        self._plays = np.concatenate([self._plays, plays])
        self._with = np.concatenate([self._with, with_them])
        self._without = np.concatenate([self._without, without])

    def estimate(self) -> Estimate:
        if self.complete:
            value = self._method.exact(self._table())
            return Estimate(value, np.zeros_like(value))
        return self._method.from_pairs(
            self._plays, self._with - self._without, self.everybody - self.nobody
        )

    def end_weight(self) -> float:
        return self._method.end_weight(self.n)

    def interactions(self) -> Estimate | None:
        if self.complete:
            value = interactions(self._table())
            return Estimate(value, np.zeros_like(value))
        if not self.estimable or self.n > INTERACTING:
            return None
        return interactions_by_process(
            self._plays, self._with, self._without, self.everybody, self.nobody
        )

    def _table(self) -> Values:
        """What all coalitions are worth `[2**n, tags]`, by bit mask."""
        table = np.empty((2**self.n, len(self.everybody)))
        table[0], table[-1] = self.nobody, self.everybody
        masks = self._plays @ (1 << np.arange(self.n))
        table[masks] = self._with
        table[len(table) - 1 - masks] = self._without
        return table
