"""What a tagger is: a linear half that adds stems up, and a nonlinear half that scores sums.

Scoring every coalition of a session is affordable because nearly all that is done to audio
before a tagger's network is linear, or a power spectrum of something linear. That part is done
once per stem (`Tagger.open`) or once per pair of stems (`OpenStems.segment`); a coalition is then
a vector of gains (`OpenSegment.mix`), and only the network itself (`Tagger.score`) runs per
coalition. Nothing that breaks linearity may sit before the sum: no normalisation per coalition,
no clipping, no integer or half-precision samples.

A family of taggers is one file in `stemlens.tagging.families` that implements these three
classes and calls `stemlens.tagging.register`; nothing else needs to know of it.

Conventions: waveforms are mono float32 `[stems, samples]` at the tagger's `sample_rate`, ±1 full
scale; gains are linear factors, float64; scores are 0 to 1, float32 `[coalitions, tags]`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens.tagging.vocabulary import Tag


class OpenSegment(ABC):
    """Some stems in one segment, ready to be mixed without touching audio again."""

    @abstractmethod
    def mix(self, gains: NDArray[np.float64]) -> Any:
        """Inputs for `Tagger.score`, one for each row of `gains` `[coalitions, stems]`."""


class OpenStems(ABC):
    """All stems of a session after the linear half's work per stem.

    `power` `[segments, stems]` is how strongly a stem sounds in a segment at gain 1, in the unit
    of `Tagger.silence`; it grows with the square of the gain.
    """

    segments: int
    power: NDArray[np.float64]

    @abstractmethod
    def segment(self, index: int, stems: Sequence[int]) -> OpenSegment:
        """Segment `index`, with only the given stems (in that order) able to sound."""

    def rest(self) -> None:  # noqa: B027  # most taggers keep nothing
        """Gives memory back that can be filled again from the audio; for a session that waits."""


class Tagger(ABC):
    """A trained network with its two halves.

    `identity` names all that scores depend on besides the audio (the trained network, how its
    inputs are made, the precision), so that scores kept under it are never mistaken for others.
    `silence` is the power (see `OpenStems.power`) up to which a stem counts as not sounding, small
    enough that leaving such stems out moves no score visibly. `batch` is how many coalitions the
    machine likes to be given at once. `notes` (code, sentence) is what each result should say of
    how scores are computed here.
    """

    name: str
    identity: str
    tags: tuple[Tag, ...]
    sample_rate: int
    segment_s: float
    silence: float
    batch: int
    notes: tuple[tuple[str, str], ...] = ()

    @abstractmethod
    def open(self, waveforms: NDArray[np.float32]) -> OpenStems:
        """Do the work per stem on `[stems, samples]`.

        The input is cut into whole segments; what is left at the end is dropped, and a session
        shorter than one segment is padded with zeros to one.
        """

    @abstractmethod
    def segments(self, samples: int) -> tuple[int, float]:
        """How many segments `samples` samples make (at least 1), and how many seconds are dropped
        at their end; negative where zeros are added instead."""

    @abstractmethod
    def reach(self, segment: int) -> tuple[int, int]:
        """The samples that a segment is made of: first (may be negative) and last + 1; what lies
        outside the session is silence."""

    def open_one(self, waveform: NDArray[np.float32], segment: int) -> Any:
        """The input for `score` of one segment of one waveform `[samples]`, and of nothing else of
        it; a family that can make it without opening the whole waveform does so."""
        return self.open(waveform[None]).segment(segment, [0]).mix(np.ones((1, 1)))

    @abstractmethod
    def score(self, inputs: Any) -> NDArray[np.float32]:
        """Scores `[coalitions, tags]` of what `OpenSegment.mix` returned."""
