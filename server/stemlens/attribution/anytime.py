"""The shares of a whole session, better and better while one waits.

The score of a session is the mean over its segments, and the values used here are linear; so each
segment is a game of its own (`segment`). In order:

1. what the sum of all stems scores, and silence;
2. what muting each stem does; 3. what soloing it does. Until here shares have certain bounds: of
   the n coalition sizes at which a stem can enter, muting and soloing settle one each, and at every
   other it can change the score by at most all of it;
4. pairs of coalitions in all segments, in growing rounds, from which shares are estimated; a
   segment of which half would be scored is scored in full, and is exact from then on.

With aₜ stems sounding in segment t the exact shares take Σₜ 2^aₜ coalitions, and Owen values, which
know of groups, many fewer. Where the budget allows
that, they are the end; else estimation ends when the widest interval of the tags shown is narrow
enough, or the budget or the time is spent. Step 1 is always done in full.

The same game, limits and seed give the same shares, except where time decides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.owen import owen_cost
from stemlens.attribution.owen_segment import OwenGame
from stemlens.attribution.sampling import Plays
from stemlens.attribution.segment import (
    BANZHAF,
    PAIRS_A_STEM,
    SHAPLEY,
    PairsGame,
    SegmentGame,
    Values,
)
from stemlens.attribution.shares import Z95, Interactions, Parts, Shares
from stemlens.game import Game

BUDGET = 16_384
PRECISION = 0.01
GROWTH = 1.4  # of the pairs a stem, from round to round
AT_ONCE = 256  # coalitions between two looks at the clock
REVISION_EVERY_S = 5.0  # while nothing but exact segments is added
LEAST_SCORE = 1e-6  # scores nearer to 0 or 1 than this have the log-odds of this


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop: after so many coalitions or seconds, or when no 95 % interval of the `tags`
    best tags is wider than ±`precision`; None: `PRECISION` where exact shares exceed the budget,
    else 0.
    """

    budget: int = BUDGET
    time_s: float | None = None
    precision: float | None = None
    tags: int = 10


Progress = Callable[[float], None]
"""Is told the fraction that is done; what it raises ends the work."""


def log_odds(scores: Values) -> Values:
    """Scores on the scale on which they do not saturate: log(s / (1 − s))."""
    inside = np.clip(scores, LEAST_SCORE, 1 - LEAST_SCORE)
    odds: Values = np.log(inside / (1 - inside))
    return odds


def as_scores(scores: Values) -> Values:
    """Scores as they are."""
    return scores


@dataclass(frozen=True, slots=True)
class Unit:
    """What is shared out: a function of scores, and how far two of its values can be apart."""

    of: Callable[[Values], Values]
    range: float


EFFECTS: dict[str, Callable[[Shares], NDArray[np.float64]]] = {
    "mute": lambda shares: -shares.mute,
    "solo": lambda shares: shares.solo,
}
UNITS = {
    "points": Unit(as_scores, 1.0),
    "log-odds": Unit(log_odds, 2 * math.log((1 - LEAST_SCORE) / LEAST_SCORE)),
}


def cost(game: Game, groups: ArrayLike | None = None) -> int:
    """How many coalitions the exact shares take; with `groups` `[stems]`, the Owen values."""
    if groups is None:
        return sum(2 ** int(n) for n in game.sounding.sum(axis=1))
    return sum(owen_cost(np.asarray(groups)[sounding]) for sounding in game.sounding)


def revisions(
    game: Game,
    value: str = "shapley",
    unit: str = "points",
    limits: Limits | None = None,
    *,
    groups: ArrayLike | None = None,
    seed: int = 0,
    on_progress: Progress = lambda fraction: None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Shares]:
    """The shares of a game, complete again and again, each time known better.

    `value` is one of shapley, banzhaf, owen, mute, solo; `unit` a key of `UNITS`. `groups`
    `[stems]` says by integers which group each stem is in, for owen: without, each is its own.
    """
    limits = limits or Limits()
    only_effects = value in EFFECTS
    of = _numbered(groups, game.sounding.shape[1]) if value == "owen" else None
    method = BANZHAF if value == "banzhaf" else SHAPLEY

    def begin(t: int, everybody: Values, nobody: Values) -> SegmentGame:
        players = game.players(t)
        if of is not None:
            return OwenGame(everybody, nobody, of[players], (seed, t))
        return PairsGame(len(players), everybody, nobody, method, (seed, t))

    work = _Work(game, begin, of, UNITS[unit], limits, on_progress, clock)

    def steps() -> Iterator[Shares]:
        try:
            yield work.sums()
            yield from work.effects()
            if not only_effects:
                yield from work.estimates()
        except _Spent:
            pass  # what is known by then is the answer
        yield work.shares() if only_effects else work.last()

    for shares in steps():
        yield _by_effect(shares, value, UNITS[unit].range) if only_effects else shares


