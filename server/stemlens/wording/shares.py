"""The stems' shares of one tag as they are told: the largest first, with what is certain of them.

Shares, scores and effects are in the unit of the result, parts of a score or log-odds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stemlens.wording.told import certain, ends, possible, shown_names, unit_of

LEAST_POINTS = 0.5  # less is shown as nothing


@dataclass(frozen=True, slots=True)
class Row:
    """A stem's share of the tag, with what is shown beside it."""

    stem: str
    name: str
    trust: float
    value: float
    low: float
    high: float
    mute: float | None
    solo: float | None
    told: tuple[str, str]  # the ends of its interval

    @property
    def clear(self) -> bool:
        """Whether it is certain that the stem adds, or that it takes."""
        return certain(self.told) if self.low < self.high else self.value != 0

    @property
    def adds(self) -> bool:
        """Whether it is certain that the stem adds."""
        return self.clear and self.value > 0

    @property
    def takes(self) -> bool:
        """Whether it is certain that the stem takes."""
        return self.clear and self.value < 0

    @property
    def tells(self) -> bool:
        """Whether the share is, or may be, more than next to nothing."""
        may_be = (self.value,) if self.clear else (self.low, self.high)
        return max(map(abs, may_be)) >= LEAST_POINTS / 100


def tag_of(document: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The tag of that name in a result."""
    return next((tag for tag in document["tags"] if tag["tag"] == name), None)


def rows(document: Mapping[str, Any], tag: Mapping[str, Any]) -> list[Row]:
    """A tag's shares, the largest first."""
    names, unit = shown_names(document), unit_of(document)
    trusts = {stem["id"]: stem.get("trust", 1.0) for stem in document["session"]["stems"]}
    found = []
    for share in tag["attributions"]:
        stem = share["stem"]
        low, high = possible(share["low"], share["high"], unit)
        effects = share["mute"], share["solo"]
        told = ends(low, high, unit)
        found.append(
            Row(stem, names[stem], trusts[stem], share["value"], low, high, *effects, told)
        )
    return sorted(found, key=lambda row: -row.value)


def makers(document: Mapping[str, Any], tag: Mapping[str, Any]) -> list[str]:
    """The ids of the stems that explain a tag: those that add to it for certain (the interval of
    their share, as it is shown, lies above 0) and by half a point or more."""
    return [row.stem for row in rows(document, tag) if row.adds and row.tells]
