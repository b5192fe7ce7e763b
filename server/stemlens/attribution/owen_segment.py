"""Owen values in one segment: exact where all coalitions that they need are scored, else estimated
from random orders in which the members of a group enter together.

All coalitions that such an order passes through are among those that the exact values need, so
nothing is scored in vain when in the end all of them are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.least_squares import Estimate
from stemlens.attribution.owen import owen_coalitions, owen_cost, owen_from_coalitions
from stemlens.attribution.permutation import OrderSampler, chains, contributions, mean_of
from stemlens.attribution.sampling import Plays
from stemlens.attribution.segment import SegmentGame, Values

ORDERS = 3  # fewer do not tell how far an estimate may be off


class OwenGame(SegmentGame):
    """Owen values; `groups` says for each player which group it is in, `[n]` integers."""

    def __init__(
        self,
        everybody: Values,
        nobody: Values,
        groups: NDArray[np.intp],
        seed: Sequence[int],
    ) -> None:
        super().__init__(len(groups), everybody, nobody)
        self.pairs_in_all = owen_cost(groups) // 2 - 1
        self.groups = groups
        self._sampler = OrderSampler(self.n, seed, groups)
        self._worth = {
            _key(np.ones(self.n, bool)): everybody,
            _key(np.zeros(self.n, bool)): nobody,
        }
        self._asked = set(self._worth)
        self._orders = np.zeros((0, self.n), dtype=np.int64)
        self._passed = 0  # so many of the orders have all their coalitions scored
        self._waiting = self._new(np.eye(self.n, dtype=np.bool_))

    @property
    def pairs(self) -> int:
        return len(self._worth) // 2 - 1

    @property
    def estimable(self) -> bool:
        return self.complete or self._passed >= ORDERS

    def take(self, pairs: int) -> Plays:
        while len(self._waiting) < min(pairs, self._left()):
            if len(self._asked) // 2 - 1 >= self.pairs_in_all / 2:
                more = owen_coalitions(self.groups)
            else:
                order = self._sampler.take(1)
                self._orders = np.concatenate([self._orders, order])
                more = chains(order)[0]
            self._waiting = np.concatenate([self._waiting, self._new(more)])
        taken, self._waiting = self._waiting[:pairs], self._waiting[pairs:]
        return taken

    def add(self, plays: Plays, with_them: Values, without: Values) -> None:
        for play, value, complement in zip(plays, with_them, without, strict=True):
            self._worth[_key(play)] = value
            self._worth[_key(~play)] = complement
        for order in self._orders[self._passed :]:
            if not all(_key(play) in self._worth for play in chains(order[None])[0]):
                break
            self._passed += 1

    def estimate(self) -> Estimate:
        """The values of all players; see `of_groups` for those of groups."""
        if self.complete:
            needed = owen_coalitions(self.groups)
            value = owen_from_coalitions(self._values(needed), self.groups)
            return Estimate(value, np.zeros_like(value))
        return mean_of(self._samples())

    def of_groups(self, groups: int) -> Estimate:
        """The values of the groups 0, 1 … `groups` − 1, `[groups, tags]`."""
        inside = np.arange(groups)[:, None] == self.groups
        if self.complete:
            value = inside @ self.estimate().value
            return Estimate(value, np.zeros_like(value))
        return mean_of(inside @ self._samples())

    def end_weight(self) -> float:
        return 0.0  # it depends on the groups, and matters only until something can be estimated

    def _left(self) -> int:
        """How many pairs are neither scored nor waiting nor being scored, and those waiting."""
        return self.pairs_in_all - (len(self._asked) // 2 - 1) + len(self._waiting)

    def _new(self, plays: Plays) -> Plays:
        """Those of the coalitions that were not asked for, one of each pair; now they are."""
        fresh = []
        for play in plays:
            if _key(play) not in self._asked:
                self._asked |= {_key(play), _key(~play)}
                fresh.append(play)
        return np.array(fresh, dtype=np.bool_).reshape(-1, self.n)

    def _samples(self) -> NDArray[np.float64]:
        orders = self._orders[: self._passed]
        plays = chains(orders)
        differences = [self._values(chain) - self._values(~chain) for chain in plays]
        return contributions(orders, np.array(differences), self.everybody - self.nobody)

    def _values(self, plays: Plays) -> Values:
        return np.array([self._worth[_key(play)] for play in plays])


def _key(play: NDArray[np.bool_]) -> bytes:
    return np.packbits(play).tobytes()
