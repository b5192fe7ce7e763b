"""File names as DAWs write them become readable names, and find their tracks."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemlens_bridge.stemfolder import sorted_out
from stemlens_bridge.stemnames import match, track_names

# what the DAW wrote → what a person would call the tracks, and which file is the mix
EXPORTS = {
    "LMMS": (
        ["1_BD 03.wav", "2_Pad.wav", "10_808 Bass.wav"],
        ["BD 03", "Pad", "808 Bass"],
        None,
    ),
    "Cubase 12": (
        [
            "bevy - 0002 - Instrument - Drums1.wav",
            "bevy - 0011 - Group - Vocals Group.wav",
            "bevy -  - Output - Stereo Out.wav",
        ],
        ["Drums1", "Vocals Group"],
        "bevy -  - Output - Stereo Out.wav",
    ),
    "Cubase 14": (
        ["79 - Audio - Gtr.wav", "79 - Instrument - Keys.wav", "79 - Output - Stereo Out.wav"],
        ["Gtr", "Keys"],
        "79 - Output - Stereo Out.wav",
    ),
    "Nuendo Live": (["01 - bass_01.wav", "02 - guitar_03.wav"], ["bass", "guitar"], None),
    "Ableton Live": (
        ["northern Bass.wav", "northern Brass.wav", "northern A-Reverb.wav", "northern Main.wav"],
        ["Bass", "Brass", "A-Reverb"],
        "northern Main.wav",
    ),
    "Ableton Live, annotated": (
        ["x Bass {rock 21 of 63 points}.wav", "x Pad {sad -4 of 20 points}.wav", "x Drums.wav"],
        ["Bass", "Pad", "Drums"],
        None,
    ),
    "FL Studio": (
        ["song_Kick.wav", "song_Insert 12.wav", "song_Current.wav", "song_Master.wav"],
        ["Kick", "Insert 12"],
        "song_Master.wav",
    ),
    "Logic Pro": (["Kick.aif", "Kick_1.aif", "Bass_bip.aif"], ["Kick", "Kick_1", "Bass"], None),
    "Pro Tools": (
        ["Kick Out.dup1_01.wav", "OH_02.wav", "Electric Gtr_01-01.wav"],
        ["Kick Out", "OH", "Electric Gtr"],
        None,
    ),
    "REAPER": (
        ["Song-01-Bass.wav", "Song-02-Drums.wav", "Song-03-Vox.wav"],
        ["Bass", "Drums", "Vox"],
        None,
    ),
    "numbers that are names": (
        ["Guitar 1.wav", "Guitar 2.wav", "Guitar 3.wav"],
        ["Guitar 1", "Guitar 2", "Guitar 3"],
        None,
    ),
    "takes that are names": (["Synth_01.wav", "Synth_02.wav"], ["Synth_01", "Synth_02"], None),
    "sides": (["Gtr L.wav", "Gtr R.wav"], ["Gtr L", "Gtr R"], None),
    "letters in common": (["Bass.wav", "Brass.wav"], ["Bass", "Brass"], None),
    "one file": (["01 - Song_01.wav"], ["01 - Song_01"], None),
    "other scripts": (
        ["песня Бас.wav", "песня Барабаны.wav"],
        ["Бас", "Барабаны"],
        None,
    ),
}


@pytest.mark.parametrize("daw", EXPORTS)
def test_names_as_a_daw_writes_them(daw: str) -> None:
    files, names, mix = EXPORTS[daw]
    export = sorted_out([Path("export", name) for name in files])
    assert list(export.names) == names
    assert (export.mix and export.mix.name) == mix


@given(
    st.lists(
        st.text(st.characters(exclude_characters="/\x00", codec="utf-8"), min_size=1, max_size=12),
        min_size=1,
        max_size=6,
        unique_by=str.casefold,
    )
)
def test_no_two_names_become_one_and_none_becomes_nothing(names: list[str]) -> None:
    files = [Path(f"{name}.wav") for name in names]
    shown = track_names(files)
    assert all(shown)
    written = {unicodedata.normalize("NFC", path.stem).casefold() for path in files}
    assert len(set(map(str.casefold, shown))) == len(written)


def pairs(files: list[str], tracks: list[str]) -> tuple[dict[str, str], str]:
    found = match([Path(name) for name in files], tracks)
    told = [f"{path.name} is no track" for path in found.strangers]
    return {p.name: tracks[i] for p, i in found.pairs.items()}, " ".join([*told, *found.problems])


def test_files_find_their_tracks_by_the_daws_own_names() -> None:
    found, problems = pairs(
        ["song 1-Audio.wav", "song Kick_Snare.wav", "song Voix e\u0301.wav"],
        ["1-Audio", "Kick/Snare", "Voix \u00e9", "unused"],
    )
    assert found == {
        "song 1-Audio.wav": "1-Audio",
        "song Kick_Snare.wav": "Kick/Snare",
        "song Voix e\u0301.wav": "Voix \u00e9",
    }
    assert not problems


def test_a_single_file_behind_a_typed_name_finds_the_longest_track() -> None:
    assert pairs(["song Synth Bass.wav"], ["Bass", "Synth Bass"])[0] == {
        "song Synth Bass.wav": "Synth Bass"
    }


def test_what_fits_several_tracks_or_none_is_told_and_never_guessed() -> None:
    found, problems = pairs(["Bass.wav", "Lead.wav", "Kick.wav"], ["Bass", "bass", "Kick"])
    assert found == {"Kick.wav": "Kick"}
    assert "Bass.wav could be track 1 and 2" in problems
    assert "Lead.wav is no track" in problems


def test_two_files_for_one_track_are_told() -> None:
    found, problems = pairs(["01 - Bass.wav", "02 - bass.wav", "03 - Pad.wav"], ["Bass", "Pad"])
    assert found == {"03 - Pad.wav": "Pad"}
    assert "would both be the track 'Bass'" in problems
