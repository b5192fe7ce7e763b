"""REAPER's scripts, the bridge and the server, whole: only REAPER itself is played.

The scripts run under Lua against the stand-in for REAPER's API, in a resource folder into which
`stemlens-bridge reaper install` has installed them; they start the real agent themselves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from support import lualiteral
from support.programs import needs
from support.reaperside import awaited
from support.server import ServerProcess
from support.sounds import NAMES, RATE, sounds

from stemlens_bridge.cli import main
from stemlens_bridge.reaper.mailbox import Mailbox

HERE = Path(__file__).parent
LIMIT_S = 200


class Session:
    """A REAPER with a song on four tracks and Stemlens installed."""

    def __init__(self, root: Path, seconds: float) -> None:
        self.root = root
        self.resource = root / "REAPER"
        self.mailbox = self.resource / "Stemlens" / "mailbox"
        (self.resource / "Scripts").mkdir(parents=True)
        (self.resource / "reaper.ini").write_text("[REAPER]\n")
        assert main(["reaper", "install", "--resource-path", str(self.resource)]) == 0
        (root / "sounds").mkdir()
        stems = sounds(seconds)
        for name, samples in [*zip(NAMES, stems, strict=True), ("MASTER", stems.sum(axis=0))]:
            stereo = np.stack([samples, samples], axis=1)
            soundfile.write(root / "sounds" / f"{name}.wav", stereo, RATE, subtype="FLOAT")

    def play(
        self, story: str, server: str, react: Callable[[str], None] = lambda word: None
    ) -> dict[str, Any]:
        """Plays a story of `end_to_end.lua`; `react` hears how far it is. What came of it."""
        support, data = HERE / "lua" / "support", HERE / "reascript_api.json"
        scripts = self.resource / "Scripts" / "Stemlens"
        places = [str(place) for place in (self.root, scripts, support, data)]
        process = subprocess.Popen(
            [needs("lua5.4", "lua5.4"), str(HERE / "end_to_end.lua"), story, *places, server],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            last = line.strip()
            react(last)
        _, errors = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, errors
        came: dict[str, Any] = json.loads(last)
        return came

    def agent_pid(self) -> int:
        return int(lualiteral.loads((self.mailbox / "agent.lua").read_text())["pid"])

    def results(self) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
        """The jobs of the mailbox and their findings."""
        found = []
        for path in sorted((self.mailbox / "to-reaper").glob("job-*.lua")):
            state = lualiteral.loads(path.read_text(encoding="utf-8"))
            name = state.get("findings")
            text = (path.parent / name).read_text(encoding="utf-8") if name else None
            found.append((state, lualiteral.loads(text) if text else None))
        return found

    def close(self) -> None:
        """Ends an agent that still runs, and waits until it has."""
        if (self.mailbox / "agent.lua").is_file():
            os.kill(self.agent_pid(), signal.SIGTERM)
            awaited(lambda: not (self.mailbox / "agent.lua").is_file())


@pytest.fixture
def song(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path / "Jörgs Studio", seconds=6)
    yield session
    session.close()


@pytest.fixture(scope="module")
def analysed(
    server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Session, dict[str, Any]]]:
    """A song whose analysis is over, and what came of it."""
    session = Session(tmp_path_factory.mktemp("analysed") / "Jörgs Studio", seconds=6)
    yield session, session.play("analyze", address(server))
    session.close()


@pytest.fixture
def long_song(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path / "Jörgs Studio", seconds=24)
    yield session
    session.close()


def require_annotated(session: Session, came: dict[str, Any]) -> None:
    """That each note of the findings stands on its track, and nothing else anywhere."""
    ((state, findings),) = session.results()
    assert state["state"] == "done" and findings is not None
    notes = {note["track"]: note["text"] for note in findings["notes"]}
    assert notes, "the song must give something to write"
    for track in came["tracks"]:
        text = notes.get(track["guid"])
        if text is None:
            assert not track["notes"]
        else:
            assert track["notes"] == f"[Stemlens] {text} [/Stemlens]"
            assert track["ext"]["stemlens"]
    assert came["markers"] == len(findings["markers"])
    assert not came["unchanged"]


def address(server: ServerProcess) -> str:
    return f"127.0.0.1:{server.port}"


def test_one_action_brings_annotations(analysed: tuple[Session, dict[str, Any]]) -> None:
    song, came = analysed
    require_annotated(song, came)
    assert came["started"] == 1
    assert len([text for text in came["messages"] if "4 stems" in text]) == 1
    ((_, findings),) = song.results()
    assert findings is not None
    assert findings["project"] == "Song" and findings["daw"].startswith("REAPER")
    residual = [w for w in findings["warnings"] if w["code"] != "mono_loss"]
    assert not residual, residual


def test_the_project_is_as_it_was_when_they_are_removed(
    server: ServerProcess, song: Session
) -> None:
    came = song.play("remove", address(server))
    assert came["unchanged"]
    assert all(not track["notes"] and not track["ext"] for track in came["tracks"])


def test_a_fader_that_is_followed_moves_the_tags(server: ServerProcess, song: Session) -> None:
    came = song.play("follow", address(server))
    assert any(text.startswith("Live mix, 0:00 to 0:0") for text in came["said"])
    assert "One dB up, in points" in came["said"] and came["started"] == 1
    awaited(lambda: not list((song.mailbox / "to-reaper").glob("live-*.lua")))


@pytest.mark.parametrize("story", ["cancel", "cancel_early"])
def test_an_analysis_is_cancelled(server: ServerProcess, long_song: Session, story: str) -> None:
    came = long_song.play(story, address(server))
    awaited(lambda: long_song.results()[0][0]["state"] == "cancelled")
    assert came["unchanged"] and not list((long_song.mailbox / "jobs").iterdir())


def test_a_killed_agent_is_started_again_and_nothing_is_lost(
    server: ServerProcess, long_song: Session
) -> None:
    def kill(word: str) -> None:
        if word == "running":
            os.kill(long_song.agent_pid(), signal.SIGKILL)

    came = long_song.play("wait", address(server), kill)
    require_annotated(long_song, came)
    assert came["started"] == 2 and "Starting the bridge again" in came["said"]


def test_a_server_that_stops_is_told_and_goes_on_where_it_was(
    real_weights: None, tmp_path: Path, long_song: Session
) -> None:
    running = ServerProcess(tmp_path / "server")
    port = running.port

    def stop(word: str) -> None:
        nonlocal running
        if word == "running":
            running.kill()
            mailbox = long_song.mailbox / "to-reaper"
            (job,) = mailbox.glob("job-*.lua")
            awaited(lambda: "does not answer" in job.read_text(encoding="utf-8"))
            running = ServerProcess(tmp_path / "server", port=port)

    try:
        came = long_song.play("wait", f"127.0.0.1:{port}", stop)
    finally:
        running.stop()
    require_annotated(long_song, came)
    assert any("does not answer" in text for text in came["said"])


def test_without_a_server_the_way_out_is_said(song: Session) -> None:
    came = song.play("analyze", "127.0.0.1:9")
    told = " ".join([*came["said"], *came["messages"]])
    assert "No Stemlens server answers" in told and "stemlens serve" in told
    assert came["unchanged"] and not song.results()


def test_results_wait_for_a_reaper_that_was_closed(
    server: ServerProcess, long_song: Session
) -> None:
    came = long_song.play("close", address(server))
    require_annotated(long_song, came)


def test_the_mailbox_is_clean_afterwards(analysed: tuple[Session, dict[str, Any]]) -> None:
    song, _ = analysed
    mailbox = Mailbox(song.mailbox)
    assert list(mailbox.requests()) == []
    kinds = {path.name.split("-")[0] for path in (song.mailbox / "to-reaper").iterdir()}
    assert kinds == {"job", "findings"}
    assert not list((song.mailbox / "jobs").iterdir())
    assert not list((song.mailbox / "damaged").iterdir())
