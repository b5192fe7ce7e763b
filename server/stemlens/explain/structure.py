"""The sections of a song: where what the tagger hears changes for good, and what to call them.

Novelty by J. Foote, "Automatic Audio Segmentation Using a Measure of Audio Novelty", 2000: the
self-similarity of the taggram, looked at through a checkerboard kernel that runs along its
diagonal. A boundary is where both sides are alike in themselves and unlike each other. Similarity
is here the distance of the scores of all tags, and the four fields of the kernel are means, so that
novelty is in scores too: how much farther the two sides are from each other than from themselves,
0 where nothing changes, and the size of the step where two steady parts meet (at a finer hop a
little less, since some segments hear both). Segments that hear some of the same time are not
compared, or a finer hop would make everything look alike.

Sections are at least `LEAST_S` long. What is called a section's own is what it has more, or less,
of than the rest of the song.

Scores are 0 to 1, times are seconds of project time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.explain.leading import leading
from stemlens.over_time import OverTime
from stemlens_bridge.annotations import AnnotationPolicy, tellable

REACH_S = 12.0  # of the kernel, to either side
LEAST_S = 8.0  # two bars at 60 beats a minute
LEAST_NOVELTY = 0.1
CLEAR = 0.5  # novelty against how far each side is from itself
TOLD = 3  # tags of a section
UNTOLD = "like the rest"


@dataclass(frozen=True, slots=True)
class Span:
    """Segments `first` to `last` (inclusive), and how new what begins with them is."""

    first: int
    last: int
    novelty: float


def novelty(over_time: OverTime) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How new each segment's beginning is `[segments]`, in scores, and how far its two sides are
    from themselves; both 0 where a side is shorter than `LEAST_S`."""
    spans = np.array(over_time.spans_s).reshape(-1, 2)
    middles = over_time.start_s + over_time.segment_s / 2
    new, spread = np.zeros(len(spans)), np.zeros(len(spans))
    for i, (at, _) in enumerate(spans):
        if min(at - spans[0, 0], spans[-1, 1] - at) < LEAST_S:
            continue
        near = np.flatnonzero(abs(middles - at) <= REACH_S)
        taper = np.exp(-0.5 * ((middles[near] - at) / (REACH_S / 2)) ** 2)
        apart = abs(middles[near, None] - middles[near]) >= over_time.segment_s * (1 - 1e-6)
        weight = np.outer(taper, taper) * apart
        distance = _distances(over_time.scores[near])
        left = near < i
        one, other, across = (
            _mean(distance, weight, rows, columns)
            for rows, columns in ((left, left), (~left, ~left), (left, ~left))
        )
        if one is not None and other is not None and across is not None:
            spread[i] = (one + other) / 2
            new[i] = across - spread[i]
    return new, spread


def spans(over_time: OverTime) -> list[Span]:
    """The sections, which follow one another from the first segment to the last."""
    if not len(over_time.start_s):
        return []
    new, spread = novelty(over_time)
    starts = [start for start, _ in over_time.spans_s]
    boundaries: list[int] = []
    for i in np.argsort(-new, kind="stable").tolist():
        if new[i] < LEAST_NOVELTY:
            break
        apart = all(abs(starts[i] - starts[other]) >= LEAST_S for other in boundaries)
        if apart and new[i] >= CLEAR * spread[i]:
            boundaries.append(i)
    edges = [0, *sorted(boundaries), len(starts)]
    return [Span(first, after - 1, float(new[first])) for first, after in pairwise(edges)]


def sections(
    over_time: OverTime, kinds: Mapping[str, str], policy: AnnotationPolicy
) -> list[dict[str, Any]]:
    """The sections as plain data: `start_s`, `end_s`, `tags`, `text`, `novelty`.

    kinds: of the tags, by their names. Of the tags that the policy tells a section has those that
    are most different from the rest of the song; a song of one section those that lead.
    """
    found = spans(over_time)
    times = over_time.spans_s
    told = []
    for span in found:
        tags = _own(over_time, span, kinds, policy)
        told.append(
            {
                "start_s": times[span.first][0],
                "end_s": times[span.last][1],
                "tags": tags,
                "text": ", ".join(_words(tag) for tag in tags) or UNTOLD,
                "novelty": round(span.novelty, 4),
            }
        )
    return told


def _own(
    over_time: OverTime, span: Span, kinds: Mapping[str, str], policy: AnnotationPolicy
) -> list[dict[str, Any]]:
    """Its tags: `tag`, `score` in it, and `rest`, the score outside of it (None: there is none)."""
    inside = np.zeros(len(over_time.start_s), dtype=np.bool_)
    inside[span.first : span.last + 1] = True
    score = over_time.scores[inside].mean(axis=0)
    if inside.all():
        best = leading(score, over_time.baseline.mean(axis=0), over_time.tags, kinds, policy)
        return [
            {"tag": over_time.tags[k], "score": round(float(score[k]), 7), "rest": None}
            for k in best[:TOLD]
        ]
    rest = over_time.scores[~inside].mean(axis=0)
    heard = 100 * np.maximum(score, rest) >= policy.min_score
    clear = 100 * abs(score - rest) >= policy.min_share
    told = _told(over_time, kinds, policy)
    own = np.flatnonzero(heard & clear & told)
    own = own[np.argsort(-abs(score - rest)[own], kind="stable")][:TOLD]
    own = own[np.argsort((score < rest)[own], kind="stable")]  # "ambient, less rock"
    return [
        {
            "tag": over_time.tags[k],
            "score": round(float(score[k]), 7),
            "rest": round(float(rest[k]), 7),
        }
        for k in own
    ]


def _told(
    over_time: OverTime, kinds: Mapping[str, str], policy: AnnotationPolicy
) -> NDArray[np.bool_]:
    """Which tags the policy tells of this song `[tags]`."""
    score, baseline = over_time.scores.mean(axis=0), over_time.baseline.mean(axis=0)
    tags = [
        {"tag": tag, "kind": kinds.get(tag), "score": score[k], "baseline": baseline[k]}
        for k, tag in enumerate(over_time.tags)
    ]
    names = tellable(tags, policy.kinds)
    return np.array([tag in names for tag in over_time.tags], dtype=np.bool_)


def _words(tag: Mapping[str, Any]) -> str:
    """ "metal", or "less metal" for a tag of which the rest has more."""
    less = tag["rest"] is not None and tag["rest"] > tag["score"]
    return f"less {tag['tag']}" if less else str(tag["tag"])


def _distances(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far any two segments are from each other, `[segments, segments]`."""
    squares = (scores**2).sum(axis=1)
    both = squares[:, None] + squares - 2 * scores @ scores.T
    far: NDArray[np.float64] = np.sqrt(np.maximum(both, 0))
    return far


def _mean(
    distance: NDArray[np.float64],
    weight: NDArray[np.float64],
    rows: NDArray[np.bool_],
    columns: NDArray[np.bool_],
) -> float | None:
    """The mean of one field of the kernel; None where nothing in it may be compared."""
    field = np.ix_(rows, columns)
    total = weight[field].sum()
    return float((distance[field] * weight[field]).sum() / total) if total else None
