"""A small tagger that reads waveforms, for tests of what surrounds taggers; it needs no weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stemlens.tagging import OpenSegment, OpenStems, Tag, Tagger

RATE = 16_000


class Meter(Tagger):
    """How loud one second is, and how bright: nonlinear in the sum, so that stems interact."""

    name = identity = "test-meter"
    tags = (Tag("loud", "mood", "loud"), Tag("bright", "quality", "bright"))
    sample_rate = RATE
    segment_s = 1.0
    silence = 1e-12
    batch = 4

    def open(self, waveforms: NDArray[np.float32]) -> OpenStems:
        return MeterStems(waveforms, self.segments(waveforms.shape[1])[0])

    def segments(self, samples: int) -> tuple[int, float]:
        count = max(1, samples // RATE)
        return count, samples / RATE - count

    def reach(self, segment: int) -> tuple[int, int]:
        return segment * RATE, (segment + 1) * RATE

    def score(self, inputs: NDArray[np.float64]) -> NDArray[np.float32]:
        loud = (inputs**2).mean(1)
        bright = (np.diff(inputs, axis=1) ** 2).mean(1)
        return np.stack([loud / (loud + 0.01), bright / (bright + 0.01)], 1).astype(np.float32)


class MeterStems(OpenStems):
    def __init__(self, waveforms: NDArray[np.float32], segments: int) -> None:
        padding = max(0, segments * RATE - waveforms.shape[1])
        padded = np.pad(waveforms, ((0, 0), (0, padding)))[:, : segments * RATE]
        self.waveforms = padded.reshape(len(waveforms), segments, RATE)
        self.segments = segments
        self.power = (self.waveforms.astype(np.float64) ** 2).mean(2).T

    def segment(self, index: int, stems: Sequence[int]) -> OpenSegment:
        return MeterSegment(self.waveforms[list(stems), index])


class MeterSegment(OpenSegment):
    def __init__(self, waveforms: NDArray[np.float32]) -> None:
        self.waveforms = waveforms

    def mix(self, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        return gains @ self.waveforms
