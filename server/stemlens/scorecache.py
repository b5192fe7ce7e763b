"""Scores of coalitions, kept by content, so that what was tagged once is never tagged again.

A key says all that a score depends on: the tagger, and for each stem that plays its samples in the
segment and its gain. It is a sum of 128-bit hashes, one for each stem (as two sums modulo 2⁶⁴), so
that the keys of thousands of coalitions are one product of integers and the order of the stems does
not matter. Nothing in it is a name, a path or a time: a stem that differs in one sample has another
key, and a stem that was renamed has not.

The scores lie in one SQLite table in the user's cache folder (or in memory), the least recently
used of them thrown away when it grows beyond its limit. It is a cache: a damaged file is begun
anew, and one that cannot be used costs time, never an analysis.

Keys: uint64 `[coalitions, 2]`. Scores: float32 `[coalitions, tags]`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemlens_bridge.folders import cache_folder

log = logging.getLogger(__name__)

Keys = NDArray[np.uint64]

MAX_BYTES = 512 << 20
KEPT_OF_FULL = 0.8  # how much is left when some are thrown away
AT_ONCE = 500  # keys in one question: SQLite takes 999 in its oldest versions
PATIENCE_S = 5.0
DAY_S = 86_400
SCHEMA = """
CREATE TABLE IF NOT EXISTS scores (
    key BLOB PRIMARY KEY, scores BLOB NOT NULL, day INTEGER NOT NULL
) WITHOUT ROWID
"""


def default_path() -> Path:
    """The user's score cache: in the cache folder, or the file that `STEMLENS_SCORES` names."""
    named = os.environ.get("STEMLENS_SCORES")
    return Path(named) if named else cache_folder() / "scores.sqlite3"


def digest(*parts: bytes) -> Keys:
    """The hash `[2]` of some bytes."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        hashed.update(len(part).to_bytes(8, "little"))
        hashed.update(part)
    return np.frombuffer(hashed.digest(), dtype="<u8").astype(np.uint64)


def keys(tagger: Keys, stems: Keys, plays: NDArray[np.bool_]) -> Keys:
    """The keys of coalitions `plays` `[coalitions, stems]`, from the hash of the tagger `[2]` and
    of each stem at its gain `[stems, 2]`."""
    return plays.astype(np.uint64) @ stems + tagger


class ScoreCache:
    """The scores that are kept in the file `path`; without one, in memory until the end.

    Safe for several processes, used by one thread at a time. `problem` is what keeps it from being
    used, if anything does; it then forgets everything at once.
    """

    def __init__(self, path: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self.problem: str | None = None
        self._database: sqlite3.Connection | None = None
        try:
            self._database = self._opened()
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def _opened(self) -> sqlite3.Connection:
        if self._path is None:
            return _connected(":memory:")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _connected(str(self._path))
        except sqlite3.OperationalError:
            raise  # locked, read-only, no room: not the file's fault
        except sqlite3.DatabaseError as error:
            log.warning("%s is damaged (%s) and is begun anew", self._path, error)
            for ending in ("", "-wal", "-shm", "-journal"):
                self._path.with_name(self._path.name + ending).unlink(missing_ok=True)
            return _connected(str(self._path))

    def _give_up(self, error: Exception) -> None:
        self.problem = getattr(error, "strerror", None) or str(error)
        log.info("scores are not kept: %s: %s", self._path, error)  # and told in each result
        self.close()

    def clear(self) -> None:
        """Forgets everything, and gives the room back."""
        if self._database is not None:
            with self._database:
                self._database.execute("DELETE FROM scores")
            self._database.execute("VACUUM")

    def close(self) -> None:
        """Closes the file; from then on nothing is found and nothing is kept."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def __enter__(self) -> ScoreCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        if self._database is None:
            return 0
        (count,) = self._database.execute("SELECT count(*) FROM scores").fetchone()
        return int(count)

    def bytes(self) -> int:
        """How much room the kept scores take."""
        return 0 if self._database is None else _bytes(self._database)

    def find(self, wanted: Keys, tags: int) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Which keys have scores here, and the scores `[coalitions, tags]` (0 where not)."""
        found = np.zeros(len(wanted), dtype=np.bool_)
        scores = np.zeros((len(wanted), tags), dtype=np.float32)
        if self._database is None:
            return found, scores
        today = _today()
        old = []
        try:
            for first, names in _in_parts(wanted):
                places = {name: first + i for i, name in enumerate(names)}
                marks = ",".join("?" * len(names))
                question = f"SELECT key, scores, day FROM scores WHERE key IN ({marks})"
                for name, kept, day in self._database.execute(question, names):
                    if len(kept) == 4 * tags:
                        found[places[name]] = True
                        scores[places[name]] = np.frombuffer(kept, dtype="<f4")
                        if day != today:
                            old.append((today, name))
            with self._database:
                self._database.executemany("UPDATE scores SET day = ? WHERE key = ?", old)
        except sqlite3.Error as error:
            self._give_up(error)
        return found, scores

    def keep(self, under: Keys, scores: NDArray[np.float32]) -> None:
        """Keeps scores `[coalitions, tags]` under their keys."""
        if self._database is None:
            return
        today = _today()
        rows = [
            (name, row.astype("<f4").tobytes(), today)
            for (_, names), part in zip(_in_parts(under), _parts(scores), strict=True)
            for name, row in zip(names, part, strict=True)
        ]
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)
                if _bytes(self._database) > self._max_bytes:
                    self._make_room(self._database)
        except sqlite3.Error as error:
            self._give_up(error)

    def _make_room(self, database: sqlite3.Connection) -> None:
        """Throws the least recently used scores away."""
        (count,) = database.execute("SELECT count(*) FROM scores").fetchone()
        kept = count * self._max_bytes / _bytes(database) * KEPT_OF_FULL
        database.execute(
            "DELETE FROM scores WHERE key IN (SELECT key FROM scores ORDER BY day LIMIT ?)",
            (count - int(kept),),
        )


def _connected(name: str) -> sqlite3.Connection:
    database = sqlite3.connect(name, timeout=PATIENCE_S, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")  # what a power cut takes is tagged again
        database.execute(SCHEMA)
        database.execute("SELECT key, scores, day FROM scores LIMIT 1").fetchall()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _bytes(database: sqlite3.Connection) -> int:
    """The room that is in use; what was thrown away is used again before the file grows."""
    numbers = [
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    ]
    return int((numbers[0] - numbers[1]) * numbers[2])


def _in_parts(some: Keys) -> Iterator[tuple[int, list[bytes]]]:
    """The keys as bytes, `AT_ONCE` at a time, with the number of the first."""
    for first in range(0, len(some), AT_ONCE):
        part = some[first : first + AT_ONCE].astype("<u8")
        yield first, [key.tobytes() for key in part]


def _parts(scores: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(scores), AT_ONCE):
        yield scores[first : first + AT_ONCE]


def _today() -> int:
    return int(time.time() // DAY_S)
