"""What was in a session before Stemlens wrote to it, so that it can be put back.

Comments and markers tell by themselves what is ours; colours do not, nor do ids. So the folder
`stemlens` of the session keeps, for each snapshot of it, the colours that were replaced
(`colors.txt`, which the actions in Ardour's menu read and write too: snapshot, route, colour
before, ours, separated by tabs) and, for a session file that was edited, what came new with it, and
faders that were moved (`annotations.json`). Both go when everything of ours is gone. As what the
song is meant (`intended.txt`, tags with commas between) stays until it is told otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from stemlens_bridge import jsontext
from stemlens_bridge.ardour.session_file import SessionFile
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import written

SCHEMA = "stemlens.ardour/1"
FOLDER, FILE, COLORS = "stemlens", "annotations.json", "colors.txt"
INTENDED = "intended.txt"


@dataclass(frozen=True, slots=True)
class Color:
    """A colour that was replaced, and ours, both as Ardour writes them (0xRRGGBBAA, decimal)."""

    before: str
    ours: str


@dataclass(frozen=True, slots=True)
class Fader:
    """A fader that was moved: where it was before the first time, and where we left it, dB."""

    before_db: float
    ours_db: float


@dataclass(frozen=True, slots=True)
class Record:
    """What to put back: colours by route id; comments that did not exist at all, by route id;
    names of markers that were written; the counter of ids before and after; faders by route id."""

    colors: Mapping[str, Color] = field(default_factory=dict)
    new_comments: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    counter: tuple[str, str] | None = None
    faders: Mapping[str, Fader] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to put back."""
        return self == Record()


def path(session: SessionFile) -> Path:
    """Where a session's record lies."""
    return session.folder / FOLDER / FILE


def read(session: SessionFile) -> Record:
    """The record of a session's snapshot, empty where there is none; raises `project_invalid`."""
    colors = {
        own: Color(before, ours)
        for snapshot, own, before, ours in _read_colors(session)
        if snapshot == session.snapshot
    }
    given = _read(session).get(session.snapshot)
    if given is None:
        return Record(colors)
    try:
        counter = given["counter"]
        return Record(
            colors,
            tuple(given["new_comments"]),
            tuple(given["marks"]),
            None if counter is None else (str(counter[0]), str(counter[1])),
            {
                own: Fader(float(fader["before_db"]), float(fader["ours_db"]))
                for own, fader in given.get("faders", {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _damaged(path(session)) from error


def write(session: SessionFile, record: Record) -> None:
    """Keeps the record of a snapshot; an empty one is forgotten. Raises `output_failed`."""
    own = path(session)
    everything = _read(session)
    everything.pop(session.snapshot, None)
    rest = replace(record, colors={})
    if not rest.empty:
        kept = asdict(rest)
        del kept["colors"]
        everything[session.snapshot] = kept
    colors = [line for line in _read_colors(session) if line[0] != session.snapshot]
    colors += [
        (session.snapshot, route, color.before, color.ours)
        for route, color in record.colors.items()
    ]
    if everything or colors:
        make_folder(session)
    if everything:
        jsontext.write(own, {"schema": SCHEMA, "snapshots": everything})
    else:
        own.unlink(missing_ok=True)
    if colors:
        with written(own.with_name(COLORS)) as part:
            part.write_text("".join("\t".join(line) + "\n" for line in colors), encoding="utf-8")
    else:
        own.with_name(COLORS).unlink(missing_ok=True)
    _drop_folder(session)


def intended(session: SessionFile) -> str:
    """As what the song is meant, "" where that was not told; raises `project_invalid`."""
    own = session.folder / FOLDER / INTENDED
    try:
        return own.read_text(encoding="utf-8").strip() if own.exists() else ""
    except (OSError, ValueError) as error:
        raise _damaged(own) from error


def remember_intended(session: SessionFile, tags: str) -> None:
    """Keeps as what the song is meant; "" forgets it. Raises `output_failed`."""
    own = session.folder / FOLDER / INTENDED
    if tags.strip():
        make_folder(session)
        with written(own) as part:
            part.write_text(f"{tags.strip()}\n", encoding="utf-8")
    else:
        own.unlink(missing_ok=True)
        _drop_folder(session)


def make_folder(session: SessionFile) -> Path:
    """The folder of what is kept in a session, made if need be; raises `output_failed`."""
    own = session.folder / FOLDER
    try:
        own.mkdir(exist_ok=True)
    except OSError as error:
        raise StemlensError("output_failed", f"{own} cannot be made: {error.strerror}.") from error
    return own


def _drop_folder(session: SessionFile) -> None:
    own = session.folder / FOLDER
    if own.is_dir() and not any(own.iterdir()):
        own.rmdir()


def _read_colors(session: SessionFile) -> list[tuple[str, str, str, str]]:
    own = path(session).with_name(COLORS)
    if not own.exists():
        return []
    try:
        text = own.read_text(encoding="utf-8")
        lines = [line.split("\t") for line in text.split("\n") if line]
        return [(snapshot, route, before, ours) for snapshot, route, before, ours in lines]
    except (OSError, ValueError) as error:
        raise _damaged(own) from error


def keep_backup(session: SessionFile, data: bytes) -> None:
    """Keeps a session file as it was before the first edit, beside the record."""
    backup = session.folder / FOLDER / f"{session.path.name}.before"
    if not backup.exists():
        make_folder(session)
        with written(backup) as part:
            part.write_bytes(data)


def drop_backup(session: SessionFile) -> None:
    """Forgets the kept session file."""
    backup = session.folder / FOLDER / f"{session.path.name}.before"
    backup.unlink(missing_ok=True)
    _drop_folder(session)


def _read(session: SessionFile) -> dict[str, Any]:
    own = path(session)
    if not own.exists():
        return {}
    try:
        given = jsontext.read(own.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(own) from error
    if not isinstance(given, dict) or given.get("schema") != SCHEMA:
        raise _damaged(own)
    snapshots = given.get("snapshots")
    if not isinstance(snapshots, dict):
        raise _damaged(own)
    return snapshots


def _damaged(own: Path) -> StemlensError:
    return StemlensError(
        "project_invalid",
        f"{own}, where Stemlens keeps what it must put back, cannot be read. Move it away to go "
        "on without it.",
    )
