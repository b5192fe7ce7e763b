"""Carries out a trial in Live, over AbletonOSC, and takes it back.

A fader is moved relative to where it stands, and read back. Where it stood is remembered (`memory`)
before it moves. Whatever is no fader's work goes into the track's name, the only words that Live
takes from outside (`writing`). Taking back gives a fader its level only where it still stands as we
left it: one that was moved since is the user's.

A track is known by its place and name together, and both may change at any moment: each write
stands between two readings of all names and faders, and a track that was hit by mistake gets back
what it had. Faders are the API's 0 to 1, levels dB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stemlens_bridge import marks
from stemlens_bridge.ableton import RETURN, addresses, live_set
from stemlens_bridge.ableton.decibels import from_volume, to_volume
from stemlens_bridge.ableton.link import LiveLink, Question
from stemlens_bridge.ableton.memory import SAME_VOLUME, Before, Memory
from stemlens_bridge.ableton.writing import ATTEMPTS, Writer, uninterrupted
from stemlens_bridge.applying import Applied, Step, impossible, moved
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.moves import SILENCE_DB
from stemlens_bridge.tracks import located

WORDS = 60  # characters of what to try in a track's name


@dataclass(frozen=True, slots=True)
class Fader:
    """A track's name, without our label, and where its fader stands."""

    name: str
    volume: float


def apply(
    link: LiveLink, memory: Memory, stems: Sequence[tuple[str, str]], steps: Sequence[Step]
) -> Applied:
    """Does what faders can do, and writes the rest into names. `stems`: the (id, name) of the
    tracks when it was tried.

    Raises `tracks_unmatched` where a step's track is not found; `daw_failed`, `daw_unreachable`.
    """
    wanted = {step.track for step in steps}
    known = [(own, name) for own, name in stems if own in wanted]
    there = _faders(link)
    present = [(str(at + 1), fader.name) for at, fader in enumerate(there)]
    found = located([stem for stem in known if not stem[0].startswith(RETURN)], present,
                    stable_ids=False)  # fmt: skip
    problems = list(found.problems)
    gone = [step.words for step in steps if step.track not in found.places]
    if gone:
        raise StemlensError(
            "tracks_unmatched",
            f"Not found among the tracks that can be reached in Live: {'; '.join(gone)}. "
            f"{' '.join(problems)} Nothing was changed; returns and the main track are for you "
            "to set.",
        )
    places = {own: int(place) - 1 for own, place in found.places.items()}
    levels = {step.track: step.level_db for step in steps if step.level_db is not None}
    for own, level_db in levels.items():
        fader = there[places[own]]
        why = impossible(level_db, from_volume(fader.volume), SILENCE_DB)
        if why is not None:
            problems.append(f"{fader.name}: {why}, so no fader was moved.")
            levels = {}
    told = []
    for own, level_db in levels.items():
        fader = there[places[own]]
        target = to_volume(from_volume(fader.volume) + level_db)
        memory.remember_fader(Before(str(places[own] + 1), fader.name), fader.volume, target)
        now = _set(link, places[own], fader.name, target)
        told.append(moved(fader.name, from_volume(fader.volume), from_volume(now)))
    words = {places[step.track]: step.words for step in steps if step.track not in levels}
    report = Writer(link, memory).suggest({at: _short(text) for at, text in words.items()})
    return Applied(tuple(told), report.tracks, (*problems, *report.problems))


def undo(link: LiveLink, memory: Memory) -> Applied:
    """Gives faders their levels back and takes the words out of names."""
    problems: list[str] = []
    told = []
    moved_ones = [entry for entry in memory.tracks if entry.volume_ours is not None]
    there = _faders(link)
    present = [(str(at + 1), fader.name) for at, fader in enumerate(there)]
    found = located([(e.id, e.name) for e in moved_ones], present, stable_ids=False)
    problems += found.problems
    for entry in moved_ones:
        place = found.places.get(entry.id)
        if place is not None and entry.volume is not None and entry.volume_ours is not None:
            now = there[int(place) - 1].volume
            if abs(now - entry.volume_ours) <= SAME_VOLUME:
                back = _set(link, int(place) - 1, entry.name, entry.volume)
                told.append(moved(entry.name, from_volume(now), from_volume(back)))
            elif abs(now - entry.volume) > SAME_VOLUME:
                problems.append(f"{entry.name}: its fader was moved since, so it stays there.")
        memory.forget_fader(entry)
    report = Writer(link, memory).suggest({})
    return Applied(tuple(told), report.tracks, (*problems, *report.problems))


def _short(words: str) -> str:
    return words if len(words) <= WORDS else f"{words[: WORDS - 1]}…"


def _faders(link: LiveLink) -> list[Fader]:
    """All tracks' names and faders of one moment; raises `daw_failed`."""
    for _ in range(live_set.READINGS):
        names = live_set.rows(link, "name")
        answers = link.ask_all([Question(addresses.VOLUME, (at,)) for at in range(len(names))])
        if live_set.rows(link, "name") == names:
            return [
                Fader(marks.without_label(str(row[0])), float(answer[0] or 0.0))
                for row, answer in zip(names, answers, strict=True)
            ]
    raise StemlensError(
        "daw_failed", "The set keeps changing while it is read. Try again when it is at rest."
    )


def _set(link: LiveLink, index: int, name: str, volume: float) -> float:
    """Moves a track's fader and reads it back; returns where it is."""
    before = _faders(link)
    for _ in range(ATTEMPTS):
        at = _index(before, index, name)
        if abs(before[at].volume - volume) <= SAME_VOLUME:
            return before[at].volume
        with uninterrupted():
            link.tell(addresses.SET_VOLUME, at, volume)
            after = _faders(link)
            _repair(link, before, after, name, volume)
        before = after
    raise StemlensError(
        "daw_failed",
        f"Live did not move the fader of {name!r}. Is it held by a controller? What was moved "
        "before is undone with --undo.",
    )


def _index(there: Sequence[Fader], index: int, name: str) -> int:
    """Where a track is now: in its place, or, where its name is there just once, there."""
    names = [fader.name for fader in there]
    if index < len(names) and names[index] == name:
        return index
    if names.count(name) != 1:
        raise StemlensError(
            "tracks_unmatched",
            f"{name!r} was renamed, deleted or copied while its fader was to be moved. What was "
            "moved before is undone with --undo.",
        )
    return names.index(name)


def _repair(
    link: LiveLink, before: Sequence[Fader], after: Sequence[Fader], name: str, volume: float
) -> None:
    """Gives a track that stood in the place of another at the wrong moment its level back."""
    if [fader.name for fader in before] == [fader.name for fader in after]:
        return
    once = Counter(fader.name for fader in before)
    was = {fader.name: fader.volume for fader in before if once[fader.name] == 1}
    for at, fader in enumerate(after):
        hit = abs(fader.volume - volume) <= SAME_VOLUME and fader.name != name
        if hit and fader.name in was and abs(was[fader.name] - volume) > SAME_VOLUME:
            _set(link, at, fader.name, was[fader.name])
