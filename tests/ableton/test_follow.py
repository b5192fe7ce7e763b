"""The faders of Live: moves relative to the export, by whatever way they can still be had."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from support.abletonosc import LiveStandIn, Track

from stemlens_bridge.ableton import decibels, follow, link, live_set
from stemlens_bridge.ableton.follow import Follower
from stemlens_bridge.ableton.link import LiveLink
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.moves import SILENCE_DB, Move

PATIENCE_S = 20.0


@dataclass
class Told:
    """What the follower has told, and how each stem sounds after all of it."""

    moves: list[Move] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    def gain(self, track: str) -> float:
        gains = [m.gain_db for m in self.moves if m.track == track and m.gain_db is not None]
        return gains[-1] if gains else 0.0

    def muted(self) -> set[str]:
        last = {m.track: m.muted for m in self.moves if m.muted is not None}
        return {track for track, muted in last.items() if muted}


@contextmanager
def following(
    live: LiveStandIn, *stems: str
) -> Iterator[tuple[Told, Callable[[Callable[[], bool]], None]]]:
    told = Told()
    with LiveLink(port=live.port, reply_port=live.reply_port, tick_s=live.tick_s) as there:
        exported = live_set.read(there, (12, 1))
        follower = Follower(there, exported, stems, told.moves.append, told.stale.append)
        follower.start()

        def until(true: Callable[[], bool]) -> None:
            deadline = time.monotonic() + PATIENCE_S
            while not true():
                assert time.monotonic() < deadline, told
                follower.step(0.02)

        yield told, until
        follower.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "CHECK_S", 0.05)
    monkeypatch.setattr(follow, "REFRESH_S", 0.2)


def test_moves_are_relative_to_the_export() -> None:
    with (
        LiveStandIn(Track("Drums"), Track("Bass", volume=0.7)) as live,
        following(live, "1", "2") as (told, until),
    ):
        assert not told.moves
        live.turn(1, volume=0.775)
        until(lambda: told.gain("2") == pytest.approx(3.0, abs=0.01))
        live.turn(1, volume=0.0)
        until(lambda: told.gain("2") == pytest.approx(SILENCE_DB + 6, abs=0.01))
        live.turn(0, mute=True)
        until(lambda: told.muted() == {"1"})
        assert told.gain("1") == 0 and not told.stale


def test_solo_is_told_as_mutes_of_the_others() -> None:
    with (
        LiveStandIn(Track("Drums"), Track("Bass"), Track("Keys")) as live,
        following(live, "1", "2", "3") as (told, until),
    ):
        live.turn(1, solo=True)
        until(lambda: told.muted() == {"1", "3"})
        live.turn(1, solo=False)
        until(lambda: told.muted() == set())


def test_groups_move_what_is_in_them() -> None:
    group = Track("Band", sort="Group")
    tracks = [group, Track("Gtr", group=group), Track("Keys", group=group), Track("Vox")]
    with LiveStandIn(*tracks) as live, following(live, "2", "3", "4") as (told, until):
        live.turn(0, volume=0.7)
        until(lambda: told.gain("2") == told.gain("3") == -6.0)
        live.turn(1, volume=1.0)
        until(lambda: told.gain("2") == 0.0)
        live.turn(0, mute=True)
        until(lambda: told.muted() == {"2", "3"})
        live.turn(0, mute=False)
        live.turn(0, solo=True)
        until(lambda: told.muted() == {"4"})
        assert told.gain("4") == 0 and not told.stale


def test_what_happens_inside_a_stem_makes_the_result_stale() -> None:
    group = Track("Band", sort="Group", num_devices=1)
    with (
        LiveStandIn(group, Track("Gtr", group=group), Track("Vox")) as live,
        following(live, "1", "3") as (told, until),
    ):
        live.turn(0, volume=1.0)
        until(lambda: told.gain("1") == 6.0)
        assert not told.stale
        live.turn(1, volume=0.5)
        until(lambda: bool(told.stale))
        assert told.stale == ["'Gtr' was changed, which is inside the stem 'Band'."]


def test_tracks_that_are_moved_are_followed_on() -> None:
    """AbletonOSC goes on reporting them under their old places."""
    with (
        LiveStandIn(Track("Drums"), Track("Bass"), Track("Keys")) as live,
        following(live, "1", "2", "3") as (told, until),
    ):
        live.move(0, 2)  # Bass, Keys, Drums
        live.turn(2, volume=1.0)
        until(lambda: told.gain("1") == 6.0)
        live.turn(0, volume=0.7)
        until(lambda: told.gain("2") == -6.0)
        assert told.gain("3") == 0.0 and not told.stale
        live.move(2, 0)  # and back
        live.turn(0, mute=True)
        until(lambda: told.muted() == {"1"})
        live.delete(2)
        live.insert(0, Track("New"))
        until(lambda: len(told.stale) == 1)
        assert "'Keys' was renamed or deleted" in told.stale[0]


def test_a_label_on_a_name_is_no_other_name() -> None:
    with (
        LiveStandIn(Track("Drums"), Track("Bass")) as live,
        following(live, "1", "2") as (told, until),
    ):
        live.rename(0, "Drums {rock 21 of 63 points}")
        live.turn(1, volume=1.0)
        until(lambda: told.gain("2") == 6.0)
        assert not told.stale


def test_abletonosc_is_started_again() -> None:
    with (
        LiveStandIn(Track("Drums"), Track("Bass")) as live,
        following(live, "1", "2") as (told, until),
    ):
        live.quit()
        live.start()
        live.turn(0, volume=1.0)
        until(lambda: told.gain("1") == 6.0)
        live.turn(0, volume=0.85)
        until(lambda: told.gain("1") == 0.0)


def test_live_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "PATIENCE_S", 0.5)
    with LiveStandIn(Track("Drums"), tick_s=0.002) as live:
        with pytest.raises(StemlensError) as caught, following(live, "1") as (_, until):
            live.quit()
            until(lambda: False)
        assert caught.value.code == "daw_unreachable"


def test_nothing_is_lost_at_30_percent_loss() -> None:
    """A report that does not come is made up for when it matters: at the next look."""
    with (
        LiveStandIn(Track("Drums"), Track("Bass"), loss=0.3, tick_s=0.004) as live,
        following(live, "1", "2") as (told, until),
    ):
        for volume in (0.9, 0.7, 1.0):
            live.turn(0, volume=volume)
            until(lambda v=volume: told.gain("1") == round(decibels.from_volume(v), 2))  # type: ignore[misc]
