"""Pulled plugs: what was acknowledged is done, and nothing is left running."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens_bridge.client import Client, new_job_id
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


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_killed_server_finishes_its_jobs_when_it_is_back(tmp_path: Path, transport: str) -> None:
    data, port = tmp_path / "data", 0
    long, short = (stem_folder(tmp_path / str(s), seconds=s, stems=3) for s in (15.0, 3.2))
    with ServerProcess(data) as first, Client(first.address, transport) as client:
        port = first.port
        jobs = [submitted(client, long), submitted(client, short)]

        def kill(stage: str, fraction: float) -> None:
            if stage == "tagging":
                raise Killed

        with pytest.raises(Killed):
            client.follow(jobs[0], kill)
        worker = first.worker
        first.kill()
        worker.wait(5)  # ends by itself when its server is gone
        with ServerProcess(data, port=port):
            for job in jobs:
                results = client.follow(job)
                assert sorted(results.messages) == list(range(1, len(results.messages) + 1))


def test_a_killed_worker_is_replaced_and_its_job_done(tmp_path: Path) -> None:
    long = stem_folder(tmp_path / "long", seconds=15, stems=3)
    with ServerProcess(tmp_path / "data") as server, Client(server.address) as client:
        job = submitted(client, long)
        killed: list[psutil.Process] = []

        def kill(stage: str, fraction: float) -> None:
            if stage == "tagging" and not killed:
                killed.append(server.worker)
                server.worker.kill()

        assert client.follow(job, kill).messages
        assert server.worker.pid != killed[0].pid


def test_a_session_that_kills_every_worker_fails_with_a_reason(tmp_path: Path) -> None:
    long = stem_folder(tmp_path / "long", seconds=15, stems=3)
    with ServerProcess(tmp_path / "data") as server, Client(server.address) as client:
        job = submitted(client, long)

        def kill(stage: str, fraction: float) -> None:
            if stage == "tagging":
                for worker in psutil.Process(server.process.pid).children():
                    worker.kill()

        with pytest.raises(Exception, match="died 3 times"):
            client.follow(job, kill)
        short = submitted(client, stem_folder(tmp_path / "short"))
        assert client.follow(short).messages


def test_a_server_stops_cleanly_in_the_middle_of_a_job(tmp_path: Path) -> None:
    long = stem_folder(tmp_path / "long", seconds=60, stems=4)
    with ServerProcess(tmp_path / "data") as server, Client(server.address) as client:
        job = submitted(client, long)

        def leave(stage: str, fraction: float) -> None:
            if stage == "tagging":
                raise Killed

        with pytest.raises(Killed):
            client.follow(job, leave)
        worker = server.worker
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 3
        assert not worker.is_running()
        assert "Traceback" not in server.log.read_text()
