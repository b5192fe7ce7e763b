"""Notes in copies of Live's sets: in the right place, nowhere else, and gone without a trace."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import als as sets
from support.als import AlsTrack
from support.findings import findings

from stemlens_bridge import als, marks
from stemlens_bridge.ableton import DAW, palette
from stemlens_bridge.cli import main
from stemlens_bridge.errors import StemlensError

VERSIONS = (10, 11, 12)
TRACKS = (
    AlsTrack("Drums", "GroupTrack"),
    AlsTrack('Kick & "Snare" <é> 鼓', annotation='mine: "<&>"\nsecond line\té', colour=0),
    AlsTrack("3-Operator", "MidiTrack", user_name="", colour=69),
    AlsTrack("A-Reverb", "ReturnTrack", user_name=""),
)
STEMS = {
    "1": "Drums",
    "2": 'Kick & "Snare" <é> 鼓',
    "3": "3-Operator",
    "return A-Reverb": "A-Reverb",
}
NOTE = "rock: 21 of 63 points (muting it: −9)"


def a_set(version: int = 11, tracks: tuple[AlsTrack, ...] = TRACKS) -> als.AlsSet:
    return als.AlsSet(Path("song.als"), sets.xml(version, tracks), True)


def again(changed: als.Changed) -> als.AlsSet:
    return als.AlsSet(Path("copy.als"), changed.xml, True)


def texts(xml: bytes) -> list[str]:
    return [
        track.annotation.get("Value") or ""
        for track in als.tracks_of(als.AlsSet(Path("x"), xml, True))
    ]


def colours(xml: bytes) -> list[int]:
    tracks = als.tracks_of(als.AlsSet(Path("x"), xml, True))
    return [int(track.colour.get("Value") or "") for track in tracks if track.colour is not None]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("colour", [False, True])
def test_notes_go_into_info_texts_and_out_again_to_the_byte(version: int, colour: bool) -> None:
    original = a_set(version)
    changed = als.annotate(original, findings(STEMS, daw=DAW), colour=colour)
    assert changed.tracks == 4 and not changed.problems
    found = texts(changed.xml)
    assert found[1].startswith('mine: "<&>"\nsecond line\té\n[Stemlens] ' + NOTE)
    assert all(NOTE in (marks.ours(text) or "") for text in found)
    assert als.remove(again(changed)).xml == original.xml


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("colour", [False, True])
def test_nothing_else_changes(version: int, colour: bool) -> None:
    """Every line but those of a track's own info text and colour is the same."""
    original = a_set(version)
    changed = als.annotate(original, findings(STEMS, daw=DAW, without=["3"]), colour=colour)
    before, after = original.xml.split(b"\n"), changed.xml.split(b"\n")
    assert len(before) == len(after)
    different = [at for at in range(len(before)) if before[at] != after[at]]
    name = rb"\t{5}<Annotation Value" + (rb"|\t{4}<Color(Index)? Value" if colour else rb"")
    assert all(re.match(name, after[at]) for at in different)
    assert len(different) == (6 if colour else 3)


@pytest.mark.parametrize("version", VERSIONS)
def test_colours_are_counted_as_the_version_counts(version: int) -> None:
    changed = als.annotate(a_set(version), findings(STEMS, daw=DAW, without=["3"]), colour=True)
    blue = palette.nearest("#0072B2")
    assert palette.PALETTE[blue] == "#007DC0"
    assert colours(changed.xml) == [
        place + (140 if version == 10 else 0) for place in (blue, blue, 69, blue)
    ]


def test_running_again_replaces_and_never_piles_up() -> None:
    original = a_set()
    once = als.annotate(original, findings(STEMS, daw=DAW), colour=True)
    twice = als.annotate(again(once), findings(STEMS, daw=DAW), colour=True)
    assert twice.xml == once.xml and twice.tracks == 0
    other = als.annotate(again(once), findings(STEMS, daw=DAW, points=30, without=["1"]))
    assert [text.count("[Stemlens]") for text in texts(other.xml)] == [0, 1, 1, 1]
    assert colours(other.xml) == [7, 0, 69, 7]  # no colours were asked for this time
    assert als.remove(again(other)).xml == original.xml


def test_what_the_user_did_meanwhile_stays() -> None:
    changed = als.annotate(a_set(), findings(STEMS, daw=DAW), colour=True).xml
    changed = changed.replace(b"mine:", b"yours:").replace(
        b'\t\t\t\t<Color Value="23" />', b'\t\t\t\t<Color Value="5" />', 1
    )
    removed = als.remove(als.AlsSet(Path("x"), changed, True)).xml
    assert texts(removed)[1] == 'yours: "<&>"\nsecond line\té' and colours(removed) == [5, 0, 69, 7]


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
@settings(max_examples=30)
def test_any_name_and_any_text(text: str) -> None:
    original = a_set(tracks=(AlsTrack(text, annotation=text), AlsTrack(f"{text} too")))
    try:
        tracks = als.tracks_of(original)
    except StemlensError:  # U+FFFE and the like are no XML: Live could not have written it
        return
    stems = {"1": tracks[0].name, "2": tracks[1].name}
    changed = als.annotate(original, findings(stems, daw=DAW))
    assert changed.tracks == 2 and als.remove(again(changed)).xml == original.xml


