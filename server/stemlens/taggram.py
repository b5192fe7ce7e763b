"""What a tagger hears in one audio file: its taggram, scores `[segments, tags]`, and their mean."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemlens import audio
from stemlens.tagging.tagger import Tagger


@dataclass(frozen=True, slots=True)
class Taggram:
    """The scores of one file: float32 `[segments, tags]`."""

    path: Path
    scores: NDArray[np.float32]

    @property
    def mean(self) -> NDArray[np.float64]:
        """The file's scores `[tags]`: the mean over its segments."""
        mean: NDArray[np.float64] = self.scores.astype(np.float64).mean(axis=0)
        return mean

    def to_dict(self, tagger: Tagger) -> dict[str, Any]:
        return {
            "path": os.fsencode(self.path).decode("utf-8", "replace"),
            "tagger": tagger.name,
            "tags": [tag.name for tag in tagger.tags],
            "segment_s": tagger.segment_s,
            "taggram": [[round(float(s), 7) for s in row] for row in self.scores],
            "mean": [round(float(s), 7) for s in self.mean],
        }


def taggram(
    path: Path,
    tagger: Tagger,
    *,
    max_duration_s: float = audio.MAX_DURATION_S,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Taggram:
    """Tags a file at its own level, each segment as it is; raises the errors of `audio.read`."""
    clip = audio.read(path, max_duration_s=max_duration_s)
    mono = audio.resample(audio.to_mono(clip.samples), clip.sample_rate, tagger.sample_rate)
    opened = tagger.open(mono[None])
    scores = []
    for t in range(opened.segments):
        scores.append(tagger.score(opened.segment(t, [0]).mix(np.ones((1, 1))))[0])
        on_progress((t + 1) / opened.segments)
    return Taggram(path, np.stack(scores))
