"""One tag over time: the waveform of all stems with the tag's score as a line over it, and below,
on the same time axis, the shares of the stems that have most to do with it. Where the song's
sections meet stands a thin line, and behind its highlight a band.

Shares are stacked, what adds above the axis and what takes below it, in steps of a segment; how
much stands at the side. Each stem's name stands beside its colour; colours are told apart by
colour-blind eyes and on either background, and none is near those that mean adding and taking.
Pure functions: shares over time and a waveform's outline in, HTML with SVG out; whatever users
wrote stays text.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.over_time import OverTime
from stemlens.report.addresses import address
from stemlens.report.thinning import Groups
from stemlens.wording.shares import LEAST_POINTS
from stemlens.wording.told import shown_names, small, unit_of
from stemlens_bridge.annotations import points
from stemlens_bridge.table import amount
from stemlens_bridge.wording import clock

Outline = Sequence[Sequence[float]]
Lane = tuple[str, str, NDArray[np.float64]]  # name, colour, share in each segment

COLOURS = ("#228833", "#CCBB44", "#AA3377", "#E377C2", "#6A3D9A")
STEMS = len(COLOURS)  # so many have a colour; what the others do together is grey
WIDE, TALL = 1000, 100  # of either picture, in its own unit; stretched to the page
OTHERS = "#888888"
TICKS = (0, 0.25, 0.5, 0.75, 1)


def taggram(document: Mapping[str, Any], tag: str, shares: OverTime, outline: Outline) -> str:
    """The two pictures of a result's tag with their axes and legend.

    `outline`: the lowest and highest sample of equal parts of the session. A click into a picture
    plays the sum from there (`data-seek`), which a script does.
    """
    session, unit = document["session"], unit_of(document)
    duration_s, start_s = session["duration_s"], session["start_s"]
    scores = shares.scores[:, shares.tags.index(tag)]
    groups = Groups.of(shares)
    spans = [tuple(across(at - start_s, duration_s) for at in span) for span in groups.spans_s]
    lanes = lanes_of(tag, shares, shown_names(document))
    height = _height([lane for _, _, lane in lanes], len(scores))
    reach = float(np.ceil(100 * max(height.max(), 0.01)) / 100)
    tallest = groups.strongest(height)
    drawn = [(name, shade, lane[tallest]) for name, shade, lane in lanes]
    song = _Song.of(document)
    behind, cuts = song.drawn(duration_s, start_s)
    above = (
        f'{behind}<polygon class="sl-wave" points="{wave(outline)}"/>{cuts}'
        f'<polyline class="sl-line" points="{_line(scores[groups.strongest(scores)], spans)}"/>'
    )
    seek = f'data-seek="{address(session["id"], "sum")}" data-seconds="{duration_s:.3f}"'
    over = "; ".join([_told(tag, scores, shares.start_s), *song.told()])
    under = _told_shares(lanes, unit)
    ends = amount(reach, unit), amount(-reach, unit)
    return (
        _picture(seek, over, above, ("100", "0"))
        + _picture(seek, under, _stacked(drawn, spans, reach), ends)
        + _axis(duration_s, start_s)
        + _legend(lanes, song)
        + (f'<p class="sl-muted">{groups.said}</p>' if groups.said else "")
    )


@dataclass(frozen=True, slots=True)
class _Song:
    """What is drawn of the whole song: where sections meet, and from when to when the highlight
    is (None: there is none), seconds of project time."""

    cuts_s: tuple[float, ...]
    highlight_s: tuple[float, float] | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> _Song:
        best = document.get("highlight")
        return cls(
            tuple(section["start_s"] for section in document.get("sections", ())[1:]),
            None if best is None else (best["start_s"], best["end_s"]),
        )

    def drawn(self, duration_s: float, start_s: float) -> tuple[str, str]:
        """The band that lies behind all, and the lines that lie before the waveform."""
        lines = "".join(
            f'<line class="sl-cut" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{TALL}"/>'
            for x in (across(at - start_s, duration_s) for at in self.cuts_s)
        )
        if self.highlight_s is None:
            return "", lines
        left, right = (across(at - start_s, duration_s) for at in self.highlight_s)
        band = f'x="{left:.1f}" y="0" width="{right - left:.1f}" height="{TALL}"'
        return f'<rect class="sl-band" {band}/>', lines

    def told(self) -> list[str]:
        """The same in words."""
        words = []
        if self.cuts_s:
            words.append(f"sections begin at {', '.join(map(clock, self.cuts_s))}")
        if self.highlight_s is not None:
            first, last = map(clock, self.highlight_s)
            words.append(f"highlight from {first} to {last}")
        return words

    def legend(self) -> str:
        """Entries for what is drawn of it."""
        band = '<li><i class="sl-band-sign"></i>Highlight</li>'
        line = '<li><i class="sl-cut-sign"></i>A section begins</li>'
        return (band if self.highlight_s is not None else "") + (line if self.cuts_s else "")


def _picture(seek: str, words: str, drawn: str, ends: tuple[str, str]) -> str:
    """One picture with the numbers at its top and foot, and a head that moves with the player."""
    return (
        f'<div class="sl-time" {seek}><svg role="img" viewBox="0 0 {WIDE} {TALL}" '
        f'preserveAspectRatio="none" aria-label="{html.escape(words)}">{drawn}</svg>'
        f'<span class="sl-top">{ends[0]}</span><span class="sl-foot">{ends[1]}</span>'
        '<i class="sl-head" aria-hidden="true"></i></div>'
    )


def lanes_of(tag: str, shares: OverTime, names: Mapping[str, str]) -> list[Lane]:
    """The stems whose shares of a tag are largest over all, and the others together."""
    parts = shares.shares(shares.tags.index(tag))
    listed = [names[stem] for stem in shares.stems]
    size = np.abs(parts).mean(axis=0)
    order = [int(i) for i in np.argsort(-size, kind="stable")[:STEMS]]
    biggest = [i for i in order if 100 * np.abs(parts[:, i]).max() >= LEAST_POINTS]
    lanes = [(listed[i], COLOURS[n], parts[:, i]) for n, i in enumerate(biggest)]
    others = np.delete(parts, biggest, axis=1).sum(axis=1)
    if 100 * np.abs(others).max() >= LEAST_POINTS:
        lanes.append(("All others", OTHERS, others))
    return lanes


def _height(lanes: Sequence[NDArray[np.float64]], segments: int) -> NDArray[np.float64]:
    """How far up or down the stack goes in each segment `[segments]`."""
    stack = np.stack(lanes) if lanes else np.zeros((1, segments))
    up, down = np.clip(stack, 0, None).sum(axis=0), np.clip(stack, None, 0).sum(axis=0)
    return np.asarray(np.maximum(up, -down))


def wave(outline: Outline) -> str:
    """The points of an outline as a polygon around the middle, as high as its loudest part."""
    top = max((max(-low, high) for low, high in outline), default=0.0) or 1.0
    step = WIDE / max(len(outline), 1)
    middle = TALL / 2

    def point(n: int, value: float) -> str:
        return f"{(n + 0.5) * step:.1f},{middle - 0.96 * middle * value / top:.1f}"

    upper = [point(n, high) for n, (_, high) in enumerate(outline)]
    lower = [point(n, low) for n, (low, _) in enumerate(outline)]
    return " ".join([*upper, *reversed(lower)])


def _line(scores: NDArray[np.float64], spans: Sequence[tuple[float, ...]]) -> str:
    """A score from 0 (foot) to 1 (top), level for the length of its segment."""
    heights = TALL * (1 - np.clip(scores, 0, 1))
    return " ".join(
        f"{at:.1f},{height:.1f}" for span, height in zip(spans, heights, strict=True) for at in span
    )


def _stacked(lanes: Sequence[Lane], spans: Sequence[tuple[float, ...]], reach: float) -> str:
    """One path for each lane: its blocks, each on top of those of the lanes before it."""
    up, down = np.zeros(len(spans)), np.zeros(len(spans))
    drawn = []
    for _, shade, lane in lanes:
        path = []
        for t, ((left, right), value) in enumerate(zip(spans, lane, strict=True)):
            pile = up if value >= 0 else down
            foot, pile[t] = pile[t], pile[t] + value
            low, high = (TALL / 2 * (1 - v / reach) for v in (foot, pile[t]))
            path.append(f"M{left:.1f},{low:.1f}V{high:.1f}H{right:.1f}V{low:.1f}Z")
        drawn.append(f'<path fill="{shade}" d="{"".join(path)}"/>')
    zero = f'<line class="sl-zero" x1="0" x2="{WIDE}" y1="{TALL / 2}" y2="{TALL / 2}"/>'
    return "".join(drawn) + zero


def across(seconds: float, duration_s: float) -> float:
    """Where a time lies in a picture, 0 to `WIDE`."""
    return WIDE * min(max(seconds / duration_s, 0.0), 1.0)


def _axis(duration_s: float, start_s: float) -> str:
    times = "".join(f"<span>{clock(start_s + part * duration_s)}</span>" for part in TICKS)
    return f'<div class="sl-clock" aria-hidden="true">{times}</div>'


def _legend(lanes: Sequence[Lane], song: _Song) -> str:
    entries = "".join(
        f'<li><i style="background: {shade}"></i><bdi>{html.escape(name)}</bdi></li>'
        for name, shade, _ in lanes
    )
    line = '<li><i class="sl-line-sign"></i>Score of all stems together</li>'
    return f'<ul class="sl-legend">{line}{song.legend()}{entries}</ul>'


def _told(tag: str, scores: NDArray[np.float64], times: NDArray[np.float64]) -> str:
    """The line in words, for who does not see it."""
    top, foot = int(np.argmax(scores)), int(np.argmin(scores))
    return (
        f"{tag} over time: highest at {clock(times[top])} with {points(scores[top])} of 100, "
        f"lowest at {clock(times[foot])} with {points(scores[foot])}"
    )


def _told_shares(lanes: Sequence[Lane], unit: str) -> str:
    spans = [
        f"{name} from {small(float(lane.min()), unit)} to {small(float(lane.max()), unit)}"
        for name, _, lane in lanes
    ]
    return f"Shares over time: {'; '.join(spans) or 'none to speak of'}"
