"""Edits tried quickly: on a part of a session, as the tagger hears it, good enough to compare them.

A sketch plays the stem's mono waveform at the tagger's rate through the chain, in some segments
only and a little before them, and takes a fifth of the time of a trial or less. Its loudness is
matched by a few seconds of the file itself, since what a filter takes may lie above all that the
tagger hears. It differs from the trial in what a plug-in does between the sides, and in what went
on before the lead-in. What is suggested in the end has been tried in full.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from stemlens import audio
from stemlens.audio import Samples
from stemlens.edits import chains
from stemlens.edits.render import loudness, render
from stemlens.edits.response import filtered
from stemlens.edits.trials import Planned, TrialSession, hosted

LEAD_IN_S = 1.0
EXCERPT_SEGMENTS = 1  # by which loudness is matched


class Sketches:
    """Sketches of edits of a session that is open for trials."""

    def __init__(self, session: TrialSession) -> None:
        self._session = session
        self._rates: dict[int, int] = {}
        self._excerpts: dict[int, tuple[Samples, int, float | None]] = {}
        self._matches: dict[tuple[int, str], float] = {}
        rounds = [np.flatnonzero(own) for own in session.game.sounding.T]
        self._orders = [_spread(own.tolist()) for own in rounds]

    def order(self, stem: int) -> list[int]:
        """The segments in which a stem sounds, so that the first few are spread over all."""
        return self._orders[stem]

    def change(self, plans: Sequence[Planned], segments: Sequence[int]) -> NDArray[np.float64]:
        """What edits together do to the scores of some segments, `[segments, tags]`."""
        session = self._session
        mix = session.mix.astype(np.float64)
        by_stem: dict[int, list[Planned]] = {}
        for plan in plans:
            by_stem.setdefault(plan.stem, []).append(plan)
        for stem, own in by_stem.items():
            self._replace(mix, stem, own, segments)
        heard = session.hearing.scores(mix.astype(np.float32), segments)
        return heard - session.before[list(segments)]

    def _replace(
        self,
        mix: NDArray[np.float64],
        stem: int,
        plans: Sequence[Planned],
        segments: Sequence[int],
    ) -> None:
        """Puts an edited stem into the mix, where the given segments are."""
        session = self._session
        lead_in = round(LEAD_IN_S * session.rate)
        gain = session.game.gains[stem]
        pieces = []
        for first, last in _merged(session.game.tagger.reach, segments, mix.size, lead_in):
            was = session.waveforms[stem, first:last]
            becomes = was
            for plan in plans:
                becomes = self._through(stem, plan, becomes)
            pieces.append((first, last, was, becomes))
        match = 10 ** (sum(self._match(stem, plan) for plan in plans) / 20)
        for first, last, was, becomes in pieces:
            mix[first:last] += gain * (match * becomes.astype(np.float64) - was)

    def _through(
        self, stem: int, plan: Planned, waveform: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        session = self._session
        rate = session.rate
        gain_db = chains.gain_db(plan.chain)
        if gain_db is not None:
            return waveform * np.float32(10 ** (gain_db / 20))
        if chains.is_filter(plan.chain) and not chains.needs_loudness(plan.chain):
            return filtered(waveform, plan.chain, self._rate(stem), rate)
        out = render(
            waveform[:, None],
            rate,
            plan.chain,
            loudness_match=False,
            before_lufs=session.loudness_of(stem),
            host=hosted,
        )
        heard: NDArray[np.float32] = out.samples[: len(waveform), 0]
        return heard

    def _match(self, stem: int, plan: Planned) -> float:
        """The gain in dB that keeps a stem as loud as it was, where that is wanted."""
        if not plan.loudness_match:
            return 0.0
        key = stem, str(plan.edit)
        if key not in self._matches:
            samples, rate, before_lufs = self._excerpt(stem)
            lufs = self._session.loudness_of(stem)
            settled = chains.absolute(plan.chain, 0.0 if lufs is None else lufs)
            out = render(samples, rate, settled, before_lufs=before_lufs, host=hosted)
            self._matches[key] = out.match_db
        return self._matches[key]

    def _excerpt(self, stem: int) -> tuple[Samples, int, float | None]:
        """A few seconds of a stem's file in which it sounds, made mono `[frames, 1]`, their rate
        and their loudness."""
        if stem not in self._excerpts:
            session = self._session
            clip = audio.read(session.stems[stem].path)
            pieces = []
            for segment in self._orders[stem][:EXCERPT_SEGMENTS]:
                start_s = float(session.game.start_s[segment]) - session.starts_s[stem]
                first = max(0, round(start_s * clip.sample_rate))
                last = first + round(session.game.tagger.segment_s * clip.sample_rate)
                pieces.append(clip.samples[first:last])
            mono = np.ascontiguousarray(audio.to_mono(np.concatenate(pieces))[:, None])
            lufs = loudness(mono, clip.sample_rate)
            self._excerpts[stem] = mono, clip.sample_rate, lufs
        return self._excerpts[stem]

    def _rate(self, stem: int) -> int:
        if stem not in self._rates:
            self._rates[stem] = audio.probe(self._session.stems[stem].path).sample_rate
        return self._rates[stem]


def _spread(segments: list[int]) -> list[int]:
    """The segments in an order in which the first few, however many, are spread over all: by the
    bits of their number read backwards (van der Corput)."""
    bits = max(1, math.ceil(math.log2(max(len(segments), 1))))

    def backwards(number: int) -> int:
        return int(format(number, f"0{bits}b")[::-1], 2)

    return [segments[k] for k in sorted(range(len(segments)), key=backwards)]


def _merged(
    reach: Callable[[int], tuple[int, int]], segments: Sequence[int], samples: int, lead_in: int
) -> list[tuple[int, int]]:
    """The samples of some segments and a little before each; what overlaps is one piece."""
    pieces: list[tuple[int, int]] = []
    for segment in sorted(segments):
        first, last = reach(segment)
        first, last = max(first - lead_in, 0), min(last, samples)
        if pieces and first <= pieces[-1][1]:
            first, _ = pieces.pop()
        pieces.append((first, last))
    return pieces
