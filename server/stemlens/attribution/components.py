"""Components: what audioLIME switches on and off, the stems cut into equal parts of time.

Parts are made of whole segments of the tagger, as equal as they can be: of T segments and N parts
segment t is in part ⌊t N / T⌋, so parts differ by one segment at most. A mask over components is
therefore, in each segment, a coalition of its stems: parts have no edges to be faded, and nothing
is scored that the game of a segment does not score.

A stem that sounds in no segment of a part is no component there. It would be a null player:
audioLIME tosses a coin for it too, and gives it what the noise of its masks makes of nothing. That
changes the other coefficients a little, since a mask weighs by the part of all components that
play. Without it a silent track in a session changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Components:
    """The components of a session.

    sounding: bool `[segments, stems]`. part: `[segments]`, which part a segment is in, from 0.
    number: `[parts, stems]`, the number of each component, or −1 where a stem is none in a part.
    """

    sounding: NDArray[np.bool_]
    part: NDArray[np.intp]
    number: NDArray[np.intp]

    @classmethod
    def cut(cls, sounding: NDArray[np.bool_], parts: int) -> Components:
        """Those of stems cut into so many parts; raises ValueError for more than segments."""
        segments = len(sounding)
        if not 1 <= parts <= segments:
            raise ValueError(f"{segments} segments make no {parts} parts")
        part = np.arange(segments) * parts // segments
        there = np.array([sounding[part == p].any(axis=0) for p in range(parts)])
        return cls(sounding, part, np.where(there, there.cumsum().reshape(there.shape) - 1, -1))

    def __len__(self) -> int:
        return int(self.number.max(initial=-1)) + 1

    def players(self, segment: int) -> NDArray[np.intp]:
        """The components of the stems that sound in a segment, in their order."""
        return self.number[self.part[segment], self.sounding[segment]]

    @property
    def of_stems(self) -> NDArray[np.float64]:
        """1 where a component is a part of a stem, else 0: `[stems, components]`."""
        one = self.number.T[:, :, None] == np.arange(len(self))
        return one.any(axis=1).astype(np.float64)

    def over_time(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Where the coefficients of components belong in time, both `[segments, stems]`: whose it
        is (−1: nobody's), and by what it is multiplied.

        A component's is spread over the segments of its part in which its stem sounds, so that a
        stem's mean over all segments is the sum of its components.
        """
        whose = np.where(self.sounding, self.number[self.part], -1)
        times = np.bincount(whose[whose >= 0], minlength=len(self))
        return whose, np.where(whose >= 0, len(whose) / np.append(times, 1)[whose], 0.0)
