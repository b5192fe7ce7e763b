"""LMMS, a real DAW, bounces its own demo song; the bridge submits it; the server explains it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import benchmarks.songs
import pytest
from support.badnet import BadNet
from support.programs import needs
from support.server import ServerProcess

from stemlens_bridge.client import Client, Results, new_job_id
from stemlens_bridge.protocol import Attributions, Options
from stemlens_bridge.session import Session

BASS_DRUM = "5_BD 03"


@pytest.fixture(scope="module")
def bounce(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine stems of 44 s, one for each track of the song."""
    needs("lmms", "lmms")
    folder = tmp_path_factory.mktemp("lmms") / "CapDan"
    benchmarks.songs.bounce(benchmarks.songs.LMMS_SONG, folder)
    assert len(list(folder.glob("*.wav"))) == 9
    return folder


@pytest.fixture(scope="module")
def results(server: ServerProcess, bounce: Path) -> Results:
    session = Session.read(bounce)
    with Client(server.address) as client:
        job = new_job_id(session.project)
        client.submit(session, session.options(Options(tagger="mtt-musicnn", tags=50)), job)
        return client.follow(job)


@pytest.fixture(scope="module")
def document(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(results.path).read_text())
    return found


def test_the_bass_drum_makes_it_techno(document: dict[str, Any]) -> None:
    techno = next(tag for tag in document["tags"] if tag["tag"] == "techno")
    best = max(techno["attributions"], key=lambda share: share["value"])
    assert best["stem"] == BASS_DRUM
    assert document["tags"][0]["tag"] == "techno"


def test_shares_add_up_for_every_tag(document: dict[str, Any]) -> None:
    assert len(document["tags"]) == 50
    for tag in document["tags"]:
        total = sum(share["value"] for share in tag["attributions"])
        assert total == pytest.approx(tag["score"] - tag["baseline"], abs=1e-5)


def test_only_what_sounds_was_tagged(document: dict[str, Any]) -> None:
    method = document["method"]
    assert method["exact"] and method["segments"] == 14
    assert method["taggings"] <= 2976  # of 14 segments × 2⁹ = 7168


def test_every_message_arrived(results: Results) -> None:
    assert sorted(results.messages) == list(range(1, len(results.messages) + 1))
    tags = {message.tag for message in results.of(Attributions)}
    assert len(tags) == 50


@pytest.mark.parametrize("seed", range(3))
def test_every_message_arrives_over_a_bad_network(
    server: ServerProcess, bounce: Path, results: Results, seed: int
) -> None:
    """The same job asked for again, with a tenth of all datagrams lost and a tenth out of order."""
    session = Session.read(bounce)
    with BadNet(server.address, loss=0.1, seed=seed) as net, Client(net.address) as client:
        options = session.options(Options(tagger="mtt-musicnn", tags=50))
        client.submit(session, options, results.job)
        assert client.follow(results.job).messages == results.messages
        assert net.lost and net.reordered
