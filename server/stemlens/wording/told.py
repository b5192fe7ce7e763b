"""Numbers and names as the panel tells them, so that what is drawn is what is said.

A part of a score is told in whole points, and in tenths below two; log-odds in hundredths. Whether
a share or a change is certain is decided by the numbers that are shown: who reads "−2.1 to 0.0"
sees a 0 in it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stemlens_bridge.table import amount, stem_names
from stemlens_bridge.wording import tenths

FINE = 0.0195  # of a score: from here on two points are shown
NAME_LENGTH = 30  # characters of a stem's name in a sentence, which has to fit into a datagram
MOST = 1.0  # that a share in points can be: a score goes from 0 to 1
_FIRST_STRONG, _POP = "\u2068", "\u2069"
_OTHER_WAY = {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "FSI"}


def unit_of(document: Mapping[str, Any]) -> str:
    """What a result's shares are in: "points" or "log-odds"."""
    unit: str = document["method"].get("unit", "points")
    return unit


def small(value: float | None, unit: str) -> str:
    """A part of a score with its sign: "+21", "−1.4", "0.0", "?" where it is not known."""
    if value is None or unit != "points" or abs(value) >= FINE:
        return amount(value, unit)
    return tenths(value)


def possible(low: float, high: float, unit: str) -> tuple[float, float]:
    """An interval of a share without what no share can be."""
    if unit != "points":
        return low, high
    return max(low, -MOST), min(high, MOST)


def ends(low: float, high: float, unit: str) -> tuple[str, str]:
    """The ends of an interval as they are shown: in tenths where it is less than two points to
    either side."""
    if unit == "points" and (high - low) / 2 < FINE:
        return tenths(low), tenths(high)
    return amount(low, unit), amount(high, unit)


def off(low: float, high: float, unit: str) -> str:
    """How far an estimate may be off: "±2", "±0.8"."""
    half = (high - low) / 2
    if unit != "points":
        return f"±{half:.2f}"
    return f"±{100 * half:.{1 if half < FINE else 0}f}"


def certain(ends: tuple[str, str]) -> bool:
    """Whether an interval, as it is shown, lies to one side of 0."""
    low, high = (told.lstrip("+") for told in ends)
    below = high.startswith("−")
    above = not low.startswith("−") and low.strip("0.") != ""
    return above or below


def shown_names(document: Mapping[str, Any]) -> dict[str, str]:
    """A name to show for each stem id, to be put into any sentence."""
    return {stem: isolated(name) for stem, name in stem_names(document).items()}


def brief_names(document: Mapping[str, Any]) -> dict[str, str]:
    """The same, cut where a name would be most of its sentence."""
    return {
        stem: isolated(name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…")
        for stem, name in stem_names(document).items()
    }


def listed(words: Sequence[str]) -> str:
    """Several in a sentence: "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def few(words: Sequence[str], most: int = 4) -> list[str]:
    """The first of them, and how many there are besides, to be listed."""
    if len(words) <= most + 1:
        return list(words)
    return [*words[:most], f"{len(words) - most} more"]


def isolated(name: str) -> str:
    """A name that does not turn the words around it where it is written from right to left."""
    if any(unicodedata.bidirectional(c) in _OTHER_WAY for c in name):
        return f"{_FIRST_STRONG}{name}{_POP}"
    return name


def isolated_in(words: str, names: Iterable[str]) -> str:
    """A sentence with these names in it isolated."""
    for name in {*names}:
        words = words.replace(name, isolated(name)) if name else words
    return words
