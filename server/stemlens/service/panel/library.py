"""What the server has kept, read from its database without ever writing to it.

The server writes `jobs.sqlite3` in WAL mode, so a reader neither waits for it nor holds it up.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from stemlens.service.panel.context import PanelContext
from stemlens.service.panel.shown import Shown

LISTED = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """A job in the lists of the page; `since` is the time of its submit, s since 1970."""

    job: str
    daw: str
    project: str
    state: str
    error: str
    since: float


class Library:
    """The jobs of one data folder. Each method opens the database anew, so that a server that is
    gone, or a folder that is new, is no special case."""

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        self._path = context.data / "jobs.sqlite3"

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        uri = f"file:{quote(str(self._path))}?mode=ro"
        database = sqlite3.connect(uri, uri=True, timeout=2.0)
        database.row_factory = sqlite3.Row
        try:
            yield database
        finally:
            database.close()

    def entries(self) -> list[Entry]:
        """The latest jobs, newest first; none where there is no database yet."""
        if not self._path.exists():
            return []
        with self._database() as database:
            rows = database.execute(
                "SELECT id, daw, project, state, coalesce(error, '') AS error, "
                "coalesce(submitted, created) AS since FROM jobs ORDER BY since DESC LIMIT ?",
                (LISTED,),
            ).fetchall()
        return [Entry(*row) for row in rows]

    def shown(self, job: str) -> Shown | None:
        """The last revision of a job's result; None while there is none."""
        if not self._path.exists():
            return None
        with self._database() as database:
            row = database.execute(
                "SELECT project, document FROM results JOIN jobs ON jobs.id = results.job "
                "WHERE job = ? ORDER BY revision DESC LIMIT 1",
                (job,),
            ).fetchone()
            files = database.execute(
                "SELECT track, name, path, is_mix FROM files WHERE job = ? ORDER BY rowid", (job,)
            ).fetchall()
            trials = database.execute(
                "SELECT request, document FROM trials WHERE job = ? ORDER BY rowid", (job,)
            ).fetchall()
        if row is None:
            return None
        return Shown(
            job,
            row["project"],
            json.loads(row["document"]),
            tuple((f["track"], f["name"], f["path"], bool(f["is_mix"])) for f in files),
            [(trial["request"], json.loads(trial["document"])) for trial in trials],
            f"/audio/{quote(job, safe='')}",
            self._context.osc,
            self._context.key,
        )


def compare(before: dict[str, Any], now: dict[str, Any], least: float = 0.02) -> list[str]:
    """What changed between two results of one session, in sentences, largest first.

    A change below `least` (in score) is not told. Its source is the stem whose share of the tag
    changed most in the same direction; a stem that was not there before is called new.
    """
    names = {stem["id"]: stem["name"] for stem in before["session"]["stems"]}
    new = {stem["id"] for stem in now["session"]["stems"]} - set(names)
    names |= {stem["id"]: stem["name"] for stem in now["session"]["stems"]}
    earlier = {tag["tag"]: tag for tag in before["tags"]}
    told = []
    for tag in now["tags"]:
        if tag["tag"] not in earlier:
            continue
        change = tag["score"] - earlier[tag["tag"]]["score"]
        if abs(change) < least:
            continue
        shares = {share["stem"]: share["value"] for share in tag["attributions"]}
        old = {share["stem"]: share["value"] for share in earlier[tag["tag"]]["attributions"]}
        moved = {stem: shares.get(stem, 0.0) - old.get(stem, 0.0) for stem in {*shares, *old}}
        sentence = f"{change * 100:+.0f} {tag['tag']}"
        stem = max(sorted(moved), key=lambda one: moved[one] * change, default="")
        if stem and moved[stem] * change > 0:
            gone = stem not in shares
            word = "the new " if stem in new else "without " if gone else ""
            sentence += f", {'' if gone else 'from '}{word}{names[stem]}"
        told.append((abs(change), sentence))
    return [sentence for _, sentence in sorted(told, key=lambda one: -one[0])]
