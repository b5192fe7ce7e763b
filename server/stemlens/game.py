"""A session opened for questions: who sounds when, and what any coalition of stems scores.

The players of a segment are the stems that sound in it; a coalition is a row of booleans over them,
in the session's order. No audio is touched after opening: the tagger's linear half answers with
sums (see `stemlens.tagging.tagger`), and scores that are known already are not asked for again (see
`scorecache`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemlens.scorecache import Keys, ScoreCache, digest, keys
from stemlens.tagging.tagger import OpenStems, Tagger


class Game:
    """The stems of a session at their gains, heard by a tagger.

    waveforms: mono float32 `[stems, samples]` at `tagger.sample_rate`, aligned; not to be changed.
    gains_db: dB `[stems]`, everything that is still to be applied to the waveforms.
    silence: power up to which a stem counts as not sounding; None: `tagger.silence`.
    kept: where scores are looked up and kept; None: in memory, for this game alone.

    sounding: bool `[segments, stems]`; start_s: seconds `[segments]`, from the session's start.
    tagged: how many scores were asked of the tagger so far; recalled: how many were known.
    """

    def __init__(
        self,
        tagger: Tagger,
        waveforms: NDArray[np.float32],
        gains_db: ArrayLike | None = None,
        silence: float | None = None,
        kept: ScoreCache | None = None,
    ) -> None:
        levels_db = np.zeros(len(waveforms)) if gains_db is None else gains_db
        self._waveforms = waveforms
        self._kept = ScoreCache() if kept is None else kept
        self._threshold = tagger.silence if silence is None else silence
        self._contents: dict[tuple[int, int], bytes] = {}
        self._fill(tagger, tagger.open(waveforms), levels_db)

    def _fill(self, tagger: Tagger, stems: OpenStems, gains_db: ArrayLike) -> None:
        self.tagger = tagger
        self.stems = stems
        self._gains_db = gains_db
        self.gains = 10.0 ** (np.asarray(gains_db) / 20)
        self.sounding: NDArray[np.bool_] = stems.power * self.gains**2 > self._threshold
        self.start_s = np.arange(stems.segments, dtype=np.float64) * tagger.segment_s
        self.tagged = self.recalled = 0

    def at(
        self,
        gains_db: ArrayLike,
        silence: float | None = None,
        kept: ScoreCache | None = None,
    ) -> Game:
        """The same audio at other gains (dB `[stems]`): nothing is opened again.

        silence, kept: as for a new game.
        """
        other = Game.__new__(Game)
        other._waveforms, other._contents = self._waveforms, self._contents
        other._kept = ScoreCache() if kept is None else kept
        other._threshold = self.tagger.silence if silence is None else silence
        other._fill(self.tagger, self.stems, gains_db)
        return other

    def playing(self, waveforms: NDArray[np.float32]) -> Game:
        """Other audio of the same stems at the same gains; scores are kept in the same place."""
        return Game(self.tagger, waveforms, self._gains_db, self._threshold, self._kept)

    def played_from(self, sample: int) -> Game:
        """The same stems, played from a sample of theirs on."""
        return self.playing(self._waveforms[:, sample:])

    def louder(self, db: float) -> Game:
        """The same audio with every stem louder by `db`; scores are kept in the same place."""
        return self.at(np.asarray(self._gains_db) + db, self._threshold, self._kept)

    @property
    def samples(self) -> int:
        """How long the stems are, samples at the tagger's rate."""
        return int(self._waveforms.shape[1])

    @property
    def not_kept(self) -> str | None:
        """Why scores are not kept for the next time; None where they are, or were not to be."""
        return self._kept.problem

    def players(self, segment: int) -> NDArray[np.intp]:
        """The stems that sound in a segment."""
        return np.flatnonzero(self.sounding[segment])

    def scores(
        self,
        segment: int,
        plays: NDArray[np.bool_],
        on_tagged: Callable[[int], None] = lambda coalitions: None,
    ) -> NDArray[np.float32]:
        """Scores `[coalitions, tags]` of coalitions `plays` `[coalitions, players]` of a segment.

        Coalitions that are the same to the tagger (by twins among the stems) are tagged once.
        `on_tagged` is told how many coalitions are done after each batch; what it raises ends the
        work, and what is done until then stays known.
        """
        players = self.players(segment)
        rows = plays.astype(np.bool_, copy=False)
        gains = self.gains[players]
        tags = len(self.tagger.tags)
        own, first, at = np.unique(
            self._keys(segment, players, rows), axis=0, return_index=True, return_inverse=True
        )
        known, scores = self._kept.find(own, tags)
        self.recalled += int(known.sum())
        missing = np.flatnonzero(~known)
        if len(missing) > 1:
            missing = missing[np.lexsort(rows[first[missing]].T)]
        if len(missing) < len(own):
            on_tagged(len(own) - len(missing))
        if len(missing):
            opened = self.stems.segment(segment, players.tolist())
            for start in range(0, len(missing), self.tagger.batch):
                batch = missing[start : start + self.tagger.batch]
                scores[batch] = self.tagger.score(opened.mix(rows[first[batch]] * gains))
                self._kept.keep(own[batch], scores[batch])
                self.tagged += len(batch)
                on_tagged(len(batch))
        return scores[at.reshape(-1)]

    def _keys(self, segment: int, players: NDArray[np.intp], plays: NDArray[np.bool_]) -> Keys:
        tagger = digest(self.tagger.identity.encode())
        stems = [
            digest(tagger.tobytes(), self._content(segment, stem), self.gains[stem].tobytes())
            for stem in players.tolist()
        ]
        return keys(tagger, np.array(stems, dtype=np.uint64).reshape(-1, 2), plays)

    def _content(self, segment: int, stem: int) -> bytes:
        """The hash of what a stem plays in a segment, at gain 1."""
        if (segment, stem) not in self._contents:
            first, last = self.tagger.reach(segment)
            before = max(-first, 0).to_bytes(8, "little")
            samples = self._waveforms[stem, max(first, 0) : max(last, 0)]
            self._contents[segment, stem] = digest(before, samples.tobytes()).tobytes()
        return self._contents[segment, stem]
