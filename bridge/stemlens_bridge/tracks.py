"""Finding the tracks of a bounce again, some minutes and edits later.

An analysis takes a while, and the user goes on working. Before anything is written on a track it is
looked for again, by what the DAW offers: an id that stays with a track (REAPER's GUID, Ardour's
route id) is trusted, and a new name is told; an id that is only a position (Live) counts together
with the name. What cannot be found, or not without doubt, is told by name and never written on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Located:
    """Where each stem's track is now (`places`: stem id to present id), and what to tell."""

    places: dict[str, str]
    problems: tuple[str, ...]


def located(
    stems: Sequence[tuple[str, str]], present: Sequence[tuple[str, str]], *, stable_ids: bool
) -> Located:
    """Finds `stems` among the tracks that are `present`, each as (id, name).

    With `stable_ids` the id alone decides. Without, id and name must both be the same, or the name
    must be there just once on both sides: the track was moved. Once anything has moved, or one of
    them has come or gone, tracks that share a name are not told apart by their positions.
    """
    now = dict(present)
    names_now = Counter(name for _, name in present)
    names_then = Counter(name for _, name in stems)
    by_name = {name: own for own, name in present}
    disturbed = any(now.get(own) != name for own, name in stems)
    places: dict[str, str] = {}
    problems = []
    for own, name in stems:
        as_many = names_now[name] == names_then[name]
        if stable_ids:
            if own not in now:
                problems.append(f"{name!r} is no longer there; nothing was written for it.")
                continue
            if now[own] != name:
                problems.append(f"{name!r} is called {now[own]!r} now; it is the same track.")
            places[own] = own
        elif now.get(own) == name and as_many and not (disturbed and names_then[name] > 1):
            places[own] = own
        elif names_now[name] == 1 and as_many:
            problems.append(f"{name!r} was moved; it was found again by its name.")
            places[own] = by_name[name]
        elif names_now[name]:
            problems.append(
                f"Tracks have changed, and several are called {name!r} or were; nothing was "
                "written for them."
            )
        else:
            problems.append(f"{name!r} was renamed or deleted; nothing was written for it.")
    return Located(places, tuple(problems))
