"""A trial is carried out in Live as far as faders go, told in names, and taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.abletonosc import LiveStandIn, Track
from support.trialserver import EQ, LEVEL, TrialServer, numbered, trial

from stemlens_bridge.ableton import DAW, memory
from stemlens_bridge.ableton.applying import apply, undo
from stemlens_bridge.ableton.decibels import from_volume, to_volume
from stemlens_bridge.ableton.link import LiveLink
from stemlens_bridge.ableton.memory import Memory
from stemlens_bridge.ableton.writing import Writer
from stemlens_bridge.applying import Step
from stemlens_bridge.cli import main
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import TrialDone
from stemlens_bridge.trials import Tried

STEMS = [("1", "Drums"), ("2", "Bass"), ("3", "Keys"), ("4", "4-Audio"), ("return A", "A-Room")]
SET_VOLUME = "/live/track/set/volume"
DOWN = Step("2", "Bass: level −3 dB", -3.0)
EQUALISER = Step("4", "4-Audio: −3 dB at 2.5 kHz, Q 0.7; level −1.5 dB")


def band() -> list[Track]:
    return [Track("Drums", volume=0.7), Track("Bass", volume=0.8), Track("Keys"), Track("")]


def link_to(live: LiveStandIn) -> LiveLink:
    return LiveLink(port=live.port, reply_port=live.reply_port, tick_s=live.tick_s)


def levels(live: LiveStandIn) -> list[float]:
    return [round(from_volume(track.volume), 2) for track in live.tracks]


def test_a_fader_moves_relative_to_where_it_stands_and_goes_back(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        first = levels(live)
        kept = Memory(folder=tmp_path)
        done = apply(link, kept, STEMS, [DOWN])
        assert done.faders == ("Bass: fader −2.0 → −5.0 dB",) and not done.problems
        assert levels(live) == [first[0], first[1] - 3, *first[2:]]
        apply(link, kept, STEMS, [DOWN])
        assert levels(live)[1] == first[1] - 6
        done = undo(link, Memory(folder=tmp_path))  # as another run would
        assert levels(live) == first and done.faders == ("Bass: fader −8.0 → −2.0 dB",)
        assert live.names() == ["Drums", "Bass", "Keys", "4-Audio"] and not live.undo
        assert undo(link, Memory(folder=tmp_path)).faders == ()


def test_a_fader_that_the_user_has_moved_since_stays(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        apply(link, Memory(folder=tmp_path), STEMS, [DOWN])
        live.turn(1, volume=0.5)
        done = undo(link, Memory(folder=tmp_path))
        assert live.tracks[1].volume == 0.5 and not done.faders
        assert "moved since" in done.problems[0]


def test_taking_annotations_off_does_not_forget_the_fader(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        first = levels(live)
        apply(link, Memory(folder=tmp_path), STEMS, [DOWN])
        Writer(link, Memory(folder=tmp_path)).remove()
        undo(link, Memory(folder=tmp_path))
        assert levels(live) == first


def test_what_is_no_fader_s_work_is_told_in_the_name(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        first = levels(live)
        live.rename(1, "Bass {rock 21 of 63 points}")
        kept = Memory(folder=tmp_path)
        done = apply(link, kept, STEMS, [EQUALISER, Step("2", "Bass: darker at {60} %")])
        assert levels(live) == first and not done.faders and done.notes == 2
        assert live.names()[3] == "4-Audio {to try 4-Audio -3 dB at 2.5 kHz, Q 0.7; level -1.5 dB}"
        assert live.names()[1] == "Bass {rock 21 of 63 points} {to try Bass darker at (60) %}"
        apply(link, kept, STEMS, [Step("3", "Keys: " + "darker " * 40)])  # what was before goes
        assert live.names()[:2] == ["Drums", "Bass {rock 21 of 63 points}"]
        assert live.names()[3] == "4-Audio" and live.tracks[3].user_name == ""
        assert len(live.names()[2]) < 90
        assert undo(link, kept).notes == 1
        assert live.names() == ["Drums", "Bass {rock 21 of 63 points}", "Keys", "4-Audio"]


def test_faders_have_ends_and_nothing_is_done_by_half(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        live.turn(2, volume=0.99)
        first = levels(live)
        steps = [DOWN, Step("3", "Keys: level +3 dB", 3.0)]
        done = apply(link, Memory(folder=tmp_path), STEMS, steps)
        assert levels(live) == first and done.notes == 2
        assert "Keys: its fader ends at +6 dB" in done.problems[0]
        live.turn(1, volume=0.0)
        done = apply(link, Memory(folder=tmp_path), STEMS, [DOWN])
        assert "all the way down" in done.problems[0] and live.tracks[1].volume == 0.0


def test_a_track_that_was_moved_is_found_and_one_that_is_gone_stops_it(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        live.move(1, 0)
        done = apply(link, Memory(folder=tmp_path), STEMS, [DOWN])
        assert "moved" in done.problems[0]
        assert levels(live)[:2] == [-5.0, -6.0]
        live.delete(0)
        for step in (DOWN, Step("return A", "A-Room: level −3 dB", -3.0)):
            with pytest.raises(StemlensError) as raised:
                apply(link, Memory(folder=tmp_path), STEMS, [step])
            assert raised.value.code == "tracks_unmatched"
        assert live.names() == ["Drums", "Keys", "3-Audio"]


def test_a_track_in_the_way_at_the_wrong_moment_gets_its_level_back(tmp_path: Path) -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        live.before(SET_VOLUME, lambda: live.move(1, 2))  # Keys stands where Bass was
        apply(link, Memory(folder=tmp_path), STEMS, [DOWN])
        assert live.names() == ["Drums", "Keys", "Bass", "4-Audio"]
        assert levels(live) == [-6.0, 0.0, -5.0, 0.0]


def test_a_third_of_the_datagrams_may_be_lost(tmp_path: Path) -> None:
    with LiveStandIn(*band(), loss=0.3, seed=2, tick_s=0.003) as live, link_to(live) as link:
        apply(link, Memory(folder=tmp_path), STEMS, [DOWN, Step("1", "Drums", 1.0)])
        assert levels(live) == [-5.0, -5.0, 0.0, 0.0] and live.lost
        undo(link, Memory(folder=tmp_path))
        assert levels(live) == [-6.0, -2.0, 0.0, 0.0]


def test_a_fader_that_is_held_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemlens_bridge.ableton.applying.ATTEMPTS", 3)
    with LiveStandIn(*band()) as live, link_to(live) as link:
        live.tracks[1].held = True
        with pytest.raises(StemlensError, match="did not move the fader") as raised:
            apply(link, Memory(folder=tmp_path), STEMS, [DOWN])
        assert raised.value.code == "daw_failed"


def kept_trial(path: Path, *edits: tuple[str, list[dict[str, Any]]]) -> Path:
    messages = numbered(trial("job", "r1", 2, *edits), "job", "r1")
    assert isinstance(messages[-1], TrialDone)
    path.write_text(json.dumps(Tried.from_messages(messages[-1], messages).to_dict()))
    return path


def test_the_command_applies_and_takes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "state_folder", lambda: tmp_path / "state")
    stems = [{"id": own, "name": name, "kind": "track"} for own, name in STEMS[:4]]
    session = {"id": "job", "project": "Song", "daw": DAW, "start_s": 0.0, "tempo": None}
    result = {
        "schema": "stemlens.analysis/1", "session": {**session, "stems": stems},
        "tags": [], "annotations": [], "markers": [], "warnings": [],
    }  # fmt: skip
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result))
    file = kept_trial(tmp_path / "tried.json", ("2", LEVEL))
    with TrialServer(result=str(path)) as server, LiveStandIn(*band()) as live:
        where = f"127.0.0.1:{live.port}:{live.reply_port}"
        at = ["--server", f"127.0.0.1:{server.address[1]}"]

        def command(*more: object) -> int:
            return main(["ableton", "--live", where, *at, *map(str, more)])

        assert command("--apply", file) == 0  # the names come from the server's result
        assert "Bass: fader −2.0 → −5.0 dB." in capsys.readouterr().out
        assert live.tracks[1].volume == pytest.approx(to_volume(-5.0), abs=1e-5)
        assert command("--undo") == 0
        assert "Bass: fader −5.0 → −2.0 dB, as before." in capsys.readouterr().out
        assert command("--undo") == 0 and "nothing to take back" in capsys.readouterr().out
        both = kept_trial(tmp_path / "both.json", ("2", [*EQ, *LEVEL]))
        assert command("--apply", both, "--rank", 2, "--result", path) == 0
        assert "until you do it" in capsys.readouterr().out
        assert "to try" in live.names()[1] and levels(live)[1] == -2.0
        assert command("--apply", both, "--rank", 1) == 1
        assert "[trial_unknown]" in capsys.readouterr().err
        path.write_text(json.dumps({**result, "session": {**session, "id": "x", "stems": stems}}))
        assert command("--apply", file, "--result", path) == 1
        assert "It was tried on job, but the result is of x" in capsys.readouterr().err
