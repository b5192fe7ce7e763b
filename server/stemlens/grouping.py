"""Groups of a session's stems, as Owen values take them (see `attribution.owen`)."""

from __future__ import annotations

from collections import Counter
from itertools import count

from stemlens_bridge.session import Session


def grouping(session: Session) -> tuple[list[str], list[int]]:
    """The names of the session's groups of two stems or more, and for each stem a number: that of
    its group's name, or one of its own."""
    members = Counter(stem.group for stem in session.stems if stem.group is not None)
    names = [name for name, times in members.items() if times > 1]
    numbers = {name: number for number, name in enumerate(names)}
    own = count(len(names))
    return names, [numbers[s.group] if s.group in numbers else next(own) for s in session.stems]
