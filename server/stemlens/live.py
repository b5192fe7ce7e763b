"""A mix whose faders are being moved: its tags, and what the next moves would do to them.

Gains are free: what a tagger's linear half has made of some stems in a segment answers for any
gains (see `stemlens.tagging.tagger`). So a few seconds of a session are opened once, and a move of
a fader costs one tagging a segment. What it did is told first (the tags), then what a musician
might do next: one dB up on each fader, each mute, and at last the shares, estimated better and
better. All that is of no use once a fader has moved again: `go_on` is asked between batches, and
what it raises ends the work. Only the tags are always finished, or a fader that keeps moving would
never show any.

One dB up is tried, not derived: stems × segments taggings give the answer for all tags, where
backpropagation takes one pass a tag. It differs from the slope by what the score bends in a dB.

Who sounds is decided at the gains of the moment. A stem that lay below the threshold at the bounce
is opened when its fader has brought it above.

Conventions: `gains` are linear, and what the stems have at the bounce; moves are dB relative to
that. Scores are float64, `[tags]` for the excerpt (the mean over its segments).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.segment import PAIRS_A_STEM, SHAPLEY, PairsGame
from stemlens.attribution.shares import Z95
from stemlens.tagging.lanes import urgent
from stemlens.tagging.tagger import OpenSegment, OpenStems, Tagger

EXCERPT_S = 12.0
HEADROOM_DB = 12.0  # stems that would sound this much louder are opened in advance
ONE_DB_UP = 10 ** (1 / 20)
TURN_S = 0.025  # how long a batch should take: so long a newer move waits at most
LEAST_ROWS = 2
SHARE_TAGGINGS = 1024  # on the shares of one mix no more are spent than these, or the first pairs
PRECISION = 0.01  # half the width of the widest interval at which shares are good enough

Gains = NDArray[np.float64]
Scores = NDArray[np.float64]
Players = Sequence[NDArray[np.intp]]
GoOn = Callable[[], None]


def always() -> None:
    """For those whose faders stay where they are."""


@dataclass(frozen=True, slots=True)
class Tags:
    """The scores of the mix `[tags]`."""

    scores: Scores


@dataclass(frozen=True, slots=True)
class Effects:
    """What each stem does to each tag `[stems, tags]`.

    kind: what one "decibel" up on its fader would do, what its "mute" would, its "share".
    An exact effect has low = high = value; a stem that does not sound (`sounds` `[stems]`) has 0.
    """

    kind: str
    value: Scores
    low: Scores
    high: Scores
    sounds: NDArray[np.bool_]


def most_like_all(scores: Scores, count: int) -> int:
    """The first of the `count` segments in a row whose mean scores are nearest to those of all.

    `scores` `[segments, tags]`.
    """
    count = min(count, len(scores))
    before = np.concatenate([np.zeros((1, scores.shape[1])), scores.cumsum(axis=0)])
    means = (before[count:] - before[:-count]) / count
    return int(np.square(means - scores.mean(axis=0)).sum(axis=1).argmin())


def scores_over_time(
    tagger: Tagger, total: NDArray[np.float32], on_progress: Callable[[float], None]
) -> Scores:
    """The scores `[segments, tags]` of one waveform `[samples]`; `on_progress` hears fractions."""
    with urgent():
        stems = tagger.open(total[None])
    scores = np.empty((stems.segments, len(tagger.tags)))
    for segment in range(stems.segments):
        on_progress(segment / stems.segments)
        with urgent():
            scores[segment] = tagger.score(stems.segment(segment, [0]).mix(np.ones((1, 1))))[0]
    return scores


class Excerpt:
    """Some segments in a row of a session that a tagger has opened, ready to be mixed.

    silence: the power up to which a stem counts as not sounding; None: the tagger's.
    """

    def __init__(
        self,
        tagger: Tagger,
        stems: OpenStems,
        segments: range,
        gains: Gains,
        silence: float | None = None,
    ) -> None:
        self.segments = segments
        self.tags = len(tagger.tags)
        self._tagger, self._stems = tagger, stems
        self._threshold = tagger.silence if silence is None else silence
        self._rows = LEAST_ROWS
        self._threads = ThreadPoolExecutor(len(segments), thread_name_prefix="live")
        self._opened: dict[int, tuple[list[int], OpenSegment]] = {}
        self.open(self.sounding(gains * 10 ** (HEADROOM_DB / 20)))

    def close(self) -> None:
        """Ends its threads."""
        self._threads.shutdown(cancel_futures=True)

    def sounding(self, gains: Gains) -> NDArray[np.bool_]:
        """Who sounds at gains `[stems]`: `[segments, stems]`."""
        power = self._stems.power[self.segments.start : self.segments.stop]
        sounding: NDArray[np.bool_] = power * gains**2 > self._threshold
        return sounding

    def open(self, sounding: NDArray[np.bool_]) -> None:
        """Sees to it that these stems `[segments, stems]` can be mixed."""

        def opened(segment: int, wanted: NDArray[np.bool_]) -> None:
            known = set(self._opened[segment][0]) if segment in self._opened else None
            new = set(np.flatnonzero(wanted).tolist())
            if known is None or not new <= known:
                stems = sorted(new | (known or set()))
                with urgent():
                    self._opened[segment] = stems, self._stems.segment(segment, stems)

        list(self._threads.map(opened, self.segments, sounding))

    def score(self, gains: Gains) -> Scores:
        """Scores `[segments, tags]` of one mix `[segments, stems]`, all segments side by side, so
        that all cores have something to do."""
        return np.concatenate(list(self._threads.map(self._scored, self.segments, gains[:, None])))

    def score_many(self, rows: Sequence[Gains], go_on: GoOn) -> list[Scores]:
        """Scores `[rows, tags]` of several mixes `[rows, stems]` in each segment, in batches of
        about `TURN_S`, with `go_on` before each."""
        found = []
        for segment, own in zip(self.segments, rows, strict=True):
            scores = np.empty((len(own), self.tags))
            first = 0
            while first < len(own):
                go_on()
                started = time.perf_counter()
                batch = own[first : first + self._rows]
                scores[first : first + len(batch)] = self._scored(segment, batch)
                first += len(batch)
                fitting = round(len(batch) * TURN_S / max(time.perf_counter() - started, 1e-6))
                most = min(2 * self._rows, self._tagger.batch)
                self._rows = max(LEAST_ROWS, min(fitting, most))
            found.append(scores)
        return found

    def _scored(self, segment: int, gains: Gains) -> Scores:
        stems, opened = self._opened[segment]
        with urgent():
            return self._tagger.score(opened.mix(gains[:, stems])).astype(np.float64)


class LiveMix:
    """An excerpt at whatever faders; `seed` decides from which coalitions shares are estimated."""

    def __init__(self, excerpt: Excerpt, gains: Gains, seed: int = 0) -> None:
        self._excerpt, self._gains, self._seed = excerpt, gains, seed
        self._nobody = excerpt.score(np.zeros((len(excerpt.segments), len(gains))))

    def answers(
        self,
        moved_db: NDArray[np.float64],
        muted: NDArray[np.bool_],
        shown: int,
        go_on: GoOn = always,
    ) -> Iterator[Tags | Effects]:
        """The tags at these faders and mutes `[stems]`, then the effects, the shares as often as
        they are known better.

        Shares are known well enough when those of the `shown` best tags are.
        """
        gains = self._gains * 10 ** (moved_db / 20) * ~muted
        sounds = self._excerpt.sounding(gains)
        self._excerpt.open(sounds)
        mix = np.where(sounds, gains, 0.0)
        scores = self._excerpt.score(mix)
        yield Tags(scores.mean(axis=0))

        players = [np.flatnonzero(own) for own in sounds]
        for kind, factor in (("decibel", ONE_DB_UP), ("mute", 0.0)):
            changed = self._excerpt.score_many(_each_changed(mix, players, factor), go_on)
            effects = [new - now for new, now in zip(changed, scores, strict=True)]
            yield self._effects(kind, players, effects)
        yield from self._shares(mix, players, scores, changed, shown, go_on)

    def _shares(
        self,
        mix: Gains,
        players: Players,
        scores: Scores,
        muted: Sequence[Scores],
        shown: int,
        go_on: GoOn,
    ) -> Iterator[Effects]:
        """Shapley values from pairs of coalitions (`attribution.segment`), twice as many each time.

        `muted`: scores `[players, tags]` in each segment with one of the players muted.
        """
        best = np.argsort(-scores.mean(axis=0), kind="stable")[:shown]
        games = [
            PairsGame(len(own), everybody, nobody, SHAPLEY, (self._seed, segment))
            for segment, own, everybody, nobody in zip(
                self._excerpt.segments, players, scores, self._nobody, strict=True
            )
        ]
        first = [game.take(game.n) for game in games]
        alone = self._excerpt.score_many(_played(mix, players, first), go_on)
        for game, pairs, solo, mute in zip(games, first, alone, muted, strict=True):
            game.add(pairs, solo, mute[pairs.argmax(axis=1)] if game.n else mute)
        spent, pairs_a_stem = 0, PAIRS_A_STEM
        while True:
            more = [game.take(pairs_a_stem * game.n - game.pairs) for game in games]
            there = self._excerpt.score_many(_played(mix, players, more), go_on)
            gone = self._excerpt.score_many(_played(mix, players, [~p for p in more]), go_on)
            for game, pairs, with_them, without in zip(games, more, there, gone, strict=True):
                game.add(pairs, with_them, without)
            spent += 2 * sum(map(len, more))
            estimates = [game.estimate() for game in games]
            variance = self._summed(players, [estimate.variance for estimate in estimates])
            half = Z95 * np.sqrt(variance) / len(games)
            yield self._effects("share", players, [it.value for it in estimates], half)
            if half[:, best].max(initial=0) <= PRECISION or 2 * spent > SHARE_TAGGINGS:
                return
            pairs_a_stem *= 2

    def _effects(
        self, kind: str, players: Players, values: Sequence[Scores], half: Scores | float = 0.0
    ) -> Effects:
        """The means over the segments of the players' values `[players, tags]` in each."""
        value = self._summed(players, values) / len(players)
        sounds = np.isin(np.arange(len(self._gains)), np.concatenate(players))
        return Effects(kind, value, value - half, value + half, sounds)

    def _summed(self, players: Players, values: Sequence[Scores]) -> Scores:
        total = np.zeros((len(self._gains), self._excerpt.tags))
        for own, each in zip(players, values, strict=True):
            total[own] += each
        return total


def _each_changed(mix: Gains, players: Players, factor: float) -> list[Gains]:
    """For each segment of a mix `[segments, stems]` the mixes `[players, stems]` in which one of
    its players at a time has its gain changed by a factor."""
    changed = []
    for gains, own in zip(mix, players, strict=True):
        rows = np.tile(gains, (len(own), 1))
        rows[np.arange(len(own)), own] *= factor
        changed.append(rows)
    return changed


def _played(mix: Gains, players: Players, coalitions: Sequence[NDArray[np.bool_]]) -> list[Gains]:
    """For each segment the mixes `[coalitions, stems]` in which only some of its players play,
    `[coalitions, players]`."""
    played = []
    for gains, own, plays in zip(mix, players, coalitions, strict=True):
        rows = np.zeros((len(plays), len(gains)))
        rows[:, own] = plays * gains[own]
        played.append(rows)
    return played
