"""A worker that takes too much, stands still or crashes ends one job with a reason, and no more."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from support import badseparators
from support.server import ServerProcess
from support.sounds import RATE, sounds

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
    """A server whose worker may take 4 GB and stand still for 3 s."""
    folder = tmp_path_factory.mktemp("limited")
    environment = badseparators.environment(folder / "packages")
    limits = ("--memory-gb", "4", "--hang-s", "3")
    with ServerProcess(folder / "data", *limits, env=environment) as running:
        yield running


@pytest.fixture
def mix(tmp_path: Path) -> Session:
    soundfile.write(tmp_path / "song.wav", sounds(3.2).sum(axis=0), RATE)
    return Session.read(mix=tmp_path / "song.wav")


def submit(client: Client, session: Session, how: str) -> str:
    job = new_job_id(how)
    client.submit(session, Options(separator=f"bad:{how}"), job)
    return job


@pytest.mark.parametrize(
    ("how", "code", "said", "logged"),
    [
        ("hungry", "out_of_memory", "memory", "memory was not enough"),
        ("hung", "worker_hung", "stood still at 'separating'", "stood still"),
        ("crash", "worker_died", "SIGSEGV, a crash in native code", CRASH),
    ],
    ids=["hungry", "hung", "crash"],
)
def test_a_job_that_breaks_its_worker_fails_with_the_reason_and_the_next_one_runs(
    limited: ServerProcess, mix: Session, how: str, code: str, said: str, logged: str
) -> None:
    with Client(limited.address) as client:
        before = limited.worker.pid
        bad, good = submit(client, mix, how), submit(client, mix, "good")
        with pytest.raises(StemlensError, match=said) as caught:
            client.follow(bad)
        assert caught.value.code == code
        assert client.follow(good).messages
        assert limited.worker.pid != before
        assert re.search(logged, Path(client.health()["log"]).read_text(), re.DOTALL)


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
        worker.wait(10)  # a second, on a machine that is not busy with other tests
        assert time.monotonic() - asked < 3
        assert client.follow(submit(client, mix, "good")).messages
