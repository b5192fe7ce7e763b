"""Unpacked zips and separated stems go with the last job that has to do with them, and nothing else
ever does."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from stemlens.service.places import Places
from stemlens.service.runner import Runner
from stemlens.service.settings import Settings
from stemlens.service.store import JobFile, Store

LONG_AGO_S = time.time() - 10 * 86_400


def key(number: int) -> str:
    return f"{number:032x}"


def made(folder: Path, name: str, used_s: float = LONG_AGO_S) -> Path:
    """A folder with a file in it that was last used then."""
    place = folder / name
    place.mkdir(parents=True)
    (place / "Bass.wav").write_bytes(b"x")
    os.utime(place, (used_s, used_s))
    return place


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "results").mkdir(parents=True)
    return tmp_path / "data"


@pytest.fixture
def store(data: Path) -> Store:
    return Store(data / "jobs.sqlite3")


def runner(data: Path, store: Store, **settings: Any) -> Runner:
    places = Places([data])
    return Runner(store, None, data / "results", Settings(data, **settings), places)  # type: ignore[arg-type]


async def tidied(data: Path, store: Store, **settings: Any) -> None:
    """What a server does each minute, also its threads."""
    runner(data, store, **settings).tick()
    await asyncio.get_running_loop().shutdown_default_executor()


def queued(store: Store, job: str, path: Path, is_mix: bool = False) -> None:
    store.open(job, "watch", job, "{}")
    file = JobFile("" if is_mix else "t", "t", str(path), 0.0, "{}", is_mix, 1, 1, job)
    store.put_file(job, file)
    store.queue(job, [file])


def finished(store: Store, job: str, stem: Path) -> None:
    document = {
        "schema": "stemlens.analysis/1",
        "revision": 1,
        "session": {"stems": [{"path": str(stem)}]},
    }
    store.finish(job, document, Path("/result.json"))


def test_what_belongs_to_no_job_goes_and_what_belongs_to_one_stays(
    data: Path, store: Store
) -> None:
    unpacked, separated = data / "unpacked", data / "separated"
    kept = [made(unpacked, key(1)), made(separated, key(2)), made(separated, key(3), time.time())]
    gone = [
        made(unpacked, key(4)),
        made(unpacked, f"{key(5)}.part"),
        made(unpacked, f"{key(6)}.gone"),
        made(separated, key(7)),
        made(separated, "making-x_1y2z3"),
    ]
    queued(store, "packed", kept[0] / "Bass.wav")
    store.set_state("packed", "failed", ("internal", "no"))
    queued(store, "mix", Path("/mix.wav"), is_mix=True)
    finished(store, "mix", kept[1] / "Bass.wav")
    asyncio.run(tidied(data, store))
    assert all((place / "Bass.wav").exists() for place in kept)
    assert not any(place.exists() for place in gone)
    assert sorted(os.listdir(unpacked)) == [key(1)]
    asyncio.run(tidied(data, store, keep_jobs=0))
    assert os.listdir(unpacked) == [] and os.listdir(separated) == [key(3)], "used lately"


def test_what_a_job_that_waits_may_have_made_before_stays(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose worker was killed finds the stems that were separated for it."""
    monkeypatch.setattr("stemlens.service.runner.UNUSED_S", 0.0)
    queued(store, "waits", Path("/mix.wav"), is_mix=True)
    submitted = store.oldest_unfinished_s()
    assert submitted is not None
    place = made(data / "separated", key(1), submitted)
    older = made(data / "separated", key(2), submitted - 1)
    asyncio.run(tidied(data, store))
    assert place.exists() and not older.exists()
    store.set_state("waits", "failed", ("internal", "no"))
    asyncio.run(tidied(data, store))
    assert not place.exists()


@pytest.mark.parametrize("lane", ["live", "trials"])
def test_nothing_goes_while_something_is_played_or_tried(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    place = made(data / "separated", key(1))

    async def tidy() -> None:
        at_work = runner(data, store)
        monkeypatch.setattr(getattr(at_work, lane), "jobs", lambda: {"a job that failed meanwhile"})
        at_work.tick()
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(tidy())
    assert place.exists()


def test_links_and_what_others_put_there_are_left_alone(
    tmp_path: Path, data: Path, store: Store
) -> None:
    own = made(tmp_path / "music", key(1))
    (data / "unpacked").mkdir()
    link = data / "unpacked" / key(2)
    link.symlink_to(own)
    os.utime(link, (LONG_AGO_S, LONG_AGO_S), follow_symlinks=False)
    strange = [made(data / "unpacked", "My Song"), made(data / "unpacked", key(3)[:-1])]
    (data / "unpacked" / key(4)).write_bytes(b"a file")
    inside = made(data / "unpacked", key(5))
    (inside / "away").symlink_to(own)
    os.utime(inside, (LONG_AGO_S, LONG_AGO_S))
    elsewhere = made(tmp_path / "other disk", key(6))
    (data / "separated").symlink_to(elsewhere.parent)
    asyncio.run(tidied(data, store))
    assert (own / "Bass.wav").exists() and (elsewhere / "Bass.wav").exists()
    assert link.is_symlink() and (data / "unpacked" / key(4)).is_file()
    assert all(place.exists() for place in strange)
    assert not inside.exists()
