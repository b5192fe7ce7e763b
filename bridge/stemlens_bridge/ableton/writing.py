"""Writes names and colours of tracks in Live, and takes them back.

A track in Live is known by its place and its name together, and both may change at any moment: the
user goes on working. AbletonOSC cannot be told "rename this track if it is still called Bass". So
each write goes on its own, between two readings of all names and colours: the track is looked for
right before, and afterwards it is checked what the write has hit. If a track was moved in between
(in the 100 ms of one tick) and another one was hit, that one gets back what it had, which the
reading before tells, and the right one is looked for again.

Every write that changes something is one step of Live's undo history; the steps are counted. What
a track was before is noted on disk before it changes (`memory`) and in the journal of this run, so
that a run that is interrupted can be taken back (`take_back`).
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from types import FrameType

from stemlens_bridge import marks
from stemlens_bridge.ableton import RETURN, addresses, live_set, palette
from stemlens_bridge.ableton.link import LiveLink, Value, Values
from stemlens_bridge.ableton.memory import Before, Memory
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings, TrackNote
from stemlens_bridge.tracks import located

NAME, COLOR = 0, 1  # columns of a reading
COLUMNS = ("name", "color_index", "num_devices")  # the last only tells tracks apart
SETTERS = {NAME: addresses.SET_NAME, COLOR: addresses.SET_COLOR_INDEX}
ATTEMPTS = 60  # of one write; a lost datagram costs one
FRESH_TICKS = 1.0  # how long a reading may be old before a write
AUTOMATIC = re.compile(r"(\d+)-(.+)", re.DOTALL)  # what Live calls a track that nobody has named


@dataclass(slots=True)
class Report:
    """What a run did: `tracks` written on, `steps` of Live's undo history, what to tell."""

    tracks: int = 0
    steps: int = 0
    problems: list[str] = field(default_factory=list)

    def tell(self, *problems: str) -> None:
        """Adds problems, each once."""
        self.problems += [problem for problem in problems if problem not in self.problems]


