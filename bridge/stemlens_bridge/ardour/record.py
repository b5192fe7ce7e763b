"""What was in a session before Stemlens wrote to it, so that it can be put back.

Comments and markers tell by themselves what is ours; colours do not, nor do ids. So a file
`stemlens/annotations.json` in the session's folder keeps, for each snapshot of the session, the
colours that were replaced and, for a session file that was edited, its counter of ids. It goes
when everything of ours is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stemlens_bridge import jsontext
from stemlens_bridge.ardour.session_file import SessionFile
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import written

SCHEMA = "stemlens.ardour/1"
FOLDER, FILE = "stemlens", "annotations.json"


@dataclass(frozen=True, slots=True)
class Color:
    """A colour that was replaced, and ours, both as Ardour writes them (0xRRGGBBAA, decimal)."""

    before: str
    ours: str


@dataclass(frozen=True, slots=True)
class Record:
    """What to put back: colours by route id; comments that did not exist at all, by route id;
    names of markers that were written; the counter of ids before and after."""

    colors: Mapping[str, Color] = field(default_factory=dict)
    new_comments: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    counter: tuple[str, str] | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to put back."""
        return self == Record()


def path(session: SessionFile) -> Path:
    """Where a session's record lies."""
    return session.folder / FOLDER / FILE


def read(session: SessionFile) -> Record:
    """The record of a session's snapshot, empty where there is none; raises `project_invalid`."""
    given = _read(session).get(session.snapshot)
    if given is None:
        return Record()
    try:
        counter = given["counter"]
        return Record(
            {own: Color(**color) for own, color in given["colors"].items()},
            tuple(given["new_comments"]),
            tuple(given["marks"]),
            None if counter is None else (str(counter[0]), str(counter[1])),
        )
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(session) from error


def write(session: SessionFile, record: Record) -> None:
    """Keeps the record of a snapshot; an empty one is forgotten. Raises `output_failed`."""
    everything = _read(session)
    if record.empty:
        everything.pop(session.snapshot, None)
    else:
        everything[session.snapshot] = asdict(record)
    own = path(session)
    if everything:
        try:
            own.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise StemlensError(
                "output_failed", f"{own.parent} cannot be made: {error.strerror}."
            ) from error
        jsontext.write(own, {"schema": SCHEMA, "snapshots": everything})
    elif own.exists():
        own.unlink()
        if not any(own.parent.iterdir()):
            own.parent.rmdir()


def keep_backup(session: SessionFile, data: bytes) -> None:
    """Keeps a session file as it was before the first edit, beside the record."""
    backup = session.folder / FOLDER / f"{session.path.name}.before"
    if not backup.exists():
        backup.parent.mkdir(exist_ok=True)
        with written(backup) as part:
            part.write_bytes(data)


def drop_backup(session: SessionFile) -> None:
    """Forgets the kept session file."""
    backup = session.folder / FOLDER / f"{session.path.name}.before"
    backup.unlink(missing_ok=True)
    if backup.parent.is_dir() and not any(backup.parent.iterdir()):
        backup.parent.rmdir()


def _read(session: SessionFile) -> dict[str, Any]:
    own = path(session)
    if not own.exists():
        return {}
    try:
        given = jsontext.read(own.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(session) from error
    if not isinstance(given, dict) or given.get("schema") != SCHEMA:
        raise _damaged(session)
    snapshots = given.get("snapshots")
    if not isinstance(snapshots, dict):
        raise _damaged(session)
    return snapshots


def _damaged(session: SessionFile) -> StemlensError:
    return StemlensError(
        "project_invalid",
        f"{path(session)}, where Stemlens keeps the colours that tracks had, cannot be read. "
        "Move it away to go on without them.",
    )
