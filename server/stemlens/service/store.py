"""Jobs and results on disk: what is acknowledged is here first.

One SQLite file in WAL mode. Every change is one transaction that has reached the disk when the
method returns (`synchronous = FULL`), so that neither `kill -9` nor a power cut loses a job that
was acknowledged. Used from one thread.

States of a job are those of the protocol: open (stems arrive), queued, running, done, failed,
cancelled. A job that was running when the server died is queued again. Times are seconds since
1970.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemlens_bridge import schemas
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import FINAL_STATES
from stemlens_bridge.session import Stem

log = logging.getLogger(__name__)

SCHEMA_VERSION = 4
PATIENCE_S = 1.0  # with another program's lock: so long nobody else is answered
SCHEMA = """
CREATE TABLE jobs (
    id          TEXT PRIMARY KEY,
    daw         TEXT NOT NULL,
    project     TEXT NOT NULL,
    options     TEXT NOT NULL,
    state       TEXT NOT NULL,
    reply_host  TEXT,
    reply_port  INTEGER,
    reply_fixed INTEGER NOT NULL DEFAULT 0,
    error_code  TEXT,
    error       TEXT,
    crashes     INTEGER NOT NULL DEFAULT 0,
    created     REAL NOT NULL,
    submitted   REAL
);
CREATE INDEX jobs_by_state ON jobs (state, submitted);
CREATE TABLE files (
    job      TEXT NOT NULL REFERENCES jobs (id),
    track    TEXT NOT NULL,
    is_mix   INTEGER NOT NULL DEFAULT 0,
    name     TEXT NOT NULL,
    path     TEXT NOT NULL,
    gain_db  REAL NOT NULL,
    facts    TEXT NOT NULL,
    size     INTEGER,
    mtime_ns INTEGER,
    sha256   TEXT,
    PRIMARY KEY (job, is_mix, track)
);
CREATE TABLE results (
    job      TEXT NOT NULL REFERENCES jobs (id),
    revision INTEGER NOT NULL,
    path     TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (job, revision)
);
"""
TRIALS = """
CREATE TABLE trials (
    job      TEXT NOT NULL REFERENCES jobs (id),
    request  TEXT NOT NULL,
    asked    TEXT NOT NULL,
    document TEXT NOT NULL,
    path     TEXT NOT NULL,
    tags     INTEGER NOT NULL,
    PRIMARY KEY (job, request)
);
"""
QUEUE = """
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN started REAL;
ALTER TABLE jobs ADD COLUMN finished REAL;
UPDATE jobs SET finished = coalesce(submitted, created)
    WHERE state IN ('done', 'failed', 'cancelled');
"""
FORMS = """
ALTER TABLE results ADD COLUMN schema TEXT NOT NULL DEFAULT '';
ALTER TABLE results ADD COLUMN stems TEXT NOT NULL DEFAULT '[]';
UPDATE results SET
    schema = coalesce(json_extract(document, '$.schema'), ''),
    stems = (SELECT json_group_array(json_extract(value, '$.path'))
             FROM json_each(document, '$.session.stems'))
    WHERE json_valid(document);
