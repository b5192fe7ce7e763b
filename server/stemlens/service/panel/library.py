"""What the server has kept, read from its database without ever writing to it, and what changed
between two versions of one session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from stemlens.service.store import Job, JobFile, Past, Store
from stemlens_bridge import schemas
from stemlens_bridge.annotations import signed
from stemlens_bridge.errors import StemlensError

LISTED = 200
TOLD = 4  # changes between two versions


class Library:
    """The jobs of one data folder. Each method opens the database anew, so that a server that is
    gone, or a folder that is new, is no special case."""

    def __init__(self, data: Path) -> None:
        self._path = data / "jobs.sqlite3"

    @contextmanager
    def _store(self) -> Iterator[Store]:
        store = Store.reading(self._path)
        try:
            yield store
        finally:
            store.close()

    def jobs(self) -> list[Past]:
        """The latest jobs, newest first; none where there is no database yet. Of one whose result
        this version cannot read, that is told as its error."""
        if not self._path.exists():
            return []
        with self._store() as store:
            return [_explained(past, store) for past in store.history(LISTED)]

    def revision(self, job: str) -> int:
        """The number of a job's last revision, 0 before the first."""
        with self._store() as store:
            return store.revision(job)

    def result(self, job: str) -> dict[str, Any] | None:
        """The last revision of a job's result; None while there is none, or none that this version
        can read."""
        with self._store() as store:
            try:
                found = store.result(job)
            except StemlensError:  # `jobs` tells
                return None
        return None if found is None else found[0]

    def job(self, job: str) -> tuple[Job, list[JobFile]]:
        """A job and its files as they were frozen; raises `job_unknown`."""
        if not self._path.exists():
            raise StemlensError("job_unknown", f"There is no job {job[:64]!r}.")
        with self._store() as store:
            return store.known(job), store.files(job)

    def trials(self, job: str) -> list[tuple[str, dict[str, Any]]]:
        """All that was tried on a job: requests and documents, in their order."""
        with self._store() as store:
            return store.trials(job)

    def trial(self, job: str, request: str) -> dict[str, Any] | None:
        """The document of one request; None where there is none."""
        with self._store() as store:
            found = store.trial(job, request)
        return None if found is None else found.document

    def last_trial(self, job: str) -> int:
        """A number that grows with each request that is done, 0 before the first."""
        with self._store() as store:
            return store.last_trial(job)

    def version_before(self, job: Past) -> Past | None:
        """The last job of the same project that was done before this one."""
        with self._store() as store:
            versions = store.history(LISTED, job.project)
        done = (one for one in versions if one.state == "done" and one.since < job.since)
        return next(done, None)


def _explained(past: Past, store: Store) -> Past:
    if past.schema in (None, schemas.RESULT):
        return past
    try:
        store.result(past.id)
    except StemlensError as error:
        return replace(past, error_code=error.code, error=error.message)
    return past


def compare(before: dict[str, Any], now: dict[str, Any], least: float = 0.02) -> list[str]:
    """What changed most between two results of one session, in sentences, largest first.

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
        sentence = f"{signed(change)} {tag['tag']}"
        stem = max(sorted(moved), key=lambda one: moved[one] * change, default="")
        if stem and moved[stem] * change > 0:
            gone = stem not in shares
            word = "the new " if stem in new else "without " if gone else ""
            sentence += f", {'' if gone else 'from '}{word}{names[stem]}"
        told.append((abs(change), sentence))
    return [sentence for _, sentence in sorted(told, key=lambda one: -one[0])][:TOLD]
