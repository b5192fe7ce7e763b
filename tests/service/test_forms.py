"""A server on a data folder in which another version has kept a result in another form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.server import ServerProcess

from stemlens.service.panel.library import Library
from stemlens.service.store import JobFile, Store
from stemlens_bridge.client import Client
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.link import connect
from stemlens_bridge.protocol import (
    Error,
    JobOpen,
    JobState,
    LiveOpen,
    Message,
    Suggest,
    TrialFailed,
    Try,
    Verify,
)

LATER = {
    "schema": "stemlens.analysis/2",
    "revision": 1,
    "session": {"stems": []},
    "versions": {"stemlens": "7.1"},
}
JOB = "from a later version"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    store = Store(data / "jobs.sqlite3")
    store.open(JOB, "test", "song", "{}")
    file = JobFile("t", "t", str(data / "t.wav"), 0.0, "{}", size=1, mtime_ns=1, sha256="0")
    store.put_file(JOB, file)
    store.queue(JOB, [file])
    store.finish(JOB, LATER, data / "results" / "later.json")
    document = {"schema": "stemlens.trials/1", "kind": "try", "trials": []}
    store.keep_trial(JOB, "tried", "", document, "", 3)
    store.close()
    return data


@pytest.fixture(scope="module")
def later(data: Path) -> Iterator[ServerProcess]:
    with ServerProcess(data) as running:
        yield running


def answer(server: ServerProcess, *messages: Message) -> Message:
    link = connect(server.address, "tcp")
    try:
        for message in messages:
            link.send(message)
        return next(m for m in link.receive(10) if not isinstance(m, JobState))
    finally:
        link.close()


def test_it_is_not_delivered_and_the_client_is_told_what_to_do(later: ServerProcess) -> None:
    with Client(later.address) as client, pytest.raises(StemlensError) as caught:
        client.follow(JOB)
    assert caught.value.code == "result_invalid"
    for told in ("Stemlens 7.1", "stemlens.analysis/2", "Analyse the session again"):
        assert told in caught.value.message


@pytest.mark.parametrize(
    "asked",
    [
        LiveOpen(JOB),
        Try(JOB, "request", '[{"stem": "t", "preset": "gentler"}]', "{}"),
        Suggest(JOB, "request", "+metal", "{}"),
        Verify(JOB, JOB, "tried"),
        JobOpen("other", "test", "song", 0, f'{{"same_level_as": "{JOB}"}}'),
    ],
    ids=lambda message: type(message).__name__,
)
def test_nothing_is_tried_played_or_compared_on_it(later: ServerProcess, asked: Message) -> None:
    told = answer(later, asked)
    assert isinstance(told, Error | TrialFailed)
    assert told.code == "result_invalid" and "Stemlens 7.1" in told.message


def test_the_panel_says_so_in_a_sentence(data: Path) -> None:
    library = Library(data)
    (past,) = library.jobs()
    assert past.state == "done" and "Analyse the session again" in (past.error or "")
    assert library.result(past.id) is None
