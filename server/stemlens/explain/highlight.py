"""The highlight of a song: the passage of 15 to 30 s in which it is most what it is.

What a song is, are its leading tags: the five that are farthest above silence, of whatever kind
unless the policy asks for some, each weighted by how far that is. Their weighted mean in each
segment is how much of the song that segment has. The highlight begins as the `LEAST_S` with most of
it, and grows to either side, up to `MOST_S`, while its neighbours have more than halfway between
the song's mean and what it has itself. A session of no more than `LEAST_S` is its own highlight.

Scores are 0 to 1, times are seconds of project time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.explain.leading import leading
from stemlens.over_time import OverTime
from stemlens_bridge.annotations import AnnotationPolicy

LEAST_S, MOST_S = 15.0, 30.0
LEADING = 5
TOLD = 3
SAME_S = 1e-6


def highlight(
    document: Mapping[str, Any], over_time: OverTime, policy: AnnotationPolicy
) -> dict[str, Any] | None:
    """The highlight as plain data: `start_s`, `end_s`, `tags` (`tag`, `score` in it, `song`, its
    score in all), `text`. None where no tag is clearly above silence, as in a silent session.

    document: a result, of which the tags and the session's length are read.
    """
    tags = {tag["tag"]: tag for tag in document["tags"]}
    score, baseline = (
        np.array([tags[tag][key] for tag in over_time.tags], dtype=np.float64)
        for key in ("score", "baseline")
    )
    kinds = {name: tag["kind"] for name, tag in tags.items()}
    lead = leading(score, baseline, over_time.tags, kinds, policy)[:LEADING]
    if not lead:
        return None
    weights = (score - baseline)[lead]
    course = over_time.scores[:, lead] @ weights / weights.sum()
    spans = over_time.spans_s
    first, last = passage(course, spans)
    session = document["session"]
    start_s, end_s = spans[first][0], spans[last][1]
    if end_s - start_s <= LEAST_S or session["duration_s"] <= LEAST_S:
        # what the segments leave out of so short a session is part of it all the same
        start_s = session["start_s"]
        end_s = start_s + session["duration_s"]
    inside = over_time.scores[first : last + 1].mean(axis=0)
    return {
        "start_s": start_s,
        "end_s": end_s,
        "tags": [
            {
                "tag": over_time.tags[k],
                "score": round(float(inside[k]), 7),
                "song": round(float(score[k]), 7),
            }
            for k in lead
        ],
        "text": ", ".join(over_time.tags[k] for k in lead[:TOLD]),
    }


def passage(course: NDArray[np.float64], spans: list[tuple[float, float]]) -> tuple[int, int]:
    """First and last segment of the passage in which `course` `[segments]` is highest; all of them
    where they are shorter than `LEAST_S`."""
    count = len(course)
    sums = np.concatenate([[0.0], np.cumsum(course)])
    best: tuple[float, int, int] | None = None
    last = 0
    for first in range(count):
        while last < count and spans[last][1] - spans[first][0] < LEAST_S - SAME_S:
            last += 1
        if last == count:
            break
        mean = float(sums[last + 1] - sums[first]) / (last + 1 - first)
        if best is None or mean > best[0] + SAME_S:
            best = mean, first, last
    if best is None:
        return 0, count - 1
    mean, first, last = best
    worth = (mean + float(course.mean())) / 2
    while True:
        sides = [(float(course[i]), i) for i in (first - 1, last + 1) if 0 <= i < count]
        sides = [
            (value, i)
            for value, i in sides
            if value > worth
            and max(spans[last][1], spans[i][1]) - min(spans[first][0], spans[i][0])
            <= MOST_S + SAME_S
        ]
        if not sides:
            return first, last
        _, grown = max(sides)
        first, last = min(first, grown), max(last, grown)
