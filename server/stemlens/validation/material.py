"""The material of the experiments: passages of real sessions of which every coalition is scored.

Of a session segments are taken that lie evenly over it, as many as the budget of taggings allows
and with at most `MOST_STEMS` stems in all, so that the game of the passages has a table of all its
coalitions and nothing about it is estimated. Stems that do not sound there are null players, and
left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution import shapley
from stemlens.attribution.sampling import Plays
from stemlens.attribution.table import membership
from stemlens.game import Game
from stemlens.opening import OpenedSession, open_game
from stemlens.validation.experiment import Progress, Settings, part
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

MOST_STEMS = 11
STAGE = "tagging"
TAGS = 10  # so many tags are looked at: those that the passages score best
BUDGET, QUICK_BUDGET = 1536, 128  # taggings, for each session

Values = NDArray[np.float64]


def demo() -> Session:
    """The demo session of the checkout; raises `session_invalid` where there is none."""
    folder = Path(__file__).resolve().parents[3] / "examples" / "demo"
    if not folder.is_dir():
        raise StemlensError(
            "session_invalid",
            "The demo session is part of the source, not of this installation. Name stems of your "
            "own with --stems.",
        )
    return Session.read(folder)


@dataclass(frozen=True)
class Passages:
    """Some segments of a session, scored in full.

    stems: which stems of the session sound there `[n]`; segments: which they are, of `of`.
    tables: of each segment `[2**players, tags]`, over the stems that sound in it.
    """

    name: str
    opened: OpenedSession
    stems: NDArray[np.intp]
    segments: tuple[int, ...]
    of: int
    tables: tuple[Values, ...]

    @property
    def game(self) -> Game:
        """The game that answers at any gains."""
        return self.opened.game

    @property
    def n(self) -> int:
        """How many stems play."""
        return len(self.stems)

    @property
    def names(self) -> list[str]:
        """What the stems are called."""
        return [self.opened.material.session.stems[stem].name for stem in self.stems]

    @cached_property
    def table(self) -> Values:
        """The scores `[2**n, tags]` of all coalitions: the mean over the segments."""
        return self.scores(membership(self.n))

    def scores(self, plays: Plays) -> Values:
        """Scores `[coalitions, tags]` of coalitions `[coalitions, n]`."""
        parts = []
        for segment, table in zip(self.segments, self.tables, strict=True):
            sounding = self.game.sounding[segment][self.stems]
            parts.append(table[plays[:, sounding] @ (1 << np.arange(sounding.sum()))])
        return np.mean(parts, axis=0)

    @property
    def best(self) -> NDArray[np.intp]:
        """The tags that are looked at, the best first: `[TAGS]`."""
        return np.argsort(-self.table[-1], kind="stable")[:TAGS]

    def tag_names(self) -> list[str]:
        """Their names."""
        return [self.game.tagger.tags[k].name for k in self.best]

    def described(self) -> str:
        """What was heard, as a part of a sentence."""
        taggings = sum(map(len, self.tables))
        return (
            f"{self.name}, {self.n} stems, {len(self.segments)} of {self.of} segments "
            f"({taggings:,} taggings)"
        )


def passages(settings: Settings, on_progress: Progress) -> list[Passages]:
    """Passages of every session, scored in full."""
    most = QUICK_BUDGET if settings.quick else BUDGET
    count = len(settings.sessions)
    return [
        scored(session, settings, part(on_progress, number, count), most)
        for number, session in enumerate(settings.sessions)
    ]


def scored(session: Session, settings: Settings, on_progress: Progress, budget: int) -> Passages:
    """Passages of one session; raises `session_invalid` where too many stems sound everywhere."""
    opened = opened_for(session, settings)
    game = opened.game
    segments = chosen(game.sounding, budget)
    if not segments:
        raise StemlensError(
            "session_invalid",
            f"In {session.project} more than {MOST_STEMS} stems sound wherever any do, and all "
            "their combinations are too many. Name a session with fewer stems.",
        )
    return Passages(
        session.project,
        opened,
        np.flatnonzero(game.sounding[segments].any(axis=0)),
        tuple(segments),
        len(game.sounding),
        tables(game, segments, on_progress),
    )


def tables(game: Game, segments: Sequence[int], on_progress: Progress) -> tuple[Values, ...]:
    """The scores of all coalitions in some segments, each `[2**players, tags]`."""
    total, done = sum(2 ** int(game.sounding[t].sum()) for t in segments), 0

    def count(coalitions: int) -> None:
        nonlocal done
        done += coalitions
        on_progress(STAGE, min(1.0, done / total))

    return tuple(
        game.scores(t, membership(len(game.players(t))), count).astype(np.float64) for t in segments
    )


def exact(game: Game, segments: Sequence[int], on_progress: Progress) -> Values:
    """The Shapley values of some segments of a game, `[stems, tags]`: the mean over them."""
    total = np.zeros((game.sounding.shape[1], len(game.tagger.tags)))
    for t, table in zip(segments, tables(game, segments, on_progress), strict=True):
        total[game.players(t)] += shapley(table)
    return total / len(segments)


def opened_for(session: Session, settings: Settings) -> OpenedSession:
    """A session open for the tagger, with the scores of this run."""
    options = session.options(Options(tagger=settings.tagger.name))
    return open_game(session, settings.tagger, options, kept=settings.kept)


def chosen(sounding: NDArray[np.bool_], budget: int) -> list[int]:
    """Segments that lie evenly over a session, as many as can be scored in full.

    sounding: `[segments, stems]`; budget: taggings. Segments in which nothing sounds, or more than
    `MOST_STEMS`, are passed over; where each of the others costs too much, the cheapest is taken.
    """
    playing = sounding.sum(axis=1)
    there = np.flatnonzero((playing > 0) & (playing <= MOST_STEMS))
    # The multiples of the golden section, modulo 1, are spread evenly however many there are.
    spread = np.argsort((np.arange(len(there)) * (5**0.5 - 1) / 2) % 1, kind="stable")
    order = np.empty_like(spread)
    order[spread] = np.arange(len(there))
    taken: list[int] = []
    cost, heard = 0, np.zeros(sounding.shape[1], dtype=np.bool_)
    for t in there[order].tolist():
        together = heard | sounding[t]
        if cost + 2 ** playing[t] <= budget and together.sum() <= MOST_STEMS:
            taken.append(t)
            cost, heard = cost + 2 ** int(playing[t]), together
    return sorted(taken) or there[playing[there].argsort(kind="stable")][:1].tolist()


def at_gains(passages: Passages, segment: int, gains: NDArray[np.float64]) -> Values:
    """Scores `[rows, tags]` of one segment at gains `[rows, players]`: linear factors, on top of
    the session's."""
    tagger = passages.game.tagger
    return np.concatenate(
        [tagger.score(inputs) for inputs in inputs_at(passages, segment, gains)]
    ).astype(np.float64)


def inputs_at(passages: Passages, segment: int, gains: NDArray[np.float64]) -> Iterator[Any]:
    """What a tagger is given for these gains, batch by batch."""
    game = passages.game
    players = game.players(segment)
    opened = game.stems.segment(segment, players.tolist())
    for first in range(0, len(gains), game.tagger.batch):
        yield opened.mix(gains[first : first + game.tagger.batch] * game.gains[players])
