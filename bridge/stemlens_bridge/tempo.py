"""Seconds and beats: the tempo map of a project.

Conventions: seconds are project time, may be negative; a beat is a quarter note whatever the meter,
as in Standard MIDI files and DAWproject; beat 0 is at second 0. A tempo holds from its change to
the next one; before the first change the first tempo holds. A DAW's ramp is handed over as steps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

from stemlens_bridge.jsontext import is_number

MAX_CHANGES = 10_000
MIN_BPM, MAX_BPM = 1.0, 2_000.0


@dataclass(frozen=True, slots=True)
class TempoChange:
    """From `start_s` on: so many quarter notes a minute, and a meter."""

    start_s: float
    bpm: float
    numerator: int = 4
    denominator: int = 4

    def __post_init__(self) -> None:
        if not (is_number(self.start_s) and abs(self.start_s) <= 1e7):
            raise ValueError(f"start_s is {self.start_s!r}; it must be a time in seconds")
        if not (is_number(self.bpm) and MIN_BPM <= self.bpm <= MAX_BPM):
            raise ValueError(f"bpm is {self.bpm!r}; it must be from {MIN_BPM:g} to {MAX_BPM:g}")
        for name in ("numerator", "denominator"):
            value = getattr(self, name)
            if not (isinstance(value, int) and 1 <= value <= 256):
                raise ValueError(f"{name} is {value!r}; it must be from 1 to 256")


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Tempo changes in the order of time, at least one."""

    changes: tuple[TempoChange, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.changes) <= MAX_CHANGES:
            raise ValueError(f"a tempo map has from 1 to {MAX_CHANGES} changes")
        starts = [change.start_s for change in self.changes]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError("the tempo changes must be in the order of time, one at a time")

    @classmethod
    def from_plain(cls, given: Any) -> TempoMap | None:
        """From None, beats per minute, or a list of changes as dicts; raises ValueError."""
        if given is None or isinstance(given, cls):
            return given
        if is_number(given):
            return cls((TempoChange(0.0, float(given)),))
        if not isinstance(given, list | tuple):
            raise ValueError("the tempo must be beats per minute or a list of changes")
        changes = []
        for item in given:
            if isinstance(item, TempoChange):
                changes.append(item)
                continue
            if not isinstance(item, Mapping):
                raise ValueError("a tempo change must be an object with start_s and bpm")
            try:
                changes.append(TempoChange(**item))
            except TypeError as error:
                raise ValueError(f"a tempo change has other keys than it should: {error}") from None
        return cls(tuple(changes))

    def to_plain(self) -> float | list[dict[str, Any]]:
        """Beats per minute where nothing changes, else the list of changes."""
        first = self.changes[0]
        if self.changes == (TempoChange(0.0, first.bpm),):
            return first.bpm
        return [asdict(change) for change in self.changes]

    def beats(self, seconds: float) -> float:
        """The beat (quarter notes from second 0) at a time in seconds."""
        return self._counted(seconds) - self._counted(0.0)

    def seconds(self, beats: float) -> float:
        """The time in seconds at a beat."""
        counted = beats + self._counted(0.0)
        beats_at = _beats_at(self.changes)
        at = max(0, bisect_right(beats_at, counted) - 1)
        change = self.changes[at]
        return change.start_s + (counted - beats_at[at]) * 60 / change.bpm

    def _counted(self, seconds: float) -> float:
        """Quarter notes from the first change to a time."""
        at = max(0, bisect_right(self.changes, seconds, key=lambda change: change.start_s) - 1)
        change = self.changes[at]
        return _beats_at(self.changes)[at] + (seconds - change.start_s) * change.bpm / 60


@lru_cache(maxsize=16)
def _beats_at(changes: tuple[TempoChange, ...]) -> tuple[float, ...]:
    """Quarter notes from the first change to each."""
    spans = (
        (later.start_s - earlier.start_s) * earlier.bpm / 60 for earlier, later in pairwise(changes)
    )
    return tuple(accumulate(spans, initial=0.0))
