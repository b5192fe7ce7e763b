"""Results that become better while one waits, over OSC, and what is known when work is taken up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens_bridge.client import Client, Results, new_job_id
from stemlens_bridge.findings import Findings
from stemlens_bridge.protocol import UNKNOWN, Attributions, Options, TagScore
from stemlens_bridge.session import Session

pytestmark = pytest.mark.usefixtures("real_weights")


def followed(
    client: Client, folder: Path, on_revision: Any = lambda results: None, **options: Any
) -> tuple[Results, dict[str, Any]]:
    session, job = Session.read(folder), new_job_id("revisions")
    client.submit(session, Options(**options), job)
    results = client.follow(job, on_revision=on_revision)
    return results, json.loads(Path(results.path).read_text())


def widest(results: Results) -> float:
    return max(s.high - s.low for m in results.of(Attributions) for s in m.shares)


@pytest.mark.parametrize(("transport", "seconds", "stems"), [("udp", 12.2, 4), ("tcp", 6.2, 3)])
def test_scores_come_first_and_intervals_narrow(
    server: ServerProcess, tmp_path: Path, transport: str, seconds: float, stems: int
) -> None:
    seen: list[tuple[int, float, float, bool]] = []

    def note(results: Results) -> None:
        first = results.of(TagScore)[0]
        shares = [share for m in results.of(Attributions) for share in m.shares]
        assert Findings.from_results(results, session).tags
        unknown = any(share.mute == UNKNOWN for share in shares)
        seen.append((results.revision, widest(results), first.score, unknown))

    folder = stem_folder(tmp_path / "song", seconds, stems)
    session = Session.read(folder)
    with Client(server.address, transport) as client:
        results, document = followed(client, folder, note)
    assert seen[0][0] == 1 and seen[0][3], "mutes are not known at first"
    assert [number for number, *_ in seen] == sorted({number for number, *_ in seen})
    widths = [width for _, width, *_ in seen] + [widest(results)]
    assert widths == sorted(widths, reverse=True) and widths[-1] == 0 < widths[0]
    assert seen[0][2] == pytest.approx(document["tags"][0]["score"], abs=1e-6)
    assert document["revision"] == results.revision >= seen[-1][0]


def test_work_that_was_cut_off_is_taken_up_where_it_was(
    server: ServerProcess, tmp_path: Path
) -> None:
    """What the killed worker had tagged is known to the one in its place, and revisions go on
    counting. (What is known after a restart of the server is told in `test_kill`.)"""
    seen: list[int] = []
    killed: list[psutil.Process] = []
    folder = stem_folder(tmp_path / "song", seconds=15.2, stems=4)
    with Client(server.address) as client:

        def kill(results: Results) -> None:
            seen.append(results.revision)
            if not killed:
                killed.append(server.worker)
                killed[0].kill()

        results, document = followed(client, folder, kill)
    assert killed and server.worker.pid != killed[0].pid
    assert seen == sorted(set(seen)) and results.revision >= seen[-1]
    method = document["method"]
    assert method["exact"] and method["taggings"] < 15 * method["segments"]  # of all there are


def test_a_budget_of_nothing_still_tells_the_scores(server: ServerProcess, stems: Path) -> None:
    with Client(server.address) as client:
        results, document = followed(client, stems, budget=0)
    assert results.of(TagScore)[0].score > 0 and widest(results) >= 1
    assert document["tags"][0]["attributions"][0]["mute"] is None
    assert Findings.read(Path(results.path)).tags[0].shares[0].mute is None
