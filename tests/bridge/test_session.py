"""Which files make a session, and what is said when they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Options
from stemlens_bridge.session import Session
from stemlens_bridge.tempo import TempoChange, TempoMap


def touched(folder: Path, *names: str) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return paths


def described(folder: Path, **session: Any) -> Path:
    path = folder / "session.json"
    path.write_text(json.dumps(session), encoding="utf-8")
    return path


def test_a_folder_is_counted_as_people_count(tmp_path: Path) -> None:
    touched(tmp_path, "10_Pad.wav", "2_Bass Slap 02.wav", "1_Drums.flac", "notes.txt", "._1_D.wav")
    session = Session.read(tmp_path)
    assert [stem.id for stem in session.stems] == ["1_Drums", "2_Bass Slap 02", "10_Pad"]
    assert [stem.name for stem in session.stems] == ["Drums", "Bass Slap 02", "Pad"]
    assert session.project == tmp_path.name and session.mix is None


@pytest.mark.parametrize("name", ["Mix.wav", "MASTER.flac", "full_mix.wav", "mix-master.aif"])
def test_a_mix_among_the_stems_is_never_a_stem(tmp_path: Path, name: str) -> None:
    touched(tmp_path, "drums.wav", "bass.wav", name)
    session = Session.read(tmp_path)
    assert {stem.id for stem in session.stems} == {"drums", "bass"}
    assert session.mix == tmp_path / name


def test_a_stem_may_have_mix_in_its_name(tmp_path: Path) -> None:
    touched(tmp_path, "drum mix.wav", "remix.wav")
    assert len(Session.read(tmp_path).stems) == 2


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    files = touched(tmp_path, "a/kick.wav", "b/kick.wav")
    assert [stem.id for stem in Session.read(*files).stems] == ["a/kick", "b/kick"]


def test_a_stem_that_is_there_twice(tmp_path: Path) -> None:
    touched(tmp_path, "kick.wav", "kick.flac")
    with pytest.raises(StemlensError, match="would both be the stem"):
        Session.read(tmp_path)


def test_unicode_and_spaces(tmp_path: Path) -> None:
    touched(tmp_path, "Gitarre (übersteuert) — 左.wav")
    assert Session.read(tmp_path).stems[0].id == "Gitarre (übersteuert) — 左"


@pytest.mark.parametrize(
    ("names", "says"),
    [([], "has no audio files"),
     (["a.wav", "mix.wav", "master.wav"], "More than one file")],
)  # fmt: skip
def test_folders_that_are_no_session(tmp_path: Path, names: list[str], says: str) -> None:
    touched(tmp_path, *names)
    with pytest.raises(StemlensError, match=says) as caught:
        Session.read(tmp_path)
    assert caught.value.code == "session_invalid"


def test_a_session_file(tmp_path: Path) -> None:
    path = described(
        tmp_path,
        schema="stemlens.session/1",
        project="Song",
        daw="reaper",
        tempo=120,
        start_s=8.5,
        stems=[
            {"id": "{A}", "name": "Drums", "path": "d.wav", "kind": "bus", "fader_db": -3},
            {"path": "sub/bass.wav", "gain_db": -6, "group": "rhythm"},
        ],
        mix="mix.wav",
    )
    for place in (path, tmp_path):
        session = Session.read(place)
        drums, bass = session.stems
        assert (session.project, session.daw, session.tempo) == (
            "Song",
            "reaper",
            TempoMap((TempoChange(0.0, 120.0),)),
        )
        assert (drums.id, drums.name, drums.path) == ("{A}", "Drums", tmp_path / "d.wav")
        assert (drums.kind, drums.facts) == ("bus", {"fader_db": -3})
        assert (bass.id, bass.gain_db, bass.group) == ("bass", -6.0, "rhythm")
        assert session.mix == tmp_path / "mix.wav"
        assert session.options(Options()).start_s == 8.5
    assert Session.read(path, mix=tmp_path / "other.wav").mix == tmp_path / "other.wav"


def test_two_tracks_may_share_a_name_but_not_an_id(tmp_path: Path) -> None:
    stems = [{"id": own, "name": "Gtr", "path": f"{own}.wav"} for own in "ab"]
    assert len(Session.read(described(tmp_path, stems=stems)).stems) == 2
    with pytest.raises(StemlensError, match="two stems with the id 'a'"):
        Session.read(described(tmp_path, stems=[stems[0], stems[0]]))


@pytest.mark.parametrize(
    ("session", "says"),
    [
        ({}, "lacks 'stems'"),
        ({"stems": []}, "has no stems"),
        ({"stems": {}}, "must be a list"),
        ({"stems": [{"id": "a"}]}, "stem 1 lacks 'path'"),
        ({"stems": [{"path": "a.wav", "gain": 3}]}, "did you mean 'gain_db'"),
        ({"stems": [{"path": "a.wav", "gain_db": "loud"}]}, "must be a number"),
        ({"stems": [{"path": "a.wav", "gain_db": True}]}, "must be a number"),
        ({"stems": [{"path": "a.wav", "kind": "folder"}]}, "must be one of track"),
        ({"stems": [{"path": "a.wav"}], "tempo": 0}, "must be a tempo"),
        ({"stems": ["a.wav"]}, "must be a JSON object"),
        ({"stems": [{"path": "a.wav"}], "schema": "stemlens.session/2"}, "reads"),
        ([], "must be a JSON object"),
    ],
)
def test_session_files_that_are_wrong(tmp_path: Path, session: Any, says: str) -> None:
    path = tmp_path / "session.json"
    path.write_text(json.dumps(session))
    with pytest.raises(StemlensError, match=says) as caught:
        Session.read(path)
    assert caught.value.code == "session_invalid"


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StemlensError, match="no file"):
        Session.read(tmp_path / "none.json")
    (tmp_path / "session.json").write_text("{")
    with pytest.raises(StemlensError, match="is not JSON"):
        Session.read(tmp_path)
    with pytest.raises(StemlensError, match="No stems and no mix"):
        Session.read()
    with pytest.raises(StemlensError, match="one session at a time"):
        Session.read(tmp_path, tmp_path / "a.wav")


def test_a_path_that_cannot_be_looked_at_is_told_by_who_opens_it(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 300)  # no file system takes that; Path.is_dir raises for it
    (stem,) = Session.read(long).stems
    assert stem.path == long
    with pytest.raises(StemlensError) as caught:
        Session.read(long.with_suffix(".json"))
    assert caught.value.code == "audio_unreadable"
