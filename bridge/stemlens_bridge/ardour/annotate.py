"""Writes what an analysis found into a session: over OSC where an Ardour has it open, else into
its file; and takes it out again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from stemlens_bridge.ardour import closed, osc, running, session_file
from stemlens_bridge.ardour.session_file import SessionFile
from stemlens_bridge.ardour.wanted import Wanted, Written
from stemlens_bridge.tracks import located


def opened(session: SessionFile) -> osc.Ardour | None:
    """The running Ardour that has the session open and listens to OSC; None without one.

    Over OSC a session has a name but no folder; a copy of it elsewhere has the same name. Where it
    can be seen (on Linux), an Ardour that has none of this session's recordings open has another.
    """
    found = osc.find(session.snapshot, [route.name for route in session.mixed])
    if found is None:
        return None
    inside = session.folder.resolve() / "interchange"
    recorded = any(inside in file.resolve().parents for file in session.recordings)
    if recorded and closed.can_see() and not closed.in_use(session.folder):
        found.__exit__()
        return None
    return found


def write(
    path: Path,
    stems: Sequence[tuple[str, str]],
    wanted: Wanted,
    ardour: osc.Ardour | None,
    save: bool = False,
) -> Written:
    """Makes the session in the file `path` show what is wanted of `stems`, each (id, name) at the
    time of the bounce. With `save`, Ardour saves before, so that all ids are known, and after.

    What is no longer there, or has another name, is told. Raises `tracks_unmatched`,
    `daw_unreachable`, `daw_failed`, `project_invalid`, `output_failed`.
    """
    session = session_file.read(path)
    if ardour is not None and save:
        running.save(ardour, session)
        session = session_file.read(path)
    present = [(route.id, route.name) for route in session.mixed]
    found = located(stems, present, stable_ids=True)
    placed = wanted.placed(found.places)
    if ardour is None:
        done = closed.write(session, placed)
    else:
        done = running.write(ardour, session, placed)
        if save:
            running.save(ardour, session)
    return replace(done, problems=(*found.problems, *done.problems))
