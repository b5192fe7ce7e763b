"""What is to be written on an Ardour session, and what was.

Comments are our block behind the user's own words (`marks`), markers have a name that begins with
`marks.MARKER_PREFIX`, colours replace a track's own, so they are only written on request and the
former ones remembered (`record`). Times are seconds of project time, colours `#RRGGBB`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from stemlens_bridge.findings import Findings
from stemlens_bridge.marks import MARKER_PREFIX

COMMENTS, MARKERS, COLOR = "comments", "markers", "color"
KINDS = (COMMENTS, MARKERS, COLOR)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the tracks (by the ids of their routes) and the timeline should show of ours.

    Everything of ours that is not in it is taken away: an empty one removes all. `kinds` are the
    kinds of annotation that are dealt with; the others stay as they are.
    """

    comments: Mapping[str, str] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    marks: tuple[tuple[float, str], ...] = ()
    kinds: frozenset[str] = frozenset(KINDS)

    @classmethod
    def from_findings(cls, findings: Findings, kinds: Collection[str]) -> Wanted:
        """What of an analysis is to be written; markers get names that none shares."""
        names: set[str] = set()
        marks = []
        for note in sorted(findings.timeline, key=lambda note: (note.start_s, note.text)):
            plain = f"{MARKER_PREFIX}{' '.join(note.text.split())}"
            name, count = plain, 1
            while name in names:
                count += 1
                name = f"{plain} ({count})"
            names.add(name)
            marks.append((note.start_s, name))
        return cls(
            comments={note.track: note.text for note in findings.notes},
            colors={note.track: note.color for note in findings.notes if note.color},
            marks=tuple(marks),
            kinds=frozenset(kinds),
        )

    def placed(self, places: Mapping[str, str]) -> Wanted:
        """The same for the tracks that were found (`places`: stem id to route id)."""
        return Wanted(
            {places[own]: text for own, text in self.comments.items() if own in places},
            {places[own]: color for own, color in self.colors.items() if own in places},
            self.marks,
            self.kinds,
        )


@dataclass(frozen=True, slots=True)
class Written:
    """What was done: how many of each kind now show something of ours, how many could not be
    removed, and what to tell."""

    where: str
    comments: int = 0
    marks: int = 0
    colors: int = 0
    left: int = 0
    problems: tuple[str, ...] = ()

    def told(self) -> str:
        """The same in words."""
        parts: Sequence[tuple[int, str]] = (
            (self.comments, "comment"),
            (self.marks, "marker"),
            (self.colors, "colour"),
        )
        counted = [f"{count} {what}{'' if count == 1 else 's'}" for count, what in parts if count]
        done = f"Written {self.where}: {', '.join(counted)}."
        if not counted:
            done = f"Nothing of Stemlens is left {self.where}."
            if self.left:
                done = f"Removed {self.where}, but for what follows."
        return "\n".join([done, *self.problems])
