"""What an analysis is as a MIDI file, read back with mido."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
from support.meter import Meter
from support.sounds import stem_folder
from typer.testing import CliRunner

from stemlens import Options, analyze, cli
from stemlens.over_time import OverTime, saved
from stemlens.report import midi
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings, StemName, TagFinding, TimeNote
from stemlens_bridge.tempo import TempoChange, TempoMap

RAMP = TempoMap(
    (
        TempoChange(-3.0, 90.0, 3, 4),
        TempoChange(10.0, 133.7, 7, 8),
        TempoChange(10.5, 61.3, 4, 4),
        TempoChange(200.0, 174.0, 4, 4),
    )
)


def findings(*times_s: float, tempo: TempoMap | None = None, names: str = "AB") -> Findings:
    """Findings with a marker at each time and two tags that can lead."""
    return Findings(
        job="j",
        project="Song",
        daw="files",
        start_s=0.0,
        tempo=tempo,
        stems=tuple(StemName(f"s{i}", name, "track") for i, name in enumerate(names)),
        tags=tuple(TagFinding(tag, "genre", 0.5, 0.1, ()) for tag in ("rock", "ambient")),
        notes=(),
        markers=tuple(TimeNote("s0", at, at + 3, f"marker {at}: −3 points") for at in times_s),
    )


def over_time(
    leads: str = "rrrr", shares: object = None, start_s: float = 0.0, segment_s: float = 3.0
) -> OverTime:
    """Two tags, of which rock (r) or ambient (a) leads in each segment, and two stems."""
    count = len(leads)
    scores = np.array([[0.6, 0.3] if lead == "r" else [0.3, 0.6] for lead in leads])
    attributions = np.zeros((count, 2, 2))
    if shares is not None:
        attributions[:, :, 0] = shares
    return OverTime(
        start_s + segment_s * np.arange(count, dtype=float),
        segment_s, scores.reshape(count, 2), np.zeros((count, 2)), attributions,
        ("s0", "s1"), ("rock", "ambient"),
    )  # fmt: skip


def read_back(path: Path) -> mido.MidiFile:
    return mido.MidiFile(path, charset="utf-8")


def written(tmp_path: Path, *given: object, **more: object) -> mido.MidiFile:
    path = tmp_path / "out.mid"
    midi.write(path, *given, **more)  # type: ignore[arg-type]
    return read_back(path)


def in_seconds(file: mido.MidiFile) -> list[tuple[float, mido.Message]]:
    """Every message of all tracks at its time, by the file's own tempo, as any reader has it."""
    now, found = 0.0, []
    for message in file:  # mido merges the tracks and turns ticks into seconds
        now += message.time
        found.append((now, message))
    return found


def markers(file: mido.MidiFile) -> list[tuple[float, str]]:
    return [(at, message.text) for at, message in in_seconds(file) if message.type == "marker"]


def texts(file: mido.MidiFile) -> list[str]:
    return [m.text for m in file.tracks[0] if m.type == "text"]


@pytest.mark.parametrize("tempo", [TempoMap((TempoChange(0.0, 97.3),)), RAMP])
def test_positions_to_a_millisecond(tmp_path: Path, tempo: TempoMap) -> None:
    times = [0.0, 0.001, 4.0, 9.999, 10.0, 10.25, 17.77, 199.999, 200.001, 600.123]
    file = written(tmp_path, findings(*times, tempo=tempo))
    found = [at for at, _ in markers(file)]
    assert found == pytest.approx(times, abs=1e-3)
    assert file.type == 1 and texts(file) == []


def test_a_bounce_that_starts_later_lies_where_the_project_has_it(tmp_path: Path) -> None:
    """At 120 a minute second 30 is quarter note 60: bar 16 of a song in four."""
    file = written(
        tmp_path,
        findings(30.0, tempo=TempoMap((TempoChange(0.0, 120.0),))),
        over_time("rrrraaaa", start_s=30.0),
    )
    ticks = {}
    now = 0
    for message in file.tracks[0]:
        now += message.time
        if message.type == "marker":
            ticks[message.text] = now / file.ticks_per_beat
    assert ticks == {
        "stemlens: marker 30.0: -3 points": 60.0,
        "stemlens: section: rock, less ambient": 60.0,
        "stemlens: section: ambient, less rock": 84.0,
    }


