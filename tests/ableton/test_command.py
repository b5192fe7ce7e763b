"""`stemlens-bridge ableton`, from the export to the names in Live and back."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.abletonosc import Cue, LiveStandIn, Track, free_port
from support.liveserver import LiveServer
from support.server import ServerProcess
from support.sounds import stem_folder

from stemlens_bridge import marks
from stemlens_bridge.ableton import DAW, export, live_set, memory
from stemlens_bridge.ableton import link as live_link
from stemlens_bridge.cli import main
from stemlens_bridge.commands.ableton import _follow
from stemlens_bridge.commands.playing import Playing

LABEL = " {rock 21 of 63 points}"
POLICY = """
kinds = ["genre", "mood", "instrument", "voice", "era", "quality"]
min_share = 0.01
min_score = 0.1
"""
RESULT = {
    "schema": "stemlens.analysis/1",
    "session": {
        "id": "job",
        "project": "Song",
        "daw": DAW,
        "start_s": 0.0,
        "tempo": 120.0,
        "stems": [
            {"id": "1", "name": "kick", "kind": "track"},
            {"id": "2", "name": "chord", "kind": "track"},
        ],
    },
    "tags": [],
    "annotations": [
        {"track": own, "text": "rock …", "label": "rock 21 of 63 points", "color": "#0072B2"}
        for own in ("1", "2")
    ],
    "markers": [{"track": "1", "start_s": 2.0, "end_s": 5.0, "text": "kick: +21 points of rock"}],
    "warnings": [],
}


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "state_folder", lambda: tmp_path / "state")
    monkeypatch.setattr(export, "SETTLE_S", 0.3)


@pytest.fixture
def live() -> Iterator[LiveStandIn]:
    with LiveStandIn(Track("kick", color_index=4), Track("chord"), Track("lead")) as running:
        yield running


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(RESULT))
    return path


def command(live: LiveStandIn, *more: object) -> int:
    where = f"127.0.0.1:{live.port}:{live.reply_port}"
    return main(["ableton", "--live", where, *map(str, more)])


def test_from_the_export_to_the_names_and_back(
    live: LiveStandIn, server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way, with a real server."""
    folder = stem_folder(tmp_path / "Song", seconds=3.2)
    for path in list(folder.iterdir()):
        path.rename(folder / f"Song {path.name}")
    (tmp_path / "policy.toml").write_text(POLICY)
    code = command(
        live, "--export-folder", folder, "--once", "--annotate", "name,color,locators",
        "--policy", tmp_path / "policy.toml", "--json", tmp_path / "result.json",
        "--server", f"127.0.0.1:{server.port}",
    )  # fmt: skip
    told = capsys.readouterr().err
    assert code == 0, told
    assert "2 files, 3 tracks; 3 stems: kick, chord, lead" in told
    assert "no file for 'lead'" in told
    kick, chord, lead = live.names()
    assert kick != "kick" and marks.without_label(kick) == "kick"
    assert chord != "chord" and marks.without_label(chord) == "chord" and lead == "lead"
    written = json.loads((tmp_path / "result.json").read_text())
    labels = {note["track"]: note["label"] for note in written["annotations"]}
    assert kick == f"kick {{{labels['1']}}}" and chord == f"chord {{{labels['2']}}}"
    assert live.cues and all(cue.name.startswith(marks.MARKER_PREFIX) for cue in live.cues)
    assert live.shown[-1].startswith("Stemlens: 2 tracks annotated")
    assert f"{len(live.undo)} changes in Live" in told

    assert command(live, "--remove") == 0
    assert live.names() == ["kick", "chord", "lead"] and not live.cues
    assert [track.color_index for track in live.tracks] == [4, 13, 13]
    assert live.shown[-1] == "Stemlens: 2 tracks as before"


def test_an_earlier_result_is_written(live: LiveStandIn, result: Path) -> None:
    live.cues = [Cue("Verse", 1.0)]
    assert command(live, "--result", result) == 0  # names alone, without being asked for more
    assert live.names() == [f"kick{LABEL}", f"chord{LABEL}", "lead"]
    assert len(live.cues) == 1 and [track.color_index for track in live.tracks] == [4, 13, 13]
    assert command(live, "--result", result, "--annotate", "locators") == 0
    assert [(cue.time, cue.name) for cue in live.cues] == [
        (1.0, "Verse"),
        (4.0, "stemlens: kick: +21 points of rock"),
    ]
    assert command(live, "--remove") == 0
    assert live.names() == ["kick", "chord", "lead"] and len(live.cues) == 1


def test_whether_the_mix_is_heard_as_it_is_meant_is_told(live: LiveStandIn, tmp_path: Path) -> None:
    judged = tmp_path / "judged.json"
    verdicts = [
        {"tag": "rock", "verdict": "heard", "score": 0.6, "sentence": "rock is heard."},
        {"tag": "sad", "verdict": "not heard", "score": 0.1, "sentence": "sad is not heard."},
    ]
    judged.write_text(json.dumps({**RESULT, "intent": verdicts}))
    assert command(live, "--result", judged, "--annotate", "name,locators") == 0
    assert live.shown[-1].endswith("; meant as rock (heard), sad (not heard)")
    assert [(cue.time, cue.name) for cue in live.cues] == [
        (0.0, "stemlens: meant as rock (heard), sad (not heard)"),
        (4.0, "stemlens: kick: +21 points of rock"),
    ]
    assert command(live, "--remove") == 0 and not live.cues