"""
STEPS = (SCHEMA, TRIALS, QUEUE, FORMS)
"""What makes each version of the schema of the one before it."""


OPEN_S = 86_400.0  # so long a job may stay open that nobody submits

ASKED, WATCHED = 0, 1
"""Priorities: what someone asked for goes before what a watched folder brought. Those that someone
wants first have less than 0."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Where answers go over UDP. `fixed`: the client named the port itself when it opened."""

    host: str
    port: int
    fixed: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A session on its way through the server."""

    id: str
    daw: str
    project: str
    options: str
    state: str
    reply: Reply | None
    error_code: str | None
    error: str | None
    crashes: int


@dataclass(frozen=True, slots=True)
class JobFile:
    """A stem (or the mix, with track "") of a job; the last three are known after submit."""

    track: str
    name: str
    path: str
    gain_db: float
    facts: str
    is_mix: bool = False
    size: int | None = None
    mtime_ns: int | None = None
    sha256: str | None = None

    @classmethod
    def of_stem(cls, stem: Stem) -> JobFile:
        """A stem that was handed over."""
        facts = json.dumps(stem.told_facts)
        return cls(stem.id, stem.name, str(stem.path), stem.gain_db, facts)

    @classmethod
    def of_mix(cls, path: str) -> JobFile:
        """The mix that was handed over."""
        return cls("", "mix", path, 0.0, "{}", is_mix=True)

    @property
    def stem(self) -> Stem:
        """The stem that it is, as it was handed over."""
        facts = json.loads(self.facts)
        kind, group = facts.pop("kind", None) or "track", facts.pop("group", None)
        return Stem(self.track, self.name, Path(self.path), self.gain_db, kind, group, facts)


@dataclass(frozen=True, slots=True)
class Past:
    """A job as history shows it; times are None where it has not come to that."""

    id: str
    daw: str
    project: str
    state: str
    stems: int
    created: float
    submitted: float | None
    started: float | None
    finished: float | None
    priority: int
    error_code: str | None
    error: str | None
    schema: str | None
    """That of its result, if it has one."""

    @property
    def since(self) -> float:
        """When it was submitted, or before that, opened."""
        return self.submitted or self.created

    @property
    def turn(self) -> tuple[bool, int, float]:
        """Sorts what waits as the server takes it (`Store.next_queued`); what is not yet submitted
        comes last."""
        return self.state == "open", self.priority, self.since


@dataclass(frozen=True, slots=True)
class TrialDocument:
    """What came of a request for trials or for an explanation: what was asked, the document and its
    file, and how many tags of each trial are told."""

    asked: str
    document: dict[str, Any]
    path: str
    tags: int


class Store:
    """The database; creates it where there is none, and brings one of an older version up to date.

    Raises `output_failed` for one that is damaged or of a newer version. Later on `sqlite3.Error`
    comes through, when the disk is full or another program keeps the database locked.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE_S)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version < SCHEMA_VERSION:
                steps = " ".join(STEPS[version:])
                self._db.executescript(
                    f"BEGIN; {steps} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
        except sqlite3.Error as error:
            raise StemlensError(
                "output_failed",
                f"{path} cannot be used as the database of jobs: {error}. Move it away, or choose "
                "another folder with --data.",
            ) from error
        if version > SCHEMA_VERSION:
            raise StemlensError(
                "output_failed",
                f"{path} was written by a newer version of Stemlens (its schema is {version}, "
                f"this version's {SCHEMA_VERSION}). Choose another folder with --data.",
            )

    @classmethod
    def reading(cls, path: Path) -> Store:
        """The database of a server that may run beside: nothing can be written to it, and nobody
        waits for whoever reads. Raises `sqlite3.Error` where there is none."""
        store = cls.__new__(cls)
        store._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        store._db.row_factory = sqlite3.Row
        return store

    def close(self) -> None:
        self._db.close()

    def job(self, job: str) -> Job | None:
        row = self._db.execute("SELECT * FROM jobs WHERE id = ?", (job,)).fetchone()
        return None if row is None else _job(row)

    def known(self, job: str) -> Job:
        """The job with that id; raises `job_unknown`."""
        found = self.job(job)
        if found is None:
            raise StemlensError("job_unknown", f"There is no job {job[:64]!r}; open it first.")
        return found

    def open(self, job: str, daw: str, project: str, options: str) -> None:
        """Adds a job, or changes one that is still open."""
        self._db.execute(
            "INSERT INTO jobs (id, daw, project, options, state, created) "
            "VALUES (?, ?, ?, ?, 'open', ?) ON CONFLICT (id) DO UPDATE SET "
            "daw = excluded.daw, project = excluded.project, options = excluded.options, "
            "created = excluded.created",
            (job, daw, project, options, time.time()),
        )

    def set_reply(self, job: str, reply: Reply) -> None:
        self._db.execute(
            "UPDATE jobs SET reply_host = ?, reply_port = ?, reply_fixed = ? WHERE id = ?",
            (reply.host, reply.port, reply.fixed, job),
        )

    def put_file(self, job: str, file: JobFile) -> None:
        """Adds a stem or the mix; the same track again takes the place of the earlier one."""
        self._db.execute(
            "INSERT INTO files (job, track, is_mix, name, path, gain_db, facts) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job, is_mix, track) DO UPDATE SET "
            "name = excluded.name, path = excluded.path, gain_db = excluded.gain_db, "
            "facts = excluded.facts",
            (job, file.track, file.is_mix, file.name, file.path, file.gain_db, file.facts),
        )

    def files(self, job: str) -> list[JobFile]:
        """The stems in the order in which they first came, then the mix."""
        rows = self._db.execute(
            "SELECT * FROM files WHERE job = ? ORDER BY is_mix, rowid", (job,)
        ).fetchall()
        return [
            JobFile(
                row["track"],
                row["name"],
                row["path"],
                row["gain_db"],
                row["facts"],
                bool(row["is_mix"]),
                row["size"],
                row["mtime_ns"],
                row["sha256"],
            )
            for row in rows
        ]

    def stem_count(self, job: str) -> int:
        (count,) = self._db.execute(
            "SELECT count(*) FROM files WHERE job = ? AND NOT is_mix", (job,)
        ).fetchone()
        return int(count)

    def queue(self, job: str, files: list[JobFile], priority: int = ASKED) -> list[str]:
        """Fixes the job's files as they are now and puts it at the end of the queue.

        Returns the jobs whose place it takes: those that still wait with an older version of the
        same session (program, project, tracks and options the same, the audio another).
        """
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            for file in files:
                self._db.execute(
                    "UPDATE files SET size = ?, mtime_ns = ?, sha256 = ? "
                    "WHERE job = ? AND is_mix = ? AND track = ?",
                    (file.size, file.mtime_ns, file.sha256, job, file.is_mix, file.track),
                )
            replaced = self._older_versions(job, files, same_place=priority == WATCHED)
            for older in replaced:
                self._end(
                    older, "cancelled", "replaced", f"A newer version is analysed as job {job}."
                )
            self._db.execute(
                "UPDATE jobs SET state = 'queued', submitted = ?, "
                "priority = iif(priority < 0, priority, ?) WHERE id = ?",
                (time.time(), priority, job),
            )
        return replaced

    def _older_versions(self, job: str, files: list[JobFile], same_place: bool) -> list[str]:
        # Folders of one name may lie in several places, and their tracks are often named alike.
        rows = self._db.execute(
            "SELECT older.id FROM jobs AS older JOIN jobs AS new USING (daw, project, options) "
            "WHERE new.id = ? AND older.id != new.id AND older.state = 'queued' "
            "AND project != ''",
            (job,),
        ).fetchall()
        content = {(file.is_mix, file.track): file.sha256 for file in files}
        found = []
        for row in rows:
            there = self.files(row["id"])
            before = {(file.is_mix, file.track): file.sha256 for file in there}
            moved = {file.path for file in there} != {file.path for file in files}
            same = before.keys() == content.keys() and not (same_place and moved)
            if same and before != content:
                found.append(row["id"])
        return found

    def set_state(self, job: str, state: str, error: tuple[str, str] | None = None) -> None:
        if state in FINAL_STATES:
            self._end(job, state, *(error or (None, None)))
            return
        self._db.execute(
            "UPDATE jobs SET state = ?, error_code = NULL, error = NULL, "
            "started = iif(? = 'running', ?, started) WHERE id = ?",
            (state, state, time.time(), job),
        )

    def _end(self, job: str, state: str, code: str | None, message: str | None) -> None:
        self._db.execute(
            "UPDATE jobs SET state = ?, error_code = ?, error = ?, finished = ? WHERE id = ?",
            (state, code, message, time.time(), job),
        )

    def needed(self) -> set[str]:
        """The paths of all files of jobs that are not ended."""
        rows = self._db.execute(
            "SELECT path FROM files JOIN jobs ON files.job = jobs.id "
            "WHERE state IN ('open', 'queued', 'running')"
        )
        return {row["path"] for row in rows}

    def put_first(self, job: str) -> None:
        """Puts a job before all that wait."""
        self._db.execute(
            "UPDATE jobs SET priority = (SELECT min(0, min(priority)) FROM jobs) - 1 WHERE id = ?",
            (job,),
        )

    def count_crash(self, job: str) -> int:
        """Notes that the worker died over this job; returns how often it has."""
        (crashes,) = self._db.execute(
            "UPDATE jobs SET crashes = crashes + 1 WHERE id = ? RETURNING crashes", (job,)
        ).fetchone()
        return int(crashes)

    def next_queued(self) -> Job | None:
        row = self._db.execute(
            "SELECT * FROM jobs WHERE state = 'queued' ORDER BY priority, submitted LIMIT 1"
        ).fetchone()
        return None if row is None else _job(row)

    def requeue_running(self) -> list[str]:
        """Queues again what was running when the last server ended; returns those jobs' ids."""
        rows = self._db.execute(
            "UPDATE jobs SET state = 'queued' WHERE state = 'running' RETURNING id"
        ).fetchall()
        return [row["id"] for row in rows]

    def revision(self, job: str) -> int:
        """The number of a job's last revision, 0 before the first."""
        (last,) = self._db.execute(
            "SELECT coalesce(max(revision), 0) FROM results WHERE job = ?", (job,)
        ).fetchone()
        return int(last)

    def revise(self, job: str, document: dict[str, Any]) -> None:
        """Keeps what is known of a job so far, in the place of what was known before."""
        self._keep_result(job, document, "", "running")

    def finish(self, job: str, document: dict[str, Any], path: Path) -> None:
        """Keeps a result and ends the job in one step."""
        self._keep_result(job, document, str(path), "done")

    def _keep_result(self, job: str, document: dict[str, Any], path: str, state: str) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._db.execute("DELETE FROM results WHERE job = ?", (job,))
            stems = [stem["path"] for stem in document["session"]["stems"]]
            self._db.execute(
                "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?)",
                (
                    job,
                    document["revision"],
                    path,
                    json.dumps(document),
                    document["schema"],
                    json.dumps(stems, ensure_ascii=False),
                ),
            )
            self._db.execute(
                "UPDATE jobs SET state = ?, finished = iif(? = 'done', coalesce(finished, ?), NULL)"
                " WHERE id = ?",
                (state, state, time.time(), job),
            )

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        rows = self._db.execute("SELECT state, count(*) AS jobs FROM jobs GROUP BY state")
        return {row["state"]: row["jobs"] for row in rows}

    def history(self, limit: int, project: str | None = None) -> list[Past]:
        """The latest jobs, newest first; of one project only where one is named."""
        rows = self._db.execute(
            "SELECT jobs.*, (SELECT count(*) FROM files WHERE job = jobs.id AND NOT is_mix) "
            "AS stems, (SELECT schema FROM results WHERE job = jobs.id ORDER BY revision DESC "
            "LIMIT 1) AS schema FROM jobs WHERE ? IS NULL OR project = ? "
            "ORDER BY coalesce(submitted, created) DESC LIMIT ?",
            (project, project, limit),
        ).fetchall()
        return [Past(*(row[name] for name in Past.__slots__)) for row in rows]

    def beyond(self, keep_jobs: int, keep_days: float, limit: int) -> list[str]:
        """Jobs that need not be remembered any more, the oldest first: those that ended beyond the
        latest so many or before so many days, and those that nobody submitted for a day."""
        now = time.time()
        rows = self._db.execute(
            "SELECT id FROM jobs WHERE (state = 'open' AND created < ?) OR "
            "(finished IS NOT NULL AND state IN ('done', 'failed', 'cancelled') "
            "AND (finished < ? OR id NOT IN "
            "(SELECT id FROM jobs WHERE finished IS NOT NULL ORDER BY finished DESC LIMIT ?))) "
            "ORDER BY coalesce(finished, created) LIMIT ?",
            (now - OPEN_S, now - 86_400 * keep_days, keep_jobs, limit),
        ).fetchall()
        return [row["id"] for row in rows]

    def forget(self, job: str) -> list[str]:
        """Forgets a job whole; returns the requests that were tried on it."""
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            tried = self._db.execute("DELETE FROM trials WHERE job = ? RETURNING request", (job,))
            requests = [row["request"] for row in tried.fetchall()]
            for table in ("results", "files"):
                self._db.execute(f"DELETE FROM {table} WHERE job = ?", (job,))
            self._db.execute("DELETE FROM jobs WHERE id = ?", (job,))
        return requests

    def names(self, key: str) -> bool:
        """Whether a remembered job has to do with files in whose paths this stands."""
        row = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM files WHERE instr(path, ?1)) "
            "OR EXISTS (SELECT 1 FROM results WHERE instr(stems, ?1))",
            (key,),
        ).fetchone()
        return bool(row[0])

    def oldest_unfinished_s(self) -> float | None:
        """When the oldest job was submitted that waits or runs."""
        (oldest,) = self._db.execute(
            "SELECT min(submitted) FROM jobs WHERE state IN ('queued', 'running')"
        ).fetchone()
        return None if oldest is None else float(oldest)

    def keep_trial(
        self, job: str, request: str, asked: str, document: dict[str, Any], path: str, tags: int
    ) -> None:
        """Keeps what came of a request."""
        self._db.execute(
            "INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?)",
            (job, request, asked, json.dumps(document), path, tags),
        )

    def trial(self, job: str, request: str) -> TrialDocument | None:
        """What came of a request, if it is done; raises `result_invalid` where this version cannot
        read it."""
        row = self._db.execute(
            "SELECT * FROM trials WHERE job = ? AND request = ?",
            (job, request),
        ).fetchone()
        if row is None:
            return None
        form = _form(row["document"])
        document = schemas.read(row["document"], form, f"What was tried as {request!r}")
        return TrialDocument(row["asked"], document, row["path"], row["tags"])

    def trials(self, job: str) -> list[tuple[str, dict[str, Any]]]:
        """All that was tried on a job: requests and documents, in their order. Those that this
        version cannot read are left out."""
        return self._of_form(job, schemas.TRIALS)

    def explanations(self, job: str) -> list[tuple[str, dict[str, Any]]]:
        """All explanations that were made of a job, likewise."""
        return self._of_form(job, schemas.EXPLANATION)

    def _of_form(self, job: str, form: str) -> list[tuple[str, dict[str, Any]]]:
        rows = self._db.execute(
            "SELECT request, document FROM trials WHERE job = ? ORDER BY rowid", (job,)
        ).fetchall()
        known = []
        for row in rows:
            if _form(row["document"]) != form:
                continue
            what = f"What was tried as {row['request']!r}"
            try:
                known.append((row["request"], schemas.read(row["document"], form, what)))
            except StemlensError as error:
                log.warning("%s", error)
        return known

    def last_trial(self, job: str) -> int:
        """A number that grows with each request that is kept for a job, 0 before the first."""
        (last,) = self._db.execute(
            "SELECT coalesce(max(rowid), 0) FROM trials WHERE job = ?", (job,)
        ).fetchone()
        return int(last)

    def result(self, job: str) -> tuple[dict[str, Any], str] | None:
        """The last revision of a job's result and the path of its file ("" until it is done).

        Raises `result_invalid` for one whose form this version does not know.
        """
        row = self._db.execute(
            "SELECT document, path FROM results WHERE job = ? ORDER BY revision DESC LIMIT 1",
            (job,),
        ).fetchone()
        if row is None:
            return None
        what = f"The result of the job {job!r}"
        return schemas.read(row["document"], schemas.RESULT, what), row["path"]


def _form(document: str) -> str:
    """The form that what came of a request should have: that of an explanation, or of trials."""
    try:
        schema = json.loads(document)["schema"]
    except (ValueError, TypeError, KeyError):
        return schemas.TRIALS
    same = str(schema).partition("/")[0] == schemas.EXPLANATION.partition("/")[0]
    return schemas.EXPLANATION if same else schemas.TRIALS


def _job(row: sqlite3.Row) -> Job:
    reply = None
    if row["reply_host"] is not None:
        reply = Reply(row["reply_host"], row["reply_port"], bool(row["reply_fixed"]))
    return Job(
        row["id"],
        row["daw"],
        row["project"],
        row["options"],
        row["state"],
        reply,
        row["error_code"],
        row["error"],
        row["crashes"],
    )
