"""Fader moves through a real server: answered in order, or refused with a sentence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import soundfile
from support.badnet import BadNet
from support.reaperside import awaited
from support.server import ServerProcess
from support.sounds import RATE, sounds, stem_folder

from stemlens.analysis import analyze
from stemlens_bridge import live
from stemlens_bridge.client import Client, Results, new_job_id
from stemlens_bridge.link import Link, connect
from stemlens_bridge.live import LiveMix
from stemlens_bridge.moves import Move
from stemlens_bridge.protocol import (
    MAX_RESULT_BYTES,
    Error,
    JobOpen,
    LiveClose,
    LiveClosed,
    LiveDone,
    LiveEffects,
    LiveGain,
    LiveMute,
    LiveOpen,
    LiveOpened,
    LiveState,
    LiveTags,
    LiveTrack,
    Message,
    Options,
)
from stemlens_bridge.session import Session

PATIENCE_S = 60.0
Kind = TypeVar("Kind", bound=Message)


class Player:
    """A client that plays a live mix, and remembers all that it was told."""

    def __init__(self, address: tuple[str, int], transport: str = "udp") -> None:
        self.link: Link = connect(address, transport)
        self.heard: list[Message] = []

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.link.send(message)

    def until(self, kind: type[Kind], right: Callable[[Kind], bool] = lambda message: True) -> Kind:
        """The first message of a kind that is right, of those to come."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            came = self.link.receive(0.5)
            self.heard += came
            for message in came:
                if isinstance(message, kind) and right(message):
                    return message
                if isinstance(message, Error) and kind is not Error:
                    raise AssertionError(f"{message.code}: {message.message}")
        raise AssertionError(f"no {kind.__name__} came; there came {self.heard[-5:]}")

    def error(self, *messages: Message) -> str:
        self.send(*messages)
        return self.until(Error).code

    def open(self, job: str, start_s: float | None = None) -> LiveOpened:
        self.send(LiveOpen(job) if start_s is None else LiveOpen(job, 0, start_s))
        return self.until(LiveOpened)

    def tags(self, seq: int) -> dict[str, float]:
        """The scores that were told for a move."""
        told = [m for m in self.heard if isinstance(m, LiveTags) and m.seq == seq]
        return {score.tag: score.score for message in told for score in message.tags}

    def effects(self, seq: int, kind: str) -> dict[tuple[str, str], tuple[float, float, float]]:
        """What was told last for a move: (value, low, high) by tag and track."""
        return {
            (message.tag, it.track): (it.value, it.low, it.high)
            for message in self.heard
            if isinstance(message, LiveEffects) and (message.seq, message.kind) == (seq, kind)
            for it in message.effects
        }

    def done(self, seq: int) -> LiveDone:
        return self.until(LiveDone, lambda message: message.seq == seq)


def analysed(address: tuple[str, int], folder: Path, **options: Any) -> Results:
    session = Session.read(folder)
    job = new_job_id("live")
    with Client(address) as client:
        client.submit(session, Options(**options), job)
        return client.follow(job)


