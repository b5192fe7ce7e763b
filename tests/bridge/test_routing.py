"""The cut of the routing: whatever the routing, the stems add up to what arrives at the master."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.routing import Cut, Send, Track, cut


def stems(found: Cut) -> list[str]:
    return [stem.name for stem in found.stems]


def test_plain_tracks_are_stems_and_what_does_not_sound_is_skipped_with_a_reason() -> None:
    tracks = [
        Track("1", "Drums"),
        Track("2", "Click", muted=True),
        Track("3", "Notes", sounds=False),
        Track("4", "Cue mix", output=None),
    ]
    found = cut(tracks)
    assert found.told() == (
        "1 stem: Drums; skipped: Click (muted), Notes (nothing on it), "
        "Cue mix (not heard in the master)"
    )


def test_a_plain_folder_is_opened_and_named_as_the_group() -> None:
    found = cut([Track("f", "Drums", sounds=False), Track("k", "Kick", "f"), Track("s", "S", "f")])
    assert stems(found) == ["Kick", "S"]
    assert {stem.group for stem in found.stems} == {"Drums"}
    assert not found.skipped


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"effects": True}, "effects"),
        ({"automation": True}, "automated"),
        ({"fader_db": -3.0}, "-3.0 dB"),
        ({"pan": 0.5}, "panned"),
        ({"sounds": True}, "sound of its own"),
    ],
)
def test_a_folder_that_does_something_is_one_stem_with_its_children_inside(
    change: dict[str, object], why: str
) -> None:
    folder = replace(Track("f", "Drums", sounds=False), **change)  # type: ignore[arg-type]
    found = cut([folder, Track("k", "Kick", "f"), Track("s", "Snare", "f")])
    (stem,) = found.stems
    assert (stem.name, stem.kind, stem.inside) == ("Drums", "bus", ("k", "s"))
    assert why in stem.why


def test_a_return_is_a_stem_of_its_own_and_told_as_fed() -> None:
    tracks = [
        Track("g", "Guitar", sends=(Send("r", -6.0),)),
        Track("r", "Reverb", sounds=False, effects=True),
    ]
    guitar, reverb = cut(tracks).stems
    assert reverb.kind == "return"
    assert guitar.feeds == ("r",)
    printed = cut(tracks, returns="with source")
    assert stems(printed) == ["Guitar"]
    assert "printed with" in printed.skipped[0].why


def test_a_track_heard_only_through_its_send_is_inside_the_return() -> None:
    tracks = [
        Track("g", "Guitar", output=None, sends=(Send("r", -6.0),)),
        Track("r", "Amp", sounds=False),
    ]
    found = cut(tracks)
    assert stems(found) == ["Amp"]
    assert found.skipped[0].why == "heard only through Amp"


def test_what_is_heard_only_through_returns_is_a_stem_where_returns_come_with_their_source() -> (
    None
):
    tracks = [
        Track("v", "Vox", "b", sends=(Send("r"),)),
        Track("b", "Vox bus", output=None, effects=True, sends=(Send("r"), Send("d"))),
        Track("r", "Reverb", sounds=False),
        Track("d", "Delay", output=None, sounds=False, sends=(Send("r", -6.0),)),
    ]
    found = cut(tracks, returns="with source")
    (stem,) = found.stems
    assert (stem.name, stem.inside) == ("Vox bus", ("v",))
    assert cut(tracks).skipped[1].why == "heard only through Reverb, Delay"


def test_a_send_of_an_opened_folder_is_fed_by_what_lies_in_it() -> None:
    tracks = [
        Track("f", "Drums", sounds=False, sends=(Send("r", -9.0),)),
        Track("k", "Kick", "f"),
        Track("r", "Room", sounds=False, effects=True),
    ]
    kick, room = cut(tracks).stems
    assert (kick.feeds, room.feeds) == (("r",), ())


def test_a_lone_send_at_unity_is_a_main_output() -> None:
    bus = Track("b", "Bus", sounds=False)
    track = Track("g", "Guitar", output=None, sends=(Send("b"),))
    assert stems(cut([track, bus])) == ["Guitar"]
    assert stems(cut([replace(track, sends=(Send("b", -3.0),)), bus])) == ["Bus"]
    assert stems(cut([replace(track, sends=(Send("b", pre_fader=True),)), bus])) == ["Bus"]


def test_a_sidechain_is_no_path_of_sound_but_a_fact() -> None:
    tracks = [
        Track("k", "Kick", sends=(Send("b", sidechain=True),)),
        Track("b", "Bass", effects=True),
    ]
    kick, bass = cut(tracks).stems
    assert kick.sidechains == ("b",) and kick.feeds == () and bass.kind == "track"


def test_the_users_wishes() -> None:
    tracks = [
        Track("f", "Drums", sounds=False),
        Track("k", "Kick", "f"),
        Track("x", "Pads", sounds=False, effects=True),
        Track("p", "Pad", "x"),
    ]
    assert stems(cut(tracks, {"f": "one"})) == ["Drums", "Pads"]
    assert stems(cut(tracks, {"f": "skip"})) == ["Pads"]
    opened = cut(tracks, {"x": "open"})
    assert stems(opened) == ["Kick", "Pad"]
    assert opened.warnings == ("Pads is opened as you wished, though it has effects",)
    fed = [*tracks, Track("g", "Gtr", sends=(Send("x", -3.0),))]
    kept = cut(fed, {"x": "open"})
    assert stems(kept) == ["Kick", "Pads", "Gtr"] and "sends into it" in kept.warnings[0]


def test_a_folder_in_which_nothing_sounds_is_skipped_with_its_children() -> None:
    found = cut(
        [Track("f", "Old", sounds=False, effects=True), Track("k", "Take", "f", silent=True)]
    )
    assert not found.stems
    assert found.told().startswith("no stems; skipped: Old (nothing that feeds it sounds)")


@pytest.mark.parametrize(
    "tracks",
    [
        [Track("a", "A"), Track("a", "B")],
        [Track("a", "A", "gone")],
        [Track("a", "A", sends=(Send("gone"),))],
    ],
)
def test_a_routing_that_cannot_be_is_an_error(tracks: list[Track]) -> None:
    with pytest.raises(StemlensError) as caught:
        cut(tracks)
    assert caught.value.code == "project_invalid"


def test_feedback_does_not_hang() -> None:
    loop = [
        Track("a", "A", "b", sounds=False),
        Track("b", "B", "a", sounds=False),
        Track("c", "C", sends=(Send("d"),)),
        Track("d", "D", sounds=False, sends=(Send("d"),)),
    ]
    assert stems(cut(loop)) == ["C", "D"]


@pytest.mark.parametrize("given_", [{"id": 1, "name": "x"}, {"id": "x"}, {"nam": 3}, "x"])
def test_facts_that_make_no_track_are_refused(given_: object) -> None:
    with pytest.raises(StemlensError) as caught:
        Track.from_plain(given_)  # type: ignore[arg-type]
    assert caught.value.code == "bad_message"


@st.composite
def routings(draw: st.DrawFn) -> list[Track]:
    """Tracks that feed only later ones, so that there is no feedback."""
    count = draw(st.integers(1, 9))
    tracks = []
    for i in range(count):
        later = [str(j) for j in range(i + 1, count)]
        targets = st.sampled_from(later) if later else st.nothing()
        sends = draw(
            st.lists(
                st.builds(
                    Send,
                    targets,
                    st.sampled_from([0.0, -6.0]),
                    st.booleans(),
                    st.sampled_from([False, False, True]),
                ),
                max_size=2,
            )
            if later
            else st.just([])
        )
        tracks.append(
            Track(
                str(i),
                f"track {i}",
                output=draw(st.sampled_from(["", "", None, *later])),
                sounds=draw(st.booleans()),
                fader_db=draw(st.sampled_from([0.0, 0.0, 0.0, -3.0])),
                muted=draw(st.sampled_from([False, False, False, True])),
                sends=tuple(sends),
            )
        )
    return draw(st.permutations(tracks))


def played(tracks: list[Track]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What leaves each track's main output, and what arrives at the master: each track's own sound
    is a dimension of its own."""
    order = sorted(tracks, key=lambda track: int(track.id))
    arrives = {track.id: np.zeros(len(order)) for track in order}
    arrives[""] = np.zeros(len(order))
    leaves = {}
    for i, track in enumerate(order):
        inside = arrives[track.id].copy()
        inside[i] += track.sounds
        if track.muted:
            inside[:] = 0
        leaves[track.id] = inside * 10 ** (track.fader_db / 20)
        if track.output is not None:
            arrives[track.output] += leaves[track.id]
        for send in track.sends:
            if not send.sidechain:
                source = inside if send.pre_fader else leaves[track.id]
                arrives[send.to] += source * 10 ** (send.gain_db / 20)
    return leaves, arrives[""]


