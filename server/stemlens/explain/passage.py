"""In which passage a tag is heard best because of some stems: by the shares, without audio.

Times are seconds of project time, scores and shares 0 to 1.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.attribution.anytime import log_odds
from stemlens.over_time import OverTime
from stemlens.wording.told import unit_of
from stemlens_bridge.errors import StemlensError

LEAST_S, MOST_S = 5.5, 15.0  # that a passage lasts: two segments of musicnn, up to five
STAYS = 0.75  # of what it begins with must be in each segment by which a passage grows
NEAR = 3  # tags that are proposed for one that there is not

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Passage:
    """From `start_s` to `end_s`; its scores are those of the segments from `first` up to `last`
    (without it). named: whether it was asked for, and not found."""

    start_s: float
    end_s: float
    first: int
    last: int
    named: bool = False


def require_tag(wanted: str, tags: Sequence[str]) -> str:
    """The tag of that name, in any case; raises `bad_options` naming those that are near."""
    if wanted in tags:
        return wanted
    folded = {tag.casefold(): tag for tag in tags}
    if wanted.casefold() in folded:
        return folded[wanted.casefold()]
    near = difflib.get_close_matches(wanted.casefold(), folded, n=NEAR, cutoff=0.5)
    proposed = " or ".join(folded[one] for one in near)
    hint = f"did you mean {proposed}?" if near else f"there are {', '.join(tags)}."
    raise StemlensError("bad_options", f"The tagger has no tag {wanted[:64]!r}; {hint}")


def made(document: Mapping[str, Any], over: OverTime, tag: str, stems: Sequence[str]) -> Values:
    """How much of a tag these stems make in each segment `[segments]`, in the unit of the shares:
    their shares together, but no more than by which the score there is above silence."""
    column = over.tags.index(tag)
    rows = [over.stems.index(stem) for stem in stems]
    shares = over.attributions[:, rows, column].sum(axis=1)
    scores, baseline = over.scores[:, column], over.baseline[:, column]
    if unit_of(document) == "log-odds":
        scores, baseline = log_odds(scores), log_odds(baseline)
    return np.asarray(np.minimum(shares, scores - baseline))


def strongest(
    document: Mapping[str, Any],
    over: OverTime,
    tag: str,
    stems: Sequence[str],
    starts_s: Values,
    segment_s: float,
) -> Passage:
    """The passage of a result in which a tag is strong because of these stems, of whole segments
    that begin at `starts_s`; shares over time may be told more finely than that."""
    session = document["session"]
    nearest = np.abs(over.start_s[:, None] - starts_s).argmin(axis=0)
    strength = made(document, over, tag, stems)[nearest]
    return best(strength, starts_s, segment_s, session["start_s"] + session["duration_s"])


def best(strength: Values, starts_s: Values, segment_s: float, end_s: float) -> Passage:
    """The passage in which `strength` `[segments]` is greatest: `LEAST_S` long, and longer, up to
    `MOST_S`, where what comes before or after is nearly as strong. Whole segments, which follow one
    another from `starts_s`; the session ends at `end_s`."""
    least = min(max(math.ceil(LEAST_S / segment_s), 1), len(strength))
    most = max(math.floor(MOST_S / segment_s), least)
    means = np.convolve(strength, np.full(least, 1 / least), "valid")
    first = int(np.argmax(means))
    last = first + least
    enough = STAYS * means[first]
    while last - first < most:
        before = strength[first - 1] if first > 0 else -np.inf
        after = strength[last] if last < len(strength) else -np.inf
        if max(before, after) < enough or not np.isfinite(max(before, after)):
            break
        first, last = (first - 1, last) if before > after else (first, last + 1)
    end = min(float(starts_s[last - 1]) + segment_s, end_s)
    return Passage(float(starts_s[first]), end, first, last)


def named(
    start_s: float | None, end_s: float | None, starts_s: Values, segment_s: float, last_s: float
) -> Passage:
    """The passage that was asked for; where only one of its ends was, it lasts as long as the best
    would at least. Raises `bad_options` for one that lies outside of the session, which ends at
    `last_s`, or behind its last segment."""
    least_s = segment_s * max(math.ceil(LEAST_S / segment_s), 1)
    first_s = float(starts_s[0])
    if start_s is None:
        assert end_s is not None
        start_s = end_s - least_s
    wanted = start_s, start_s + least_s if end_s is None else end_s
    start_s, end_s = max(wanted[0], first_s), min(wanted[1], last_s)
    if end_s <= start_s:
        raise StemlensError(
            "bad_options",
            f"The passage from {wanted[0]:g} to {wanted[1]:g} s lies outside of the session, which "
            f"goes from {first_s:g} to {last_s:g} s.",
        )
    ends_s = starts_s + segment_s
    inside = np.flatnonzero((starts_s >= start_s - 1e-6) & (ends_s <= end_s + 1e-6))
    if not len(inside):  # shorter than a segment, or across two of them: the one it has most of
        common = np.minimum(ends_s, end_s) - np.maximum(starts_s, start_s)
        if common.max() <= 0:
            raise StemlensError(
                "bad_options",
                f"The passage from {wanted[0]:g} to {wanted[1]:g} s lies behind the last whole "
                f"segment, which ends at {ends_s[-1]:g} s: what comes after it is too short for "
                "the tagger, and was not analysed. Choose one that begins before.",
            )
        inside = np.array([np.argmax(common)])
    return Passage(start_s, end_s, int(inside[0]), int(inside[-1]) + 1, named=True)
