"""Is it the same stem each time? A tag's peaks in time, each with the stems that make it.

One song has a tag at several places, and not always for the same reason; the web page of audioLIME
(Haunschmid, Manilow and Widmer, 2020) explains three places of one song side by side. Here a peak
is a segment that scores more than what lies around it: up to `MOST` of them, `APART_S` apart, each
standing out of its surroundings by `PROMINENCE` of what the tag has above silence at its best.

Scores and shares are 0 to 1 (shares in the result's unit), times seconds of project time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.over_time import OverTime
from stemlens.wording.told import isolated, listed, small
from stemlens_bridge.annotations import points
from stemlens_bridge.wording import clock

MOST = 3
APART_S = 6.0
PROMINENCE = 0.2
LEAST_SCORE = 0.02  # above silence, from which a peak is one
LEAST_SHARE = 0.01  # of a stem that is named: a point, or as much of the odds
STEMS = 3  # kept of a peak


@dataclass(frozen=True, slots=True)
class StemAt:
    """What a stem does for a tag in one segment: its share, and half its 95 % interval there."""

    stem: str
    value: float
    off: float


@dataclass(frozen=True, slots=True)
class Peak:
    """A segment in which a tag peaks: its span, its score and that of silence, and the stems that
    add to it there, the largest share first."""

    start_s: float
    end_s: float
    score: float
    baseline: float
    stems: tuple[StemAt, ...]

    @property
    def leader(self) -> str | None:
        """The stem that makes the peak; None where none does, or where it is not certain which."""
        if not self.stems:
            return None
        first, *others = self.stems
        most = max((other.value + other.off for other in others), default=0.0)
        return first.stem if first.value - first.off > most else None


def of(over_time: OverTime, tag: str, off: NDArray[np.float64] | None = None) -> tuple[Peak, ...]:
    """The peaks of a tag, in the order of time; none where it never says more than silence does.

    `off`: half the 95 % intervals of its shares `[segments, stems]`; None: they are exact.
    """
    from scipy.signal import find_peaks

    k = over_time.tags.index(tag)
    above = over_time.scores[:, k] - over_time.baseline[:, k]
    highest = float(above.max(initial=0.0))
    if highest < LEAST_SCORE:
        return ()
    starts_s = over_time.start_s
    hop_s = float(np.min(np.diff(starts_s))) if len(starts_s) > 1 else over_time.segment_s
    around = np.pad(above, 1, constant_values=min(0.0, float(above.min())))  # or an end is no peak
    found, _ = find_peaks(
        around,
        height=LEAST_SCORE,
        prominence=PROMINENCE * highest,
        distance=max(1, np.ceil(APART_S / hop_s - 1e-6)),
    )
    best = sorted((found - 1).tolist(), key=lambda t: -above[t])[:MOST]
    none = np.zeros(over_time.attributions.shape[:2])
    return tuple(_peak(over_time, k, t, none if off is None else off) for t in sorted(best))


def _peak(over_time: OverTime, k: int, t: int, off: NDArray[np.float64]) -> Peak:
    shares, doubt = over_time.attributions[t, :, k], off[t]
    adding = [i for i in np.argsort(-shares, kind="stable") if shares[i] >= LEAST_SHARE][:STEMS]
    start_s, end_s = over_time.spans_s[t]
    return Peak(
        start_s,
        end_s,
        float(over_time.scores[t, k]),
        float(over_time.baseline[t, k]),
        tuple(StemAt(over_time.stems[i], float(shares[i]), float(doubt[i])) for i in adding),
    )


def sentence(peaks: Sequence[Peak], tag: str, names: Mapping[str, str]) -> str:
    """Whether it is the same stem each time; "" where there is no peak.

    `names` are the stems' by their ids.
    """
    if not peaks:
        return ""
    times = listed([clock(peak.start_s) for peak in peaks])
    what = f"{tag[:1].upper()}{tag[1:]} peaks at {times}"
    leaders = [peak.leader for peak in peaks]
    told = [isolated(names[own]) if own is not None else "no stem for certain" for own in leaders]
    if len(peaks) == 1:
        return f"{what}: {told[0]}."
    if len(set(told)) == 1:
        each = "both times" if len(peaks) == 2 else "each time"
        return f"{what}: {told[0]}{'' if leaders[0] is None else f' {each}'}."
    return f"{what}: first {', then '.join(told)}."


def lines(
    peaks: Sequence[Peak], tag: str, names: Mapping[str, str], unit: str = "points"
) -> list[str]:
    """The sentence, and for each peak its score and what its stems do there, as plain text."""
    told = [sentence(peaks, tag, names)] if peaks else []
    for peak in peaks:
        stems = [f"{isolated(names[own.stem])} ({small(own.value, unit)})" for own in peak.stems]
        told.append(
            f"{clock(peak.start_s)}  {points(peak.score)} of 100"
            f"{': ' if stems else ''}{', '.join(stems)}"
        )
    return told


def to_plain(peaks: Sequence[Peak], tag: str, names: Mapping[str, str]) -> dict[str, Any]:
    """A tag's peaks as `docs/result.md` has them under `peaks`."""
    return {
        "tag": tag,
        "sentence": sentence(peaks, tag, names),
        "peaks": [
            {
                "start_s": peak.start_s,
                "end_s": peak.end_s,
                "score": round(peak.score, 7),
                "baseline": round(peak.baseline, 7),
                "attributions": [
                    {
                        "stem": own.stem,
                        "value": round(own.value, 7),
                        "low": round(own.value - own.off, 7),
                        "high": round(own.value + own.off, 7),
                    }
                    for own in peak.stems
                ],
            }
            for peak in peaks
        ],
    }