@pytest.mark.parametrize("tempo", [TempoMap((TempoChange(0.0, 120.0),)), RAMP])
def test_before_the_projects_start_the_file_moves_by_whole_bars(
    tmp_path: Path, tempo: TempoMap
) -> None:
    times = [-7.5, -1.0, 0.0, 12.0]
    file = written(tmp_path, findings(*times, tempo=tempo))
    (told,) = texts(file)
    lead_s = float(told.partition("(")[2].partition(" s)")[0])
    quarters = float(told.split()[4])
    bar = 4 * tempo.changes[0].numerator / tempo.changes[0].denominator
    assert quarters % bar == 0 and 0 <= lead_s - 7.5 < bar * 60 / tempo.changes[0].bpm
    assert [at - lead_s for at, _ in markers(file)] == pytest.approx(times, abs=1e-3)


def test_the_tempo_map_is_there(tmp_path: Path) -> None:
    file = written(tmp_path, findings(tempo=RAMP))
    tempi = [(at, m) for at, m in in_seconds(file) if m.type == "set_tempo"]
    meters = [(at, m) for at, m in in_seconds(file) if m.type == "time_signature"]
    assert [at for at, _ in tempi] == pytest.approx([0.0, 10.0, 10.5, 200.0], abs=1e-3)
    assert [mido.tempo2bpm(m.tempo) for _, m in tempi] == pytest.approx(
        [90, 133.7, 61.3, 174], rel=2e-6
    )
    assert [(m.numerator, m.denominator) for _, m in meters] == [(3, 4), (7, 8), (4, 4), (4, 4)]


def test_no_tempo_is_told(tmp_path: Path) -> None:
    file = written(tmp_path, findings(1.0))
    assert "tempo is not known" in texts(file)[0] and "120 beats" in texts(file)[0]
    assert markers(file)[0][0] == pytest.approx(1.0, abs=1e-3)


def test_a_meter_that_midi_does_not_know(tmp_path: Path) -> None:
    file = written(tmp_path, findings(tempo=TempoMap((TempoChange(0.0, 120.0, 4, 6),))))
    assert "meter 4/6" in texts(file)[0]
    assert not [m for m in file.tracks[0] if m.type == "time_signature"]


@pytest.mark.parametrize(
    ("times", "bpm"), [((9e6,), 120.0), ((1.0,), 3.0)], ids=["too late", "too slow"]
)
def test_what_a_midi_file_cannot_hold(times: tuple[float, ...], bpm: float) -> None:
    tempo = TempoMap((TempoChange(0.0, bpm),))
    with pytest.raises(StemlensError, match="cannot hold") as caught:
        midi.midi_file(findings(*times, tempo=tempo))
    assert caught.value.code == "output_failed"


def test_sections_are_those_of_the_structure(tmp_path: Path) -> None:
    """What is not told elsewhere is told here, also where the policy makes no markers of it."""
    given = over_time("rrrraaaa")
    file = written(tmp_path, findings(), given)
    assert markers(file) == [
        (pytest.approx(0.0, abs=1e-3), "stemlens: section: rock, less ambient"),
        (pytest.approx(12.0, abs=1e-3), "stemlens: section: ambient, less rock"),
    ]
    already = replace(findings(), markers=(TimeNote("", 12.0, 24.0, "section: otherwise told"),))
    assert [text for _, text in markers(written(tmp_path, already, given))] == [
        "stemlens: section: otherwise told"
    ]
    assert not markers(written(tmp_path, findings(), over_time("rrrrrrrr")))


def test_what_belongs_to_no_track_is_a_marker_too(tmp_path: Path) -> None:
    given = replace(findings(), markers=(TimeNote("", 3.0, 20.0, "highlight: rock"),))
    assert markers(written(tmp_path, given)) == [
        (pytest.approx(3.0, abs=1e-3), "stemlens: highlight: rock")
    ]


