"""What the database promises: the order of the queue, versions that replace each other, memory."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stemlens.service.store import QUEUE, SCHEMA, TRIALS, WATCHED, JobFile, Store
from stemlens_bridge.errors import StemlensError

RESULT: dict[str, Any] = {
    "schema": "stemlens.analysis/1",
    "revision": 1,
    "session": {"stems": [{"path": "/data/separated/abc/drums.wav"}]},
    "versions": {"stemlens": "0.1.0"},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "jobs.sqlite3")


def put(store: Store, job: str, content: str = "one", priority: int = 0, **of: str) -> list[str]:
    """Queues a job of two stems; returns what it replaces."""
    store.open(job, of.get("daw", "test"), of.get("project", job), of.get("options", "{}"))
    files = [JobFile(track, track, f"/{track}.wav", 0.0, "{}") for track in ("a", "b")]
    for file in files:
        store.put_file(job, file)
    frozen = [replace(file, size=1, mtime_ns=1, sha256=content + file.track) for file in files]
    return store.queue(job, frozen, priority)


def order(store: Store) -> list[str]:
    """The queue, emptied."""
    found = []
    while (job := store.next_queued()) is not None:
        found.append(job.id)
        store.set_state(job.id, "running")
    return found


def test_what_someone_asked_for_goes_before_watched_folders(store: Store) -> None:
    for job, priority in (("w1", WATCHED), ("a1", 0), ("w2", WATCHED), ("a2", 0)):
        put(store, job, priority=priority)
    assert order(store) == ["a1", "a2", "w1", "w2"]


def test_what_someone_looks_at_goes_first_and_the_latest_wish_before_others(store: Store) -> None:
    for job in ("one", "two", "three"):
        put(store, job)
    store.put_first("two")
    store.put_first("three")
    assert order(store) == ["three", "two", "one"]


def test_a_newer_version_takes_the_place_of_an_older_one_that_waits(store: Store) -> None:
    put(store, "old", "before", project="song")
    assert put(store, "new", "after", project="song") == ["old"]
    old = store.known("old")
    assert (old.state, old.error_code) == ("cancelled", "replaced")
    assert "new" in (old.error or "")
    assert order(store) == ["new"]


@pytest.mark.parametrize(
    "other",
    [{"daw": "another"}, {"project": "another"}, {"options": '{"tags": 3}'}, {"content": "one"}],
)
def test_what_is_not_a_newer_version_replaces_nothing(store: Store, other: dict[str, str]) -> None:
    """Another program, project or question; or the same audio."""
    put(store, "first", "one", project="song")
    content = other.pop("content", "two")
    assert put(store, "second", content, **{"project": "song", **other}) == []
    assert order(store) == ["first", "second"]


def test_sessions_without_a_name_never_replace_each_other(store: Store) -> None:
    put(store, "first", "one", project="")
    assert put(store, "second", "two", project="") == []


def test_what_runs_is_not_replaced(store: Store) -> None:
    put(store, "old", "before", project="song")
    store.set_state("old", "running")
    assert put(store, "new", "after", project="song") == []


def test_history_tells_when_a_job_came_began_and_ended(store: Store) -> None:
    put(store, "job", project="song")
    store.set_state("job", "running")
    store.finish("job", RESULT, Path("/result.json"))
    put(store, "other", project="another")
    (latest, past) = store.history(10)
    assert (latest.id, latest.state, latest.finished) == ("other", "queued", None)
    assert (past.id, past.state, past.stems) == ("job", "done", 2)
    assert past.schema == "stemlens.analysis/1"
    assert past.created <= past.submitted <= past.started <= past.finished  # type: ignore[operator]
    assert [one.id for one in store.history(10, "song")] == ["job"]
    assert store.counts() == {"done": 1, "queued": 1}


def test_only_ended_jobs_are_forgotten_and_the_oldest_first(store: Store) -> None:
    for job in ("one", "two", "three", "waits"):
        put(store, job)
    for job in ("one", "two", "three"):
        store.set_state(job, "failed", ("internal", "no"))
    assert store.beyond(2, 90.0, 10) == ["one"]
    assert store.beyond(0, 90.0, 2) == ["one", "two"]
    assert store.beyond(1000, 0.0, 10) == ["one", "two", "three"]
    store.keep_trial("one", "a request", "[]", {}, "", 3)
    assert store.forget("one") == ["a request"]
    assert store.job("one") is None and store.files("one") == []
    assert store.beyond(1000, 90.0, 10) == []


def test_a_job_that_nobody_submits_for_a_day_is_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    day_s, now = 86_400.0, time.time()
    put(store, "queued")
    for job in ("left", "renewed"):
        store.open(job, "daw", "song", "{}")
    assert store.beyond(1000, 90.0, 10) == []
    monkeypatch.setattr(time, "time", lambda: now + day_s - 60)
    store.open("renewed", "daw", "song", "{}")  # as a client does that asks again
    monkeypatch.setattr(time, "time", lambda: now + day_s + 60)
    assert store.beyond(1000, 90.0, 10) == ["left"]


def test_a_database_of_the_version_before_keeps_its_jobs(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    old = sqlite3.connect(path)
    old.executescript(SCHEMA + TRIALS + "PRAGMA user_version = 2;")
    for job, state in (("done", "done"), ("waits", "queued")):
        old.execute(
            "INSERT INTO jobs (id, daw, project, options, state, created, submitted) "
            "VALUES (?, 'd', 'p', '{}', ?, 100.0, 200.0)",
            (job, state),
        )
    old.commit()
    old.close()
    store = Store(path)
    assert {past.id: past.finished for past in store.history(9)} == {"done": 200.0, "waits": None}
    assert order(store) == ["waits"]
    store.close()
    assert Store(path).counts() == {"done": 1, "running": 1}


def test_watched_folders_of_one_name_in_two_places_are_two_sessions(store: Store) -> None:
    for job, place in (("one", "/a"), ("two", "/b")):
        store.open(job, "watch", "stems", "{}")
        file = JobFile("t", "t", f"{place}/t.wav", 0.0, "{}", size=1, mtime_ns=1, sha256=job)
        store.put_file(job, file)
        assert store.queue(job, [file], WATCHED) == []


def test_a_wish_that_came_before_the_submit_is_kept(store: Store) -> None:
    put(store, "one")
    store.open("two", "test", "two", "{}")
    store.put_first("two")
    put(store, "two")
    assert order(store) == ["two", "one"]


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"schema": "stemlens.analysis/2", "versions": {"stemlens": "7.1"}}, "Stemlens 7.1"),
        ({"schema": "stemlens.analysis/0", "versions": None}, "another version"),
        ({"schema": "something.else/1"}, "not a result"),
        ({"schema": ""}, "not a result"),
    ],
)
def test_a_result_of_another_form_is_not_taken_for_one_of_this(
    store: Store, form: dict[str, Any], why: str
) -> None:
    put(store, "job", project="song")
    store.finish("job", {**RESULT, **form}, Path("/result.json"))
    with pytest.raises(StemlensError, match=why) as caught:
        store.result("job")
    assert caught.value.code == "result_invalid" and "'job'" in caught.value.message
    assert store.history(1)[0].schema == form["schema"]


def test_trials_of_another_form_are_left_out(store: Store) -> None:
    put(store, "job")
    for version in (1, 2):
        store.keep_trial("job", f"r{version}", "", {"schema": f"stemlens.trials/{version}"}, "", 3)
    assert [request for request, _ in store.trials("job")] == ["r1"]
    with pytest.raises(StemlensError, match=r"reads stemlens\.trials/1"):
        store.trial("job", "r2")


def test_results_that_were_kept_before_forms_were_looked_at_name_theirs(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite3"
    old = sqlite3.connect(path)
    old.executescript(SCHEMA + TRIALS + QUEUE + "PRAGMA user_version = 3;")
    for job, document in (("good", json.dumps(RESULT)), ("bad", "{"), ("bare", "{}")):
        old.execute(
            "INSERT INTO jobs (id, daw, project, options, state, created) "
            "VALUES (?, 'd', 'p', '{}', 'done', 100.0)",
            (job,),
        )
        old.execute("INSERT INTO results VALUES (?, 1, '/result.json', ?)", (job, document))
    old.commit()
    old.close()
    store = Store(path)
    assert store.result("good") == (RESULT, "/result.json")
    assert store.names("/separated/abc/") and not store.names("/separated/abd/")
    for job in ("bad", "bare"):
        with pytest.raises(StemlensError):
            store.result(job)


def test_a_folder_is_named_by_files_and_by_results_until_their_job_is_forgotten(
    store: Store,
) -> None:
    put(store, "job")
    assert store.oldest_unfinished_s() == store.history(1)[0].submitted
    store.finish("job", RESULT, Path("/result.json"))
    assert store.names("/separated/abc/") and store.names("/a.wav")
    assert store.oldest_unfinished_s() is None
    store.forget("job")
    assert not store.names("/separated/abc/") and not store.names("/a.wav")
