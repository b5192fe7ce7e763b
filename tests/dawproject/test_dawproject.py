"""Results in copies of DAWproject files: valid, in the right places, and gone without a trace."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from support.dawprojects import BITWIG, STUDIO_ONE, project_xml, require_valid, song

from stemlens_bridge import cli, dawproject, marks
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings, StemName, TagVerdict, TimeNote, TrackNote

WORDS = "rock: 21 of 63 points (muting it: −9)"


def findings(
    *names: str, markers: tuple[tuple[str, float], ...] = (), start_s: float = 0.0
) -> Findings:
    """Findings with a note for each name; markers as (name, seconds)."""
    ids = {name: f"stem {i}" for i, name in enumerate(names)}
    return Findings(
        job="j",
        project="p",
        daw="files",
        start_s=start_s,
        tempo=None,
        stems=tuple(StemName(own, name, "track") for name, own in ids.items()),
        tags=(),
        notes=tuple(
            TrackNote(own, WORDS, "rock 21 of 63 points", "#E69F00") for own in ids.values()
        ),
        markers=tuple(
            TimeNote(ids[name], at, at + 3, f"{name}: +12 points of rock") for name, at in markers
        ),
    )


def comments(xml: bytes) -> dict[str, str]:
    return {e.get("name"): e.get("comment") for e in require_valid(xml).iter() if e.get("comment")}


def our_markers(xml: bytes) -> list[tuple[float, str]]:
    found = [(float(m.get("time")), m.get("name")) for m in require_valid(xml).iter("Marker")]
    return [(time, name) for time, name in found if name.startswith(marks.MARKER_PREFIX)]


ALL = ("Kick & Snare", "Drums", "Bass", "Pad", "Reverb")


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize(
    ("xml", "names"), [(BITWIG, ALL), (STUDIO_ONE, ('Lead Vocal "A"', "Bass", "Vocal Bus"))]
)
def test_what_is_put_in_is_valid_and_comes_out_to_the_byte(
    xml: str, names: tuple[str, ...], colour: bool
) -> None:
    original = xml.encode()
    require_valid(original)
    found = findings(*names, markers=tuple((name, i * 5.0) for i, name in enumerate(names)))
    once = dawproject.annotate(original, found, colour=colour)
    assert (once.tracks, once.markers, once.problems) == (len(names), len(names), ())
    written = comments(once.xml)
    assert all(WORDS in (marks.ours(written[name]) or "") for name in names)
    assert dawproject.annotate(once.xml, found, colour=colour).xml == once.xml
    other = dawproject.annotate(once.xml, findings(*names), colour=not colour).xml
    for annotated in (once.xml, other):
        assert dawproject.without_annotations(annotated)[0] == original
    assert dawproject.without_annotations(original) == (original, 0)


def test_the_users_words_stay_first() -> None:
    written = comments(dawproject.annotate(BITWIG.encode(), findings("Bass", "Pad")).xml)
    assert written["Bass"] == f"DI — re-amp?\nmute in verse\n[Stemlens] {WORDS} [/Stemlens]"
    assert written["Pad"].strip() == f"[Stemlens] {WORDS} [/Stemlens]"


def test_only_what_is_told_changes() -> None:
    """Every byte outside the one attribute is where it was."""
    original = STUDIO_ONE.encode()
    new = dawproject.annotate(original, findings("Vocal Bus")).xml
    inserted = f' comment="[Stemlens] {WORDS} [/Stemlens]"'.encode()
    assert inserted in new and new.replace(inserted, b"") == original


def test_the_track_and_not_the_bus_of_the_same_name() -> None:
    tree = require_valid(dawproject.annotate(STUDIO_ONE.encode(), findings("Bass")).xml)
    assert [e.tag for e in tree.iter() if e.get("comment")] == ["Track"]


def test_colours_only_when_asked_for_and_the_users_change_wins() -> None:
    found = findings("Bass", "Gtr 2")
    xml = BITWIG.replace('id="id10" name="Gtr"', 'id="id10" name="Gtr 2"').encode()
    plain = require_valid(dawproject.annotate(xml, found).xml)
    assert plain.find(".//Track[@id='id7']").get("color") == "#a2eabf"
    coloured = dawproject.annotate(xml, found, colour=True).xml
    tree = require_valid(coloured)
    assert tree.find(".//Track[@id='id7']").get("color") == "#E69F00"
    assert tree.find(".//Track[@id='id10']").get("color") == "#E69F00"
    since = coloured.replace(b'name="Bass" color="#E69F00"', b'name="Bass" color="#123456"')
    back = require_valid(dawproject.without_annotations(since)[0])
    assert back.find(".//Track[@id='id7']").get("color") == "#123456"
    assert back.find(".//Track[@id='id10']").get("color") is None


def test_whether_the_mix_is_heard_as_it_is_meant_is_a_marker() -> None:
    verdict = TagVerdict("sad", "not heard", 0.04, "sad is not heard.")
    found = replace(findings("Bass"), verdicts=(verdict,))
    annotated = dawproject.annotate(BITWIG.encode(), found)
    assert our_markers(annotated.xml) == [(0.0, "stemlens: meant as sad (not heard)")]
    assert dawproject.without_annotations(annotated.xml)[0] == BITWIG.encode()


def test_what_belongs_to_no_track_is_a_marker_and_comes_out_again() -> None:
    note = TimeNote("", 4.0, 20.0, "highlight: rock")
    lost = TimeNote("gone", 1.0, 2.0, "Lost: +3 points of rock")
    found = replace(findings("Bass"), markers=(lost, note))
    new = dawproject.annotate(BITWIG.encode(), found).xml
    assert [name for _, name in our_markers(new)] == ["stemlens: highlight: rock"]
    assert dawproject.without_annotations(new)[0] == BITWIG.encode()


def test_a_marker_that_the_user_made_since_stays() -> None:
    found = findings("Bass", markers=(("Bass", 1.0),))
    annotated = dawproject.annotate(BITWIG.encode(), found).xml
    since = annotated.replace(b"</Markers>", b'<Marker time="3" name="Solo"/></Markers>')
    back = require_valid(dawproject.without_annotations(since)[0])
    assert [m.get("name") for m in back.iter("Marker")] == ["Solo"]


def test_times_in_seconds_where_the_project_counts_seconds() -> None:
    found = findings("Bass", markers=(("Bass", 61.25),))
    new = dawproject.annotate(STUDIO_ONE.encode(), found).xml
    assert our_markers(new) == [(61.25, "stemlens: Bass: +12 points of rock")]
    assert b'Marker time="24.5" name="Chorus" color="#00FF00"/>\r\n\t\t\t<Marker time="61.25' in new


@pytest.mark.parametrize(
    ("seconds", "beat"),
    [
        (0.0, 0.0),
        (2.0, 4.0),  # 120 a minute
        (4.0, 8.0),  # there the tempo drops to 60 and rises to 120 over 8 quarter notes
        (4.0 + 5.545177, 16.0),  # which takes 60 · 8 · ln 2 / 60 seconds
        (4.0 + 60 * 8 / 60 * 0.405465108, 12.0),  # halfway: 90 a minute, ln(90/60)
        (10.545177, 18.0),
    ],
)
def test_times_in_quarter_notes_by_the_projects_own_tempo(seconds: float, beat: float) -> None:
    found = findings("Bass", markers=(("Bass", seconds),))
    ((at, _),) = our_markers(dawproject.annotate(BITWIG.encode(), found).xml)
    assert at == pytest.approx(beat, abs=1e-4)


def test_tempo_automation_in_seconds() -> None:
    """From 60 to 120 a minute over 10 s are 15 quarter notes; in 5 s, at 90, there were 6.25."""
    xml = (
        BITWIG.replace('unit="bpm" timeUnit="beats"', 'unit="bpm" timeUnit="seconds"')
        .replace('value="120.000000" interpolation="hold" time="0.000000"',
                 'value="60.000000" interpolation="linear" time="0.000000"')
        .replace('value="60.000000" interpolation="linear" time="8.000000"',
                 'value="120.000000" interpolation="hold" time="10.000000"')
    )  # fmt: skip
    found = findings("Bass", markers=(("Bass", 5.0), ("Bass", 10.0), ("Bass", 11.0)))
    at = [time for time, _ in our_markers(dawproject.annotate(xml.encode(), found).xml)]
    assert at == pytest.approx([6.25, 15.0, 17.0])


def test_markers_without_a_unit_count_quarter_notes() -> None:
    """Reference.html: without a unit here or outside, quarter notes."""
    xml = STUDIO_ONE.replace('<Markers timeUnit="seconds">', "<Markers>").encode()
    found = findings("Bass", markers=(("Bass", 60.0),))
    ((at, _),) = our_markers(dawproject.annotate(xml, found).xml)
    assert at == 96.0


def test_no_tempo_no_place_in_quarter_notes() -> None:
    xml = BITWIG[: BITWIG.index("        <TempoAutomation")] + "    </Arrangement>\n</Project>"
    xml = xml.replace(' value="120.000000" id="id0"', ' id="id0"')
    with pytest.raises(StemlensError, match="does not say its tempo") as caught:
        dawproject.annotate(xml.encode(), findings("Bass", markers=(("Bass", 1.0),)))
    assert caught.value.code == "project_invalid"


@pytest.mark.parametrize(
    "arrangement",
    [
        '<Arrangement id="a"></Arrangement>',
        '<Arrangement id="a">\n    <Lanes timeUnit="beats"/>\n  </Arrangement>',
        '<Arrangement id="a">\n    <Markers id="m"/>\n  </Arrangement>',
        '<Arrangement id="a">\n    <Markers id="m" comment="mine" />\n  </Arrangement>',
    ],
)
def test_arrangements_that_are_nearly_empty(arrangement: str) -> None:
    head = BITWIG[: BITWIG.index("    <Arrangement")]
    original = (head + "  " + arrangement + "\n</Project>").encode()
    found = findings("Bass", markers=(("Bass", 1.0), ("Bass", 2.0)))
    annotated = dawproject.annotate(original, found)
    assert [at for at, _ in our_markers(annotated.xml)] == [2.0, 4.0]
    assert dawproject.annotate(annotated.xml, found).xml == annotated.xml
    back = dawproject.without_annotations(annotated.xml)[0]
    assert back.replace(b'"mine"/>', b'"mine" />') == original


def test_what_cannot_be_written_is_told() -> None:
    found = findings("Bass", "Gtr", "Choir", markers=(("Bass", -2.0), ("Gtr", 3.0), ("Bass", 0.0)))
    annotated = dawproject.annotate(BITWIG.encode(), found)
    assert (annotated.tracks, annotated.markers) == (1, 1)
    several, unknown, early = annotated.problems
    assert "Several tracks are called 'Gtr'" in several
    assert "'Choir'" in unknown
    assert "2.0 s before the project's start" in early
    no_arrangement = BITWIG[: BITWIG.index("    <Arrangement")] + "</Project>"
    annotated = dawproject.annotate(no_arrangement.encode(), found)
    assert annotated.markers == 0 and "no arrangement" in annotated.problems[-1]


def test_a_stem_whose_name_only_ends_like_a_track_is_not_that_track() -> None:
    found = dawproject.annotate(BITWIG.encode(), findings("Synth Bass", "Pad"))
    assert found.tracks == 1 and "'Synth Bass'" in " ".join(found.problems)
    assert dawproject.annotate(BITWIG.encode(), findings("Bass", "Pad")).tracks == 2


def test_names_as_a_stem_folder_has_them() -> None:
    found = findings("My Song_01_Kick + Snare", "My Song_02_bass", "My Song_03_Pad")
    found = replace(found, stems=(StemName("stem 0", "My Song_01_Drums", "bus"), *found.stems[1:]))
    annotated = dawproject.annotate(BITWIG.encode(), found)
    assert annotated.problems == ()
    assert set(comments(annotated.xml)) == {"Drums", "Bass", "Pad"}


def test_nothing_matches() -> None:
    with pytest.raises(StemlensError, match="The project's tracks: Bass, Drums, Gtr") as caught:
        dawproject.annotate(BITWIG.encode(), findings("Choir", "Organ"))
    assert caught.value.code == "tracks_unmatched"


def test_nothing_to_say_is_no_error() -> None:
    silent = replace(findings("Bass"), notes=())
    assert dawproject.annotate(BITWIG.encode(), silent).xml == BITWIG.encode()


# -------------------------------------------------------------------------------------- files


def result_file(path: Path, *names: str) -> Path:
    found = findings(*names, markers=((names[0], 1.0),))
    document = {
        "schema": "stemlens.analysis/1",
        "session": {
            "id": "j", "project": "p", "daw": "files", "start_s": 0.0, "tempo": None,
            "stems": [{"id": s.id, "name": s.name, "kind": s.kind} for s in found.stems],
        },
        "tags": [],
        "annotations": [
            {"track": n.track, "text": n.text, "label": n.label, "color": n.color}
            for n in found.notes
        ],
        "markers": [
            {"track": m.track, "start_s": m.start_s, "end_s": m.end_s, "text": m.text}
            for m in found.markers
        ],
        "warnings": [],
    }  # fmt: skip
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original, copy, clean = (tmp_path / f"{n}.dawproject" for n in ("song", "copy", "clean"))
    song(original)
    before = original.read_bytes()
    result = result_file(tmp_path / "r.json", "Bass", "Choir")
    annotate = ["dawproject", "annotate", str(original), str(result), "-o", str(copy)]
    assert cli.main([*annotate, "--color"]) == 0
    out = capsys.readouterr()
    assert "1 track of 2 annotated, 1 marker written" in out.out
    assert "'Choir'" in out.err
    assert original.read_bytes() == before
    assert cli.main(annotate) == 1
    assert "exists already" in capsys.readouterr().err
    assert cli.main([*annotate, "--replace"]) == 0
    assert cli.main(["dawproject", "remove", str(copy), "-o", str(clean)]) == 0
    assert "2 annotations taken out" in capsys.readouterr().out
    assert project_xml(clean) == BITWIG.encode()


def test_the_other_members_are_carried_over(tmp_path: Path) -> None:
    original, copy = song(tmp_path / "a.dawproject"), tmp_path / "b.dawproject"
    dawproject.annotate_file(original, findings("Bass"), copy)
    with zipfile.ZipFile(original) as old, zipfile.ZipFile(copy) as new:
        assert new.testzip() is None and new.comment == old.comment
        for one, other in zip(old.infolist(), new.infolist(), strict=True):
            for fact in ("filename", "date_time", "compress_type", "external_attr", "comment"):
                assert getattr(one, fact) == getattr(other, fact)
            if one.filename != "project.xml":
                assert old.read(one) == new.read(other)
    require_valid(project_xml(copy))


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_the_original_is_never_written_to(tmp_path: Path, link: object) -> None:
    original = song(tmp_path / "a.dawproject")
    target = original
    if callable(link):
        target = tmp_path / "link.dawproject"
        link(original, target)
    with pytest.raises(StemlensError, match="never changed") as caught:
        dawproject.annotate_file(original, findings("Bass"), target, replace=True)
    assert caught.value.code == "output_failed"
    assert project_xml(original) == BITWIG.encode()


def test_a_copy_that_cannot_be_written(tmp_path: Path) -> None:
    original = song(tmp_path / "a.dawproject")
    with pytest.raises(StemlensError) as caught:
        dawproject.annotate_file(original, findings("Bass"), tmp_path / "no" / "b.dawproject")
    assert caught.value.code == "output_failed"


def test_projects_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.dawproject"

    def complaint() -> str:
        with pytest.raises(StemlensError) as caught:
            dawproject.annotate_file(path, findings("Bass"), tmp_path / "b.dawproject")
        assert caught.value.code == "project_invalid"
        assert not (tmp_path / "b.dawproject").exists()
        return caught.value.message

    assert "cannot be read" in complaint()
    path.write_bytes(BITWIG.encode())
    assert "is damaged" in complaint()
    whole = song(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in complaint()
    at = whole.index(b"project.xml") + 40
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    assert "is damaged" in complaint()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Project.xml", BITWIG)
    assert "has no project.xml" in complaint()
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("project.xml", BITWIG)
        archive.writestr("project.xml", BITWIG)
    assert "more than one project.xml" in complaint()
    song(path, "<Song/>")
    assert "no project but a 'Song'" in complaint()
    song(path, BITWIG[:-20])
    assert "not XML" in complaint()
    song(path, '<!DOCTYPE a [<!ENTITY e "x">]><Project version="&e;"/>')
    assert "DTD" in complaint()


def test_a_password_and_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = song(tmp_path / "a.dawproject")
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)  # the second in the directory
    data[entry + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(StemlensError, match="password"):
        dawproject.annotate_file(path, findings("Bass"), tmp_path / "b")
    monkeypatch.setattr("stemlens_bridge.dawproject.annotating.MAX_BYTES", 2**20)
    song(path, BITWIG + " " * 2**20)
    with pytest.raises(StemlensError, match="more than 1 MiB"):
        dawproject.annotate_file(path, findings("Bass"), tmp_path / "b")
