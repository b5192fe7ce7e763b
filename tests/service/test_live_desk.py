"""Who has the live mix and when it ends: the server's side by itself, with a clock to turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from stemlens.service import live_desk
from stemlens.service.live_desk import LiveDesk
from stemlens.service.replies import Replies
from stemlens.service.store import JobFile, Store
from stemlens.service.transport import Transport, UdpPeer
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import (
    Error,
    LiveClosed,
    LiveDone,
    LiveGain,
    LiveMute,
    LiveOpen,
    LiveOpened,
    LiveState,
    LiveTags,
    LiveTrack,
    Message,
    decode,
)


class Endpoint:
    """Instead of a socket: remembers what was sent, and to which port."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, Message]] = []

    def send(self, packet: bytes, address: tuple[str, int]) -> None:
        self.sent.append((address[1], decode(packet)))


class Desk(LiveDesk):
    """A desk with a job "j" of the tracks 1 (Kick), 2 and 3 (both Vocal), a clock, and a worker
    that only remembers what it was told."""

    def __init__(self, folder: Path) -> None:
        self.endpoint = Endpoint()
        self.commands: list[dict[str, Any]] = []
        self.now = 0.0
        store = Store(folder / "jobs.sqlite3")
        store.open("j", "d", "p", "{}")
        for track, name in (("1", "Kick"), ("2", "Vocal"), ("3", "Vocal")):
            store.put_file("j", JobFile(track, name, f"/{track}.wav", 0.0, "{}"))
        store.set_state("j", "done")
        transport = cast(Transport, type("T", (), {"udp": self.endpoint})())
        super().__init__(
            store,
            Replies(store, transport),
            lambda command: self.commands.append(command["live"]),
            lambda job: {"job": job},
            lambda: self.now,
        )

    def peer(self, port: int, host: str = "127.0.0.1") -> UdpPeer:
        return UdpPeer(cast(Any, self.endpoint), host, port)

    def told(self, port: int) -> list[Message]:
        found = [message for to, message in self.endpoint.sent if to == port]
        self.endpoint.sent.clear()
        return found

    def event(self, number: int, what: str, **rest: Any) -> None:
        self.on_event({"number": number, "what": what, **rest})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    one = Desk(tmp_path)
    one.on_ready()
    return one


def test_nothing_is_told_to_a_worker_that_is_not_there_yet(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.open(LiveOpen("j"), desk.peer(1))
    desk.gain(LiveGain("j", "1", -3.0, 4), desk.peer(1))
    assert not desk.commands
    desk.on_ready()
    opened, played = desk.commands
    assert opened["open"]["job"] == "j" and opened["open"]["number"] == 1
    assert played["play"]["moved_db"] == {"1": -3.0} and played["play"]["seq"] == 4


def test_the_worker_is_always_told_the_whole_mixer(desk: Desk) -> None:
    me = desk.peer(1)
    desk.open(LiveOpen("j"), me)
    desk.gain(LiveGain("", "Kick", -3.0, 1), me)
    desk.mute(LiveMute("j", "2", 1, 2), me)
    assert desk.commands[-1]["play"] == {
        "number": 1, "job": "j", "seq": 2, "moved_db": {"1": -3.0}, "muted": ["2"],
    }  # fmt: skip
    desk.state(LiveState("j", 3, (LiveTrack("3", 1.0, 0),)), me)
    assert desk.commands[-1]["play"]["moved_db"] == {"3": 1.0}
    assert desk.commands[-1]["play"]["muted"] == []
    with pytest.raises(StemlensError, match="several") as caught:
        desk.gain(LiveGain("j", "Vocal", 1.0, 4), me)
    assert caught.value.code == "track_unknown"


def test_late_and_doubled_moves(desk: Desk) -> None:
    me = desk.peer(1)
    desk.open(LiveOpen("j"), me)
    desk.gain(LiveGain("j", "1", -1.0, 5), me)
    count = len(desk.commands)
    desk.gain(LiveGain("j", "1", -1.0, 5), me)
    desk.gain(LiveGain("j", "1", 9.0, 4), me)
    desk.state(LiveState("j", 5), me)
    assert len(desk.commands) == count
    desk.mute(LiveMute("j", "1", 1, 3), me)
    assert desk.commands[-1]["play"]["seq"] == 5 and desk.commands[-1]["play"]["muted"] == ["1"]
    desk.gain(LiveGain("j", "1", 2.0), me)
    assert desk.commands[-1]["play"]["seq"] == 6


def test_answers_of_one_before_are_not_told(desk: Desk) -> None:
    me = desk.peer(1)
    desk.open(LiveOpen("j"), me)
    desk.open(LiveOpen("j", 0, 3.0), me)
    desk.event(1, "opened", start_s=0.0, end_s=12.0)
    assert not desk.told(1)
    desk.event(2, "opened", start_s=3.0, end_s=15.0)
    desk.event(2, "tags", seq=0, tags=[["rock", 0.5]])
    desk.event(2, "done", seq=0)
    assert [type(message) for message in desk.told(1)] == [LiveOpened, LiveTags, LiveDone]


def test_nobody_there_for_half_an_hour(desk: Desk) -> None:
    me = desk.peer(1)
    desk.open(LiveOpen("j"), me)
    desk.now = live_desk.IDLE_S - 1
    desk.gain(LiveGain("j", "1", 1.0), me)
    desk.now += live_desk.IDLE_S - 1
    desk.tick()
    assert not desk.told(1)
    desk.now += 2
    desk.tick()
    (closed,) = desk.told(1)
    assert isinstance(closed, LiveClosed) and "30 minutes" in closed.why
    assert desk.commands[-1] == {"close": 1}
    with pytest.raises(StemlensError) as caught:
        desk.gain(LiveGain("j", "1", 1.0), me)
    assert caught.value.code == "live_not_open"


def test_a_worker_that_dies_over_it_twice(desk: Desk) -> None:
    """Before it was open the next worker tries; what was open must be opened anew."""
    desk.open(LiveOpen("j"), desk.peer(1))
    desk.on_death(-9)
    assert not desk.told(1)
    desk.on_ready()
    assert [list(command) for command in desk.commands] == [["open"], ["open"]]
    desk.on_death(-9)
    (error,) = desk.told(1)
    assert isinstance(error, Error) and error.code == "worker_died"
    desk.on_ready()
    assert len(desk.commands) == 2


def test_only_a_client_that_named_a_port_may_send_from_others(desk: Desk) -> None:
    desk.open(LiveOpen("j", 7), desk.peer(1))
    desk.gain(LiveGain("j", "1", 1.0), desk.peer(2))
    for stranger in (desk.peer(2, "192.168.0.7"), desk.peer(7, "192.168.0.7")):
        with pytest.raises(StemlensError, match="Another client"):
            desk.gain(LiveGain("j", "1", 1.0), stranger)
    desk.open(LiveOpen("j"), desk.peer(3))
    assert isinstance(desk.told(7)[0], LiveClosed)
    with pytest.raises(StemlensError, match="Another client"):
        desk.gain(LiveGain("j", "1", 1.0), desk.peer(4))