@given(routings())
def test_the_stems_add_up_to_the_master_in_every_routing(tracks: list[Track]) -> None:
    leaves, master = played(tracks)
    found = cut(tracks)
    total = sum((leaves[stem.id] for stem in found.stems), np.zeros(len(tracks)))
    np.testing.assert_allclose(total, master, atol=1e-12)
    inside = [own for stem in found.stems for own in (stem.id, *stem.inside)]
    assert len(inside) == len(set(inside)), "no track is in two stems"


@given(routings())
def test_whatever_changes_with_a_stem_is_told_as_fed_by_it(tracks: list[Track]) -> None:
    leaves, _ = played(tracks)
    stems_by_id = {stem.id: stem for stem in cut(tracks).stems}
    for own, stem in stems_by_id.items():
        quiet = [
            replace(track, sounds=False) if track.id in (own, *stem.inside) else track
            for track in tracks
        ]
        without, _ = played(quiet)
        changed = {other for other in stems_by_id if not np.allclose(leaves[other], without[other])}
        told, waiting = {own}, [own]
        while waiting:
            new = set(stems_by_id[waiting.pop()].feeds) - told
            told |= new
            waiting += new
        assert changed <= told


def test_a_track_in_a_muted_folder_is_printed_for_its_return() -> None:
    """Its send goes on although its folder is shut."""
    reverb = Send("1", 0.0, False, False)
    tracks = [
        Track("0", "Voice", output="2", sounds=True, sends=(reverb,)),
        Track("1", "Reverb", sounds=False),
        Track("2", "Folder", sounds=False, muted=True),
    ]
    assert [stem.id for stem in cut(tracks, returns="with source").stems] == ["0"]
    assert not cut(tracks, {"2": "skip"}, returns="with source").stems


@given(routings())
def test_no_sound_is_lost_where_returns_come_with_their_source(tracks: list[Track]) -> None:
    _, master = played(tracks)
    found = cut(tracks, returns="with source")
    inside = [own for stem in found.stems for own in (stem.id, *stem.inside)]
    assert len(inside) == len(set(inside)), "no track is in two stems"
    by_id = {track.id: track for track in tracks}

    def printed(own: str) -> bool:
        track = by_id[own]
        onwards = [send.to for send in track.sends if not send.sidechain] + [track.output or ""]
        return own in inside or (not track.muted and any(printed(to) for to in onwards if to))

    assert all(printed(track.id) for track in tracks if abs(master[int(track.id)]) > 1e-12)
