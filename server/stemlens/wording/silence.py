"""How far above silence a score is, and how far that is told.

These networks have favourites: msd-musicnn gives silence 20 points of rock. So tags are held
against one another by what they have above that, on the page and in verdicts alike.

Scores are 0 to 1, tags those of a result (DESIGN's schema).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stemlens_bridge.annotations import points

HEARD = 0.05  # above silence: from here on a tag is heard
LEAST = 0.02  # above silence: less is nothing, and a silence of less is not worth a word


def above(tag: Mapping[str, Any]) -> float:
    """What a tag of a result has above silence."""
    return float(tag["score"]) - float(tag["baseline"])


def named(name: str, tag: Mapping[str, Any], of: str = "") -> str:
    """A tag by a name with its score, and with silence's where that says something: "pop (22)",
    "rock (30, silence 20)"; `of` stands behind the score."""
    silence = points(tag["baseline"])
    beside = f", silence {silence}" if silence >= points(LEAST) else ""
    return f"{name} ({points(tag['score'])}{of}{beside})"


def next_to_nothing(value: float) -> str:
    """How a score that is hardly above silence, by `value`, is to silence."""
    return "no more than silence" if value <= 0 else "hardly more than silence"
