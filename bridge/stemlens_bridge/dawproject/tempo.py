"""The tempo of a DAWproject song: from seconds to the unit of its timelines.

Times in `project.xml` are quarter notes or seconds, as its arrangement says; its tempo comes from
`Transport/Tempo` and `Arrangement/TempoAutomation`, where a linear change is linear in the
automation's own unit of time. That is why this is no `TempoMap`, which knows steps only.

Source: Project.xsd and Reference.html of the DAWproject exchange format 1.0, Bitwig, 2020 (MIT).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.xmlsplice import Document, Element


@dataclass(frozen=True, slots=True)
class _Point:
    """A point of the tempo automation: where, how fast, and whether the tempo goes straight on to
    the next one (`linear`) or stays."""

    time: float
    bpm: float
    linear: bool


def times(document: Document, seconds: Sequence[float], unit: str) -> list[float]:
    """Times in the unit of a timeline: seconds, or quarter notes by the project's tempo."""
    return list(seconds) if unit == "seconds" else list(map(_beats(document), seconds))


def _beats(document: Document) -> Callable[[float], float]:
    """The project's own way from seconds (from its start, not negative) to quarter notes.

    Raises `project_invalid` where the project does not say its tempo.
    """
    automation = document.root.child("Arrangement", "TempoAutomation")
    points = [] if automation is None else sorted(_points(automation), key=lambda p: p.time)
    if not points:
        tempo = document.root.child("Transport", "Tempo")
        bpm = _float(tempo.get("value")) if tempo is not None else None
        if bpm is None:
            raise StemlensError(
                "project_invalid",
                "The project does not say its tempo, so markers have no place in it.",
            )
        points = [_Point(0.0, _sane(bpm), False)]
    in_seconds = automation is not None and automation.get("timeUnit") == "seconds"
    starts = _starts(points, in_seconds=in_seconds)

    def beats(seconds: float) -> float:
        at = max(0, bisect_right(starts, seconds, key=lambda start: start[0]) - 1)
        begin_s, begin_beat = starts[at]
        later = points[at + 1] if at + 1 < len(points) else None
        return begin_beat + _inside(points[at], later, seconds - begin_s, in_seconds=in_seconds)

    return beats


def _starts(points: Sequence[_Point], *, in_seconds: bool) -> list[tuple[float, float]]:
    """Second and beat of each point; before the first its tempo holds."""
    first = points[0]
    pace = 60 / first.bpm
    starts = [(first.time, first.time / pace) if in_seconds else (first.time * pace, first.time)]
    for one, later in pairwise(points):
        span = later.time - one.time
        mean = (one.bpm + later.bpm) / 2 if one.linear else one.bpm
        if in_seconds:
            seconds, beats = span, span * mean / 60
        elif one.linear and later.bpm != one.bpm:
            seconds = 60 * span * math.log(later.bpm / one.bpm) / (later.bpm - one.bpm)
            beats = span
        else:
            seconds, beats = span * 60 / one.bpm, span
        starts.append((starts[-1][0] + seconds, starts[-1][1] + beats))
    return starts


def _inside(one: _Point, later: _Point | None, seconds: float, *, in_seconds: bool) -> float:
    """Quarter notes from a point on, so many seconds behind it."""
    if later is None or not one.linear or later.bpm == one.bpm or seconds < 0:
        return seconds * one.bpm / 60
    slope = (later.bpm - one.bpm) / (later.time - one.time)
    if in_seconds:
        return (one.bpm + slope * seconds / 2) * seconds / 60
    return one.bpm * math.expm1(slope * seconds / 60) / slope


def _points(automation: Element) -> Iterator[_Point]:
    for element in automation.each("RealPoint"):
        time, bpm = _float(element.get("time")), _float(element.get("value"))
        if time is not None and bpm is not None:
            yield _Point(time, _sane(bpm), element.get("interpolation") == "linear")


def _sane(bpm: float) -> float:
    if not 1 <= bpm <= 2_000:
        raise StemlensError(
            "project_invalid", f"The project has a tempo of {bpm:g} beats a minute."
        )
    return bpm


def _float(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
