"""From the files of an export to stems that add up: nothing guessed, nothing counted twice."""

from __future__ import annotations

import os
import threading
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemlens_bridge.ableton import DAW, decibels
from stemlens_bridge.ableton.export import NORMALISED, Planned, choices, plan, wait
from stemlens_bridge.ableton.live_set import LiveSet, LiveTrack
from stemlens_bridge.ableton.peaks import normalised, peak_db
from stemlens_bridge.errors import StemlensError


def a_set(*tracks: LiveTrack) -> LiveSet:
    return LiveSet(tracks, 120.0, (12, 1))


def named(*names: str) -> LiveSet:
    return a_set(*(LiveTrack(index, name) for index, name in enumerate(names)))


def files(folder: Path, *names: str, peak: float = 0.5) -> list[Path]:
    paths = [folder / f"{name}.wav" for name in names]
    for path in paths:
        soundfile.write(path, np.array([0.0, peak, -peak / 2]), 8000, subtype="PCM_24")
    return paths


def stems(planned: Planned) -> dict[str, str]:
    return {stem.id: stem.path.stem for stem in planned.session.stems}


BAND = ("Drums", "Bass", "3-Audio", "Vox / Lead: <é>")


def test_files_are_matched_by_name(tmp_path: Path) -> None:
    exported = files(
        tmp_path, "My Song Bass", "My Song Drums", "My Song 3-Audio", "My Song Vox _ Lead_ _é_"
    )
    planned = plan(named(*BAND), exported, "Song", 2.5)
    assert stems(planned) == {
        "1": "My Song Drums",
        "2": "My Song Bass",
        "3": "My Song 3-Audio",
        "4": "My Song Vox _ Lead_ _é_",
    }
    session = planned.session
    assert (session.daw, session.project, session.start_s) == (DAW, "Song", 2.5)
    assert session.tempo is not None and session.tempo.to_plain() == 120
    assert (
        planned.told.startswith("4 files, 4 tracks; 4 stems: Drums, Bass") and not planned.warnings
    )


def test_names_with_our_labels_are_the_same_tracks(tmp_path: Path) -> None:
    """Exported while the names still had labels."""
    exported = files(tmp_path, "S Drums {rock 21 of 63 points}", "S Bass {rock -3 of 63 points}")
    assert stems(plan(named("Drums", "Bass"), exported, "S")).keys() == {"1", "2"}


def test_the_mix_and_the_returns(tmp_path: Path) -> None:
    exported = files(tmp_path, "S Drums", "S Bass", "S A-Reverb", "S B-Delay", "S Main", "S Notes")
    planned = plan(named("Drums", "Bass"), exported, "S")
    assert stems(planned) == {
        "1": "S Drums",
        "2": "S Bass",
        "return A-Reverb": "S A-Reverb",
        "return B-Delay": "S B-Delay",
    }
    assert planned.session.mix == tmp_path / "S Main.wav"
    assert [stem.kind for stem in planned.session.stems] == ["track", "track", "return", "return"]
    assert planned.warnings == ("S Notes.wav is no track of the project.",)
    assert "returns: A-Reverb, B-Delay; the mix: S Main.wav" in planned.told


@pytest.mark.parametrize("typed", ["", "X ", "My Song - 2 ", "A-"])
def test_the_mix_and_the_returns_of_tracks_with_short_names(tmp_path: Path, typed: str) -> None:
    """What was typed in front is known from the tracks, whatever it and they look like."""
    names = ("A", "鼓", "3", "A-Verb", "Master")
    planned = plan(named("A", "鼓", "3"), files(tmp_path, *(typed + name for name in names)), "S")
    assert stems(planned).keys() == {"1", "2", "3", "return A-Verb"}
    assert planned.session.mix == tmp_path / f"{typed}Master.wav" and not planned.warnings


def test_a_track_that_is_called_like_the_mix_is_a_track(tmp_path: Path) -> None:
    exported = files(tmp_path, "S Drums", "S Master")
    planned = plan(named("Drums", "Master"), exported, "S")
    assert stems(planned).keys() == {"1", "2"} and planned.session.mix is None


GROUPED = ("Band", "Gtr", "Keys", "Vox")


def grouped(**group: object) -> LiveSet:
    return a_set(
        LiveTrack(0, "Band", foldable=True, **group),  # type: ignore[arg-type]
        LiveTrack(1, "Gtr", group=0, output="Group"),
        LiveTrack(2, "Keys", group=0, output="Group"),
        LiveTrack(3, "Vox"),
    )


