"""audioLIME on a whole session: masks over components are scored through the game of each segment.

What a mask is worth is the mean over segments of what its coalition is worth in each. A segment in
which n stems sound knows all masks when its 2ⁿ coalitions are scored, however many components there
are. Where that is affordable the regression is of all masks (`lime.of_all_masks`); else it is of as
many drawn ones as budget and time allow, or as make the intervals narrow enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.asking import AT_ONCE, Asking, Spent, Terms
from stemlens.attribution.components import Components
from stemlens.attribution.feature_selection import selected
from stemlens.attribution.lime import (
    MASKS,
    Fit,
    exactly,
    fit,
    furthest,
    lime_masks,
    of_all_masks,
    of_masks,
    ridge,
)
from stemlens.attribution.sampling import Plays
from stemlens.attribution.segment import Values
from stemlens.attribution.shares import Shares
from stemlens.attribution.table import membership
from stemlens.game import Game

MASKS_A_COMPONENT = 3  # fewer masks do not tell how far an estimate may be off
GROWTH = 1.4  # of the masks, from round to round


class AudioLime(Asking):
    """A session that is asked for its components' coefficients.

    features: how many components may have one; None: all. seed: of the masks.
    """

    def __init__(
        self,
        game: Game,
        terms: Terms,
        cost: int,
        components: Components,
        features: int | None,
        seed: int,
    ) -> None:
        super().__init__(game, terms, cost)
        self._components, self._features = components, features
        self._known = [_Coalitions() for _ in game.sounding]
        self._random = np.random.default_rng(seed)
        self._drawn = lime_masks(len(components), self._random, 1)
        self._worths = np.zeros((0, len(game.tagger.tags)))  # of the masks drawn first
        self._least = MASKS_A_COMPONENT * (len(components) + 1)
        self._last: tuple[tuple[int, int], Fit] | None = None

    # ------------------------------------------------------------------ the steps

    def sums(self) -> Shares:
        """Scores everybody and nobody, whatever it costs."""
        for t, known in enumerate(self._known):
            self._ask_ends(t)
            n = len(self._game.players(t))
            ends = np.array([[True] * n, [False] * n], dtype=np.bool_)
            known.add(ends, np.stack([self._everybody[t], self._nobody[t]]))
        return self.shares()

    def effects(self) -> Iterator[Shares]:
        """Mutes every stem, tells of it, and then solos them."""
        singles = [np.eye(len(self._game.players(t)), dtype=np.bool_) for t in self._segments]
        for t, single in enumerate(singles):
            self._mute_is(t, single, self._asked(t, ~single))
        yield self.shares()
        for t, single in enumerate(singles):
            self._solo_is(t, single, self._asked(t, single))

    def estimates(self) -> Iterator[Shares]:
        """Tells what is known and adds masks, until all are known, or enough of them."""
        masks: float = self._least
        while not self._good_enough():
            yield self.shares()
            exact_is_next = self._precision == 0 and self._estimable
            left = self._cost - sum(map(len, self._known))
            new = (math.ceil(masks) - len(self._worths)) * len(self._known)
            if left <= self._room() and (exact_is_next or 2 * new >= left):
                for t in self._segments:
                    self._ask(t, membership(len(self._game.players(t))))
            else:
                self._add(math.ceil(masks))
                masks *= GROWTH

    def last(self) -> Shares:
        """What is known in the end."""
        return self.shares()

    # ------------------------------------------------------------------ how they are done

    @property
    def _segments(self) -> range:
        return range(len(self._known))

    @property
    def _complete(self) -> bool:
        return sum(map(len, self._known)) == self._cost

    @property
    def _estimable(self) -> bool:
        return self._complete or len(self._worths) >= self._least

    def _good_enough(self) -> bool:
        if self._complete:
            return True
        now = self.shares()
        width = now.half_width[:, now.best(self._limits.tags)].max()
        return bool(self._precision) and bool(width <= self._precision)

    def _add(self, masks: int) -> None:
        """Brings the masks to so many, or as many as there is room for.

        Where the time is up sooner than the speed so far foretold, they are dropped: those that
        happen to be known in all segments already are no fair draw, mostly small or large.
        """
        more = masks - len(self._drawn)
        if more > 0:
            tossed = self._random.random((more, len(self._components))) < 0.5
            self._drawn = np.concatenate([self._drawn, tossed])
        start = len(self._worths)
        new = self._drawn[start:masks]
        costs = np.zeros(len(new), dtype=np.int64)
        for t, known in enumerate(self._known):
            costs[known.missing(self._plays(t, new))] += 1
        new = new[: np.searchsorted(costs.cumsum(), self._room(), side="right")]
        if not len(new) or start + len(new) < self._least:
            raise Spent
        worths = np.zeros((len(new), self._worths.shape[1]))
        for t in self._segments:
            worths += self._asked(t, self._plays(t, new))
        self._worths = np.concatenate([self._worths, worths / len(self._known)])

    def _plays(self, t: int, masks: Plays) -> Plays:
        """Who plays in a segment by masks of components."""
        return masks[:, self._components.players(t)]

    def _asked(self, t: int, plays: Plays) -> Values:
        """What coalitions of a segment are worth `[coalitions, tags]`."""
        self._ask(t, plays)
        return self._known[t].worth(plays)

    def _ask(self, t: int, plays: Plays) -> None:
        """Has scored what is not known of these coalitions."""
        missing = plays[self._known[t].missing(plays)]
        if len(missing):
            missing = missing[np.lexsort(missing.T)]  # alike ones are faster together
        for first in range(0, len(missing), AT_ONCE):
            some = missing[first : first + AT_ONCE]
            self._known[t].add(some, self._affordable_worth(t, some))

    # ------------------------------------------------------------------ what follows

    def shares(self) -> Shares:
        """What is known now."""
        found, bound = self._fitted() if self._estimable else self._bounded()
        whose, times = self._components.over_time()
        nobody = np.zeros((1, bound.shape[1]))  # whose number is −1

        def over_time(values: Values, factor: Values) -> Values:
            spread: Values = np.concatenate([values, nobody])[whose] * factor[:, :, None]
            return spread

        return self._shares(
            over_time(found.coefficients, times),
            over_time(found.variance, times**2),
            over_time(bound, times),
            together=found.of_sums,
            masks=None if self._complete else len(self._worths),
        )

    def _fitted(self) -> tuple[Fit, Values]:
        """The regression, and 0 for how far off it can be beside its variance."""
        now = self._coalitions, len(self._worths)
        if self._last is None or self._last[0] != now:
            self._last = now, self._of_all() if self._complete else self._of_drawn()
        return self._last[1], np.zeros_like(self._last[1].coefficients)

    def _of_all(self) -> Fit:
        components = self._components
        if not len(components):
            return exactly(np.zeros((0, self._worths.shape[1])), components.of_stems)
        games = (
            (components.players(t), known.worth(membership(len(self._game.players(t)))))
            for t, known in enumerate(self._known)
        )
        moments = of_all_masks(len(components), games)
        value = ridge(moments, chosen=selected(moments, self._features))
        return exactly(value, components.of_stems)

    def _of_drawn(self) -> Fit:
        drawn = self._drawn[: len(self._worths)]
        moments = of_masks(drawn, self._worths, len(drawn) / MASKS)
        chosen = selected(moments, self._features)
        return fit(drawn, self._worths, chosen, self._components.of_stems)

    def _bounded(self) -> tuple[Fit, Values]:
        """Nothing, and how far off that can be at most."""
        nothing = np.zeros((len(self._components), self._worths.shape[1]))
        bound = nothing + self._unit.range * furthest(len(nothing))
        return exactly(nothing, self._components.of_stems), bound


class _Coalitions:
    """What coalitions of one segment are worth, as far as they are scored."""

    def __init__(self) -> None:
        self._worth: dict[bytes, Values] = {}

    def __len__(self) -> int:
        return len(self._worth)

    def missing(self, plays: Plays) -> NDArray[np.intp]:
        """The rows of those that are not scored, the first of each."""
        rows = {key: row for row, key in enumerate(_keys(plays)[::-1]) if key not in self._worth}
        return len(plays) - 1 - np.array(sorted(rows.values(), reverse=True), dtype=np.intp)

    def add(self, plays: Plays, worth: Values) -> None:
        """Takes in what coalitions are worth `[coalitions, tags]`."""
        self._worth.update(zip(_keys(plays), worth, strict=True))

    def worth(self, plays: Plays) -> Values:
        """The same again, of coalitions that are scored."""
        return np.array([self._worth[key] for key in _keys(plays)])


def _keys(plays: Plays) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(plays, axis=1)]