def _numbered(groups: ArrayLike | None, stems: int) -> NDArray[np.intp]:
    """The groups by the numbers 0, 1 …; each stem its own where none are named."""
    if groups is None:
        return np.arange(stems)
    return np.unique(groups, return_inverse=True)[1]


def _by_effect(shares: Shares, value: str, furthest: float) -> Shares:
    """The shares where a stem's share is just what it does last, or first."""
    effect = EFFECTS[value](shares)
    unknown = np.isnan(effect)
    return replace(
        shares,
        attributions=np.where(unknown, 0.0, effect),
        variance=np.zeros_like(effect),
        bound=np.where(unknown, furthest, 0.0),
    )


class _Spent(Exception):
    """The budget or the time is spent."""


class _Work:
    """What is known so far (arrays as in `Shares`), and the steps."""

    def __init__(
        self,
        game: Game,
        begin: Callable[[int, Values, Values], SegmentGame],
        groups: NDArray[np.intp] | None,
        unit: Unit,
        limits: Limits,
        on_progress: Progress,
        clock: Callable[[], float],
    ) -> None:
        self._game, self._unit, self._limits = game, unit, limits
        self._begin, self._groups = begin, groups
        self._on_progress, self._clock = on_progress, clock
        self._started = clock()
        self._coalitions, self._fraction = 0, 0.0
        self._cost = cost(game, groups)
        self._affordable = self._cost <= limits.budget
        self._precision = limits.precision
        if self._precision is None:
            self._precision = 0.0 if self._affordable else PRECISION
        self._segments: list[SegmentGame] = []
        segments, stems = game.sounding.shape
        tags = len(game.tagger.tags)
        self._attributions, self._variance, self._bound, self._mute, self._solo = (
            np.zeros((segments, stems, tags)) for _ in range(5)
        )
        count = 0 if groups is None else int(groups.max()) + 1
        self._of_groups = Parts(*(np.zeros((segments, count, tags)) for _ in range(3)))
        self._mute[game.sounding] = self._solo[game.sounding] = np.nan
        self._total, self._scores, self._baseline = (np.zeros((segments, tags)) for _ in range(3))

    def shares(self) -> Shares:
        """What is known now."""
        return Shares(
            self._attributions.copy(),
            self._variance.copy(),
            self._bound.copy(),
            self._mute.copy(),
            self._solo.copy(),
            self._total,
            self._scores,
            self._baseline,
            self._coalitions,
            None if self._groups is None else deepcopy(self._of_groups),
        )

    def last(self) -> Shares:
        """What is known in the end, with what stems do together."""
        segments, stems, tags = self._attributions.shape
        value, variance = np.zeros((2, stems, stems, tags))
        measured = 0
        for t, game in enumerate(self._segments):
            if (found := game.interactions()) is not None:
                own = np.ix_(self._game.players(t), self._game.players(t))
                value[own] += found.value / segments
                variance[own] += found.variance / segments**2
                measured += 1
        told = Interactions(value, Z95 * np.sqrt(variance), measured / segments)
        return replace(self.shares(), interactions=told if measured else None)

    # ------------------------------------------------------------------ the steps

    def sums(self) -> Shares:
        """Scores everybody and nobody, whatever it costs."""
        for t in range(len(self._game.sounding)):
            n = len(self._game.players(t))
            scores = self._scored(t, np.array([[True] * n, [False] * n]))
            self._scores[t], self._baseline[t] = scores
            everybody, nobody = self._unit.of(scores)
            self._total[t] = everybody - nobody
            self._segments.append(self._begin(t, everybody, nobody))
            if n == 1:
                self._mute[t, self._game.players(t)] = -self._total[t]
                self._solo[t, self._game.players(t)] = self._total[t]
            self._learn(t)
        return self.shares()

    def effects(self) -> Iterator[Shares]:
        """Mutes every stem, tells of it, and then solos them: the pairs of size 1."""
        firsts = [game.take(game.n) for game in self._segments]
        muted = []
        for t, (first, game) in enumerate(zip(firsts, self._segments, strict=True)):
            muted.append(self._affordable_worth(t, ~first))
            self._mute_is(t, first, muted[t])
            if game.n == 2:  # muting one is soloing the other, and that is all there is
                alone = self._affordable_worth(t, first)
                self._mute_is(t, ~first, alone)
                self._solo_is(t, ~first, muted[t])
                self._solo_is(t, first, alone)
                game.add(first, alone, muted[t])
            self._learn(t)
        yield self.shares()
        for t, (first, game) in enumerate(zip(firsts, self._segments, strict=True)):
            if not game.complete:
                alone = self._affordable_worth(t, first)
                self._solo_is(t, first, alone)
                game.add(first, alone, muted[t])
                self._learn(t)

    def estimates(self) -> Iterator[Shares]:
        """Tells what is known and adds pairs, until everything is exact, or good enough."""
        pairs_a_stem: float = PAIRS_A_STEM
        while not self._good_enough():
            yield self.shares()
            told = self._clock()
            for t in range(len(self._segments)):
                self._add(t, pairs_a_stem)
                if self._affordable and self._clock() - told >= REVISION_EVERY_S:
                    told = self._clock()
                    yield self.shares()
            exact_is_next = self._affordable and self._precision == 0
            pairs_a_stem = math.inf if exact_is_next else pairs_a_stem * GROWTH

    # ------------------------------------------------------------------ how they are done

    def _add(self, t: int, pairs_a_stem: float) -> None:
        """Brings a segment to so many pairs a stem, or to all there are."""
        game = self._segments[t]
        if game.complete:
            return
        target = pairs_a_stem * game.n
        if target > game.pairs_in_all / 2:
            target = game.pairs_in_all
        for plays in self._next_pairs(game, math.ceil(target) - game.pairs):
            worth = self._worth(t, np.concatenate([plays, ~plays]))
            game.add(plays, worth[: len(plays)], worth[len(plays) :])
        self._learn(t)

    def _next_pairs(self, game: SegmentGame, pairs: int) -> Iterator[Plays]:
        """The next pairs of a segment, some at a time, until budget or time are spent."""
        if self._affordable and self._limits.time_s is None:
            # All will be done, so their order is free, and alike ones are faster together.
            plays = game.take(pairs)
            plays = plays[np.lexsort(plays.T)]
            for first in range(0, len(plays), AT_ONCE // 2):
                yield plays[first : first + AT_ONCE // 2]
            return
        while pairs > 0:
            some = min(pairs, AT_ONCE // 2, self._room() // 2)
            if some < 1:
                raise _Spent
            pairs -= some
            yield game.take(some)

    def _room(self) -> int:
        """How many more coalitions budget and time allow, at the speed so far."""
        left = self._limits.budget - self._coalitions
        if self._limits.time_s is not None:
            elapsed = self._clock() - self._started
            speed = self._coalitions / max(elapsed, 1e-3)
            left = min(left, math.floor(speed * (self._limits.time_s - elapsed)))
        return left

    def _affordable_worth(self, t: int, plays: Plays) -> Values:
        if self._room() < len(plays):
            raise _Spent
        return self._worth(t, plays)

    def _worth(self, t: int, plays: Plays) -> Values:
        if not len(plays):
            return np.zeros((0, len(self._game.tagger.tags)))
        return self._unit.of(self._scored(t, plays))

    def _scored(self, t: int, plays: Plays) -> Values:
        scores: Values = self._game.scores(t, plays, self._count).astype(np.float64)
        return scores

    def _count(self, coalitions: int) -> None:
        self._coalitions += coalitions
        if self._affordable and self._precision == 0:
            fraction = self._coalitions / self._cost
        else:
            fraction = self._coalitions / max(self._limits.budget, 1)
        if self._limits.time_s:
            fraction = max(fraction, (self._clock() - self._started) / self._limits.time_s)
        self._fraction = min(1.0, max(self._fraction, fraction))
        self._on_progress(self._fraction)

    def _mute_is(self, t: int, single: Plays, without: Values) -> None:
        """Those who play in the rows of `single` are muted when `without` plays."""
        if len(single):
            stems = self._game.players(t)[single.argmax(axis=1)]
            self._mute[t, stems] = without - self._segments[t].everybody

    def _solo_is(self, t: int, single: Plays, alone: Values) -> None:
        if len(single):
            stems = self._game.players(t)[single.argmax(axis=1)]
            self._solo[t, stems] = alone - self._segments[t].nobody

    def _learn(self, t: int) -> None:
        """What the segment's game tells now."""
        game, players = self._segments[t], self._game.players(t)
        if game.estimable:
            estimate = game.estimate()
            self._attributions[t, players] = estimate.value
            self._variance[t, players] = estimate.variance
            self._bound[t, players] = 0
        else:
            value, bound = game.bounded(
                -self._mute[t, players], self._solo[t, players], self._unit.range
            )
            self._attributions[t, players], self._bound[t, players] = value, bound
        if isinstance(game, OwenGame):
            self._learn_groups(t, game)

    def _learn_groups(self, t: int, game: OwenGame) -> None:
        of, count = self._of_groups, self._of_groups.bound.shape[1]
        if game.estimable:
            estimate = game.of_groups(count)
            of.attributions[t], of.variance[t], of.bound[t] = estimate.value, estimate.variance, 0
        else:
            inside = np.arange(count)[:, None] == game.groups
            of.attributions[t] = inside @ self._attributions[t, self._game.players(t)]
            of.bound[t] = self._unit.range + abs(of.attributions[t])

    def _good_enough(self) -> bool:
        if all(game.complete for game in self._segments):
            return True
        now = self.shares()
        width = now.half_width[:, now.best(self._limits.tags)].max()
        return bool(self._precision) and bool(width <= self._precision)