@dataclass(frozen=True, slots=True)
class _Place:
    """A track that is looked for: where it was last (from 0), its name without our label."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class _Done:
    """A write of this run, for taking it back."""

    place: _Place
    column: int
    before: Value
    after: Value


class Writer:
    """Writes on the tracks of the set that is open in Live."""

    def __init__(self, link: LiveLink, memory: Memory) -> None:
        self._link, self._memory = link, memory
        self._rows: list[Values] = []
        self._read_at = float("-inf")
        self._journal: list[_Done] = []

    def annotate(self, findings: Findings, what: Iterable[str]) -> Report:
        """Writes the notes of `findings` ("name", "color") on their tracks; labels of an earlier
        run are replaced, and taken away where there is nothing to say any more."""
        wanted = set(what)
        report = Report()
        reachable = [stem for stem in findings.tracks if not stem.id.startswith(RETURN)]
        if len(reachable) < len(findings.tracks):
            report.tell(
                "Returns cannot be reached from outside Live; 'stemlens-bridge als annotate' "
                "writes on them, in a copy of the set."
            )
        self._reading()
        stems = [(stem.id, stem.name) for stem in reachable]
        found = located(stems, self._present(), stable_ids=False)
        report.tell(*found.problems)
        notes = {note.track: note for note in findings.notes}
        names = dict(stems)
        noted = []
        for own, place in found.places.items():
            if own in notes:
                where = _Place(int(place) - 1, names[own])
                noted.append(where)
                report.tracks += self._note(where, notes[own], wanted, report)
        if "name" in wanted:
            self._drop_others(noted, report)
        return report

    def suggest(self, words: Mapping[int, str]) -> Report:
        """Writes what to try behind the names of tracks, by their places from 0, and takes it off
        all others; labels that tell shares stay."""
        report = Report()
        self._reading()
        for index, row in enumerate(list(self._rows)):
            name = str(row[NAME])
            place = _Place(index, marks.without_label(name))
            if index in words:
                self._memory.remember(Before(str(index + 1), place.name))
                suggested = marks.with_suggestion_label(name, words[index])
                report.tracks += self._write(place, NAME, suggested, report)
                continue
            rest = marks.without_suggestion_label(name)
            if rest != name:
                well = (
                    self._write(place, NAME, rest, report)
                    if _labelled(rest)
                    else self._unlabel(place, report)
                )
                report.tracks += well and not words
        return report

    def remove(self) -> Report:
        """Takes all labels off the names, and gives the tracks the colours that they had."""
        report = Report()
        self._reading()
        cleaned = {place.name for place in self._labelled() if self._unlabel(place, report)}
        self._colours_back(report, cleaned)
        report.tracks = len(cleaned)
        return report

    def take_back(self) -> Report:
        """Undoes what this run has written, last first: labels of an earlier run come back."""
        report = Report()
        self._reading()
        journal, self._journal = self._journal, []
        for done in reversed(journal):
            index = self._index(done.place)
            if index is None or self._rows[index][done.column] == done.before:
                continue
            if done.column == COLOR:
                before, after = int(done.before or 0), int(done.after or 0)
                self._memory.remember(
                    Before(str(done.place.index + 1), done.place.name, after, before)
                )
            if done.column == NAME and not _labelled(done.before):
                well = self._unlabel(_Place(index, done.place.name), report)
            else:
                well = self._write(done.place, done.column, done.before, report)
            report.tracks += well
        return report

    # ------------------------------------------------------------------ what is written

    def _note(self, place: _Place, note: TrackNote, wanted: set[str], report: Report) -> bool:
        well = True
        if "name" in wanted:
            self._memory.remember(Before(str(place.index + 1), place.name))
            name = marks.with_label(place.name, note.label)
            well = self._write(place, NAME, name, report)
        if "color" in wanted and well:
            index = self._index(place)
            if index is not None:
                colour = palette.nearest(note.color)
                present = int(self._rows[index][COLOR] or 0)
                self._memory.remember(Before(str(place.index + 1), place.name, present, colour))
                well = self._write(place, COLOR, colour, report)
        return well

    def _drop_others(self, noted: Sequence[_Place], report: Report) -> None:
        """Labels of an earlier run on tracks that have nothing to say this time."""
        keep = {self._index(place) for place in noted}
        for place in self._labelled():
            if place.index not in keep:
                self._unlabel(place, report)

    def _labelled(self) -> list[_Place]:
        return [
            _Place(index, marks.without_label(str(row[NAME])))
            for index, row in enumerate(self._rows)
            if marks.without_label(str(row[NAME])) != row[NAME]
        ]

    def _unlabel(self, place: _Place, report: Report) -> bool:
        """Gives a track its name back; to one that Live had named itself, its automatic name, which
        goes on counting when tracks are moved."""
        automatic = AUTOMATIC.fullmatch(place.name)
        then = {entry.id for entry in self._memory.tracks if entry.name == place.name}
        if automatic and automatic[1] in {str(place.index + 1), *then}:
            tried = Report()
            expected = f"{place.index + 1}-{automatic[2]}"
            well = self._write(place, NAME, "", tried, expected=expected)
            report.steps += tried.steps
            if well:
                return True
            # it only looked automatic: Live names it otherwise, so the name is typed again
            now = self._present()[place.index][1] if place.index < len(self._rows) else ""
            if AUTOMATIC.fullmatch(now):
                return self._write(_Place(place.index, now), NAME, place.name, report)
        return self._write(place, NAME, place.name, report)

    def _colours_back(self, report: Report, cleaned: set[str]) -> None:
        remembered = self._memory.tracks
        coloured = [entry for entry in remembered if entry.color_ours is not None]
        stems = [(entry.id, entry.name) for entry in coloured]
        found = located(stems, self._present(), stable_ids=False)
        report.tell(*found.problems)
        for entry in remembered:
            place = found.places.get(entry.id) if entry in coloured else None
            if place is not None:
                where = _Place(int(place) - 1, entry.name)
                index = self._index(where)
                # a colour that is no longer ours is one that the user has given
                if index is not None and self._rows[index][COLOR] == entry.color_ours:
                    if not self._write(where, COLOR, entry.color, report):
                        continue
                    cleaned.add(entry.name)
            self._memory.forget(entry)

    # ------------------------------------------------------------------ one write

    def _write(
        self,
        place: _Place,
        column: int,
        value: Value,
        report: Report,
        *,
        expected: str | None = None,
    ) -> bool:
        """Brings one cell to `value`; returns whether it is there now. What cannot be done is told.

        `expected`: what Live will show instead, where that is something else.
        """
        shown = value if expected is None else expected
        for _ in range(ATTEMPTS):
            self._reading(FRESH_TICKS)
            index = self._index(place)
            if index is None:
                report.tell(
                    f"{place.name!r} was moved, renamed or deleted meanwhile; "
                    "nothing was written for it."
                )
                return False
            before = self._rows
            if before[index][column] == shown:
                return True
            with uninterrupted():
                self._journal.append(_Done(place, column, before[index][column], value))
                self._link.tell(SETTERS[column], index, value)
                self._reading()
                hit = _hit(before, self._rows, index, column, shown)
                if hit is None:
                    self._journal.pop()
                    continue
                report.steps += 1
                if hit.name != before[index][NAME]:  # it was moved; another one stood there
                    if hit.before is None:
                        report.tell(
                            "Tracks were added or deleted in the very moment in which something "
                            f"was written on {place.name!r}, and another one may have got it. See "
                            "to it in Live."
                        )
                    else:
                        report.steps += self._repair(hit)
                    continue
            if hit.now == shown or (column == NAME and _labelled(shown) and _labelled(hit.now)):
                return True
            report.tell(f"{place.name!r} is called {hit.now!r} now; nothing was written for it.")
            return False
        report.tell(f"Live did not take what was written on {place.name!r}.")
        return False

    def _repair(self, hit: _Hit) -> int:
        """Gives a track that was hit by mistake back what it had; returns the undo steps."""
        steps = 0
        for _ in range(ATTEMPTS):
            index = _only(self._rows, hit)
            if index is None:
                return steps
            self._link.tell(SETTERS[hit.column], index, hit.before)
            before = self._rows
            self._reading()
            steps += _hit(before, self._rows, index, hit.column, hit.before) is not None
        raise StemlensError(
            "daw_failed",
            f"The track {hit.name!r} was moved while another was written, and Live does not take "
            "back what it was given. Undo in Live until it is as it was.",
        )

    # ------------------------------------------------------------------ what is there

    def _reading(self, fresh_ticks: float = 0.0) -> None:
        """Reads names and colours of all tracks, unless the last reading is young enough."""
        if time.monotonic() - self._read_at > fresh_ticks * self._link.tick_s:
            size = len(self._rows) or None
            self._rows = live_set.rows(self._link, *COLUMNS, size=size)
            self._read_at = time.monotonic()

    def _present(self) -> list[tuple[str, str]]:
        return [
            (str(index + 1), marks.without_label(str(row[NAME])))
            for index, row in enumerate(self._rows)
        ]

    def _index(self, place: _Place) -> int | None:
        """Where a track is now: in its place, or, where its name is there just once, there."""
        names = [name for _, name in self._present()]
        if place.index < len(names) and names[place.index] == place.name:
            return place.index
        return names.index(place.name) if names.count(place.name) == 1 else None


@dataclass(frozen=True, slots=True)
class _Hit:
    """What a write has hit: a track by its name before, what its cell was and is now."""

    name: str
    column: int
    before: Value
    now: Value


def _hit(
    before: Sequence[Values], after: Sequence[Values], index: int, column: int, shown: Value
) -> _Hit | None:
    """What writing `shown` at `index` between two readings has changed; None where nothing shows.

    Where no track was moved in between, it is the cell at `index`. Otherwise names that vanished
    tell which track was renamed, and a colour that changed which was coloured.
    """
    same_places = len(before) == len(after) and all(
        at == index or one[NAME] == other[NAME]
        for at, (one, other) in enumerate(zip(before, after, strict=True))
    )
    if same_places:
        was, now = before[index], after[index]
        if was[column] == now[column]:
            return None
        return _Hit(str(was[NAME]), column, was[column], now[column])
    if column == NAME:
        return _renamed(before, after, shown)
    colours = {row[NAME]: row[COLOR] for row in before}
    changed = [row for row in after if colours.get(row[NAME], row[COLOR]) != row[COLOR]]
    if not changed and index < len(after) and after[index][NAME] not in colours:
        new = after[index]
        return _Hit(str(new[NAME]), column, None, new[COLOR]) if new[COLOR] == shown else None
    if len(changed) != 1:
        return None
    hit = changed[0]
    return _Hit(str(hit[NAME]), column, colours[hit[NAME]], hit[COLOR])


def _renamed(before: Sequence[Values], after: Sequence[Values], shown: Value) -> _Hit | None:
    """Which track was renamed to `shown` while tracks were moved, added or deleted.

    More than one name may have vanished then; the one that was overwritten is the one with which
    the order of tracks has changed least, and whose other properties the track still has. Where no
    name has vanished, it was a track that had just been added, which Live names itself.
    """
    old, new = [row[NAME] for row in before], [row[NAME] for row in after]
    gone = list(Counter(old) - Counter(new))
    if not (Counter(new) - Counter(old))[shown]:
        return None
    if not gone:
        return _Hit("", NAME, "", shown)
    place = new.index(shown)

    def likeness(name: Value) -> tuple[float, int]:
        restored = [name if at == place else now for at, now in enumerate(new)]
        order = SequenceMatcher(None, old, restored, autojunk=False).ratio()
        pairs = zip(before[old.index(name)][1:], after[place][1:], strict=True)
        return order, sum(one == other for one, other in pairs)

    best = max(map(likeness, gone))
    names = [name for name in gone if likeness(name) == best]
    if len(names) > 1:
        return _Hit("", NAME, None, shown)
    return _Hit(str(names[0]), NAME, names[0], shown)


def _labelled(name: Value) -> bool:
    return marks.without_label(str(name)) != name


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Lets Ctrl-C wait until a write has been seen through; a second one does not wait."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def later(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    former = signal.signal(signal.SIGINT, later)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
        if pressed:
            raise KeyboardInterrupt


def _only(rows: Sequence[Values], hit: _Hit) -> int | None:
    """Where the track is that was hit by mistake; None once it is as it was."""
    name = hit.now if hit.column == NAME else hit.name
    found = [
        index for index, row in enumerate(rows) if row[NAME] == name and row[hit.column] == hit.now
    ]
    return found[0] if len(found) == 1 else None
