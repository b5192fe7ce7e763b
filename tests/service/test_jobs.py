"""Jobs in a real server: who goes first, what is told of them, and when they are not begun."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.running import Desk
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens.service import diskspace
from stemlens.service.store import JobFile, Store
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.link import connect
from stemlens_bridge.protocol import JobFirst, JobState, Options
from stemlens_bridge.session import Session


class Begun(Exception):
    """The job runs."""


def begun(stage: str, fraction: float) -> None:
    raise Begun


def test_health_tells_what_runs_and_the_first_wish_is_heeded(
    server: ServerProcess, tmp_path: Path
) -> None:
    long = Session.read(stem_folder(tmp_path / "long", seconds=18, stems=4))
    short = Session.read(stem_folder(tmp_path / "short"))
    link = connect(server.address, "tcp")
    with Client(server.address) as client:
        jobs = [new_job_id(name) for name in ("runs", "waits", "first")]
        client.submit(long, Options(), jobs[0])
        with pytest.raises(Begun):  # what only waits could be overtaken as well
            client.follow(jobs[0], begun)
        for job in jobs[1:]:
            client.submit(short, Options(), job)
        link.send(JobFirst(jobs[2]))
        (answer,) = link.receive(10)
        assert isinstance(answer, JobState) and answer.job == jobs[2]

        reports = []

        def look(stage: str, fraction: float) -> None:
            if stage == "tagging" and not reports:
                with Client(server.address) as other:
                    reports.append(other.health())

        client.follow(jobs[0], look)
        client.follow(jobs[1])
        client.follow(jobs[2])
    link.close()
    (report,) = reports
    assert report["worker"] == "busy" and report["running"]["job"] == jobs[0]
    assert report["jobs"]["queued"] == 2 and report["free_gb"] > 0
    store = Store(server.log.with_name("jobs.sqlite3"))
    started = {past.id: past.started for past in store.history(10)}
    store.close()
    assert sorted(jobs, key=lambda job: started[job] or 0.0) == [jobs[0], jobs[2], jobs[1]]
    with Client(server.address) as client:
        done = client.health()
    assert done["running"] is None and done["worker"] == "ready"


def test_a_job_is_not_begun_where_the_disk_has_no_room_for_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "full", spare_gb=1e6)
    desk.start_next()
    assert desk.state("full") == "failed" and not desk.worker.told
    (error,) = desk.told.errors
    assert (error.job, error.code) == ("full", "disk_full") and "Make room" in error.message
    desk.store.close()


def test_a_lone_mix_needs_room_for_its_stems() -> None:
    mix = JobFile("", "mix", "/mix.wav", 0.0, "{}", is_mix=True, size=100_000_000)
    stem = JobFile("a", "a", "/a.wav", 0.0, "{}", size=100_000_000)
    assert diskspace.wanted([mix]) > 8 * diskspace.wanted([stem, mix])
