"""What pairs of stems do together, in words: where two say more than each by itself, and where they
do less.

Only what is certain and a point or more is told. Pure functions: a result (DESIGN's schema) in,
plain sentences out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stemlens.wording.told import certain, ends, shown_names, small, unit_of

LEAST = {"points": 0.01, "log-odds": 0.05}


def together(document: Mapping[str, Any], tag: str) -> list[str]:
    """A sentence for each pair of stems that does something together for a tag."""
    names, unit = shown_names(document), unit_of(document)
    told = []
    for pair in document.get("interactions", []):
        value, low, high = pair["value"], pair["low"], pair["high"]
        is_certain = low == high or certain(ends(low, high, unit))
        if pair["tag"] != tag or not is_certain or abs(value) < LEAST[unit]:
            continue
        one, other = (names[stem] for stem in pair["stems"])
        what = (
            "do more for it together than each by itself"
            if value > 0
            else "do less for it together than each by itself"
        )
        told.append(f"{one} and {other} {what} ({small(value, unit)}).")
    return told