def test_a_plain_group_is_opened(tmp_path: Path) -> None:
    planned = plan(grouped(), files(tmp_path, *GROUPED), "S")
    assert stems(planned) == {"2": "Gtr", "3": "Keys", "4": "Vox"}
    assert [stem.group for stem in planned.session.stems] == ["Band", "Band", None]
    assert "not needed: Band.wav" in planned.told


@pytest.mark.parametrize(
    ("group", "why"),
    [
        ({"devices": 1}, "effects"),
        ({"volume": decibels.to_volume(-3.0)}, "fader"),
        ({"pan": -0.2}, "panned"),
    ],
)
def test_a_group_that_does_something_is_one_stem_without_its_children(
    tmp_path: Path, group: dict[str, object], why: str
) -> None:
    planned = plan(grouped(**group), files(tmp_path, *GROUPED), "S")
    assert stems(planned) == {"1": "Band", "4": "Vox"}
    band = planned.session.stems[0]
    assert band.kind == "bus" and band.facts["inside"] == ["2", "3"]
    assert "Gtr.wav, Keys.wav" in planned.told


def test_the_user_may_regroup(tmp_path: Path) -> None:
    exported = files(tmp_path, *GROUPED)
    for live, wish, taken in (
        (grouped(), {"one": ["band"]}, {"1", "4"}),
        (grouped(devices=1), {"open": ["Band"]}, {"2", "3", "4"}),
        (grouped(devices=1), {"skip": ["Band"]}, {"4"}),
    ):
        planned = plan(live, exported, "S", wished=choices(live, wish))
        assert stems(planned).keys() == taken
    with pytest.raises(StemlensError, match="No track is called 'Horns'") as caught:
        choices(grouped(), {"one": ["Horns"]})
    assert caught.value.code == "bad_options"


def test_a_group_and_its_children_are_never_both_taken(tmp_path: Path) -> None:
    """Whatever is exported of them, and however groups are nested."""
    for devices in range(4):
        for left_out in range(2**4):
            tracks = a_set(
                LiveTrack(0, "All", foldable=True, devices=devices & 1),
                LiveTrack(1, "Band", foldable=True, devices=devices & 2, group=0, output="Group"),
                LiveTrack(2, "Gtr", group=1, output="Group"),
                LiveTrack(3, "Vox", group=0, output="Group"),
            )
            there = [t.name for t in tracks.tracks if not left_out & 1 << t.index]
            folder = tmp_path / f"{devices} {left_out}"
            folder.mkdir()
            if not there:
                continue
            taken = set(stems(plan(tracks, files(folder, *there), "S")).values())
            assert taken
            for group, inside in (("All", {"Band", "Gtr", "Vox"}), ("Band", {"Gtr"})):
                assert not (group in taken and taken & inside), (devices, there, taken)


def test_a_group_without_a_file_is_opened_and_that_is_told(tmp_path: Path) -> None:
    planned = plan(grouped(devices=1), files(tmp_path, "Gtr", "Keys", "Vox"), "S")
    assert stems(planned).keys() == {"2", "3", "4"}
    assert "no file for the group 'Band'" in planned.warnings[0]


def test_a_group_whose_tracks_have_no_files_stays_whole(tmp_path: Path) -> None:
    planned = plan(grouped(), files(tmp_path, "Band", "Vox"), "S")
    assert stems(planned).keys() == {"1", "4"} and not planned.warnings


def test_muted_tracks_and_those_that_are_not_heard_are_left_out(tmp_path: Path) -> None:
    tracks = a_set(
        LiveTrack(0, "Drums"),
        LiveTrack(1, "Click", muted=True),
        LiveTrack(2, "Cue", output="Ext. Out"),
    )
    planned = plan(tracks, files(tmp_path, "S Drums", "S Click", "S Cue"), "S")
    assert stems(planned).keys() == {"1"} and "Click (muted)" in planned.told


def test_a_track_that_another_one_feeds_is_one_stem_with_it(tmp_path: Path) -> None:
    tracks = a_set(LiveTrack(0, "Vox", output="2-Bus"), LiveTrack(1, "Bus"), LiveTrack(2, "Drums"))
    planned = plan(tracks, files(tmp_path, "S Vox", "S Bus", "S Drums"), "S")
    assert stems(planned).keys() == {"2", "3"}


def test_ambiguity_is_told_by_name_and_never_guessed(tmp_path: Path) -> None:
    live = named("Drums", "Bass", "Bass")
    with pytest.raises(StemlensError, match=r"2 files, 3 tracks.*could be track 2 and 3") as caught:
        plan(live, files(tmp_path, "S Drums", "S Bass"), "S")
    assert caught.value.code == "tracks_unmatched"
    twice = files(tmp_path, "One Bass", "Two Bass", "One Drums", "Two Drums")
    with pytest.raises(StemlensError, match="would both be the track 'Bass'"):
        plan(named("Drums", "Bass"), twice, "S")