@pytest.fixture(scope="module")
def song(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A job of three stems over three segments that is done."""
    folder = stem_folder(tmp_path_factory.mktemp("live") / "song", seconds=9.3, stems=3)
    return analysed(server.address, folder, tags=4)


@pytest.fixture
def player(server: ServerProcess) -> Iterator[Player]:
    with Player(server.address) as one:
        yield one


def scores_of(results: Results) -> dict[str, float]:
    document = json.loads(Path(results.path).read_text())
    return {tag["tag"]: tag["score"] for tag in document["tags"]}


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_live_mix_from_its_bounce_to_shares(
    server: ServerProcess, song: Results, transport: str
) -> None:
    with Player(server.address, transport) as player:
        opened = player.open(song.job)
        assert (opened.start_s, opened.end_s) == pytest.approx((0, 3 * 2.992))
        player.done(0)
        bounced = player.tags(0)
        assert bounced == pytest.approx(scores_of(song), abs=1e-6)
        assert list(bounced.values()) == sorted(bounced.values(), reverse=True)
        document = json.loads(Path(song.path).read_text())
        shares, mutes = player.effects(0, "share"), player.effects(0, "mute")
        for tag in document["tags"][:4]:
            for share in tag["attributions"]:
                there = shares[tag["tag"], share["stem"]]
                assert there == pytest.approx([share["value"]] * 3, abs=1e-5)
                muted = mutes[tag["tag"], share["stem"]][0]
                assert muted == pytest.approx(share["mute"], abs=1e-5)

        player.send(LiveGain(song.job, "kick", -6.0, 1))
        player.done(1)
        down = player.tags(1)
        assert down != pytest.approx(bounced, abs=1e-3) and set(down) == set(bounced)
        player.send(LiveMute(song.job, "chord", 1, 2))
        player.done(2)
        assert {track for _, track in player.effects(2, "decibel")} == {"kick", "noise"}
        player.send(LiveState(song.job, 3))
        player.done(3)
        assert player.tags(3) == pytest.approx(bounced, abs=1e-6)

        kinds = [
            "tags" if isinstance(m, LiveTags) else m.kind if isinstance(m, LiveEffects) else "done"
            for m in player.heard
            if isinstance(m, LiveTags | LiveEffects | LiveDone) and m.seq == 2
        ]
        assert list(dict.fromkeys(kinds)) == ["tags", "decibel", "mute", "share", "done"]
        counted = [m for m in player.heard if getattr(m, "seq", None) == 3]
        assert isinstance(counted[-1], LiveDone) and counted[-1].messages == len(counted) - 1
        assert all(len(m.encode()) <= MAX_RESULT_BYTES for m in player.heard)


def test_a_muted_stem_is_the_mix_without_it(player: Player, song: Results) -> None:
    """At the gain of the session, which a live mix keeps: nothing is made louder again."""
    player.open(song.job)
    player.done(0)
    player.send(LiveMute(song.job, "kick", 1, 1))
    player.done(1)
    told = player.effects(0, "mute")
    for (tag, track), (value, _, _) in told.items():
        if track == "kick":
            assert player.tags(1)[tag] - player.tags(0)[tag] == pytest.approx(value, abs=1e-5)
    player.send(LiveMute(song.job, "kick", 0, 2), LiveGain(song.job, "kick", -150.0, 3))
    player.done(3)
    assert player.tags(3) == pytest.approx(player.tags(1), abs=1e-6)


def test_only_the_newest_of_a_flood_is_answered_whole(player: Player, song: Results) -> None:
    player.open(song.job)
    moves = [LiveGain(song.job, "kick", -0.1 * seq, seq) for seq in range(1, 101)]
    player.send(*moves)
    player.done(100)
    done = [m.seq for m in player.heard if isinstance(m, LiveDone)]
    assert done[-1] == 100 and len(done) < 50
    seqs = [m.seq for m in player.heard if isinstance(m, LiveTags)]
    assert seqs == sorted(seqs)
    fresh = [m.seq for m in player.heard if isinstance(m, LiveTags | LiveEffects | LiveDone)]
    assert fresh == sorted(fresh), "nothing of an older move comes after a newer one"


def test_an_older_move_that_comes_late_changes_nothing(player: Player, song: Results) -> None:
    player.open(song.job)
    player.done(0)
    player.send(LiveGain(song.job, "kick", -9.0, 5), LiveGain(song.job, "kick", 3.0, 4))
    player.send(LiveMute(song.job, "chord", 1, 2))  # late too, but the newest of its switch
    player.done(5)
    player.send(LiveState(song.job, 3, (LiveTrack("noise", -60.0, 0),)))  # late
    player.send(LiveGain(song.job, "noise", 0.0, 6))
    player.done(6)
    state = (LiveTrack("kick", -9.0, 0), LiveTrack("chord", 0.0, 1))
    player.send(LiveState(song.job, 7, state))
    player.done(7)
    assert player.tags(6) == pytest.approx(player.tags(7), abs=1e-6)


def test_moves_without_numbers_names_for_ids_and_any_job(player: Player, song: Results) -> None:
    """For controllers that can do no more than send an address and three values."""
    player.open(song.job)
    player.done(0)
    player.send(LiveGain("", "kick", -6.0))
    player.done(1)
    player.send(LiveGain("", "kick", 0.0))
    player.done(2)
    assert player.tags(2) == pytest.approx(player.tags(0), abs=1e-6) != player.tags(1)


def test_where_it_listens(player: Player, server: ServerProcess, tmp_path: Path) -> None:
    folder = stem_folder(tmp_path / "long", seconds=22.0, stems=2)
    job = analysed(server.address, folder, start_s=100.0, tags=1).job
    spans = [(106.0, 105.984), (99.0, None), (117.5, 108.976), (200.0, None)]
    for asked_s, start_s in spans:
        opened = player.open(job, asked_s)
        assert opened.end_s - opened.start_s == pytest.approx(4 * 2.992)
        if start_s is not None:
            assert opened.start_s == pytest.approx(start_s)


def test_what_cannot_be_played(player: Player, song: Results, stems: Path) -> None:
    job = song.job
    assert player.error(LiveOpen("never heard of")) == "job_unknown"
    assert player.error(LiveGain(job, "kick", 0.0, 1)) == "live_not_open"
    assert player.error(LiveGain("never heard of", "kick", 0.0, 1)) == "job_unknown"
    assert player.error(LiveGain("", "kick", 0.0, 1)) == "live_not_open"
    player.send(JobOpen("not submitted", "", "", 0))
    assert player.error(LiveOpen("not submitted")) == "live_impossible"
    player.open(job)
    player.done(0)
    assert player.error(LiveGain(job, "drums", 0.0, 1)) == "track_unknown"
    assert player.error(LiveState(job, 1, (LiveTrack("drums", 0.0, 0),))) == "track_unknown"
    for db in (201.0, -1e9):
        assert player.error(LiveGain(job, "kick", db, 1)) == "bad_message"
    assert player.error(LiveOpen(job, 70_000)) == "bad_message"
    player.send(LiveGain(job, "kick", 1.0, 1))
    player.done(1)  # it goes on


def test_a_job_that_failed_or_whose_files_changed(
    player: Player, server: ServerProcess, tmp_path: Path, stems: Path
) -> None:
    """And a job and a live mix of one session with a mix, which do not meet: the mix is scored when
    a session is opened, and kept scores are for one thread alone."""
    (stems / "kick.wav").write_text("no sound")
    with pytest.raises(Exception, match="kick"):
        analysed(server.address, stems)
    other = stem_folder(tmp_path / "other")
    soundfile.write(other / "mix.wav", sounds(3.2)[:2].sum(axis=0) * 0.9, RATE)
    job = analysed(server.address, other).job
    samples, rate = soundfile.read(other / "kick.wav")
    player.open(job)  # kept from the analysis: what is heard is what was analysed
    player.done(0)
    soundfile.write(other / "kick.wav", samples / 2, rate)
    server.worker.kill()
    assert player.until(Error).code == "worker_died"  # for what had been opened
    assert player.error(LiveGain(job, "kick", 1.0, 1)) == "live_not_open"
    assert player.error(LiveOpen(job)) == "files_changed"
    soundfile.write(other / "kick.wav", samples, rate)
    player.open(job)  # opened again from its files
    player.done(0)
    assert analysed(server.address, other, tags=3).messages
    player.send(LiveGain(job, "kick", -6.0, 1))
    player.done(1)


def test_one_live_mix_at_a_time(server: ServerProcess, player: Player, song: Results) -> None:
    player.open(song.job)
    player.done(0)
    with Player(server.address) as other:
        assert other.error(LiveGain(song.job, "kick", 1.0, 1)) == "live_not_open"
        assert other.error(LiveClose(song.job)) == "live_not_open"
        other.open(song.job)
        assert "another client" in player.until(LiveClosed).why
        assert player.error(LiveGain(song.job, "kick", 1.0, 1)) == "live_not_open"
        other.done(0)
        other.send(LiveOpen(song.job))  # a copy that the network made
        other.until(LiveOpened)
        other.send(LiveClose(song.job))
        other.until(LiveClosed)
        other.send(LiveClose(song.job))  # a copy
        other.until(LiveClosed)


def test_answers_go_to_the_port_that_was_named(
    server: ServerProcess, player: Player, song: Results
) -> None:
    """As for tools that send each message from a socket of its own."""
    port = player.link._socket.getsockname()[1]  # type: ignore[attr-defined]
    with Player(server.address) as opening, Player(server.address) as moving:
        opening.send(LiveOpen(song.job, port))
        player.until(LiveOpened)
        moving.send(LiveGain("", "kick", -3.0))
        player.done(1)
        assert not opening.heard and not moving.heard


def test_a_live_mix_of_a_job_that_runs(server: ServerProcess, tmp_path: Path) -> None:
    """Its moves are answered while the job runs; what the job finds is the same."""
    random = np.random.RandomState(5)
    folder = tmp_path / "running"
    folder.mkdir()
    for stem in range(5):
        wave = sounds(6.2)[stem % 4] * random.uniform(0.2, 1)
        soundfile.write(folder / f"{stem}.flac", wave + 0.003 * random.randn(len(wave)), RATE)
    session, job = Session.read(folder), new_job_id("running")
    moved: list[int] = []
    with Client(server.address) as client, Player(server.address) as player:

        def move(stage: str, fraction: float) -> None:
            if stage == "tagging" and not moved:
                player.open(job)
            if stage == "tagging" and fraction < 1 and len(moved) < 2:
                moved.append(len(moved) + 1)
                player.send(LiveGain(job, "3", -3.0 * len(moved), len(moved)))
                player.until(LiveTags, lambda message: message.seq == len(moved))

        client.submit(session, Options(), job)
        beside = client.follow(job, move)
        document = json.loads(Path(beside.path).read_text())
    assert len(moved) > 1, "the job went on after a move was answered"
    alone = analyze(folder, device="cpu").to_dict()
    # To the rounding of float32: what was asked for in another order was added up in another order.
    assert _shares(document) == pytest.approx(_shares(alone), abs=1e-5)


def _shares(document: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(t["tag"], s["stem"]): s["value"] for t in document["tags"] for s in t["attributions"]}


def test_the_daws_client_over_a_network_that_loses(
    server: ServerProcess, song: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RETRY_S", 0.4)  # what is lost is asked for so often
    with BadNet(server.address, loss=0.2, seed=3) as net:
        with LiveMix(net.address, "udp", song.job, lambda view: None) as mix:
            for step in range(50):
                mix.move(Move("kick", -0.2 * step))
            mix.move(Move("chord", None, True))
            mix.move(Move("kick", -6.0))
            awaited(lambda: mix.settled, "the answer", PATIENCE_S)
            view = mix.view
        assert net.lost and not view.message
    with Player(server.address) as player:
        player.open(song.job)
        player.done(0)
        player.send(LiveState(song.job, 1, tuple(view.mixer.values())))
        player.done(1)
        assert view.tags == pytest.approx(player.tags(1), abs=1e-6)
        for kind in ("decibel", "mute", "share"):
            direct = player.effects(1, kind)
            told = {(t, e.track): e.value for t, es in view.effects[kind].items() for e in es}
            assert told == pytest.approx({key: value for key, (value, _, _) in direct.items()})


def test_a_server_that_was_started_again_is_played_on(
    real_weights: None, tmp_path: Path, stems: Path
) -> None:
    with ServerProcess(tmp_path / "data") as first:
        job = analysed(first.address, stems).job
        with LiveMix(first.address, "udp", job, lambda view: None) as mix:
            awaited(lambda: mix.settled and mix.view.done, "the bounce", PATIENCE_S)
            first.kill()
            with ServerProcess(tmp_path / "data", port=first.port):
                mix.move(Move("kick", -12.0))
                awaited(lambda: mix.settled and mix.view.done, "the answer", PATIENCE_S)
                assert any(abs(mix.view.change(tag)) > 1e-3 for tag in mix.view.tags)
