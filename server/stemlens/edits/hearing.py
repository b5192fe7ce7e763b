"""What the tagger hears of a whole mix, segment by segment, and only where it has changed.

A mix is one waveform, so that an edit costs no more taggings than there are segments in which it
changes anything: the sum of the stems without the edited one, plus the edited one. Scores are kept
by content, as a game keeps them (see `scorecache`); all missing segments are scored side by side.

Waveforms are mono float32 `[samples]` at the tagger's rate; scores float64 `[segments, tags]`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext

import numpy as np
from numpy.typing import NDArray

from stemlens.scorecache import ScoreCache, digest
from stemlens.tagging.lanes import urgent
from stemlens.tagging.tagger import Tagger

AT_ONCE = 4  # segments


class Hearing:
    """A tagger that listens to whole mixes of one length.

    kept: where scores are looked up and kept; overtakes: whether it goes before other work of the
    tagger (see `tagging.lanes`). tagged: how many taggings it took so far.
    """

    def __init__(self, tagger: Tagger, kept: ScoreCache, overtakes: bool = False) -> None:
        self.tagger = tagger
        self._kept = kept
        self._lane = urgent if overtakes else nullcontext
        self.tagged = 0
        self._lock = threading.Lock()  # of what is kept, and of the count
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="hearing")

    def close(self) -> None:
        """Ends its threads."""
        self._threads.shutdown(cancel_futures=True)

    def scores(
        self,
        mix: NDArray[np.float32],
        segments: Sequence[int],
        on_heard: Callable[[int], None] = lambda count: None,
    ) -> NDArray[np.float64]:
        """Scores of some segments of a mix, in that order; `on_heard` is told how many are done,
        and what it raises ends the work. May be called from several threads."""
        tags = len(self.tagger.tags)
        keys = np.array([self._key(mix, segment) for segment in segments], dtype=np.uint64)
        with self._lock:
            known, scores = self._kept.find(keys.reshape(-1, 2), tags)
        missing = np.flatnonzero(~known)
        done = len(segments) - len(missing)
        on_heard(done)
        futures = {
            self._threads.submit(self._heard, mix, segments[place]): place
            for place in missing.tolist()
        }
        try:
            for future in as_completed(futures):
                scores[futures[future]] = future.result()
                done += 1
                on_heard(done)
        finally:
            for future in futures:
                future.cancel()
        with self._lock:
            self.tagged += len(missing)
            if len(missing):
                self._kept.keep(keys[missing], scores[missing])
        return scores.astype(np.float64)

    def _heard(self, mix: NDArray[np.float32], segment: int) -> NDArray[np.float32]:
        with self._lane():
            inputs = self.tagger.open_one(mix, segment)
            return self.tagger.score(inputs)[0]

    def _key(self, mix: NDArray[np.float32], segment: int) -> NDArray[np.uint64]:
        first, last = self.tagger.reach(segment)
        before = max(-first, 0).to_bytes(8, "little")
        heard = mix[max(first, 0) : max(last, 0)].tobytes()
        return digest(b"mix", self.tagger.identity.encode(), before, heard)


def changed(
    tagger: Tagger, difference: NDArray[np.float32], segments: int, floor: float = 1e-6
) -> list[int]:
    """The segments in which a difference `[samples]` of two mixes is more than nothing (−120 dB of
    full scale)."""
    loud = np.abs(difference) > floor
    found = []
    for segment in range(segments):
        first, last = tagger.reach(segment)
        if loud[max(first, 0) : max(last, 0)].any():
            found.append(segment)
    return found
