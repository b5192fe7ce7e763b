"""The connection to AbletonOSC: every way in which it can be absent, slow, deaf or forgetful."""

from __future__ import annotations

import socket
import time

import pytest
from support.abletonosc import LiveStandIn, Track, free_port

from stemlens_bridge.ableton import addresses, live_set
from stemlens_bridge.ableton import link as link_module
from stemlens_bridge.ableton.addresses import Address
from stemlens_bridge.ableton.link import LiveLink, Push, Question, decoded
from stemlens_bridge.errors import StemlensError

TICK_S = 0.02


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "FIND_S", 0.3)


def link_to(live: LiveStandIn) -> LiveLink:
    return LiveLink(port=live.port, reply_port=live.reply_port, tick_s=live.tick_s)


def band() -> list[Track]:
    return [Track("Drums"), Track("Bass"), Track("Keys", volume=0.7), Track("")]


def test_live_is_found_with_its_version() -> None:
    with LiveStandIn(version=(11, 3)) as live, link_to(live) as link:
        assert link.find() == (11, 3)


def test_nothing_listens(impatient: None) -> None:
    with LiveLink(port=free_port(), reply_port=free_port(), tick_s=0.005) as link:
        with pytest.raises(StemlensError, match="choose AbletonOSC as a control surface") as caught:
            link.find()
        assert caught.value.code == "daw_unreachable"


def test_something_listens_and_says_nothing(impatient: None) -> None:
    """Live is rendering, or a dialog is open."""
    with LiveStandIn(tick_s=0.005) as live, link_to(live) as link:
        live.busy()
        with pytest.raises(StemlensError, match="busy with a dialog"):
            link.find()
        live.busy(False)
        assert link.find()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_port_of_the_answers_is_taken(host: str) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((host, port))
        with pytest.raises(StemlensError, match=f"UDP port {port}, to which AbletonOSC") as caught:
            LiveLink(reply_port=port)
        assert caught.value.code == "port_in_use"


def test_a_slow_live_is_waited_for() -> None:
    with LiveStandIn(*band(), tick_s=0.3) as live, link_to(live) as link:
        link.tick_s = TICK_S  # what the link takes for granted
        assert link.ask(addresses.NUM_TRACKS) == (4,)
        # stragglers of repeated questions are not taken for answers to the next ones
        assert link.ask(addresses.TRACK_DATA, 0, 2, "track.name") == ("Drums", "Bass")
        assert link.ask(addresses.TRACK_DATA, 2, 4, "track.name") == ("Keys", "4-Audio")


@pytest.mark.parametrize("drops_queue", [True, False])
def test_an_error_in_a_tick_takes_nothing_else_with_it(drops_queue: bool) -> None:
    """What came behind the failing message is asked again."""
    with LiveStandIn(*band(), drops_queue=drops_queue) as live, link_to(live) as link:
        link.tell(Address("/live/track/get/volume", "i"), 99)
        questions = [Question(addresses.VOLUME, (index,)) for index in range(4)]
        assert [v for (v,) in link.ask_all(questions)] == pytest.approx([0.85, 0.85, 0.7, 0.85])
        assert "Error handling OSC message" in link.last_error


def test_a_question_that_only_gets_errors_fails_with_them() -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        started = time.monotonic()
        with pytest.raises(StemlensError, match="list index out of range") as caught:
            link.ask(addresses.VOLUME, 99)
        assert caught.value.code == "daw_failed" and time.monotonic() - started < 1
        with pytest.raises(StemlensError, match="Unknown OSC address: /live/nothing"):
            link.ask(Address("/live/nothing", "", "/live/nothing"))


def test_a_star_for_an_index_answers_for_one_track_only() -> None:
    """The quirk that makes Stemlens ask for each track by its number."""
    with LiveStandIn(*band()) as live, link_to(live) as link:
        link.tell(Address("/live/track/get/volume", "s"), "*")
        answers = [push for push in (link.pause(10), link.listen(1))[1] if "get" in push.path]
        assert answers == [Push("/live/track/get/volume", (0, pytest.approx(0.85)))]


def test_a_restart_is_noticed() -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        link.find()
        live.quit()
        live.start()
        link.pause(5)
        assert link.startups == 1 and link.find()


def test_lost_datagrams_are_asked_for_again() -> None:
    with LiveStandIn(*band(), loss=0.3, tick_s=0.005) as live, link_to(live) as link:
        for _ in range(10):
            assert link.ask(addresses.TRACK_DATA, 0, 2, "track.name") == ("Drums", "Bass")
        assert live.lost


def test_questions_whose_answers_look_alike_are_refused() -> None:
    with LiveLink(port=free_port(), reply_port=free_port()) as link:
        questions = [Question(addresses.TRACK_DATA, (at, at + 1, "track.name")) for at in (0, 1)]
        with pytest.raises(ValueError, match="told apart"):
            link.ask_all(questions)


@pytest.mark.parametrize(
    "packet",
    [b"", b"x", b"/live\0\0\0", b"/a\0\0,i\0\0", b"/a\0\0,b\0\0\xff\xff\xff\xff",
     b"/a\0\0,s\0\0\xff\xff\xff\0", b"#bundle\0" + bytes(12)],
)  # fmt: skip
def test_what_is_no_message_is_passed_over(packet: bytes) -> None:
    found = decoded(packet)
    assert found is None or found == ("/live", ())


def test_a_set_is_read_as_it_is() -> None:
    group = Track("Band", sort="Group", num_devices=1, volume=1.0)
    tracks = [
        group,
        Track("Gtr {rock 21 of 63 points}", group=group, output="Group", panning=-0.5),
        Track("", group=group, output="Group", mute=True),
        Track("Parallel", num_devices=3),
        Track("Vox", output="4-Parallel"),
        Track("Click", output="Ext. Out"),
    ]
    with LiveStandIn(*tracks) as live, link_to(live) as link:
        found = live_set.read(link, link.find())
    assert [track.name for track in found.tracks] == [
        "Band", "Gtr", "3-Audio", "Parallel", "Vox", "Click"
    ]  # fmt: skip
    assert [track.group for track in found.tracks] == [None, 0, 0, None, None, None]
    band, guitar, silent = found.tracks[:3]
    assert band.foldable and band.fader_db == 6 and guitar.pan == -0.5 and silent.muted
    facts = found.routing()
    assert [track.output for track in facts] == ["", "1", "1", "", "4", None]
    assert facts[0].effects and not facts[0].sounds and not facts[3].effects


def test_a_set_of_many_tracks_with_long_names_is_read() -> None:
    """More than one message, none too large for macOS."""
    tracks = [Track(f"{number} {'long ' * 12}") for number in range(150)]
    with LiveStandIn(*tracks, tick_s=0.002) as live, link_to(live) as link:
        rows = live_set.rows(link, "name", "color_index")
        assert [row[0] for row in rows] == [track.user_name for track in tracks]
        assert live.handled["/live/song/get/track_data"] == 3


def test_a_set_that_shrinks_while_it_is_read_is_read_again() -> None:
    with LiveStandIn(*band()) as live, link_to(live) as link:
        live.before("/live/song/get/track_data", lambda: live.delete(0))
        assert [row[0] for row in live_set.rows(link, "name")] == ["Bass", "Keys", "3-Audio"]
