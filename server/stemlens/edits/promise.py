"""Did a promise hold? What a trial said would change beside what a new bounce really changed.

Pure functions of two documents: a trial (`stemlens.trials/1`) and the new bounce's analysis, both
heard at the same session gain. A trial has measured the whole session, so a bounce that carries it
out must come out the same, but for what bounces differ by: a promise holds where the real change is
within a point, or a quarter, of what was promised. (The interval over the song's segments says
something else: how steady the change is.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.wording import tenths

WITHIN, WITHIN_PART = 0.01, 0.25  # how far off a change may be and still be what was promised
SMALLEST = 0.005
TOLD = 8


@dataclass(frozen=True, slots=True)
class Promise:
    """A tag's promised change, with its interval, and the real one; in scores."""

    tag: str
    promised: float
    low: float
    high: float
    real: float

    @property
    def held(self) -> bool:
        return abs(self.real - self.promised) <= max(WITHIN, WITHIN_PART * abs(self.promised))


def trial_of(document: Mapping[str, Any], rank: int) -> Mapping[str, Any]:
    """The trial of that rank; raises `trial_unknown`."""
    for trial in document["trials"]:
        if trial["rank"] == rank:
            found: Mapping[str, Any] = trial
            return found
    ranks = ", ".join(str(trial["rank"]) for trial in document["trials"]) or "none"
    raise StemlensError("trial_unknown", f"There is no trial {rank} in it; there are {ranks}.")


def promises(
    document: Mapping[str, Any], rank: int, tagger: str, scores: Mapping[str, float]
) -> list[Promise]:
    """The tags of the goal and those that were to move most, promised and real.

    scores: those of the new bounce by tag. Raises `trial_unknown`, and `trial_impossible` where
    another tagger heard it.
    """
    if document["tagger"] != tagger:
        raise StemlensError(
            "trial_impossible",
            f"The trial was heard by {document['tagger']} and the new bounce by {tagger}; analyse "
            "it with the same tagger.",
        )
    tags: Sequence[Mapping[str, Any]] = trial_of(document, rank)["tags"][:TOLD]
    return [
        Promise(
            tag["tag"],
            tag["change"],
            -1.0 if tag["low"] is None else tag["low"],
            1.0 if tag["high"] is None else tag["high"],
            scores[tag["tag"]] - tag["before"],
        )
        for tag in tags
        if tag["tag"] in scores
    ]


def sentence(found: Sequence[Promise]) -> str:
    """Whether the promise held, in words; only what was to move counts."""
    moving = [one for one in found if abs(one.promised) >= SMALLEST] or list(found)
    held = [one for one in moving if one.held]
    if len(held) == len(moving):
        return "The promise held: every tag that was to move did so, as far as was promised."
    worst = max(moving, key=lambda one: abs(one.real - one.promised))
    return (
        f"The promise held for {len(held)} of {len(moving)} tags. Furthest off is {worst.tag}: "
        f"promised {tenths(worst.promised)}, real {tenths(worst.real)} points."
    )
