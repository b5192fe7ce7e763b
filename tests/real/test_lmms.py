"""LMMS, a real DAW, bounces a part of its own demo song; the bridge submits it; the server
explains it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
import zlib
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
BAR = 192  # ticks
BARS = range(5, 11)  # two of drums alone, then all nine tracks


def cut(project: Path, bars: range, path: Path) -> None:
    """Writes a project with what begins in these bars of an LMMS song, and no longer than they."""
    root = ET.fromstring(zlib.decompress(project.read_bytes()[4:]))  # after its length, as of Qt
    for track in root.iterfind("song/trackcontainer/track"):
        for part in [*track.findall("bbtco"), *track.findall("pattern")]:
            at = int(part.attrib["pos"]) - BAR * bars.start
            left = BAR * len(bars) - at
            if at < 0 or left <= 0:
                track.remove(part)
            else:
                part.attrib |= {"pos": str(at), "len": str(min(left, int(part.attrib["len"])))}
    path.write_bytes(ET.tostring(root))


@pytest.fixture(scope="module")
def bounce(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine stems of 9 s, one for each track of the song."""
    needs("lmms", "lmms")
    place = tmp_path_factory.mktemp("lmms")
    folder, project = place / "CapDan", place / "CapDan.mmp"
    cut(benchmarks.songs.LMMS_SONG, BARS, project)
    benchmarks.songs.bounce(project, folder)
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
    assert method["exact"] and method["segments"] == 3
    assert method["taggings"] <= 600  # of 3 segments × 2⁹ = 1536


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
