"""A job that is only a mix goes the whole way through a real server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from support.models import package, save_th, tiny
from support.server import ServerProcess
from support.sounds import RATE, sounds

from stemlens_bridge.client import Client, new_job_id
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Attributions, Options
from stemlens_bridge.session import Session


def test_a_job_of_a_lone_mix(server: ServerProcess, tmp_path: Path) -> None:
    save_th(tmp_path / "models", "tiny", package(tiny()))
    soundfile.write(tmp_path / "song.wav", sounds(3.2).sum(axis=0), RATE)
    session = Session.read(mix=tmp_path / "song.wav")
    job = new_job_id("mix")
    with Client(server.address) as client:
        client.submit(session, Options(separator=str(tmp_path / "models"), tags=3), job)
        results = client.follow(job)
    document = json.loads(Path(results.path).read_text())
    stems = document["session"]["stems"]
    assert document["session"]["source"] == "separated" and stems
    assert {share.track for found in results.of(Attributions) for share in found.shares} == {
        stem["id"] for stem in stems
    }
    data = server.log.parent
    assert all(Path(stem["path"]).is_relative_to(data / "separated") for stem in stems)
    assert all(Path(stem["path"]).exists() for stem in stems)
    assert "separated" in {warning.code for warning in results.warnings}


def test_models_lie_where_the_server_may_read(server: ServerProcess, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", sounds(3.2)[0], RATE)
    session = Session.read(mix=tmp_path / "song.wav")
    for place, code in (("/etc/models", "path_not_allowed"), ("some/where", "session_invalid")):
        with Client(server.address) as client, pytest.raises(StemlensError) as caught:
            client.submit(session, Options(separator=place), new_job_id("mix"))
        assert caught.value.code == code


def test_a_separator_that_there_is_not_fails_one_job(server: ServerProcess, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", sounds(3.2)[0], RATE)
    job = new_job_id("mix")
    with Client(server.address) as client:
        client.submit(Session.read(mix=tmp_path / "song.wav"), Options(separator="htdemux"), job)
        with pytest.raises(StemlensError, match="nearest is htdemucs"):
            client.follow(job)
