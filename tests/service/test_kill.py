"""Pulled plugs: what was acknowledged is done, and nothing is left running.

That a killed worker is replaced and its job done is told in `test_revisions`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens.service.store import Store
from stemlens_bridge.client import Client, Results, new_job_id
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

pytestmark = pytest.mark.usefixtures("real_weights")


class Killed(Exception):
    """Ends following a job from inside."""


def submitted(client: Client, folder: Path) -> str:
    session = Session.read(folder)
    job = new_job_id("kill")
    assert client.submit(session, Options(), job).state in ("queued", "running")
    return job


def document_of(results: Results) -> dict[str, Any]:
    return dict(json.loads(Path(results.path).read_text()))


def test_a_killed_server_finishes_its_jobs_when_it_is_back(tmp_path: Path) -> None:
    """What it had tagged is known, and the same again costs nothing. It stops cleanly then, in the
    middle of a job."""
    data = tmp_path / "data"
    long, short = (stem_folder(tmp_path / str(s), seconds=s, stems=4) for s in (9.2, 3.2))
    with (
        ServerProcess(data) as first,
        Client(first.address, "udp") as udp,
        Client(first.address, "tcp") as tcp,
    ):
        jobs = [submitted(udp, long), submitted(tcp, short)]

        def kill(results: Results) -> None:
            raise Killed

        with pytest.raises(Killed):
            udp.follow(jobs[0], on_revision=kill)
        worker = first.worker
        first.kill()
        worker.wait(30)  # ends by itself when its server is gone
        with ServerProcess(data, port=first.port) as second:
            for client in (tcp, udp):
                found = [client.follow(job) for job in jobs]
                for results in found:
                    assert sorted(results.messages) == list(range(1, len(results.messages) + 1))
            documents = [document_of(results) for results in found]
            method = documents[0]["method"]
            assert 0 < method["taggings"] < 15 * method["segments"]  # of all coalitions there are
            again = document_of(udp.follow(submitted(udp, long)))
            assert again["method"]["taggings"] == 0
            assert documents[0]["tags"] == again["tags"]
            stops_cleanly_in_the_middle_of_a_job(second, udp, tmp_path)


def stops_cleanly_in_the_middle_of_a_job(
    server: ServerProcess, client: Client, folder: Path
) -> None:
    job = submitted(client, stem_folder(folder / "very long", seconds=60, stems=4))

    def leave(stage: str, fraction: float) -> None:
        if stage == "tagging":
            raise Killed

    with pytest.raises(Killed):
        client.follow(job, leave)
    worker = server.worker
    assert server.stop() == 0
    assert not worker.is_running()
    assert "Traceback" not in server.log.read_text()
    store = Store(server.log.with_name("jobs.sqlite3"))
    assert store.known(job).state in ("queued", "running"), "nobody waited for its end"
    store.close()


def test_a_session_that_kills_every_worker_fails_with_a_reason(
    server: ServerProcess, tmp_path: Path
) -> None:
    with Client(server.address) as client:
        job = submitted(client, stem_folder(tmp_path / "song", stems=3))

        def kill(stage: str, fraction: float) -> None:
            for worker in psutil.Process(server.process.pid).children():
                worker.kill()  # as soon as it begins, before torch is loaded

        with pytest.raises(Exception, match="died 3 times"):
            client.follow(job, kill)
        short = submitted(client, stem_folder(tmp_path / "short"))
        assert client.follow(short).messages
