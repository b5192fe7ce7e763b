"""Locators on Live's time line: where a stem's share of a tag is strongest, and what else is told
of when.

AbletonOSC can only toggle a locator where the playhead is. So the playhead is moved, which Live
shows, and put back at the end; nothing is done while Live plays; and where a locator is already, of
the user's or ours, none is toggled, because that would delete it. Ours have names that begin with
`marks.MARKER_PREFIX`; only those are ever removed, after jumping to exactly where they are.

A toggle is never repeated on suspicion: it is sent once, the locators are read until they are
known, and only if they are as before (the message was lost) it is sent again.

Times are beats (quarter notes) from the beginning of the arrangement. OSC carries 32-bit floats, so
locators are set on sixteenths of a beat, which those hold exactly. AbletonOSC does not tell tempo
changes: the places are right where the tempo is constant from the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stemlens_bridge import marks
from stemlens_bridge.ableton import addresses
from stemlens_bridge.ableton.link import LiveLink
from stemlens_bridge.ableton.writing import Report, uninterrupted
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import TimeNote
from stemlens_bridge.tempo import TempoMap

GRID = 16  # to a beat
SAME_BEAT = 1 / 64
ATTEMPTS = 40
UNKNOWN = "Unknown OSC address"
PLAYING = "Live is playing: locators can only be set and removed while it stands still."


@dataclass(frozen=True, slots=True)
class Cue:
    """A locator: its name, and where it is in beats."""

    name: str
    beat: float

    @property
    def ours(self) -> bool:
        """Whether Stemlens has set it."""
        return self.name.startswith(marks.MARKER_PREFIX)


def write(link: LiveLink, markers: Sequence[TimeNote], tempo: TempoMap, report: Report) -> None:
    """Sets a locator for each marker, in the place of those of an earlier run."""
    if _playing(link):
        report.tell(PLAYING)
        return
    playhead = _playhead(link)
    try:
        wanted: dict[float, str] = {}
        for marker in markers:
            beat = round(GRID * tempo.beats(marker.start_s)) / GRID
            before = wanted.get(beat, marks.MARKER_PREFIX)
            wanted[beat] = f"{before}; {marker.text}" if beat in wanted else before + marker.text
        for cue in read(link):
            if cue.ours and wanted.get(cue.beat) != cue.name:
                _remove(link, cue, report)
        for beat, name in sorted(wanted.items()):
            if beat >= 0:
                _set(link, beat, name, report)
    finally:
        _go(link, playhead)


def remove(link: LiveLink, report: Report) -> None:
    """Removes all locators of ours."""
    ours = [cue for cue in read(link) if cue.ours]
    if not ours:
        return
    if _playing(link):
        report.tell(PLAYING)
        return
    playhead = _playhead(link)
    try:
        for cue in ours:
            _remove(link, cue, report)
    finally:
        _go(link, playhead)


def read(link: LiveLink) -> list[Cue]:
    """The locators of the set, in AbletonOSC's order."""
    values = link.ask(addresses.CUE_POINTS)
    return [
        Cue(str(name), float(beat or 0.0))
        for name, beat in zip(values[::2], values[1::2], strict=True)
    ]


def _set(link: LiveLink, beat: float, name: str, report: Report) -> None:
    for _ in range(ATTEMPTS):
        before = read(link)
        there = [cue for cue in before if abs(cue.beat - beat) < SAME_BEAT]
        if any(cue.name == name for cue in there):
            return
        if there:
            report.tell(f"There is a locator at beat {beat:g} already; none was set for {name!r}.")
            return
        with uninterrupted():
            if _playing(link):
                report.tell(PLAYING)
                return
            _go(link, beat)
            link.last_error = ""
            link.tell(addresses.CUE_TOGGLE)
            after = read(link)
            if UNKNOWN in link.last_error:
                raise StemlensError(
                    "daw_failed",
                    "This AbletonOSC cannot set locators; those since November 2025 can. Install "
                    "the current one, or leave out locators.",
                )
            new = [cue for cue in after if cue not in before]
            if len(after) != len(before) + 1 or len(new) != 1:
                continue
            report.steps += 1
            _rename(link, new[0], name, report)
            return
    report.tell(f"Live did not set the locator {name!r}.")


def _rename(link: LiveLink, cue: Cue, name: str, report: Report) -> None:
    for _ in range(ATTEMPTS):
        cues = read(link)
        if cue not in cues:
            break
        link.tell(addresses.CUE_SET_NAME, cues.index(cue), name)
    report.steps += 1


def _remove(link: LiveLink, cue: Cue, report: Report) -> None:
    for _ in range(ATTEMPTS):
        before = read(link)
        if cue not in before:
            return
        with uninterrupted():
            if _playing(link):
                report.tell(PLAYING)
                return
            link.tell(addresses.CUE_JUMP, before.index(cue))
            if abs(_playhead(link) - cue.beat) >= SAME_BEAT:
                continue  # the jump was lost
            link.tell(addresses.CUE_TOGGLE)
            after = read(link)
            report.steps += len(after) != len(before)
            if len(after) > len(before):  # not exactly there: Live has set one beside it
                link.tell(addresses.CUE_TOGGLE)
                report.steps += 1
                report.tell(f"The locator {cue.name!r} could not be removed; delete it in Live.")
                return
    report.tell(f"Live did not remove the locator {cue.name!r}.")


def _playing(link: LiveLink) -> bool:
    return bool(link.ask(addresses.IS_PLAYING)[0])


def _playhead(link: LiveLink) -> float:
    return float(link.ask(addresses.SONG_TIME)[0] or 0.0)


def _go(link: LiveLink, beat: float) -> None:
    """Puts the playhead at a beat; raises `daw_failed` when it does not stay there."""
    for _ in range(ATTEMPTS):
        link.tell(addresses.SET_SONG_TIME, beat)
        if abs(_playhead(link) - beat) < SAME_BEAT:
            return
    raise StemlensError("daw_failed", f"Live's playhead does not go to beat {beat:g}.")