def test_lanes_at_a_finer_hop_change_in_the_middle_of_their_segments(tmp_path: Path) -> None:
    tempo = TempoMap((TempoChange(0.0, 60.0),))
    coarse = over_time("rrr", [[0.0, 0.0], [0.2, 0.0], [0.0, 0.0]])
    fine = replace(coarse, start_s=np.array([0.0, 1.0, 2.0]))
    beat = 1920
    assert lane(written(tmp_path, findings(tempo=tempo), fine, lanes=["rock"]).tracks[1]) == [
        (0, 64), (2 * beat, 127), (3 * beat, 64),
    ]  # fmt: skip


def lane(track: mido.MidiTrack) -> list[tuple[int, int]]:
    now, found = 0, []
    for message in track:
        now += message.time
        if message.type == "control_change":
            assert message.control == 20
            found.append((now, message.value))
    return found


def test_lanes(tmp_path: Path) -> None:
    """One scale for all stems: the largest share, 31 points, is told as 35 for 127."""
    tempo = TempoMap((TempoChange(0.0, 60.0),))
    shares = [[0.0, 0.35 / 63], [0.31, 0.0], [0.31, 0.0], [-0.31, 0.0]]
    given = over_time("rrrr", shares, start_s=2.0)
    file = written(tmp_path, findings(tempo=tempo), given, lanes=["rock"])
    _, first, second = file.tracks
    assert first.name == "A: share of rock, controller 20, 64 = 0, 127 = +35 points"
    assert second.name == "B: share of rock, controller 20, 64 = 0, 127 = +35 points"
    beat = file.ticks_per_beat
    high = 64 + round(63 * 31 / 35)
    assert lane(first) == [(0, 64), (5 * beat, high), (11 * beat, 128 - high), (14 * beat, 64)]
    assert lane(second) == [(0, 64), (2 * beat, 65), (5 * beat, 64)]


def test_a_tag_that_is_asked_for_twice_has_one_lane(tmp_path: Path) -> None:
    given = over_time("rr", [[0.2, 0], [-0.2, 0]])
    assert len(written(tmp_path, findings(), given, lanes=["rock"] * 200).tracks) == 3


def test_lanes_reach_both_ends_and_never_beyond(tmp_path: Path) -> None:
    file = written(tmp_path, findings(), over_time("rr", [[0.2, 0], [-0.2, 0]]), lanes=["rock"])
    assert [value for _, value in lane(file.tracks[1])] == [127, 1, 64]
    silent = written(tmp_path, findings(), over_time("rr"), lanes=["ambient"])
    assert "127 = +5 points" in silent.tracks[1].name
    assert [value for _, value in lane(silent.tracks[1])] == [64]


def test_a_lane_that_begins_before_the_project(tmp_path: Path) -> None:
    tempo = TempoMap((TempoChange(0.0, 60.0),))
    given = over_time("rr", [[0.2, 0], [0.0, 0]], start_s=-5.0)
    file = written(tmp_path, findings(tempo=tempo), given, lanes=["rock"])
    assert "8 quarter notes (8.000 s)" in texts(file)[0]
    beat = file.ticks_per_beat
    assert lane(file.tracks[1]) == [(0, 64), (3 * beat, 127), (6 * beat, 64)]


def test_names_in_any_script(tmp_path: Path) -> None:
    given = replace(findings(names=("Gitarre übersteuert", "低音\n— 🎸")), project="Été\x00")
    file = written(tmp_path, given, over_time("r"), lanes=["rock"])
    names = [track.name.partition(": share")[0] for track in file.tracks]
    assert names == ["Été : Stemlens", "Gitarre übersteuert", "低音 - 🎸"]
    raw = (tmp_path / "out.mid").read_bytes()
    assert "低音".encode() in raw and b"-3 points" not in raw


def test_what_is_ours_is_plain_ascii(tmp_path: Path) -> None:
    """A reader that takes texts as Latin-1, as the older ones do, shows markers as they are."""
    written(tmp_path, findings(1.0), over_time("rrrraaaa"))
    file = mido.MidiFile(tmp_path / "out.mid", charset="ascii")
    assert [m.text for m in file.tracks[0] if m.type == "marker"] == [
        "stemlens: section: rock, less ambient", "stemlens: marker 1.0: -3 points",
        "stemlens: section: ambient, less rock",
    ]  # fmt: skip


