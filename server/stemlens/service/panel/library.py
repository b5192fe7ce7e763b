"""What the server has kept, read from its database without ever writing to it, and what changed
between two versions of one session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from stemlens.service.store import Job, JobFile, Past, Store
from stemlens.wording.told import isolated, unit_of
from stemlens_bridge import schemas
from stemlens_bridge.annotations import signed
from stemlens_bridge.errors import StemlensError

LISTED = 200
TOLD = 4  # changes between two versions
LOOKED_BACK = 20  # versions
LEAST_SHARE = 0.005  # that a share must have moved to be named


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

    def unchanged(self, before: str, now: str) -> frozenset[str]:
        """The stems that sound the same in two jobs: the same content at the same gain."""
        with self._store() as store:
            old, new = (
                {(file.track, file.sha256, file.gain_db) for file in store.files(job)}
                for job in (before, now)
            )
        return frozenset(track for track, content, _ in old & new if content is not None and track)

    def version_before(
        self, job: Past, document: Mapping[str, Any]
    ) -> tuple[Past, dict[str, Any]] | None:
        """The last job of the same project that was done before this one, and its result; of those
        that were measured like this one, for numbers of another tagger say nothing about it."""
        with self._store() as store:
            versions = store.history(LISTED, job.project)
        done = (one for one in versions if one.state == "done" and one.since < job.since)
        for one in islice(done, LOOKED_BACK):
            result = self.result(one.id)
            if result is not None and measured_like(result) == measured_like(document):
                return one, result
        return None


def _explained(past: Past, store: Store) -> Past:
    if past.schema in (None, schemas.RESULT):
        return past
    try:
        store.result(past.id)
    except StemlensError as error:
        return replace(past, error_code=error.code, error=error.message)
    return past


def measured_like(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What two results must share for their numbers to be compared: tagger, value and unit."""
    method = document["method"]
    return document["tagger"]["name"], method["value"], unit_of(document)


def compare(
    before: dict[str, Any],
    now: dict[str, Any],
    others: frozenset[str] = frozenset(),
    least: float = 0.02,
) -> list[str]:
    """What changed most between two results of one session, in sentences, largest first.

    A change below `least` (in score) is not told. `others`: stems that sound as they did before,
    which can be the source of nothing, however their shares moved. Where one stem is left, it is
    the source; of several the one whose share of the tag changed most in the same direction, and it
    is named only where that is certain: the intervals of the two shares lie apart. A stem that was
    not there before is called new.
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
        shares, old = _intervals(tag), _intervals(earlier[tag["tag"]])
        changed = {*shares, *old} - others
        moved = {stem: _moved(old.get(stem), shares.get(stem)) for stem in changed}
        sentence = f"{signed(change)} {tag['tag']}"
        way = 1 if change > 0 else -1
        stem = max(sorted(moved), key=lambda one: way * moved[one][0], default="")
        alone = bool(others) and len(moved) == 1
        if stem and (alone or _is_clear(moved[stem], way)):
            gone = stem not in shares
            word = "the new " if stem in new else "without " if gone else ""
            sentence += f", {'' if gone else 'from '}{word}{isolated(names[stem])}"
        told.append((abs(change), sentence))
    return [sentence for _, sentence in sorted(told, key=lambda one: -one[0])][:TOLD]


Interval = tuple[float, float, float]  # value, low, high
NONE: Interval = (0.0, 0.0, 0.0)


def _intervals(tag: Mapping[str, Any]) -> dict[str, Interval]:
    """A tag's shares by stem; what has no interval is exact."""
    return {
        share["stem"]: (
            share["value"],
            share.get("low", share["value"]),
            share.get("high", share["value"]),
        )
        for share in tag["attributions"]
    }


def _moved(old: Interval | None, now: Interval | None) -> Interval:
    """By how much a share moved, at least and at most; a stem that is not there has none."""
    (was, was_low, was_high), (value, low, high) = old or NONE, now or NONE
    return value - was, low - was_high, high - was_low


def _is_clear(moved: Interval, way: int) -> bool:
    value, low, high = (way * one for one in moved)
    return value >= LEAST_SHARE and min(low, high) > 0