def test_a_moved_track_is_found_and_others_are_told() -> None:
    tracks = (
        AlsTrack("New"),
        AlsTrack("Drums"),
        AlsTrack("Bass 2"),
        AlsTrack("Pad"),
        AlsTrack("Pad"),
    )
    stems = {"1": "Drums", "2": "Bass", "3": "Pad"}
    changed = als.annotate(a_set(tracks=tracks), findings(stems, daw=DAW))
    assert [bool(marks.ours(text)) for text in texts(changed.xml)] == [
        False, True, False, False, False
    ]  # fmt: skip
    told = " ".join(changed.problems)
    assert "'Drums' was moved" in told and "'Bass' was renamed or deleted" in told
    assert "several are called 'Pad'" in told


def test_stems_of_a_folder_are_matched_by_name() -> None:
    """File systems cost names their case and some characters."""
    stems = {"a": "drums", "b": "Kick & _Snare_ _é_ 鼓", "c": "Banjo"}
    tracks = (AlsTrack("Drums {rock 9 of 63 points}"), TRACKS[1])
    changed = als.annotate(a_set(tracks=tracks), findings(stems))
    assert changed.tracks == 2
    assert changed.problems == ("No track is called 'Banjo'; nothing was written for it.",)


def test_no_track_fits() -> None:
    with pytest.raises(StemlensError, match=r"'Drums', .*something to say of 'Banjo'") as caught:
        als.annotate(a_set(), findings({"x": "Banjo"}))
    assert caught.value.code == "tracks_unmatched"


def test_an_old_palette_is_left_alone() -> None:
    xml = sets.xml(10, TRACKS).replace(b"Ableton Live 10.1.43", b"Ableton Live 9.7.7")
    original = als.AlsSet(Path("x"), xml, True)
    changed = als.annotate(original, findings(STEMS, daw=DAW), colour=True)
    assert colours(changed.xml) == colours(xml) and "Live 9" in changed.problems[0]
    assert len(changed.problems) == 1


RESULT = {
    "schema": "stemlens.analysis/1",
    "session": {
        "id": "job",
        "project": "Song",
        "daw": "files",
        "start_s": 0.0,
        "tempo": None,
        "stems": [{"id": "d", "name": "Drums", "kind": "track"}],
    },
    "tags": [],
    "annotations": [
        {"track": "d", "text": NOTE, "label": "rock 21 of 63 points", "color": "#0072B2"}
    ],
    "markers": [],
    "warnings": [],
}


@pytest.fixture
def song(tmp_path: Path) -> Path:
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    return sets.write(tmp_path / "song.als", 12, TRACKS)


def test_the_commands(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = hashlib.sha256(song.read_bytes()).digest()
    copy, clean = song.with_name("copy.als"), song.with_name("clean.als")
    result = str(song.with_name("result.json"))
    assert main(["als", "annotate", str(song), result, "-o", str(copy), "--color"]) == 0
    assert "1 track changed" in capsys.readouterr().out
    assert NOTE.encode() in gzip.decompress(copy.read_bytes())
    assert main(["als", "annotate", str(song), result, "-o", str(copy)]) == 1
    assert "--replace" in capsys.readouterr().err
    assert main(["als", "annotate", str(song), result, "-o", str(copy), "--replace"]) == 0
    assert main(["als", "remove", str(copy), "-o", str(clean)]) == 0
    assert gzip.decompress(clean.read_bytes()) == gzip.decompress(song.read_bytes())
    assert hashlib.sha256(song.read_bytes()).digest() == before
    (song.parent / "elsewhere").mkdir()
    assert main(["als", "remove", str(copy), "-o", str(song.parent / "elsewhere" / "x.als")]) == 0
    assert "Live may not find" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["same", "dots", "symlink", "hardlink"])
def test_the_set_itself_is_never_written_to(song: Path, how: str) -> None:
    before = song.read_bytes()
    copy = song.parent / "link.als"
    if how == "same":
        copy = song
    elif how == "dots":
        copy = song.parent / "." / ".." / song.parent.name / "song.als"
    elif how == "symlink":
        copy.symlink_to(song)
    else:
        os.link(song, copy)
    with pytest.raises(StemlensError, match="never changed") as caught:
        als.annotate_file(song, findings({"1": "Drums"}), copy, replace=True)
    assert caught.value.code == "output_failed" and song.read_bytes() == before


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty|no element found"),
        (b"RIFF", "is not XML"),
        (gzip.compress(b"<Ableton></Ableton>"), "has no tracks"),
        (gzip.compress(b"<Other><LiveSet><Tracks/></LiveSet></Other>"), "no set of Ableton Live"),
        (gzip.compress(sets.xml(11, TRACKS))[:-20], "damaged"),
        (gzip.compress(b"<Ableton><LiveSet><Tracks><AudioTrack/></Tracks></LiveSet></Ableton>"),
         "version of Live whose sets are not known"),
    ],
)  # fmt: skip
def test_what_is_no_set(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "song.als"
    path.write_bytes(data)
    with pytest.raises(StemlensError, match=sentence) as caught:
        als.remove_from_file(path, tmp_path / "copy.als")
    assert caught.value.code == "project_invalid" and not (tmp_path / "copy.als").exists()


def test_a_small_file_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stemlens_bridge.xmlsplice.MAX_BYTES", 2**20)
    path = tmp_path / "bomb.als"
    path.write_bytes(gzip.compress(bytes(2**23)))
    with pytest.raises(StemlensError, match="larger than 1 MiB"):
        als.read(path)


def test_a_set_that_is_not_compressed_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "song.als"
    path.write_bytes(sets.xml(11, TRACKS))
    als.annotate_file(path, findings(STEMS, daw=DAW), tmp_path / "copy.als")
    assert (tmp_path / "copy.als").read_bytes().startswith(b"<?xml")
