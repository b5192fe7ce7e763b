"""The client of a live mix: a flood of moves, a network that loses, a server that goes away."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator

import pytest
from support.liveserver import LiveServer, answers, usual
from support.reaperside import awaited

from stemlens_bridge import live as module
from stemlens_bridge.cli import main
from stemlens_bridge.commands.live import parsed
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.live import LiveMix, View
from stemlens_bridge.liveview import Screen, picture, sentences
from stemlens_bridge.moves import Move
from stemlens_bridge.protocol import (
    Error,
    LiveClose,
    LiveClosed,
    LiveEffect,
    LiveEffects,
    LiveOpen,
    LiveState,
    LiveTags,
    LiveTrack,
    Message,
)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.1)


@pytest.fixture
def server() -> Iterator[LiveServer]:
    with LiveServer() as one:
        yield one


def playing(server: LiveServer, job: str = "j") -> LiveMix:
    return LiveMix(server.address, "udp", job, lambda view: None)


def settled(mix: LiveMix) -> View:
    awaited(lambda: mix.settled, "the answer")
    return mix.view


def test_it_is_opened_at_once_and_tells_the_bounce(server: LiveServer) -> None:
    with playing(server) as mix:
        view = settled(mix)
        assert view.message == "" and (view.start_s, view.end_s) == (3, 15)
        assert list(view.tags) == ["loud", "calm"] and view.tags == view.bounced
        assert view.fresh == {"decibel", "mute"} and not server.states()
        assert [tag for tag, _ in view.of_track("decibel", "kick")] == ["loud"]
    assert isinstance(server.heard[-1], LiveClose)


def test_a_flood_of_moves_becomes_few_states_and_the_last_one_is_sent(server: LiveServer) -> None:
    with playing(server) as mix:
        settled(mix)
        for step in range(2000):
            mix.move(Move("kick", -step / 100))
        mix.move(Move("chord", None, True))
        mix.move(Move("kick", -7.0))
        view = settled(mix)
        states = server.states()
        assert 1 <= len(states) < 200
        assert [state.seq for state in states] == list(range(1, len(states) + 1))
        assert set(states[-1].tracks) == {LiveTrack("kick", -7, 0), LiveTrack("chord", 0, 1)}
        assert view.change("loud") == pytest.approx(-0.07) and view.change("calm") == 0
        assert view.mixer["chord"].muted


def test_what_is_lost_is_asked_for_again(server: LiveServer) -> None:
    """Of everything the first copy is lost, of the answers first the tags, then an effect."""
    seen: set[type[Message]] = set()
    lost: list[int] = []

    def lossy(server: LiveServer, message: Message) -> list[Message]:
        if type(message) not in seen:
            seen.add(type(message))
            return []
        found = usual(server, message)
        if isinstance(message, LiveState) and len(lost) < 2:
            lost.append(message.seq)
            return [m for m in found if not isinstance(m, LiveTags if lost[1:] else LiveEffects)]
        return found

    server.answer = lossy
    with playing(server) as mix:
        mix.move(Move("kick", 3.0))
        view = settled(mix)
        assert view.change("loud") == pytest.approx(0.03) and view.fresh == {"decibel", "mute"}
        assert len(server.states()) >= 4


def test_tags_of_an_overtaken_move_are_shown_and_its_effects_are_not(server: LiveServer) -> None:
    """A fader that keeps moving would else show nothing."""
    held = threading.Event()

    def slow(server: LiveServer, message: Message) -> list[Message]:
        if isinstance(message, LiveState) and not held.is_set():
            return answers("j", message.seq, message)[:1] if message.seq < 3 else []
        return usual(server, message)

    server.answer = slow
    shown: list[View] = []
    with LiveMix(server.address, "udp", "j", shown.append) as mix:
        settled(mix)
        for db in (1.0, 2.0, 4.0):
            sent = len(server.states())
            mix.move(Move("kick", db))
            awaited(lambda sent=sent: len(server.states()) > sent)
        moved = pytest.approx(0.02)
        awaited(lambda: any("loud" in v.tags and v.change("loud") == moved for v in [*shown]))
        old = LiveEffects("j", 1, "decibel", "loud", (LiveEffect("kick", 9.0, 9.0, 9.0),))
        server.say(old, LiveTags("j", 1, ()))
        held.set()
        assert settled(mix).change("loud") == pytest.approx(0.04)
    assert not any(
        effect.value == 9
        for view in shown
        for kinds in view.effects.values()
        for effects in kinds.values()
        for effect in effects
    )


def test_a_message_that_came_twice_does_not_stand_for_one_that_was_lost(server: LiveServer) -> None:
    def doubling(server: LiveServer, message: Message) -> list[Message]:
        told = usual(server, message)
        if isinstance(message, LiveState) and message.seq == 1:
            tags, decibel, _, done = told
            return [tags, decibel, decibel, done]
        return told

    server.answer = doubling
    with playing(server) as mix:
        settled(mix)
        mix.move(Move("kick", 1.0))
        assert settled(mix).fresh == {"decibel", "mute"}
        assert len(server.states()) > 1


def test_taken_over_or_idle_it_is_opened_again_with_the_next_move(server: LiveServer) -> None:
    with playing(server) as mix:
        settled(mix)
        server.say(LiveClosed("j", "another client has opened one"))
        awaited(lambda: "another client" in mix.view.message)
        opened = sum(isinstance(message, LiveOpen) for message in server.heard)
        mix.move(Move("kick", 1.0))
        assert settled(mix).message == ""
        assert sum(isinstance(message, LiveOpen) for message in server.heard) > opened
        assert server.states()[-1].tracks == (LiveTrack("kick", 1.0, 0),)


@pytest.mark.parametrize("code", ["live_not_open", "worker_died"])
def test_a_server_that_forgot_is_told_again_without_another_move(
    server: LiveServer, code: str
) -> None:
    def forgetful(server: LiveServer, message: Message) -> list[Message]:
        if (
            isinstance(message, LiveState)
            and sum(isinstance(m, LiveOpen) for m in server.heard) < 2
        ):
            return [Error("j", code, "gone")]
        return usual(server, message)

    server.answer = forgetful
    with playing(server) as mix:
        mix.move(Move("kick", 5.0))
        awaited(lambda: mix.settled and mix.view.done)
        assert mix.view.change("loud") == pytest.approx(0.05)


def test_what_cannot_be_opened_is_told_and_tried_again_with_the_next_move(
    server: LiveServer,
) -> None:
    server.answer = lambda server, message: [Error("j", "files_changed", "kick.wav has changed.")]
    with playing(server) as mix:
        assert settled(mix).message == "kick.wav has changed."
        asked = len(server.heard)
        server.answer = usual
        assert len(server.heard) == asked
        mix.move(Move("kick", 1.0))
        awaited(lambda: mix.view.done)


def test_no_server(server: LiveServer) -> None:
    server.answer = lambda server, message: []
    with playing(server) as mix:
        assert "stemlens serve" in settled(mix).message


# ---------------------------------------------------------------------------- what is shown


def view_of(stems: int = 3, name: str = "kick") -> View:
    effects = {
        tag: tuple(LiveEffect(f"{name}{i}", value * (i + 1), value, value) for i in range(stems))
        for tag, value in (("rock", 0.004), ("a very long tag that goes on and on", -0.011))
    }
    tags = {"rock": 0.634, "a very long tag that goes on and on": 0.4, "pop": 0.2}
    mixer = {f"{name}0": LiveTrack(f"{name}0", -3.0, 0), f"{name}1": LiveTrack(f"{name}1", 0.0, 1)}
    return View(
        "", 12.0, 24.0, tags, {"rock": 0.6, "pop": 0.2}, {"decibel": effects},
        frozenset({"decibel"}), True, mixer,
    )  # fmt: skip


def test_the_picture_of_a_live_mix() -> None:
    lines = picture(view_of(), {f"kick{i}": f"Kick {i}" for i in range(3)})
    text = "\n".join(lines)
    assert "Listening to 0:12 to 0:24" in text and "63  +3 since the bounce" in text
    assert "Kick 0   −3.0 dB" in text and "Kick 1    silent" in text
    assert lines[-3].startswith("  Kick 2") and "rock +1.2" in lines[-3]


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("stems", [1, 9, 100])
@pytest.mark.parametrize("name", ["k", "{6F9619FF-8B86-D011-B42D-00CF4FC964FF}", "鼓" * 30])
def test_the_picture_fits_the_terminal(width: int, stems: int, name: str) -> None:
    from stemlens_bridge.table import columns

    view = view_of(stems, name)
    lines = picture(view, {}, width=width, height=24)
    assert len(lines) < 24 and all(columns(line) <= width for line in lines)
    assert all(columns(line) <= width for line in sentences(view, {}, width))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_drawn_over_and_a_pipe_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for stream, redraws in ((Terminal(), True), (io.StringIO(), False)):
        screen = Screen(stream, {})
        screen.show(View("opening"))
        screen.show(view_of())
        screen.say("The result no longer fits.")
        screen.show(view_of())
        told = stream.getvalue()
        assert ("\033[" in told) == redraws == screen.redraws
        assert told.count("The result no longer fits.") == 1 and "rock" in told


def test_moves_from_standard_input(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("kick -3\n\nla la\nLead vocal mute\n"))
    where = f"127.0.0.1:{server.address[1]}"
    assert main(["live", "j", "--server", where]) == 0
    out = capsys.readouterr().out
    assert "loud 47 (−3), calm 10" in out and "one dB up: kick loud +1.0, chord loud −0.2" in out
    assert "'la la' is no move" in out
    assert set(server.states()[-1].tracks) == {
        LiveTrack("kick", -3, 0), LiveTrack("Lead vocal", 0, 1),
    }  # fmt: skip
    server.answer = lambda server, message: [Error("j", "job_unknown", "There is no job 'j'.")]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["live", "j", "--server", where]) == 1
    assert "There is no job" in capsys.readouterr().err


def test_moves_in_words() -> None:
    assert parsed("Lead vocal  −3.5\n") == Move("Lead vocal", -3.5)
    assert parsed("kick 2dB") == Move("kick", 2.0)
    assert parsed("kick unmute") == Move("kick", None, False)
    for wrong in ("kick", "mute", "kick loud"):
        with pytest.raises(StemlensError):
            parsed(wrong)
