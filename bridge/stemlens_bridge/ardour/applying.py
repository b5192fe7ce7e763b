"""Carries out a trial in a running Ardour, over OSC, and takes it back.

A fader is moved relative to where it stands, and read back. Where it stood is noted in the session
(`record`) before it moves. Whatever is no fader's work is written into the track's comment, at the
beginning of our block (`marks`). Taking back gives a fader its level only where it still stands as
we left it: one that was moved since is the user's. Levels are dB.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from stemlens_bridge import marks
from stemlens_bridge.applying import SAME_DB, Applied, Step, impossible, moved
from stemlens_bridge.ardour import record, running
from stemlens_bridge.ardour.osc import TRACKS_AND_BUSES, Ardour, Exchange, Strip, fader_db
from stemlens_bridge.ardour.record import Fader
from stemlens_bridge.ardour.session_file import SessionFile
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.moves import SILENCE_DB

ROUNDS, WAIT_S = 10, 0.05  # how often, and after how long, a fader is read back


def apply(ardour: Ardour, session: SessionFile, steps: Sequence[Step]) -> Applied:
    """Does what faders can do, and writes the rest on the tracks.

    Raises `tracks_unmatched` where the session's tracks are not those of its file, or a step's is
    not among them; `daw_failed` where Ardour does not take a fader; `daw_unreachable`.
    """
    strips = _strips(ardour, session)
    gone = [step.words for step in steps if step.track not in strips]
    if gone:
        raise StemlensError(
            "tracks_unmatched",
            f"{session.snapshot} has no track for: {'; '.join(gone)}. Was it tried on another "
            "session? Nothing was changed.",
        )
    problems: list[str] = []
    levels = {step.track: step.level_db for step in steps if step.level_db is not None}
    places = {own: _fader(ardour, strips[own]) for own in levels}
    automated = {route.id for route in session.mixed if route.automated}
    for own, level_db in levels.items():
        why = "its fader may be automated" if own in automated else None
        why = why or impossible(level_db, places[own], SILENCE_DB)
        if why is not None:
            problems.append(f"{strips[own].name}: {why}, so no fader was moved.")
    if problems:
        levels = {}
    told = [
        _move(ardour, session, own, strips[own], places[own], places[own] + level_db)
        for own, level_db in levels.items()
    ]
    words = {step.track: step.words for step in steps if step.track not in levels}
    notes = _write(ardour, strips, words, problems)
    return Applied(tuple(told), notes, tuple(problems))


def undo(ardour: Ardour, session: SessionFile) -> Applied:
    """Gives faders their levels back and takes the words away; raises as `apply` does."""
    strips = _strips(ardour, session)
    problems: list[str] = []
    told = []
    for own, fader in record.read(session).faders.items():
        strip = strips.get(own)
        if strip is None:
            problems.append("A track whose fader was moved is no longer there.")
        else:
            now = _fader(ardour, strip)
            if abs(now - fader.ours_db) <= SAME_DB:
                _set(ardour, strip, fader.before_db)
                told.append(moved(strip.name, now, fader.before_db))
            elif abs(now - fader.before_db) > SAME_DB:
                problems.append(f"{strip.name}: its fader was moved since, so it stays there.")
        known = record.read(session)
        kept = {other: value for other, value in known.faders.items() if other != own}
        record.write(session, replace(known, faders=kept))
    notes = _write(ardour, strips, {}, problems)
    return Applied(tuple(told), notes, tuple(problems))


def _strips(ardour: Ardour, session: SessionFile) -> dict[str, Strip]:
    """Ardour's strips by the ids of their routes; raises `tracks_unmatched`."""
    strips = running.all_strips(ardour)
    running.same_tracks(strips, session)
    own_id = {route.name: route.id for route in session.mixed}
    return {own_id[strip.name]: strip for strip in strips if strip.kind in TRACKS_AND_BUSES}


def _fader(ardour: Ardour, strip: Strip) -> float:
    """Where a strip's fader stands; raises `tracks_unmatched` where another strip is in its
    place."""
    name, fader = f"/strip/{strip.ssid}/name", f"/strip/{strip.ssid}/fader"
    (answers,) = ardour.exchange([Exchange((name, fader))])
    return _told(answers[name], answers[fader], strip)


def _told(name: Sequence[object], fader: Sequence[object], strip: Strip) -> float:
    if list(name[:1]) != [strip.name] or not fader or not isinstance(fader[0], int | float):
        raise running.changed([strip])
    return fader_db(float(fader[0]))


def _move(
    ardour: Ardour,
    session: SessionFile,
    own: str,
    strip: Strip,
    before_db: float,
    level_db: float,
) -> str:
    """Moves one fader, notes where it was, and says so."""
    known = record.read(session)
    former = known.faders.get(own)
    # a fader that stands as we left it goes back to where it was before the first time
    ours = former is not None and abs(former.ours_db - before_db) <= SAME_DB
    first_db = former.before_db if former is not None and ours else before_db
    faders = {**known.faders, own: Fader(first_db, level_db)}
    record.write(session, replace(known, faders=faders))
    _set(ardour, strip, level_db)
    return moved(strip.name, before_db, level_db)


def _set(ardour: Ardour, strip: Strip, level_db: float) -> None:
    """Moves a fader and reads it back. Where another strip has taken the place meanwhile, that one
    gets back what it had."""
    name, fader = f"/strip/{strip.ssid}/name", f"/strip/{strip.ssid}/fader"
    gain = "/strip/gain"
    (there,) = ardour.exchange([Exchange((name, fader))])
    before_db = _told(there[name], there[fader], strip)
    for _ in range(ROUNDS):
        (now,) = ardour.exchange([Exchange((name, fader), ((gain, (strip.ssid, level_db)),))])
        if now[name][:1] != [strip.name]:
            ardour.exchange([Exchange((fader,), ((gain, (strip.ssid, before_db)),))])
            raise running.changed([strip])
        if abs(_told(now[name], now[fader], strip) - level_db) <= SAME_DB:
            return
        time.sleep(WAIT_S)
    raise StemlensError(
        "daw_failed",
        f"Ardour did not move the fader of {strip.name} to {level_db:+.1f} dB. Is it automated, or "
        "held by a controller? What was moved before is undone with --undo.",
    )


def _write(
    ardour: Ardour, strips: Mapping[str, Strip], words: Mapping[str, str], problems: list[str]
) -> int:
    """Makes the comments tell these words of what to try, by track, and no others; returns on how
    many tracks they stand, or, without any, from how many they were taken."""
    changed = set()

    def wished(own: str, comment: str) -> str:
        block = marks.ours(comment)
        rest = marks.without_suggestion(block)
        if own in words:
            rest = marks.with_suggestion(rest, words[own])
        if rest == block:
            return comment
        changed.add(own)
        return marks.taken_out(comment) if rest is None else marks.put(comment, rest)

    by_strip = {strip: own for own, strip in strips.items()}
    stuck = running.comments(ardour, by_strip, wished, problems)
    return len((words.keys() or changed) - {by_strip[strip] for strip in stuck})
