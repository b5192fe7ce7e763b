"""Shares over time made of code, and the result that belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stemlens.over_time import OverTime
from stemlens.tagging import Tag

TAGS = (
    Tag("rock", "genre", "rock"),
    Tag("metal", "genre", "metal"),
    Tag("pop", "genre", "pop"),
    Tag("sad", "mood", "sad"),
    Tag("happy", "mood", "happy"),
    Tag("weird", "quality", "weird"),
)
NAMES = tuple(tag.name for tag in TAGS)


def over_time(
    shares: ArrayLike,
    *,
    baseline: ArrayLike = 0.01,
    start_s: float = 0.0,
    hop_s: float = 3.0,
    stems: Sequence[str] = (),
) -> OverTime:
    """Of shares `[segments, stems, tags]` that add up to the scores less the baseline; segments of
    3 s."""
    shares = np.asarray(shares, dtype=np.float64)
    segments, count, tags = shares.shape
    silence = np.broadcast_to(np.asarray(baseline, dtype=np.float64), (segments, tags)).copy()
    return OverTime(
        start_s=start_s + hop_s * np.arange(segments),
        segment_s=3.0,
        scores=silence + shares.sum(axis=1),
        baseline=silence,
        attributions=shares,
        stems=tuple(stems) or tuple(f"s{i}" for i in range(count)),
        tags=NAMES[:tags],
    )


def document(
    over: OverTime, *, off: float = 0.0, trust: float = 1.0, unit: str = "points"
) -> dict[str, Any]:
    """The result of these shares, each known to within ±`off`."""
    score, baseline = over.scores.mean(axis=0), over.baseline.mean(axis=0)
    value = over.attributions.mean(axis=0)
    tags = [
        {
            "tag": name,
            "kind": TAGS[k].kind,
            "score": float(score[k]),
            "baseline": float(baseline[k]),
            "attributions": [
                {
                    "stem": stem,
                    "value": float(value[i, k]),
                    "low": float(value[i, k] - off),
                    "high": float(value[i, k] + off),
                }
                for i, stem in enumerate(over.stems)
            ],
        }
        for k, name in enumerate(over.tags)
    ]
    stems = [{"id": stem, "name": stem.title(), "trust": trust} for stem in over.stems]
    return {
        "session": {"stems": stems},
        "method": {"unit": unit},
        "tags": sorted(tags, key=lambda tag: -tag["score"]),
    }
