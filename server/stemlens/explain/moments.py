"""Moments of a song that belong to a stem: where it is strongest, where it enters, where it exits.

A **peak** is a passage in which a stem's share of a tag has at least half of the largest magnitude
that it reaches, with the same sign. A tag of a stem has several where they are so far apart that
no segment hears both. The strongest comes first.

A stem **enters** where it sounds after silence, and **exits** where silence follows. Silence of
less than `REST_S` is a rest, and changes nothing; nor does a session that begins or ends. An entry
is as early and an exit as late as the segments allow, so that all that is heard lies between them;
with a finer hop they are right to that. What an entry brings, or an exit takes, is the stem's share
of the tag in the `AFTER_S` next to it: without the stem its share was 0. The scores of the mix say
less, for other stems may enter with it.

Values are parts of a score (−1 to 1), times are seconds of project time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.over_time import OverTime
from stemlens_bridge.annotations import AnnotationPolicy, signed, tellable, told

PEAKS = 3  # of one tag of one stem at most
REST_S = 4.0  # less silence is a rest
AFTER_S = 6.0
SAME_S = 1e-6

Series = NDArray[np.float64]


def moments(
    document: Mapping[str, Any], over_time: OverTime, policy: AnnotationPolicy
) -> list[dict[str, Any]]:
    """All moments of a result's stems: `kind` (peak, entry, exit), `track`, `tag`, `start_s`,
    `end_s`, `value`, `text`; stem by stem, peaks first.

    Peaks are of the tags that the policy tells of a track. An entry or exit has tag "" and value 0
    where no tag that the policy tells is heard; it names its tag in `text` only where the value is
    worth telling.
    """
    peaks = told(document, policy)
    names = {
        stem["id"]: stem["name"]
        for stem in document["session"]["stems"]
        if stem.get("kind") != "rest"  # which has no track
    }
    may_be = tellable(document["tags"], policy.kinds)
    in_points = document["method"].get("unit", "points") == "points"
    of_kind = np.array([in_points and tag in may_be for tag in over_time.tags])
    column = {tag: k for k, tag in enumerate(over_time.tags)}
    found = []
    for i, stem in enumerate(over_time.stems):
        if stem not in names:
            continue
        for tag, _ in peaks[stem]:
            share = over_time.attributions[:, i, column[tag["tag"]]]
            series = np.asarray(share, dtype=np.float64)
            found += _peaks(stem, names[stem], tag["tag"], series, over_time)
        found += [
            {"kind": kind, "track": stem, "start_s": at, "end_s": at}
            | _brought(kind, heard, i, names[stem], over_time, of_kind, policy)
            for kind, at, heard in changes(over_time.sounding[:, i], over_time)
        ]
    return found


def passages(series: Series, over_time: OverTime) -> list[tuple[int, int]]:
    """First and last segment of the passages in which `series` `[segments]` peaks, the strongest
    first; the one with the largest magnitude is always among them."""
    if not series.any():
        return []
    top = int(np.argmax(abs(series)))
    strong = np.sign(series[top]) * series >= abs(series[top]) / 2
    edges = np.flatnonzero(np.diff(np.concatenate([[0], strong, [0]])))
    runs = [(int(first), int(after) - 1) for first, after in edges.reshape(-1, 2)]
    runs.sort(key=lambda run: -float(abs(series[run[0] : run[1] + 1]).max()))
    spans_s = over_time.spans_s
    kept: list[tuple[int, int]] = []
    for run in runs:
        if all(_apart(run, other, spans_s, over_time.segment_s) for other in kept):
            kept.append(run)
        if len(kept) == PEAKS:
            break
    return kept


def changes(sounding: NDArray[np.bool_], over_time: OverTime) -> list[tuple[str, float, list[int]]]:
    """Where a stem that sounds in these segments `[segments]` enters and exits: "entry" or "exit",
    when, and the segments next to it in which it is heard."""
    start_s, segment_s = over_time.start_s, over_time.segment_s
    edges = np.flatnonzero(np.diff(np.concatenate([[0], sounding.astype(np.int8), [0]])))
    runs = [(int(first), int(after) - 1) for first, after in edges.reshape(-1, 2)]
    parts: list[tuple[int, int]] = []
    for run in runs:
        if parts and _begin(run[0], over_time) - _end(parts[-1][1], over_time) < REST_S - SAME_S:
            parts[-1] = (parts[-1][0], run[1])
        else:
            parts.append(run)
    found: list[tuple[str, float, list[int]]] = []
    for first, last in parts:
        inside = [t for t in range(first, last + 1) if sounding[t]]
        begin, end = _begin(first, over_time), _end(last, over_time)
        if begin - float(start_s[0]) >= REST_S - SAME_S:
            near = [
                t
                for t in inside
                if start_s[t] >= begin - SAME_S
                and start_s[t] + segment_s <= begin + AFTER_S + SAME_S
            ]
            found.append(("entry", begin, near or inside[:1]))
        if float(start_s[-1]) + segment_s - end >= REST_S - SAME_S:
            near = [
                t
                for t in inside
                if start_s[t] + segment_s <= end + SAME_S and start_s[t] >= end - AFTER_S - SAME_S
            ]
            found.append(("exit", end, near or inside[-1:]))
    return found


def _begin(segment: int, over_time: OverTime) -> float:
    """The earliest that a stem which is heard from a segment on can have begun."""
    start_s = over_time.start_s
    if segment == 0:
        return float(start_s[0])
    return float(start_s[segment - 1] + over_time.segment_s)  # up to there it was silent


def _end(segment: int, over_time: OverTime) -> float:
    """The latest that a stem which is heard up to a segment can have ended."""
    start_s = over_time.start_s
    if segment == len(start_s) - 1:
        return float(start_s[-1] + over_time.segment_s)
    return float(start_s[segment + 1])


def _apart(
    one: tuple[int, int],
    other: tuple[int, int],
    spans_s: Sequence[tuple[float, float]],
    segment_s: float,
) -> bool:
    """Whether no segment hears both of two passages."""
    early, late = sorted((one, other))
    return spans_s[late[0]][0] - spans_s[early[1]][1] >= segment_s - SAME_S


def _peaks(
    stem: str, name: str, tag: str, series: Series, over_time: OverTime
) -> list[dict[str, Any]]:
    found = []
    for first, last in passages(series, over_time):
        value = float(series[first : last + 1].mean())
        found.append(
            {
                "kind": "peak",
                "track": stem,
                "tag": tag,
                "start_s": over_time.spans_s[first][0],
                "end_s": over_time.spans_s[last][1],
                "value": round(value, 7),
                "text": f"{name}: {signed(value)} points of {tag}",
            }
        )
    return found


def _brought(
    kind: str,
    heard: list[int],
    stem: int,
    name: str,
    over_time: OverTime,
    of_kind: NDArray[np.bool_],
    policy: AnnotationPolicy,
) -> dict[str, Any]:
    """The tag of which a stem brings or takes most in the segments next to its entry or exit, how
    much, and that in words. of_kind: which tags may be told `[tags]`."""
    share = over_time.attributions[heard, stem].mean(axis=0)
    with_it = over_time.scores[heard].mean(axis=0)
    most = np.maximum(with_it, with_it - share)
    silence = over_time.baseline[heard].mean(axis=0)
    worth = np.flatnonzero(of_kind & (100 * most >= policy.min_score) & (most > silence))
    text = f"{name} enters" if kind == "entry" else f"{name} exits"
    if not len(worth):
        return {"tag": "", "value": 0.0, "text": text}
    own = int(worth[np.argmax(abs(share[worth]))])
    value, tag = float(share[own] if kind == "entry" else -share[own]), over_time.tags[own]
    if 100 * abs(value) >= policy.min_share:
        text = f"{text}: {signed(value)} points of {tag}"
    return {"tag": tag, "value": round(value, 7), "text": text}
