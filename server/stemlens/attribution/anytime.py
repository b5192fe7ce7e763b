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
know of groups, many fewer. Where the budget allows that, they are the end; else estimation ends
when the widest interval of the tags shown is narrow enough, or the budget or the time is spent.
Step 1 is always done in full. LIME asks the whole session at once: after the same first three steps
it goes on by masks of its own (`audiolime`).

The same game, limits and seed give the same shares, except where time decides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.attribution.asking import (
    AT_ONCE,
    BUDGET,
    LEAST_SCORE,
    PRECISION,
    REVISION_EVERY_S,
    UNITS,
    Asking,
    Limits,
    Progress,
    Spent,
    Terms,
    log_odds,
)
from stemlens.attribution.audiolime import AudioLime
from stemlens.attribution.components import Components
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

__all__ = [
    "BUDGET",
    "LEAST_SCORE",
    "PRECISION",
    "Limits",
    "Progress",
    "cost",
    "cost_of_effects",
    "log_odds",
    "revisions",
]

GROWTH = 1.4  # of the pairs a stem, from round to round

EFFECTS: dict[str, Callable[[Shares], NDArray[np.float64]]] = {
    "mute": lambda shares: -shares.mute,
    "solo": lambda shares: shares.solo,
}


def cost(game: Game, groups: ArrayLike | None = None) -> int:
    """How many coalitions the exact shares take; with `groups` `[stems]`, the Owen values."""
    if groups is None:
        return sum(2 ** int(n) for n in game.sounding.sum(axis=1))
    return sum(owen_cost(np.asarray(groups)[sounding]) for sounding in game.sounding)


def cost_of_effects(game: Game, value: str) -> int:
    """How many coalitions it takes to mute every stem, or to solo it too, since mutes come first.

    Of two stems muting one is soloing the other, and a stem that plays alone is known already.
    """
    times = 1 if value == "mute" else 2
    playing = game.sounding.sum(axis=1).tolist()
    return sum(2 + (times if n > 2 else 1) * n * (n > 1) for n in playing)


def revisions(
    game: Game,
    value: str = "shapley",
    unit: str = "points",
    limits: Limits | None = None,
    *,
    groups: ArrayLike | None = None,
    parts: int = 1,
    features: int | None = None,
    seed: int = 0,
    on_progress: Progress = lambda fraction: None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Shares]:
    """The shares of a game, complete again and again, each time known better.

    `value` is one of shapley, banzhaf, owen, lime, mute, solo; `unit` a key of `UNITS`. `groups`
    `[stems]` says by integers which group each stem is in, for owen: without, each is its own.
    For lime, `parts` and `features` are into how many parts of time stems are cut, and how many
    parts of stems may have a share (None: all). Raises ValueError for more parts than segments.
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

    terms = Terms(UNITS[unit], limits, on_progress, clock)
    work: _Work | AudioLime
    if value == "lime":
        components = Components.cut(game.sounding, parts)
        work = AudioLime(game, terms, cost(game), components, features, seed)
    else:
        work = _Work(game, terms, begin, of)

    def steps() -> Iterator[Shares]:
        try:
            yield work.sums()
            yield from work.effects()
            if not only_effects:
                yield from work.estimates()
        except Spent:
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


class _Work(Asking):
    """What is known so far of a value that each segment has by itself (arrays as in `Shares`), and
    the steps."""

    def __init__(
        self,
        game: Game,
        terms: Terms,
        begin: Callable[[int, Values, Values], SegmentGame],
        groups: NDArray[np.intp] | None,
    ) -> None:
        super().__init__(game, terms, cost(game, groups))
        self._begin, self._groups = begin, groups
        self._segments: list[SegmentGame] = []
        segments, stems = game.sounding.shape
        tags = len(game.tagger.tags)
        self._attributions, self._variance, self._bound = (
            np.zeros((segments, stems, tags)) for _ in range(3)
        )
        count = 0 if groups is None else int(groups.max()) + 1
        self._of_groups = Parts(*(np.zeros((segments, count, tags)) for _ in range(3)))

    def shares(self) -> Shares:
        """What is known now."""
        return self._shares(
            self._attributions.copy(),
            self._variance.copy(),
            self._bound.copy(),
            groups=None if self._groups is None else deepcopy(self._of_groups),
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
            self._ask_ends(t)
            self._segments.append(self._begin(t, self._everybody[t], self._nobody[t]))
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
        try:
            for plays in self._next_pairs(game, math.ceil(target) - game.pairs):
                worth = self._worth(t, np.concatenate([plays, ~plays]))
                game.add(plays, worth[: len(plays)], worth[len(plays) :])
        except Spent:
            self._learn(t)  # whatever the number of pairs, they are drawn by size as all are
            raise
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
                raise Spent
            pairs -= some
            yield game.take(some)

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