def test_a_stem_without_a_file_is_told(tmp_path: Path) -> None:
    planned = plan(named("Drums", "Bass", "Keys"), files(tmp_path, "S Drums", "S Bass"), "S")
    assert "no file for 'Keys'" in planned.warnings[0] and len(planned.session.stems) == 2


def test_an_export_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(StemlensError, match="none of the files is a track") as caught:
        plan(named("Drums", "Bass"), files(tmp_path, "Banjo", "Tuba"), "S")
    assert caught.value.code == "export_incomplete"


# ---------------------------------------------------------------------------- normalize


@pytest.mark.parametrize(
    ("subtype", "suffix"),
    [("PCM_16", "wav"), ("PCM_24", "wav"), ("PCM_32", "wav"), ("FLOAT", "wav"), ("DOUBLE", "wav"),
     ("PCM_16", "aiff"), ("PCM_24", "aiff")],
)  # fmt: skip
@pytest.mark.parametrize("peak", [0.999, 0.5, 0.01])
def test_peaks(tmp_path: Path, subtype: str, suffix: str, peak: float) -> None:
    samples = np.zeros((300_000, 2))
    samples[123_456, 1] = -peak
    samples[5, 0] = peak / 3
    path = tmp_path / f"x.{suffix}"
    soundfile.write(path, samples, 44_100, subtype=subtype)
    assert peak_db(path) == pytest.approx(20 * np.log10(peak), abs=0.03)


def test_peaks_of_silence_and_of_what_is_not_read(tmp_path: Path) -> None:
    (silent,) = files(tmp_path, "silent", peak=0.0)
    assert peak_db(silent) == -np.inf
    soundfile.write(tmp_path / "x.flac", np.zeros(9), 8000)
    (tmp_path / "cut.wav").write_bytes(silent.read_bytes()[:21])
    (tmp_path / "empty.wav").write_bytes(b"")
    with wave.open(str(tmp_path / "8.wav"), "wb") as eight:
        eight.setparams((1, 1, 8000, 0, "NONE", ""))
        eight.writeframes(b"\xff")
    soundfile.write(tmp_path / "nan.wav", np.full(9, np.nan), 8000, subtype="FLOAT")
    for name in ("x.flac", "cut.wav", "empty.wav", "8.wav", "nan.wav", "none.wav"):
        assert peak_db(tmp_path / name) is None, name


def test_normalize_is_noticed(tmp_path: Path) -> None:
    exported = files(tmp_path, "S Drums", "S Bass", "S Keys", peak=0.9999)
    (silent,) = files(tmp_path, "S Pad", peak=0.0)
    live = named("Drums", "Bass", "Keys", "Pad")
    assert NORMALISED in plan(live, [*exported, silent], "S").warnings
    files(tmp_path, "S Bass", peak=0.95)  # 0.45 dB below
    assert NORMALISED not in plan(live, [*exported, silent], "S").warnings


def test_one_loud_stem_is_no_sign(tmp_path: Path) -> None:
    loud, silent = files(tmp_path, "a", peak=1.0) + files(tmp_path, "b", peak=0.0)
    assert not normalised([loud, silent])
    floats = tmp_path / "c.wav"
    soundfile.write(floats, np.array([2.0]), 8000, subtype="FLOAT")  # far over full scale
    assert not normalised([loud, floats])


# ---------------------------------------------------------------------------- waiting


def test_an_export_is_waited_for_until_it_is_whole_and_quiet(tmp_path: Path) -> None:
    (old,) = files(tmp_path, "Old")
    os.utime(old, (1000, 1000))
    (sample,) = files(tmp_path / "..", "whole")
    whole = sample.read_bytes()

    def live() -> None:
        with (tmp_path / "New.wav").open("wb") as file:
            for at in range(0, len(whole), 10):
                file.write(whole[at : at + 10])
                file.flush()
                time.sleep(0.03)

    thread = threading.Thread(target=live)
    waited = []
    thread.start()
    found = wait(tmp_path, 2000, settle_s=0.1, on_wait=lambda: waited.append(1))
    thread.join()
    assert found == [tmp_path / "New.wav"] and found[0].stat().st_size == len(whole) and waited
    assert wait(tmp_path, None, settle_s=0.1) == [tmp_path / "New.wav", old]


def test_the_folder_is_removed_meanwhile(tmp_path: Path) -> None:
    with pytest.raises(StemlensError) as caught:
        wait(tmp_path / "gone")
    assert caught.value.code == "audio_missing"
