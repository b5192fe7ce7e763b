"""Games of which every coalition has been scored, so that a method's errors can be replayed.

How far a method is from the exact Shapley values depends on which coalitions it asks for, not on
when they are scored. So each coalition of a song is scored once, and the methods are then given
their answers from a table, any number of times, with many seeds. What their taggings cost is
measured elsewhere, on the same song in the same run.

The scores of all coalitions of all segments also give those of any coalition of the whole session
(`session_scores`): a stem that does not sound in a segment changes nothing there. They are kept in
`build/bench/scores.sqlite3` from run to run, by content as Stemlens keeps them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.songs import CACHE, Song
from stemlens import Options, Session, tagging
from stemlens.attribution import shapley
from stemlens.attribution.gaussian_process import shapley_by_process
from stemlens.attribution.least_squares import Estimate
from stemlens.attribution.sampling import PairSampler
from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens.opening import OpenedSession, open_game
from stemlens.scorecache import ScoreCache

IN_FULL = 13  # players up to which a segment's table is made; beyond, scores as they are asked for
KEPT = CACHE / "scores.sqlite3"
REFERENCE_PAIRS = 1024

Plays = NDArray[np.bool_]
Values = NDArray[np.float64]


def opened(song: Song) -> OpenedSession:
    """A song opened, with all scores kept that it was ever asked for."""
    tagger = tagging.load(song.tagger, "cpu")
    session = Session.read(song.folder)
    options = session.options(Options(tagger=song.tagger))
    return open_game(session, tagger, options, kept=ScoreCache(KEPT))


class Replay:
    """A `Game` that answers from tables.

    estimated: segments with too many players for one, where scores are still the game's own.
    """

    def __init__(self, game: Game) -> None:
        self._game = game
        self.tagger, self.sounding, self.start_s = game.tagger, game.sounding, game.start_s
        self._tables: dict[int, Values] = {}
        for t in range(len(self.sounding)):
            if (n := len(self.players(t))) <= IN_FULL:
                self._tables[t] = game.scores(t, membership(n)).astype(np.float64)
        self.estimated = [t for t in range(len(self.sounding)) if t not in self._tables]

    def players(self, segment: int) -> NDArray[np.intp]:
        """The stems that sound in a segment."""
        return self._game.players(segment)

    def scores(
        self,
        segment: int,
        plays: Plays,
        on_tagged: Callable[[int], None] = lambda coalitions: None,
    ) -> NDArray[np.floating]:
        """As `Game.scores`."""
        if segment not in self._tables:
            return self._game.scores(segment, plays, on_tagged)
        on_tagged(len(plays))
        return self._tables[segment][plays @ (1 << np.arange(plays.shape[1]))]

    def reference(self) -> Estimate:
        """The shares of the session: exact, but for the segments in `estimated`, which are sampled
        so often that they count as known; the variance says how well."""
        segments, stems = self.sounding.shape
        shape = (stems, len(self.tagger.tags))
        value, variance = np.zeros(shape), np.zeros(shape)
        for t, table in self._tables.items():
            value[self.players(t)] += shapley(table)
        for t in self.estimated:
            n = len(self.players(t))
            plays = PairSampler(n, (1, t)).take(REFERENCE_PAIRS)
            everybody, nobody = self.scores(t, np.array([[True] * n, [False] * n]))
            differences = self.scores(t, plays) - self.scores(t, ~plays)
            found = shapley_by_process(plays, differences, everybody - nobody)
            value[self.players(t)] += found.value
            variance[self.players(t)] += found.variance
        return Estimate(value / segments, variance / segments**2)


def session_scores(game: Game | Replay, plays: Plays) -> Values:
    """Scores `[coalitions, tags]` of coalitions `[coalitions, stems]` of the whole session."""
    total = np.zeros((len(plays), len(game.tagger.tags)))
    for t in range(len(game.sounding)):
        total += game.scores(t, plays[:, game.players(t)])
    return total / len(game.sounding)
