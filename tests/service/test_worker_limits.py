"""A worker that takes too much, stands still or crashes ends one job with a reason, and no more."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
from support import badseparators
from support.running import Desk
from support.server import ServerProcess
from support.sounds import RATE, sounds

from stemlens.service import runner
from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session

CRASH = (
    "worker: Fatal Python error: Segmentation.* in separate\n.* worker [0-9]+ ended with code -11"
)
"""What native code did last, and in which of our functions, before the server knows of its end."""


@pytest.fixture(scope="module")
def limited(
    tmp_path_factory: pytest.TempPathFactory, real_weights: None
) -> Iterator[ServerProcess]:
    """A server whose worker may take 4 GB, and cannot keep scores."""
    folder = tmp_path_factory.mktemp("limited")
    (folder / "data" / "scores.sqlite3").mkdir(parents=True)
    environment = badseparators.environment(folder / "packages")
    with ServerProcess(folder / "data", "--memory-gb", "4", env=environment) as running:
        yield running


@pytest.fixture
def mix(tmp_path: Path) -> Session:
    soundfile.write(tmp_path / "song.wav", sounds(3.2).sum(axis=0), RATE)
    return Session.read(mix=tmp_path / "song.wav")


def submit(client: Client, session: Session, how: str) -> str:
    job = new_job_id(how)
    client.submit(session, Options(separator=f"bad:{how}"), job)
    return job


def has_crashed_twice(server: ServerProcess, job: str) -> None:
    """So that the next crash is the last. (That there are three tries is told in `test_kill`.)"""
    with closing(sqlite3.connect(server.log.with_name("jobs.sqlite3"), timeout=30)) as store:
        store.execute("UPDATE jobs SET crashes = 2 WHERE id = ?", [job])
        store.commit()


@pytest.mark.parametrize(
    ("how", "code", "said", "logged"),
    [
        ("hungry", "out_of_memory", "memory", "memory was not enough"),
        ("crash", "worker_died", "SIGSEGV, a crash in native code", CRASH),
    ],
    ids=["hungry", "crash"],
)
def test_a_job_that_breaks_its_worker_fails_with_the_reason_and_the_next_one_runs(
    limited: ServerProcess, mix: Session, how: str, code: str, said: str, logged: str
) -> None:
    with Client(limited.address) as client:
        before = limited.worker.pid
        bad = submit(client, mix, how)
        has_crashed_twice(limited, bad)
        good = submit(client, mix, "good")
        with pytest.raises(StemlensError, match=said) as caught:
            client.follow(bad)
        assert caught.value.code == code
        assert client.follow(good).messages
        assert limited.worker.pid != before
        assert re.search(logged, Path(client.health()["log"]).read_text(), re.DOTALL)


def test_a_job_that_stands_still_fails_with_the_reason_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's side by itself, with a clock to turn. (That a real worker which does not listen
    is replaced is told below.)"""
    now_s = 1000.0
    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: now_s, time=time.time))
    desk = Desk(tmp_path, "hung", "good", hang_s=3.0)
    desk.start_next()
    now_s += 2.9
    desk._on_event({"event": "progress", "job": "hung", "stage": "separating", "fraction": 0.1})
    now_s += 2.9  # since it said something
    desk.tick()
    assert desk.worker.ready and desk.state("hung") == "running"
    now_s += 0.2
    desk.tick()
    assert not desk.worker.ready and desk.state("hung") == "failed"
    assert [(error.job, error.code) for error in desk.told.errors] == [("hung", "worker_hung")]
    assert "stood still at 'separating' for 3 s" in desk.told.errors[0].message
    assert "stood still" in caplog.text
    desk._on_death(-9, 0)
    desk.worker.ready = True
    desk._on_event({"event": "ready", "job": ""})
    assert [one["run"]["job"] for one in desk.worker.told] == ["hung", "good"]
    assert desk.state("good") == "running"
    desk.store.close()


def test_a_cache_that_cannot_be_used_is_told_and_costs_nothing_else(
    limited: ServerProcess, mix: Session
) -> None:
    with Client(limited.address) as client:
        results = client.follow(submit(client, mix, "good"))
    document = json.loads(Path(results.path).read_text())
    assert "scores_not_kept" in [warning["code"] for warning in document["warnings"]]


def test_a_cancelled_job_is_off_the_worker_within_a_second_even_where_it_does_not_listen(
    limited: ServerProcess, mix: Session
) -> None:
    class Begun(Exception):
        pass

    def begun(stage: str, fraction: float) -> None:
        if stage == "separating":
            raise Begun

    with Client(limited.address) as client:
        stubborn = submit(client, mix, "hung")
        with pytest.raises(Begun):
            client.follow(stubborn, begun)
        worker = limited.worker
        assert client.cancel(stubborn).state == "cancelled"
        asked = time.monotonic()
        worker.wait(30)
        # a second, on a machine that is not busy with other tests; the job would take an hour
        assert time.monotonic() - asked < 10
    limited.until(lambda health: health["worker"] == "ready" and health["running"] is None)
