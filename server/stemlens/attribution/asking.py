"""Asking a game what coalitions are worth, while budget and time last.

What everybody and nobody score is always asked for; what is asked for after that is up to the
values that are wanted. Beside every value stand the mute and the solo effect of each stem.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stemlens.attribution.sampling import Plays
from stemlens.attribution.segment import Values
from stemlens.attribution.shares import Shares
from stemlens.game import Game

BUDGET = 16_384
PRECISION = 0.01
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


UNITS = {
    "points": Unit(as_scores, 1.0),
    "log-odds": Unit(log_odds, 2 * math.log((1 - LEAST_SCORE) / LEAST_SCORE)),
}


class Spent(Exception):
    """The budget or the time is spent."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How a game is asked: in which unit, within which limits, who is told of progress, and the
    clock, in seconds."""

    unit: Unit
    limits: Limits
    on_progress: Progress = lambda fraction: None
    clock: Callable[[], float] = time.monotonic


class Asking:
    """A game that is being asked, and what of it is the same for every value (arrays as in
    `Shares`). `cost`: how many coalitions the exact shares take."""

    def __init__(self, game: Game, terms: Terms, cost: int) -> None:
        self._game, self._unit, self._limits = game, terms.unit, terms.limits
        self._on_progress, self._clock = terms.on_progress, terms.clock
        self._started = self._clock()
        self._coalitions, self._fraction = 0, 0.0
        self._cost = cost
        self._affordable = cost <= self._limits.budget
        self._precision = self._limits.precision
        if self._precision is None:
            self._precision = 0.0 if self._affordable else PRECISION
        segments, stems = game.sounding.shape
        tags = len(game.tagger.tags)
        self._mute, self._solo = (np.zeros((segments, stems, tags)) for _ in range(2))
        self._mute[game.sounding] = self._solo[game.sounding] = np.nan
        self._everybody, self._nobody, self._scores, self._baseline = (
            np.zeros((segments, tags)) for _ in range(4)
        )

    def _shares(self, attributions: Values, variance: Values, bound: Values, **rest: Any) -> Shares:
        """What is known now: these values, and what is the same for every value."""
        return Shares(
            attributions,
            variance,
            bound,
            self._mute.copy(),
            self._solo.copy(),
            self._everybody - self._nobody,
            self._scores,
            self._baseline,
            self._coalitions,
            **rest,
        )

    def _ask_ends(self, t: int) -> None:
        """Scores everybody and nobody in a segment, whatever it costs."""
        players = self._game.players(t)
        scores = self._scored(t, np.array([[True] * len(players), [False] * len(players)]))
        self._scores[t], self._baseline[t] = scores
        self._everybody[t], self._nobody[t] = self._unit.of(scores)
        if len(players) == 1:
            self._solo[t, players] = self._everybody[t] - self._nobody[t]
            self._mute[t, players] = -self._solo[t, players]

    def _mute_is(self, t: int, single: Plays, without: Values) -> None:
        """Those who play in the rows of `single` are muted when `without` plays."""
        if len(single):
            stems = self._game.players(t)[single.argmax(axis=1)]
            self._mute[t, stems] = without - self._everybody[t]

    def _solo_is(self, t: int, single: Plays, alone: Values) -> None:
        if len(single):
            stems = self._game.players(t)[single.argmax(axis=1)]
            self._solo[t, stems] = alone - self._nobody[t]

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
            raise Spent
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