def test_lanes_of_no_tag() -> None:
    with pytest.raises(StemlensError, match="did you mean 'rock'") as caught:
        midi.midi_file(findings(), over_time(), lanes=["rok"])
    assert caught.value.code == "bad_options"
    with pytest.raises(StemlensError, match="--npz") as caught:
        midi.midi_file(findings(), None, lanes=["rock"])
    assert caught.value.code == "result_invalid"


# ------------------------------------------------------------------------------- the commands


def saved_result(tmp_path: Path) -> Path:
    folder = stem_folder(tmp_path / "Song", seconds=6.0, stems=3)
    options = Options.from_dict({"tempo": 96.0, "start_s": 4.0})
    analysis = analyze(folder, options, tagger=Meter()).with_npz(tmp_path / "t.npz")
    analysis.write_json(tmp_path / "r.json")
    over = analysis.over_time
    read = saved(tmp_path / "r.json")[1]
    assert read is not None and read.tags == over.tags and read.stems == over.stems
    np.testing.assert_allclose(read.attributions, over.attributions)
    np.testing.assert_allclose(read.start_s, over.start_s)
    return tmp_path / "r.json"


def test_midi_of_a_saved_result(tmp_path: Path) -> None:
    result = saved_result(tmp_path)
    out = tmp_path / "o.mid"
    done = CliRunner().invoke(cli.app, ["midi", str(result), "-o", str(out), "--lanes", "loud"])
    assert done.exit_code == 0, done.output
    file = read_back(out)
    assert [track.name.partition(":")[0] for track in file.tracks] == [
        "Song", "chord", "kick", "noise",
    ]  # fmt: skip
    told = sorted(m["start_s"] for m in json.loads(result.read_text())["markers"])
    assert [at for at, _ in markers(file)] == pytest.approx(told, abs=1e-3)
    first = next(at for at, m in in_seconds(file) if m.type == "control_change" and m.value != 64)
    assert first == pytest.approx(4.0, abs=1e-3)


def test_a_result_that_was_moved_and_one_without_shares_over_time(tmp_path: Path) -> None:
    result = saved_result(tmp_path)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("r.json", "t.npz"):
        os.rename(tmp_path / name, moved / name)
    assert saved(moved / "r.json")[1] is not None
    (moved / "t.npz").rename(result.with_name("elsewhere"))
    out = tmp_path / "o.mid"
    run = CliRunner().invoke
    done = run(cli.app, ["midi", str(moved / "r.json"), "-o", str(out)])
    assert done.exit_code == 0 and "sections are left out" in done.output
    done = run(cli.app, ["midi", str(moved / "r.json"), "-o", str(out), "--lanes", "loud"])
    assert isinstance(done.exception, StemlensError)
    assert done.exception.code == "result_invalid"


@pytest.mark.parametrize("damage", [b"", b"no zip", "half", "other"])
def test_shares_over_time_that_are_damaged(tmp_path: Path, damage: bytes | str) -> None:
    result = saved_result(tmp_path)
    npz = tmp_path / "t.npz"
    if damage == "half":
        npz.write_bytes(npz.read_bytes()[: npz.stat().st_size // 2])
    elif damage == "other":
        arrays = dict(np.load(npz))
        np.savez(npz, **{**arrays, "scores": arrays["scores"][:1]})
    else:
        npz.write_bytes(damage)
    with pytest.raises(StemlensError, match="shares over time") as caught:
        saved(result)
    assert caught.value.code == "result_invalid"


def test_midi_of_an_analysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "loaded_tagger", lambda *_: Meter())
    folder = stem_folder(tmp_path / "Song", seconds=4.0)
    out = tmp_path / "o.mid"
    command = ["analyze", str(folder), "--midi", str(out)]
    done = CliRunner().invoke(cli.app, [*command, "--midi-lanes", "loud"])
    assert done.exit_code == 0, done.output
    assert len(read_back(out).tracks) == 3
    done = CliRunner().invoke(cli.app, [*command, "--midi-lanes", "lout"])
    assert isinstance(done.exception, StemlensError) and "'loud'" in str(done.exception)
    done = CliRunner().invoke(cli.app, ["analyze", str(folder), "--midi-lanes", "loud"])
    assert done.exit_code == 2 and "--midi FILE" in done.output
