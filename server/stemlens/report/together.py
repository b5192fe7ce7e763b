"""What pairs of stems do together, in words: how much more, or less, that is than what each of them
does by itself, added up.

That is all that an interaction says: two stems of which each takes from a tag may well take less
together, which is more of the tag. Only what is certain and a point or more is told. Pure
functions: a result (DESIGN's schema) in, plain sentences out.
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
        size, what = small(abs(value), unit).lstrip("+"), "more" if value > 0 else "less"
        told.append(f"{one} and {other} together: {size} {unit} {what} than one by one.")
    return told
