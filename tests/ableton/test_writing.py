"""Names, colours and locators in Live: on the right track or on none, and taken back whole."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.abletonosc import Cue, LiveStandIn, Track
from support.findings import findings

from stemlens_bridge import marks
from stemlens_bridge.ableton import DAW, link, locators, palette
from stemlens_bridge.ableton.link import LiveLink
from stemlens_bridge.ableton.memory import Before, Memory
from stemlens_bridge.ableton.writing import Report, Writer, _hit
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import TimeNote
from stemlens_bridge.tempo import TempoMap

LABEL = " {rock 21 of 63 points}"
STEMS = {"1": "Drums", "2": "Bass", "3": "Keys", "4": "4-Audio"}
SET_NAME, SET_COLOR = "/live/track/set/name", "/live/track/set/color_index"
BLUE = palette.nearest("#0072B2")


def band() -> list[Track]:
    return [Track("Drums", color_index=1), Track("Bass", color_index=2), Track("Keys"), Track("")]


def link_to(live: LiveStandIn) -> LiveLink:
    return LiveLink(port=live.port, reply_port=live.reply_port, tick_s=live.tick_s)


def annotate(
    live: LiveStandIn, folder: Path, *what: str, stems: dict[str, str] = STEMS, points: int = 21
) -> Report:
    with link_to(live) as there:
        found = findings(stems, daw=DAW, points=points)
        return Writer(there, Memory(folder=folder)).annotate(found, what or ("name",))


def remove(live: LiveStandIn, folder: Path) -> Report:
    with link_to(live) as there:
        report = Writer(there, Memory(folder=folder)).remove()
        locators.remove(there, report)
        return report


def test_names_get_a_label_and_lose_it_again(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live:
        report = annotate(live, tmp_path)
        assert live.names() == [f"{name}{LABEL}" for name in STEMS.values()]
        assert (report.tracks, report.steps, report.problems) == (4, 4, []) and len(live.undo) == 4
        report = remove(live, tmp_path)
        assert live.names() == list(STEMS.values())
        assert (report.tracks, report.steps, report.problems) == (4, 4, []) and len(live.undo) == 8
        assert live.tracks[3].user_name == ""  # Live goes on counting it
        assert not list(tmp_path.iterdir())


def test_running_again_replaces_and_never_piles_up(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live:
        annotate(live, tmp_path)
        assert annotate(live, tmp_path).steps == 0 and len(live.undo) == 4
        report = annotate(live, tmp_path, stems={"1": "Drums"}, points=30)
        # what has nothing to say any more loses its label
        assert live.names() == ["Drums {rock 30 of 63 points}", "Bass", "Keys", "4-Audio"]
        assert (report.tracks, report.steps) == (1, 4) and len(live.undo) == 8


def test_a_typed_name_that_looks_automatic_comes_back(tmp_path: Path) -> None:
    with LiveStandIn(Track("1-Kick"), Track("7-Kick")) as live:
        annotate(live, tmp_path, stems={"1": "1-Kick", "2": "7-Kick"})
        report = remove(live, tmp_path)
        assert [track.user_name for track in live.tracks] == ["1-Kick", "7-Kick"]
        assert report.steps == 3 and not report.problems


def test_colours_are_remembered_and_put_back(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live:
        report = annotate(live, tmp_path, "color")
        assert [track.color_index for track in live.tracks] == [BLUE] * 4
        assert live.names() == list(STEMS.values()) and report.steps == len(live.undo) == 4
        annotate(live, tmp_path, "color")  # again: what is remembered is what was before the first
        live.turn(1, color_index=5)  # the user's own choice since
        report = remove(live, tmp_path)
        assert [track.color_index for track in live.tracks] == [1, 5, 13, 13]
        assert report.steps == 3 and not report.problems and not list(tmp_path.iterdir())


def test_a_user_s_colour_between_two_runs_is_the_one_to_go_back_to(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live:
        annotate(live, tmp_path, "name", "color")
        live.turn(0, color_index=33)
        annotate(live, tmp_path, "name", "color")
        remove(live, tmp_path)
        assert [track.color_index for track in live.tracks] == [33, 2, 13, 13]


def test_a_track_that_was_moved_renamed_or_deleted(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live:
        live.move(0, 2)  # Bass, Keys, Drums, 4-Audio
        live.rename(1, "Rhodes")
        live.delete(3)
        report = annotate(live, tmp_path, "name", "color")
        assert live.names() == [f"Bass{LABEL}", "Rhodes", f"Drums{LABEL}"]
        assert [track.color_index for track in live.tracks] == [BLUE, 13, BLUE]
        told = " ".join(report.problems)
        assert "'Bass' was moved" in told and "'Drums' was moved" in told
        assert "'Keys' was renamed or deleted" in told
        assert "'4-Audio' was renamed or deleted" in told
        remove(live, tmp_path)
        assert live.names() == ["Bass", "Rhodes", "Drums"]
        assert [track.color_index for track in live.tracks] == [2, 13, 1]


USER = {
    "moves down": lambda live: live.move(0, 3),
    "moves up": lambda live: live.move(3, 0),
    "swaps": lambda live: live.move(0, 1),
    "adds above": lambda live: live.insert(0, Track("")),
    "deletes above": lambda live: live.delete(0),
    "deletes below": lambda live: live.delete(3),
    "renames another": lambda live: live.rename(3, "Pad"),
}


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("how", USER)
@pytest.mark.parametrize("what", ["name", "color"])
def test_the_user_acts_in_the_very_tick_of_a_write(
    tmp_path: Path, what: str, how: str, at: int
) -> None:
    """Between the last look and the write there is a tick in which anything can happen."""
    tracks = [Track("Drums", color_index=1), Track("Bass"), Track("Keys"), Track("Vox")]
    colours = {track: track.color_index for track in tracks}
    names = {track: track.user_name for track in tracks}
    stems = {"1": "Drums", "2": "Bass", "3": "Keys"}
    with LiveStandIn(*tracks, tick_s=0.004) as live:
        live.before(SET_NAME if what == "name" else SET_COLOR, lambda: USER[how](live), at)
        annotate(live, tmp_path, what, stems=stems)
        for track in live.tracks:
            mine = track.user_name if what == "name" else track.color_index
            theirs = {"name": names.get(track, ""), "color": colours.get(track)}[what]
            ours = {"name": f"{names.get(track)}{LABEL}", "color": BLUE}[what]
            if names.get(track) in stems.values():
                assert mine == ours, live.names()
            elif track in names and how != "renames another":
                assert mine == theirs, live.names()
            else:  # a new track has a name that Live makes; its colour nobody could know
                assert mine in ("", "Pad", 13, BLUE), live.names()
        remove(live, tmp_path)
        assert {t.user_name for t in live.tracks} <= {*names.values(), "", "Pad"}
        assert all(t.color_index == colours[t] for t in live.tracks if t in colours)


def test_what_is_hit_when_a_track_above_is_deleted_in_the_same_tick() -> None:
    before = [(name, 1, devices) for devices, name in enumerate("ABCD")]
    after = [("B", 1, 1), ("C", 1, 2), ("C {x}", 1, 3)]  # A deleted; D was written instead of C
    hit = _hit(before, after, 2, 0, "C {x}")
    assert hit is not None and hit.name == "D"
    # A deleted, and B written instead of A: names and order alone could not tell
    hit = _hit(before, [("A {x}", 1, 1), ("C", 1, 2), ("D", 1, 3)], 0, 0, "A {x}")
    assert hit is not None and hit.name == "B"
    alike = [(name, 1, 0) for name in "ABCD"]
    hit = _hit(alike, [("A {x}", 1, 0), ("C", 1, 0), ("D", 1, 0)], 0, 0, "A {x}")
    assert hit is not None and hit.before is None  # nobody can tell, and that is told


def test_no_annotation_is_lost_at_30_percent_loss(tmp_path: Path) -> None:
    names = {str(number): f"Track {number}" for number in range(1, 17)}
    tracks = [Track(name) for name in names.values()]
    with LiveStandIn(*tracks, loss=0.3, tick_s=0.002) as live:
        report = annotate(live, tmp_path, "name", "color", stems=names)
        assert live.names() == [f"{name}{LABEL}" for name in names.values()]
        assert all(track.color_index == BLUE for track in live.tracks)
        assert report.tracks == 16 and report.steps == len(live.undo) == 32 and live.lost > 20
        report = remove(live, tmp_path)
        assert live.names() == list(names.values()) and report.steps == 32
        assert all(track.color_index == 13 for track in live.tracks)


def test_64_tracks_take_a_tick_or_two_each(tmp_path: Path) -> None:
    names = {str(number): f"Track {number}" for number in range(1, 65)}
    with LiveStandIn(*[Track(name) for name in names.values()], tick_s=0.02) as live:
        annotate(live, tmp_path, stems=names)
        assert live.names() == [f"{name}{LABEL}" for name in names.values()]
        assert live.handled["/live/song/get/track_data"] < 100


def test_two_tracks_of_one_name_are_told_apart_by_their_places_until_one_moves(
    tmp_path: Path,
) -> None:
    stems = {"1": "Gtr", "2": "Gtr", "3": "Vox"}
    with LiveStandIn(*[Track(name) for name in stems.values()]) as live:
        annotate(live, tmp_path, stems={"2": "Gtr", "3": "Vox", "1": "Gtr"})
        assert live.names() == [f"{name}{LABEL}" for name in stems.values()]
        remove(live, tmp_path)
        live.move(2, 0)
        report = annotate(live, tmp_path, stems=stems)
        assert live.names() == [f"Vox{LABEL}", "Gtr", "Gtr"]
        assert "several are called 'Gtr'" in " ".join(report.problems)


def test_returns_are_told() -> None:
    with LiveStandIn(*band()) as live:
        report = annotate(live, Path("unused"), stems={"return A-Reverb": "A-Reverb"})
        assert "Returns cannot be reached" in report.problems[0] and report.tracks == 0


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
        min_size=2,
        max_size=4,
        unique_by=marks.without_label,
    )
)
def test_every_ugly_name_comes_back(tmp_path: Path, names: list[str]) -> None:
    stems = {str(at): marks.without_label(name) for at, name in enumerate(names, 1)}
    with LiveStandIn(*[Track(name) for name in stems.values()], tick_s=0.002) as live:
        report = annotate(live, tmp_path, "name", "color", stems=stems)
        assert live.names() == [f"{name}{LABEL}" for name in stems.values()] and not report.problems
        remove(live, tmp_path)
        assert live.names() == list(stems.values())


# ---------------------------------------------------------------------------- interruptions


@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_ctrl_c_at_any_write_and_the_set_is_clean(tmp_path: Path, at: int) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as there:
        writer = Writer(there, Memory(folder=tmp_path))
        address = SET_COLOR if at == 5 else SET_NAME
        live.before(address, lambda: os.kill(os.getpid(), signal.SIGINT), min(at, 3))
        with pytest.raises(KeyboardInterrupt):
            writer.annotate(findings(STEMS, daw=DAW), ["name", "color"])
        assert live.names() != list(STEMS.values())
        writer.take_back()
        assert live.names() == list(STEMS.values())
        assert [track.color_index for track in live.tracks] == [1, 2, 13, 13]


def test_ctrl_c_in_a_second_run_leaves_the_first(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as there:
        annotated = f"Drums{LABEL}", f"Bass{LABEL}"
        Writer(there, Memory(folder=tmp_path)).annotate(
            findings({"1": "Drums", "2": "Bass"}, daw=DAW), ["name"]
        )
        writer = Writer(there, Memory(folder=tmp_path))
        live.before(SET_NAME, lambda: os.kill(os.getpid(), signal.SIGINT), 2)
        with pytest.raises(KeyboardInterrupt):
            writer.annotate(findings(STEMS, daw=DAW, points=30), ["name"])
        writer.take_back()
        assert tuple(live.names()[:2]) == annotated


def test_ctrl_c_in_a_second_run_keeps_what_the_first_remembers(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as there:
        blue = findings(STEMS, daw=DAW)
        orange = replace(blue, notes=tuple(replace(n, color="#D55E00") for n in blue.notes))
        Writer(there, Memory(folder=tmp_path)).annotate(blue, ["color"])
        writer = Writer(there, Memory(folder=tmp_path))
        live.before(SET_COLOR, lambda: os.kill(os.getpid(), signal.SIGINT), 2)
        with pytest.raises(KeyboardInterrupt):
            writer.annotate(orange, ["color"])
        writer.take_back()
        assert [track.color_index for track in live.tracks] == [BLUE] * 4
        Writer(there, Memory(folder=tmp_path)).remove()
        assert [track.color_index for track in live.tracks] == [1, 2, 13, 13]


def test_an_automatic_name_stays_automatic(tmp_path: Path) -> None:
    """When the run is taken back, and when the track was moved before it is removed."""
    with LiveStandIn(Track("Drums"), Track(""), Track("Keys")) as live, link_to(live) as there:
        stems = {"1": "Drums", "2": "2-Audio", "3": "Keys"}
        writer = Writer(there, Memory(folder=tmp_path))
        live.before(SET_NAME, lambda: os.kill(os.getpid(), signal.SIGINT), 3)
        with pytest.raises(KeyboardInterrupt):
            writer.annotate(findings(stems, daw=DAW), ["name"])
        writer.take_back()
        assert [track.user_name for track in live.tracks] == ["Drums", "", "Keys"]
        Writer(there, Memory(folder=tmp_path)).annotate(findings(stems, daw=DAW), ["name"])
        live.move(1, 2)
        assert live.names()[2] == f"2-Audio{LABEL}"
        Writer(there, Memory(folder=tmp_path)).remove()
        assert live.names() == ["Drums", "Keys", "3-Audio"] and not live.tracks[2].user_name


def test_live_is_closed_while_it_is_written_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "PATIENCE_S", 0.5)
    with LiveStandIn(*band(), tick_s=0.005) as live:
        live.before(SET_NAME, live.quit, 2)
        with pytest.raises(StemlensError) as caught:
            annotate(live, tmp_path)
        assert caught.value.code == "daw_unreachable"
        live.start()
        remove(live, tmp_path)
        assert live.names() == list(STEMS.values())


# ---------------------------------------------------------------------------- locators

TEMPO = TempoMap.from_plain(120.0)
PEAKS = [
    TimeNote("1", 4.0, 7.0, "Drums: +21 points of rock"),
    TimeNote("", 8.03, 25.0, "highlight: rock"),  # which belongs to no track
]


def mark(live: LiveStandIn) -> Report:
    report = Report()
    assert TEMPO is not None
    with link_to(live) as there:
        locators.write(there, PEAKS, TEMPO, report)
    return report


def cues(live: LiveStandIn) -> list[tuple[float, str]]:
    return [(cue.time, cue.name) for cue in live.cues]


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_locators_are_set_and_removed_and_the_playhead_is_where_it_was(
    tmp_path: Path, loss: float
) -> None:
    with LiveStandIn(*band(), loss=loss, tick_s=0.002) as live:
        live.cues = [Cue("Verse", 1 / 3), Cue("Chorus", 40.0)]
        live.song_time = 5.25
        report = mark(live)
        assert cues(live) == [
            (1 / 3, "Verse"),
            (8.0, "stemlens: Drums: +21 points of rock"),
            (16.0625, "stemlens: highlight: rock"),
            (40.0, "Chorus"),
        ]
        assert live.song_time == 5.25 and report.steps == 4 and not report.problems
        assert mark(live).steps == 0  # never piles up
        remove(live, tmp_path)
        assert cues(live) == [(1 / 3, "Verse"), (40.0, "Chorus")] and live.song_time == 5.25


def test_a_user_s_locator_is_never_toggled_away() -> None:
    with LiveStandIn(*band()) as live:
        live.cues = [Cue("Drop", 8.0)]
        report = mark(live)
        assert cues(live) == [(8.0, "Drop"), (16.0625, "stemlens: highlight: rock")]
        assert "a locator at beat 8 already" in report.problems[0]


def test_nothing_while_live_plays(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live:
        live.playing, live.song_time = True, 3.0
        assert mark(live).problems == [locators.PLAYING] and not live.cues and live.song_time == 3
        live.cues = [Cue("stemlens: x", 1.0)]
        assert remove(live, tmp_path).problems == [locators.PLAYING] and len(live.cues) == 1


def test_an_older_abletonosc_cannot_set_locators() -> None:
    with LiveStandIn(*band(), lacks=["/live/song/cue_point/add_or_delete"]) as live:
        live.song_time = 2.0
        with pytest.raises(StemlensError, match="Install the current one") as caught:
            mark(live)
        assert caught.value.code == "daw_failed" and live.song_time == 2.0


# ---------------------------------------------------------------------------- memory


def test_memory_is_kept_by_set_and_damage_is_told(tmp_path: Path) -> None:
    memory = Memory("Song: a/b?", tmp_path)
    memory.remember(Before("1", "Bass", 3, 23))
    assert Memory("Song: a/b?", tmp_path).tracks == [Before("1", "Bass", 3, 23)]
    assert Memory("Other", tmp_path).tracks == [] and memory.path.parent == tmp_path
    for text in ("{", '{"schema": "x"}', '{"schema": "stemlens.ableton-memory/1", "tracks": [{}]}'):
        memory.path.write_text(text)
        with pytest.raises(StemlensError, match="damaged"):
            Memory("Song: a/b?", tmp_path)
