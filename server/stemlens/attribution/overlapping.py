"""Shares over time at a finer hop, by segments that overlap.

The segments that begin at an offset are those of the session played from that offset on: a game of
its own over the same waveforms. With p offsets, spread evenly over the length of a segment, a
segment begins every 1/p of it. The first offset is 0, whose game has been played; so a finer hop
costs p − 1 times what the session's own shares cost, and changes nothing about those: a session's
share is the mean over the segments that do not overlap.

A session of an hour at 0.25 s has 14,000 segments, times stems, times tags. So of each pass only
what is told is kept, shares and intervals in float32: they are right to 1e-7 of themselves there.

What a segment tells is of all the time that it hears. Neighbours share most of that, so their
values are no independent measurements, and what lasts less than a segment is told as long as one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.shares import Shares
from stemlens.game import Game

Progress = Callable[[float], None]
"""Is told the fraction that is done; what it raises ends the work."""

Play = Callable[[Game, Progress], Shares]
"""What the stems of a game have a share in, as well as it is to be known."""


@dataclass(frozen=True, slots=True)
class Course:
    """Shares over time, in the order of time.

    hop_s: seconds from one segment to the next. start_s: `[segments]`, from the session's start.
    attributions and off, half of their 95 % intervals: float32 `[segments, stems, tags]`. scores,
    baseline: `[segments, tags]`. sounding: `[segments, stems]`. tagged, recalled: how many scores
    of the overlapping segments were asked of the tagger, and how many were known.
    """

    hop_s: float
    start_s: NDArray[np.float64]
    attributions: NDArray[np.float32]
    off: NDArray[np.float32]
    scores: NDArray[np.float64]
    baseline: NDArray[np.float64]
    sounding: NDArray[np.bool_]
    tagged: int
    recalled: int


def passes(segment_s: float, hop_s: float) -> int:
    """How many games a hop of at most `hop_s` takes; 1: the session's own."""
    return max(1, math.ceil(segment_s / hop_s - 1e-9))


def course(
    game: Game,
    own: Shares,
    hop_s: float,
    play: Play,
    on_progress: Progress = lambda fraction: None,
) -> Course:
    """The shares of a game at a hop of at most `hop_s`.

    own: its shares as they are known, which stand in the result, rounded. play: how those of the
    others are had. Segments that the session does not fill are left out, so that a session shorter
    than one has no more than its own.
    """
    count = passes(game.tagger.segment_s, hop_s)
    starts, found, sounding = [game.start_s], [_told(own)], [game.sounding]
    tagged = recalled = 0
    for number, first in _offsets(game, count):

        def tell(fraction: float, before: int = number - 1) -> None:
            on_progress((before + fraction) / (count - 1))

        tell(0.0)
        other = game.played_from(first)
        found.append(_told(play(other, tell)))
        sounding.append(other.sounding)
        starts.append(first / game.tagger.sample_rate + other.start_s)
        tagged, recalled = tagged + other.tagged, recalled + other.recalled
    on_progress(1.0)
    start_s = np.concatenate(starts)
    order = np.argsort(start_s, kind="stable")
    attributions, off, scores, baseline = map(list, zip(*found, strict=True))
    found.clear()
    return Course(
        game.tagger.segment_s / count,
        start_s[order],
        _in_order(attributions, order),
        _in_order(off, order),
        _in_order(scores, order),
        _in_order(baseline, order),
        np.concatenate(sounding)[order],
        tagged,
        recalled,
    )


def _told(shares: Shares) -> tuple[NDArray[Any], ...]:
    """What is kept of a pass: attributions, off, scores and baseline, as in `Course`."""
    half = shares.segment_half_width
    return shares.attributions.astype("f4"), half.astype("f4"), shares.scores, shares.baseline


def _in_order(parts: list[NDArray[Any]], order: NDArray[np.intp]) -> NDArray[Any]:
    """The rows of all parts, which are used up one by one."""
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    merged = np.empty((len(order), *parts[0].shape[1:]), parts[0].dtype)
    first = 0
    while parts:
        part = parts.pop(0)
        merged[places[first : first + len(part)]] = part
        first += len(part)
    return merged


def _offsets(game: Game, count: int) -> Iterator[tuple[int, int]]:
    """The number and first sample of each game but the first that has a whole segment."""
    tagger = game.tagger
    for number in range(1, count):
        first = round(number * tagger.segment_s * tagger.sample_rate / count)
        left = game.samples - first
        if left <= 0:
            return
        segments, over_s = tagger.segments(left)
        if segments > 1 or over_s >= 0:
            yield number, first
