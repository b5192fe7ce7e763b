"""A session opened for questions: who sounds when, and what any coalition of stems scores.

The players of a segment are the stems that sound in it; a coalition is a bit mask over them, bit i
for the i-th sounding stem in the session's order. No audio is touched after opening: the tagger's
linear half answers with sums (see `stemlens.tagging.tagger`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.tagging.tagger import Tagger


class Game:
    """The stems of a session at their gains, heard by a tagger.

    waveforms: mono float32 `[stems, samples]` at `tagger.sample_rate`, aligned.
    gains_db: dB `[stems]`, everything that is still to be applied to the waveforms.
    silence: power up to which a stem counts as not sounding; None: `tagger.silence`.

    sounding: bool `[segments, stems]`; start_s: seconds `[segments]`, from the session's start.
    """

    def __init__(
        self,
        tagger: Tagger,
        waveforms: NDArray[np.float32],
        gains_db: ArrayLike | None = None,
        silence: float | None = None,
    ) -> None:
        self.tagger = tagger
        levels_db = np.zeros(len(waveforms)) if gains_db is None else np.asarray(gains_db)
        self.gains = 10.0 ** (levels_db / 20)
        self._stems = tagger.open(waveforms)
        threshold = tagger.silence if silence is None else silence
        self.sounding: NDArray[np.bool_] = self._stems.power * self.gains**2 > threshold
        self.start_s = np.arange(self._stems.segments, dtype=np.float64) * tagger.segment_s

    def scores(
        self,
        segment: int,
        coalitions: ArrayLike,
        on_tagged: Callable[[int], None] = lambda taggings: None,
    ) -> NDArray[np.float32]:
        """Scores `[coalitions, tags]` of coalitions of the stems that sound in a segment.

        `coalitions` are bit masks over those stems. `on_tagged` is told the size of each batch
        when it is done.
        """
        players = np.flatnonzero(self.sounding[segment])
        masks = np.asarray(coalitions, dtype=np.int64)
        opened = self._stems.segment(segment, players.tolist())
        scores = np.empty((len(masks), len(self.tagger.tags)), dtype=np.float32)
        for first in range(0, len(masks), self.tagger.batch):
            batch = masks[first : first + self.tagger.batch]
            plays = (batch[:, None] >> np.arange(len(players))) & 1
            scores[first : first + len(batch)] = self.tagger.score(
                opened.mix(plays * self.gains[players])
            )
            on_tagged(len(batch))
        return scores
