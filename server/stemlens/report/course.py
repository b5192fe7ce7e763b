"""All the best tags over time, as a table: the taggram of the mix under its waveform.

A row is a tag, and in it a strip that is the stronger the better the tag fits; the numbers beside
it say where it fits best. Sections, where a result has them, stand over the waveform, and so does
the passage that can be heard. Pure functions: scores over time and an outline in, HTML with SVG
out; whatever users wrote stays text.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.over_time import OverTime
from stemlens.report.addresses import address
from stemlens.report.heatmap import shown_tags
from stemlens.report.taggram import TALL, WIDE, Outline, across, wave
from stemlens.report.thinning import Groups
from stemlens_bridge.annotations import points
from stemlens_bridge.wording import clock

STEPS = 20  # of strength
CURVE = 0.7  # low scores are seen as well
Span = tuple[float, float]  # seconds from the start of the session


def course(
    document: Mapping[str, Any],
    over_time: OverTime,
    outline: Outline,
    passage: Span | None = None,
    spans: Sequence[Span] = (),
) -> str:
    """The best tags over time. `passage`: what can be heard, `spans`: its sections.

    A click into a strip plays the sum from there (`data-seek`), which a script does.
    """
    session = document["session"]
    duration_s, start_s = session["duration_s"], session["start_s"]
    seek = f'data-seek="{address(session["id"], "sum")}" data-seconds="{duration_s:.3f}"'
    groups = Groups.of(over_time)
    edges = [tuple(across(at - start_s, duration_s) for at in span) for span in groups.spans_s]
    rows = ""
    for tag in shown_tags(document):
        scores = over_time.scores[:, over_time.tags.index(tag["tag"])]
        best = int(np.argmax(scores))
        drawn = _cells(scores[groups.strongest(scores)], edges)
        rows += (
            f'<tr><th scope="row"><bdi>{html.escape(tag["tag"])}</bdi></th>'
            f'<td class="sl-strip">{_strip(seek, drawn)}</td>'
            f"<td>{points(scores[best])}</td><td>{clock(over_time.start_s[best])}</td></tr>"
        )
    marks = "".join(_mark("sl-part", span, duration_s) for span in spans)
    marks += "" if passage is None else _mark("sl-passage", passage, duration_s)
    above = f'<polygon class="sl-wave" points="{wave(outline)}"/>{marks}'
    ticks = "".join(f"<span>{clock(start_s + n * duration_s / 4)}</span>" for n in range(5))
    return (
        '<figure><table class="sl-course"><thead><tr><th scope="col">Tag</th>'
        f'<th scope="col" class="sl-strip"><span class="sl-hidden">Course over time</span>'
        f"{_strip(seek, above)}"
        f'<span class="sl-ticks" aria-hidden="true">{ticks}</span></th>'
        '<th scope="col">Most</th><th scope="col">At</th></tr></thead>'
        f"<tbody>{rows}</tbody></table><figcaption>The stronger, the better the tag fits there. "
        f"{' '.join(filter(None, (groups.said, _said(passage, start_s))))}</figcaption></figure>"
    )


def _said(passage: Span | None, start_s: float) -> str:
    if passage is None:
        return ""
    first, last = (clock(start_s + at) for at in passage)
    return f"The line over the waveform is what can be heard here, {first} to {last}."


def _strip(seek: str, drawn: str) -> str:
    return (
        f'<div class="sl-seek" {seek}><svg aria-hidden="true" viewBox="0 0 {WIDE} {TALL}" '
        f'preserveAspectRatio="none">{drawn}</svg><i class="sl-head"></i></div>'
    )


def _cells(scores: NDArray[np.float64], edges: Sequence[tuple[float, ...]]) -> str:
    """Rectangles as strong as the score; neighbours that are alike are one."""
    strength = np.round(STEPS * np.clip(scores, 0, 1) ** CURVE).astype(int)
    starts = np.flatnonzero(np.diff(strength, prepend=-1)).tolist()
    ends = [*starts[1:], len(strength)]
    return "".join(
        f'<rect x="{edges[first][0]:.1f}" width="{edges[last - 1][1] - edges[first][0]:.1f}" '
        f'height="{TALL}" fill-opacity="{strength[first] / STEPS:.2f}"/>'
        for first, last in zip(starts, ends, strict=True)
        if strength[first]
    )


def _mark(kind: str, span: Span, duration_s: float) -> str:
    left, right = (across(at, duration_s) for at in span)
    return f'<rect class="{kind}" x="{left:.1f}" width="{right - left:.1f}" height="{TALL}"/>'
