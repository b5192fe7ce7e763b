"""Pictures over time that have more segments than can be seen.

Segments that follow one another make a group, and of each group one segment is drawn: the one in
which what is drawn is strongest, so that no peak is lost. What is told in words and numbers is of
all segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemlens.over_time import OverTime

DRAWN = 300  # segments of a picture, at most


@dataclass(frozen=True, slots=True)
class Groups:
    """Segments in groups of `size`; the last may be smaller. spans_s: from when to when each group
    is, seconds of project time; they follow one another."""

    size: int
    spans_s: list[tuple[float, float]]

    @classmethod
    def of(cls, over_time: OverTime) -> Groups:
        """Groups of as many segments as it takes."""
        spans_s = over_time.spans_s
        size = max(-(-len(spans_s) // DRAWN), 1)
        firsts, lasts = spans_s[::size], [*spans_s[size - 1 :: size], spans_s[-1]]
        return cls(size, [(first[0], last[1]) for first, last in zip(firsts, lasts, strict=False)])

    def strongest(self, strength: NDArray[np.float64]) -> NDArray[np.intp]:
        """Which segment of each group has most of `strength` `[segments]`."""
        firsts = range(0, len(strength), self.size)
        found = [first + int(np.argmax(strength[first : first + self.size])) for first in firsts]
        return np.array(found, dtype=np.intp)

    @property
    def said(self) -> str:
        """What a picture is to say of it; "" where all segments are drawn."""
        if self.size == 1:
            return ""
        return f"Of each {self.size} segments the strongest is drawn."
