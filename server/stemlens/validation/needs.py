"""How much material a fact takes before a figure of it says anything.

With two stems any order is one of two, and a rate of three cases is no rate. Where there is less
than `NEEDS` says, a row of the report has no figure and no verdict, but says that it is too little.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """So many of what, and why not fewer."""

    count: int
    of: str
    why: str


NEEDS = {
    "orders": Need(4, "stems", "of three stems the best order beats no more than five of six"),
    "ranks": Need(3, "stems", "two stems have two orders, and chance finds one of them"),
    "reversed": Need(2, "stems", "one stem has no other order"),
    "shares held": Need(20, "shares", "of fewer one is more than 5 %"),
    "intervals held": Need(40, "intervals", "of fewer one is more than 2.5 %"),
    "snippets": Need(100, "snippets", "of fewer one is more than 1 %"),
    "mistakes": Need(100, "mistakes", "of fewer one is more than 1 %"),
}
"""By fact. All but the first three are cases: what a rate is of."""


def enough(fact: str, count: int) -> bool:
    """Whether so many are enough for this fact."""
    return count >= NEEDS[fact].count


def too_few(fact: str, count: int) -> str:
    """What a row says instead of a figure."""
    need = NEEDS[fact]
    return f"too few to tell: {count} {need.of}, and it takes {need.count} ({need.why})"
