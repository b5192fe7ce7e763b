"""A snapshot with the sounds that explain a tag, as far as no Ardour is needed to tell."""

from __future__ import annotations

import argparse
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.ardour import bridge
from support.whysounds import explained

from stemlens_bridge.ardour import annotate, bounce, hearing, record, session_file, snapshot
from stemlens_bridge.commands.common import options_from
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.trials import TrialsClient

SESSION = """<?xml version="1.0" encoding="UTF-8"?>
<Session version="7002" name="{name}" sample-rate="{rate}" id-counter="900">
<Sources/><Regions/>
<Locations>
<Location id="3" name="s" start="a0" end="a1128960000" flags="IsSessionRange"/></Locations>
<Routes><Route id="1" name="Master" active="1"><PresentationInfo order="0" flags="MasterOut"/>
<IO direction="Input"><Port type="audio" name="Master/audio_in 1"/>
<Port type="audio" name="Master/audio_in 2"/></IO>
<IO direction="Output"><Port type="audio" name="Master/audio_out 1"/>
<Port type="audio" name="Master/audio_out 2"/></IO></Route>
<Route id="2" name="Drums" active="1" audio-playlist="29">
<PresentationInfo order="7" flags="AudioTrack"/>
<IO direction="Output"><Port type="audio" name="Drums/audio_out 1">
<Connection other="Master/audio_in 1"/></Port></IO></Route></Routes>
<Playlists><Playlist id="29"><Region length="a1128960000@a0"/></Playlist></Playlists></Session>"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a session with one track, which is not named like its folder."""
    folder = tmp_path / "Folder"
    folder.mkdir()
    own = folder / "Söng.ardour"
    own.write_text(SESSION.format(name="Söng", rate=48_000), encoding="utf-8")
    return own


def test_nothing_of_the_session_changes_and_it_is_still_the_one_that_is_found(path: Path) -> None:
    before = path.read_bytes()
    made = hearing.write(session_file.read(path), explained(path.parent.parent))
    assert made.name == "stemlens Söng why rock.ardour"
    assert path.read_bytes() == before and session_file.find(path.parent) == path
    assert session_file.find(path.parent, "stemlens Söng why rock") == made
    found = session_file.read(made)
    assert [route.name for route in found.routes] == [
        "Master", "Drums", "Stemlens only", "Stemlens without", "Stemlens crossfade",
        "Stemlens only, whole song", "Stemlens without, whole song",
        "Stemlens crossfade, whole song",
    ]  # fmt: skip
    ours = [route for route in found.routes if route.is_beside]
    assert all(route.muted and route.sounds and not route.silent for route in ours)
    assert ours[0].comment == "only: <b>rock</b> & 25 points."
    assert not found.missing and len(found.recordings) == 6
    root = ET.parse(made).getroot()
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(set(ids)) == len(ids) and max(map(int, filter(None, ids))) < int(
        root.attrib["id-counter"]
    )
    again = hearing.write(session_file.read(path), explained(path.parent.parent))
    assert again == made and len(list(path.parent.glob("*.ardour"))) == 2


def test_none_of_it_is_a_stem_or_part_of_the_mix(path: Path, tmp_path: Path) -> None:
    made = hearing.write(session_file.read(path), explained(tmp_path))
    made.write_text(
        made.read_text(encoding="utf-8").replace('muted="1"', 'muted="0"'), encoding="utf-8"
    )
    heard = session_file.read(made)
    assert not any(route.muted for route in heard.routes), "the user has unmuted them all"
    planned = bounce.plan(heard)
    assert planned.cut == bounce.plan(session_file.read(path)).cut
    own = snapshot.copy(heard, tmp_path / "copy")
    copied = session_file.read(own / made.name)
    assert [route.muted for route in copied.routes] == [False, False, *[True] * 6]


@pytest.mark.parametrize(
    ("rate", "channels", "says"), [(44_100, 2, "44100 Hz"), (48_000, 1, "stereo")]
)
def test_sounds_that_do_not_fit_the_session_are_refused(
    path: Path, tmp_path: Path, rate: int, channels: int, says: str
) -> None:
    found = explained(tmp_path)
    soundfile.write(found.sounds[3].path, np.zeros((9, channels), np.float32), rate)
    with pytest.raises(StemlensError, match=says) as raised:
        hearing.write(session_file.read(path), found)
    assert raised.value.code == "audio_not_audio"
    Path(found.sounds[3].path).write_text("no sound")
    with pytest.raises(StemlensError, match="no WAV file"):
        hearing.write(session_file.read(path), found)
    assert len(list(path.parent.iterdir())) == 1, "nothing was left behind"


@pytest.fixture
def result(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A result of the session, which no Ardour has open, and a server that explains it."""
    monkeypatch.setattr(annotate, "opened", lambda session: None)
    monkeypatch.setattr(TrialsClient, "explained", lambda *_, **__: explained(tmp_path))
    own = tmp_path / "result.json"
    stems = [{"id": "2", "name": "Drums", "kind": "track"}]
    session = {"id": "j", "project": "Söng", "daw": "Ardour", "start_s": 0.0, "tempo": None}
    rest = {"tags": [], "annotations": [], "markers": [], "warnings": []}
    document = {"schema": "stemlens.analysis/1", "session": {**session, "stems": stems}, **rest}
    own.write_text(json.dumps(document), encoding="utf-8")
    return own


def test_the_command_says_where_they_are(
    path: Path, result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bridge(path.parent, "--result", result, "--explain", "rock") == 0
    told = capsys.readouterr().out
    assert "only, whole song: only: <b>rock</b> & 25 points." in told
    assert "in the snapshot 'stemlens Söng why rock'" in told
    assert path.with_name("stemlens Söng why rock.ardour").exists()


def test_sounds_that_do_not_fit_lie_in_a_folder_of_the_session(
    path: Path, result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(SESSION.format(name="Söng", rate=96_000), encoding="utf-8")
    assert bridge(path.parent, "--result", result, "--explain", "rock") == 0
    folder = path.parent / "stemlens" / "why rock"
    assert len(list(folder.glob("why rock - *.wav"))) == 6
    told = capsys.readouterr().out
    assert "the session has 96000 Hz" in told and str(folder) in told


def test_as_what_a_song_is_meant_is_remembered_with_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_file.read(path)
    assert bridge(path.parent, "--intended", "rock, sad", "--list") == 0
    assert record.intended(session) == "rock, sad"
    asked = []

    def told(given: argparse.Namespace) -> None:
        asked.append(options_from(given).intended)
        raise StemlensError("server_unreachable", "No server.")

    monkeypatch.setattr(annotate, "opened", lambda session: None)
    monkeypatch.setattr("stemlens_bridge.commands.ardour._require_server", told)
    for more in ((), ("--options", '{"intended": "jazz"}'), ("--intended", "folk")):
        with pytest.raises(StemlensError):
            bridge(path.parent, *more)
    assert asked == ["rock, sad", "jazz", "folk"] and record.intended(session) == "folk"
    assert bridge(path.parent, "--intended", "", "--list") == 0
    assert record.intended(session) == "" and not (path.parent / "stemlens").exists()
