"""Requests that wait, and the worker's lane that does them, without a server around them."""

from __future__ import annotations

import json
import queue
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.results import result

from stemlens.service.live_lane import Shelf
from stemlens.service.store import Store
from stemlens.service.trial_desk import TrialDesk
from stemlens.service.trial_lane import TrialLane
from stemlens_bridge.protocol import Explain, TrialFailed, TrialProgress, decode

JOB = "a job"


def analysed(folder: Path, **changes: Any) -> Path:
    """The file of a result of that job, in a store."""
    path = folder / "result.json"
    document = {**result({"guitar": (0.3, 0.3, 0.3)}), **changes}
    document["tagger"]["tags"] = ["rock", "sad"]
    path.write_text(json.dumps(document))
    store = Store(folder / "jobs.sqlite3")
    store.open(JOB, "files", "song", "{}")
    store.queue(JOB, [])
    store.finish(JOB, document, path)
    store.close()
    return path


def test_explanations_that_wait_keep_no_result(tmp_path: Path) -> None:
    """A hundred may wait; each reads the result when its turn comes."""
    path = analysed(tmp_path, warnings=[{"code": "long", "message": "x" * 100_000}])
    sent: list[dict[str, Any]] = []
    heard: list[bytes] = []
    peer: Any = SimpleNamespace(send=heard.append)
    replies: Any = SimpleNamespace(named=lambda peer, port: peer)
    store = Store(tmp_path / "jobs.sqlite3")
    desk = TrialDesk(store, replies, sent.append, lambda job: {"job": job}, tmp_path, print)
    for request in ("one", "two"):
        desk.ask_to_explain(Explain(JOB, request, "ROCK"), peer)
    desk.on_ready()
    store.close()
    assert all(isinstance(decode(packet), TrialProgress) for packet in heard) and len(sent) == 2
    asked = sent[0]["trial"]["ask"]
    assert (asked["job"], asked["tag"], asked["result"]) == (JOB, "rock", str(path))
    assert len(json.dumps(sent)) < 2000


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ({"time": None}, "has no shares over time"),
        ({"time": "/nowhere/times.npz"}, "/nowhere/times.npz does not hold the shares over time"),
        ({"schema": "stemlens.analysis/9"}, "Analyse the session again"),
    ],
)
def test_a_result_that_cannot_be_explained_is_a_sentence(
    tmp_path: Path, damage: dict[str, Any], says: str
) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**result({"guitar": (0.3, 0.3, 0.3)}), **damage}))
    told: queue.Queue[dict[str, Any]] = queue.Queue()
    lane = TrialLane(
        Shelf(),
        lambda *_: pytest.fail("it is not opened for that"),
        lambda event, job, **rest: told.put(rest),
    )
    threading.Thread(target=lane.run, daemon=True).start()
    lane.take(
        {"ask": {"number": 1, "job": JOB, "request": "r", "kind": "explain", "result": str(path)}}
    )
    while (event := told.get(timeout=10))["what"] == "progress":
        continue
    failed = TrialFailed(JOB, "r", event["code"], event["message"])
    assert failed.code == "result_invalid" and says in failed.message