def test_the_stems_are_told_before_any_export(capsys: pytest.CaptureFixture[str]) -> None:
    group = Track("Band", sort="Group")
    tracks = [group, Track("Gtr", group=group, output="Group"), Track("Click", mute=True)]
    with LiveStandIn(*tracks) as live:
        for wish, told in ((), "1 stem: Gtr; skipped: Click (muted)"), (
            ("--one", "Band"), "1 stem: Band (a bus of 1); skipped: Click (muted)"
        ):  # fmt: skip
            assert command(live, "--list", *wish) == 0
            assert told in capsys.readouterr().err


def test_none_writes_nothing(live: LiveStandIn, result: Path) -> None:
    assert command(live, "--result", result, "--annotate", "none") == 0
    assert not live.undo and live.shown


@pytest.mark.parametrize("at", [1, 2])
def test_ctrl_c_leaves_the_set_clean(live: LiveStandIn, result: Path, at: int) -> None:
    live.before("/live/track/set/name", lambda: os.kill(os.getpid(), signal.SIGINT), at)
    assert command(live, "--result", result) == 130
    assert live.names() == ["kick", "chord", "lead"]
    assert "everything is as it was" in live.shown[-1]


def test_ctrl_c_among_the_locators_leaves_the_set_clean(live: LiveStandIn, result: Path) -> None:
    live.before("/live/song/cue_point/add_or_delete", lambda: os.kill(os.getpid(), signal.SIGINT))
    assert command(live, "--result", result, "--annotate", "name,color,locators") == 130
    assert live.names() == ["kick", "chord", "lead"] and not live.cues
    assert [track.color_index for track in live.tracks] == [4, 13, 13]


def test_what_could_not_be_put_back_is_told(
    live: LiveStandIn, result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(live, "--result", result, "--annotate", "name,color")
    live.delete(0)
    assert command(live, "--remove") == 1
    assert "'kick' was renamed or deleted" in capsys.readouterr().err
    assert command(live, "--remove") == 0  # it is told once


def test_an_export_that_leaves_questions_writes_nothing(
    live: LiveStandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live.rename(1, "kick")
    folder = stem_folder(tmp_path / "Song")
    assert command(live, "--export-folder", folder, "--once") == 1
    assert "kick.wav could be track 1 and 2" in capsys.readouterr().err and not live.undo
    # without --once the next export is waited for
    asked = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    asked.start()
    assert command(live, "--export-folder", folder) == 130
    told = capsys.readouterr().err
    assert "could be track 1 and 2" in told and "Waiting for an export" in told


ABSENT: dict[str, tuple[Callable[[LiveStandIn], object], str, str]] = {
    "absent": (LiveStandIn.quit, "start Live, and choose AbletonOSC", "daw_unreachable"),
    "busy": (LiveStandIn.busy, "busy with a dialog", "daw_unreachable"),
}


@pytest.mark.parametrize("how", ABSENT)
def test_live_that_is_not_there_is_one_sentence(
    live: LiveStandIn,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    monkeypatch.setattr(live_link, "FIND_S", 0.3)
    act, sentence, code = ABSENT[how]
    act(live)
    assert command(live, "--remove") == 1
    told = capsys.readouterr().err
    assert sentence in told and f"[{code}]" in told and told.count("\n") == 1


def test_a_taken_port_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", free_port()))
        where = f"127.0.0.1:{free_port()}:{other.getsockname()[1]}"
        assert main(["ableton", "--live", where, "--remove"]) == 1
    told = capsys.readouterr().err
    assert "is taken by another program" in told and told.count("\n") == 1


def test_a_wrong_command_line_is_told_before_anything_else(
    live: LiveStandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (["--annotate", "name,colr"], ["--live", "11000"], ["--live", "a:b:c"]):
        with pytest.raises(SystemExit) as caught:
            main(["ableton", *wrong])
        assert caught.value.code == 2
    assert command(live, "--options", '{"tagz": 1}') == 1
    assert command(live, "--export-folder", tmp_path / "gone") == 1
    assert command(live, "--json", tmp_path / "gone" / "x.json") == 1
    told = capsys.readouterr().err
    assert "[bad_options]" in told and "[audio_missing]" in told and "[output_failed]" in told


def test_waiting_for_an_export_can_be_stopped(
    live: LiveStandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Empty").mkdir()
    asked = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT))
    asked.start()
    assert command(live, "--export-folder", tmp_path / "Empty") == 130
    assert "All Individual Tracks" in capsys.readouterr().err and not live.undo


def test_faders_are_followed_until_ctrl_c(
    live: LiveStandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = [tmp_path / "S kick.wav", tmp_path / "S chord.wav"]
    for path in exported:
        path.write_bytes(b"")
    with (
        live_link.LiveLink(port=live.port, reply_port=live.reply_port) as link,
        LiveServer() as player,
    ):
        found = live_set.read(link, (12, 1))
        planned = export.plan(found, exported, "S")
        turned = threading.Timer(0.3, live.turn, (1,), {"volume": 0.7, "mute": True})
        stopped = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
        for timer in (turned, stopped):
            timer.start()
        names = {stem.id: stem.name for stem in planned.session.stems}
        given = argparse.Namespace(server=player.address, transport="udp")
        with Playing(given, "j", names) as playing:
            _follow(link, found, planned, playing)
    out = capsys.readouterr().out
    assert "chord: -6.0 dB against the export" in out and "silent" in out
    assert "kick:" not in out and "one dB up: kick loud +1.0" in out
    (track,) = player.states()[-1].tracks
    assert (
        track.track == planned.session.stems[1].id
        and track.muted
        and track.db == pytest.approx(-6.0, abs=0.1)
    )
