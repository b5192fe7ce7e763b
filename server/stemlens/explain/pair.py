"""What makes a tag beside the rest of the mix: two sounds that add up to it, and the crossfade from
the one to the other, all as loud as the mix.

Both are float32 `[frames, 2]` at one rate, on disk or in memory; spans are slices of frames. Levels
are dB, loudness is LUFS (ITU-R BS.1770-4), measured in one span for all.

The crossfade has equal power (a quarter of a sine and of a cosine). The two sides are different
stems, so their waveforms are unlike each other and their powers add up: the loudness stays as it
is, where a crossfade that is linear in the waveforms would dip by 3 dB in the middle. And halfway
both sides have the same gain: there the mix itself is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlens.audio import Samples
from stemlens.loudness import integrated
from stemlens.mixing import spans

EDGE_S = 0.01  # over which a span that is cut out of the session fades in and out
MOST_MATCH_DB = 24.0  # by which a sound is turned up or down; what is fainter stays fainter
FULL_SCALE = 0.99
TOLD_DB = 0.05  # from here on it is told that a sound was turned up or down


@dataclass(frozen=True, slots=True)
class Levels:
    """By how much what makes the tag, and the rest, are turned up to be as loud as both together
    (None: there is nothing to be heard of it), and by how much all are turned down so that nothing
    clips. loudness_lufs: of both together, before that; None: silent."""

    only_db: float | None
    without_db: float | None
    down_db: float
    loudness_lufs: float | None


@dataclass(frozen=True, eq=False)
class Pair:
    """only: what makes the tag; without: the rest of the mix. `crossfade`: the frames in which the
    crossfade happens; before it only the first is heard, after it only the second."""

    only: Samples
    without: Samples
    rate: int
    crossfade: slice

    @property
    def whole(self) -> slice:
        return slice(0, len(self.only))

    def levels(
        self, measured: slice, heard: slice, on_piece: Callable[[], None] = lambda: None
    ) -> Levels:
        """The levels by which the sounds of the span `heard` are equally loud in `measured`.

        `on_piece` is called now and then; what it raises ends the work.
        """

        def loudness(*sides: Samples) -> float | None:
            def read(part: slice) -> Samples:
                on_piece()
                some = slice(measured.start + part.start, measured.start + part.stop)
                return np.asarray(sum(side[some] for side in sides))

            return integrated(read, measured.stop - measured.start, self.rate)

        together = loudness(self.only, self.without)
        only_db, without_db = (
            match_db(together, loudness(side)) for side in (self.only, self.without)
        )
        bare = Levels(only_db, without_db, 0.0, together)
        peak = 0.0
        faded = slice(max(heard.start, self.crossfade.start), min(heard.stop, self.crossfade.stop))
        for kind, span in (("only", heard), ("without", heard), ("crossfade", faded)):
            for block in self.sound(kind, span, bare):
                on_piece()
                peak = max(peak, float(np.abs(block).max(initial=0.0)))
        down_db = max(20 * np.log10(peak / FULL_SCALE), 0.0) if peak else 0.0
        return Levels(only_db, without_db, float(down_db), together)

    def sound(self, kind: str, span: slice, levels: Levels) -> Iterator[Samples]:
        """The sound of that kind ("only", "without", "crossfade") in a span, in blocks."""
        gains = [
            np.float32(10 ** (((db or 0.0) - levels.down_db) / 20))
            for db in (levels.only_db, levels.without_db)
        ]
        for part in spans(span.start, span.stop):
            before, after = part.stop <= self.crossfade.start, part.start >= self.crossfade.stop
            if kind == "only" or (kind == "crossfade" and before):
                block = self.only[part] * gains[0]
            elif kind == "without" or after:
                block = self.without[part] * gains[1]
            else:
                out, into = self._crossfaded(part)
                block = self.only[part] * (gains[0] * out) + self.without[part] * (gains[1] * into)
            self._fade_edges(block, part, span)
            yield block

    def _crossfaded(self, part: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The gains `[frames, 1]` of both sides in the crossfade."""
        length = max(self.crossfade.stop - self.crossfade.start, 1)
        at = (np.arange(part.start, part.stop) - self.crossfade.start + 0.5) / length
        angle = np.clip(at, 0, 1)[:, None] * np.pi / 2
        out, into = np.cos(angle), np.sin(angle)
        out[angle[:, 0] >= np.pi / 2] = 0  # and not a few 1e-17 of it
        return out.astype(np.float32), into.astype(np.float32)

    def _fade_edges(self, block: Samples, part: slice, span: slice) -> None:
        """Fades where a span begins or ends amid the session, in place."""
        length = max(min(round(EDGE_S * self.rate), (span.stop - span.start) // 2), 1)
        if span.start + length <= part.start and part.stop <= span.stop - length:
            return
        at = np.arange(part.start, part.stop)
        left = np.full(len(at), length, dtype=np.float64)
        if span.start > 0:
            left = np.minimum(left, at - span.start)
        if span.stop < len(self.only):
            left = np.minimum(left, span.stop - 1 - at)
        block *= _risen(left / length)


def middle_third(span: slice) -> slice:
    """Where the crossfade of a span happens, so that both ends are held as long as it takes."""
    third = (span.stop - span.start) // 3
    return slice(span.start + third, span.stop - third)


def fade(samples: Samples, rate: int, seconds: float = EDGE_S) -> None:
    """Fades in where a sound begins amid the session, in place; reversed, where it ends."""
    length = max(min(round(seconds * rate), len(samples) // 2), 1)
    samples[:length] *= _risen(np.arange(length) / length)


def _risen(part: NDArray[np.float64]) -> NDArray[np.float32]:
    """How far a fade is open `[frames, 1]` at each part of it, 0 to 1."""
    return (0.5 - 0.5 * np.cos(np.pi * part)).astype(np.float32)[:, None]


def match_db(target: float | None, own: float | None) -> float | None:
    """What brings one loudness (LUFS) to another; None for silence."""
    if own is None:
        return None
    if target is None:  # they cancel each other
        return 0.0
    return max(-MOST_MATCH_DB, min(target - own, MOST_MATCH_DB))
