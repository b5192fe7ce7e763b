"""The server's side of the live mix: who has it, where its faders stand, and who is told.

There is one at a time. Moves are checked here, by what the store knows of the job, and kept: the
worker is always told the whole mixer, so that it may drop all moves but the newest (see
`live_lane`). Answers go to the client that opened it; moves of others are refused, except that a
client that named a port may send from any port of its host, as tools do that open a socket for each
message.

It is closed by its client, by another client that opens one, by the worker's death, and after
`IDLE_S` without a move. What is closed can be opened again with the next move.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stemlens.service.delivery import split
from stemlens.service.replies import Replies
from stemlens.service.store import Store
from stemlens.service.transport import Peer, TcpPeer
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import (
    MAX_GAIN_DB,
    TAKEN_OVER,
    Error,
    LiveClose,
    LiveClosed,
    LiveDone,
    LiveEffect,
    LiveEffects,
    LiveGain,
    LiveMute,
    LiveOpen,
    LiveOpened,
    LiveProgress,
    LiveScore,
    LiveState,
    LiveTags,
    Message,
)

IDLE_S = 1800.0
MAX_ATTEMPTS = 2
SUBMITTED = ("queued", "running", "done")
MOVE = LiveGain | LiveMute | LiveState | LiveClose


@dataclass(slots=True)
class _Live:
    """The live mix that is open. `number` tells the worker's answers from those of one before.

    tracks: the names of the job's tracks, by id. moved_db, muted: where the faders stand, as far
    as they were moved. seq: the newest move; told: the newest of each fader and each mute.
    """

    number: int
    job: str
    asker: Peer
    named: bool
    peer: Peer
    start_s: float
    tracks: dict[str, str]
    moved_db: dict[str, float] = field(default_factory=dict)
    muted: set[str] = field(default_factory=set)
    seq: int = 0
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    used: float = 0.0
    begun: bool = False
    attempts: int = 0
    opened: LiveOpened | None = None
    answers: set[bytes] = field(default_factory=set)  # to the newest move
    done: LiveDone | None = None


class LiveDesk:
    """`send` tells the worker something; `spec` makes a job's command for it."""

    def __init__(
        self,
        store: Store,
        replies: Replies,
        send: Callable[[dict[str, Any]], None],
        spec: Callable[[str], dict[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._replies = store, replies
        self._send, self._spec = send, spec
        self._clock = clock
        self._live: _Live | None = None
        self._number = 0
        self._worker_ready = False

    # ------------------------------------------------------------------ what clients say

    def open(self, message: LiveOpen, peer: Peer) -> None:
        """Opens the live mix of a job; raises `job_unknown`, `live_impossible`, and
        `result_invalid` for a job of another version."""
        job = self._store.known(message.job)
        answers = self._replies.named(peer, message.reply_port)
        live = self._live
        if live is not None and (live.peer, live.job, live.start_s) == (
            answers,
            job.id,
            message.start_s,
        ):
            live.asker, live.used = peer, self._clock()
            for told in (live.opened, live.done):
                if told is not None:
                    answers.send(told.encode())
            return
        if job.state not in SUBMITTED:
            raise _impossible(job.id, job.state, job.error)
        tracks = self._tracks(job.id)
        if live is not None:
            self._close(TAKEN_OVER, tell=live.peer != answers)
        self._number += 1
        self._live = _Live(
            self._number,
            job.id,
            peer,
            bool(message.reply_port),
            answers,
            message.start_s,
            tracks,
            used=self._clock(),
        )
        self._begin()

    def _tracks(self, job: str) -> dict[str, str]:
        """Names of a job's stems by id: those submitted, and those that separation added."""
        sent = {file.track: file.name for file in self._store.files(job) if not file.is_mix}
        found = self._store.result(job)
        made = [] if found is None else found[0]["session"]["stems"]
        return sent | {stem["id"]: stem["name"] for stem in made if stem["id"] not in sent}

    def gain(self, message: LiveGain, peer: Peer) -> None:
        """Moves a fader; raises `live_not_open`, `track_unknown`, `bad_message`."""
        live = self._mine(message, peer)
        track = _track(live, message.track)
        _check_gain(message.db)
        if self._is_newer(live, message.seq, (track, "gain")):
            live.moved_db[track] = message.db
            self._play(live)

    def mute(self, message: LiveMute, peer: Peer) -> None:
        """Mutes a track or lets it be heard again; raises as `gain` does."""
        live = self._mine(message, peer)
        track = _track(live, message.track)
        if self._is_newer(live, message.seq, (track, "mute")):
            live.muted = live.muted - {track} | ({track} if message.muted else set())
            self._play(live)

    def state(self, message: LiveState, peer: Peer) -> None:
        """Takes the whole mixer; raises as `gain` does."""
        live = self._mine(message, peer)
        states = {_track(live, state.track): state for state in message.tracks}
        for state in message.tracks:
            _check_gain(state.db)
        if message.seq and message.seq <= live.seq:
            return
        live.seq = message.seq or live.seq + 1
        for track in live.tracks:
            live.told[track, "gain"] = live.told[track, "mute"] = live.seq
        live.moved_db = {track: state.db for track, state in states.items()}
        live.muted = {track for track, state in states.items() if state.muted}
        self._play(live)

    def close(self, message: LiveClose, peer: Peer) -> None:
        """Ends the live mix; answered in the same way when it is closed already."""
        if self._live is None:
            peer.send(LiveClosed(message.job, "it was not open").encode())
            return
        self._mine(message, peer)
        self._close("its client has closed it")

    def tick(self) -> None:
        """To be called now and then: closes what nobody uses any more."""
        live = self._live
        if live is None:
            return
        if isinstance(live.peer, TcpPeer) and live.peer.closed:
            self._close("its connection was closed")
        elif self._clock() - live.used > IDLE_S:
            self._close(f"no fader was moved for {IDLE_S / 60:.0f} minutes")

    # ------------------------------------------------------------------ what the worker says

    def on_ready(self) -> None:
        """The worker takes commands."""
        self._worker_ready = True
        self._begin()

    def jobs(self) -> set[str]:
        """The job that is played live, if there is one."""
        return set() if self._live is None else {self._live.job}

    def on_death(self, code: int) -> None:
        """The worker is gone, and the live mix with it, unless that was still to be opened: then it
        may have died over something else, and the next one tries once more."""
        self._worker_ready = False
        live = self._live
        if live is None or not live.begun:
            return
        live.begun = False
        if live.opened is None and live.attempts < MAX_ATTEMPTS:
            return
        self._live = None
        why = (
            f"The process that plays the live mix died (code {code}), and is started again. Open "
            "the live mix again; if that happens more than once, with fewer stems."
        )
        live.peer.send(Error(live.job, "worker_died", why).encode())

    def on_event(self, event: dict[str, Any]) -> None:
        """Passes on what the worker says of the live mix that is open."""
        live = self._live
        if live is None or event["number"] != live.number:
            return
        what = event["what"]
        if what == "progress":
            self._tell(live, LiveProgress(live.job, event["stage"], event["fraction"]))
        elif what == "opened":
            live.opened = LiveOpened(live.job, event["start_s"], event["end_s"])
            self._tell(live, live.opened)
        elif what == "tags":
            live.answers, live.done = set(), None
            scores = [LiveScore(*score) for score in event["tags"]]
            empty = LiveTags(live.job, event["seq"])
            for tags in split(empty, "tags", scores):
                self._answer(live, LiveTags(live.job, event["seq"], tags))
        elif what == "effects":
            for tag, rows in event["effects"]:
                own = LiveEffects(live.job, event["seq"], event["kind"], tag)
                for effects in split(own, "effects", [LiveEffect(*row) for row in rows]):
                    self._answer(live, LiveEffects(own.job, own.seq, own.kind, tag, effects))
        elif what == "done":
            live.done = LiveDone(live.job, event["seq"], len(live.answers))
            self._tell(live, live.done)
        elif what == "failed":
            self._live = None
            self._tell(live, Error(live.job, event["code"], event["message"]))

    # ------------------------------------------------------------------ inside

    def _answer(self, live: _Live, message: Message) -> None:
        """Tells a part of the answer to a move, once: the network may double it, and a client that
        counts what came must not take that for another part."""
        packet = message.encode()
        if packet not in live.answers:
            live.answers.add(packet)
            live.peer.send(packet)

    def _tell(self, live: _Live, message: Message) -> None:
        live.peer.send(message.encode())

    def _begin(self) -> None:
        live = self._live
        if live is not None and self._worker_ready and not live.begun:
            try:
                spec = self._spec(live.job)
            except StemlensError as error:
                self._live = None
                self._tell(live, Error(live.job, error.code, error.message))
                return
            live.begun = True
            live.attempts += 1
            own = {"number": live.number, "start_s": live.start_s}
            self._send({"live": {"open": {**spec, **own}}})
            if live.seq:
                self._play(live)

    def _play(self, live: _Live) -> None:
        live.used = self._clock()
        if live.begun:
            self._send(
                {
                    "live": {
                        "play": {
                            "number": live.number,
                            "job": live.job,
                            "seq": live.seq,
                            "moved_db": live.moved_db,
                            "muted": sorted(live.muted),
                        }
                    }
                }
            )

    def _close(self, why: str, tell: bool = True) -> None:
        live, self._live = self._live, None
        if live is not None and live.begun:
            self._send({"live": {"close": live.number}})
        if live is not None and tell:
            live.peer.send(LiveClosed(live.job, why).encode())

    def _mine(self, message: MOVE, peer: Peer) -> _Live:
        """The live mix that is open, if the message is about it and from its client."""
        live = self._live
        if live is None or message.job not in ("", live.job):
            if message.job:
                self._store.known(message.job)
            raise StemlensError("live_not_open", "That live mix is not open; open it first.")
        if peer not in (live.asker, live.peer) and not (live.named and peer.host == live.peer.host):
            raise StemlensError(
                "live_not_open",
                "Another client has the live mix. Open it to take it over; to send each move from "
                "a new port, open it with a reply_port.",
            )
        return live

    def _is_newer(self, live: _Live, seq: int, what: tuple[str, str]) -> bool:
        if seq and seq <= live.told[what]:
            return False
        live.told[what] = seq or live.seq + 1
        live.seq = max(live.seq, live.told[what])
        return True


def _track(live: _Live, track: str) -> str:
    """The id of a track by its id or its name; raises `track_unknown`."""
    if track in live.tracks:
        return track
    named = [own for own, name in live.tracks.items() if name == track]
    if len(named) == 1:
        return named[0]
    why = "has several stems of that name; use the track's id" if named else "has no such stem"
    known = ", ".join(
        f"{name} ({own})" if name != own else own for own, name in live.tracks.items()
    )
    raise StemlensError("track_unknown", f"{track[:80]!r}: the job {why}. It has {known[:400]}.")


def _check_gain(db: float) -> None:
    if abs(db) > MAX_GAIN_DB:
        raise StemlensError(
            "bad_message", f"A fader cannot be moved by {db:g} dB; up to {MAX_GAIN_DB:g} can be."
        )


def _impossible(job: str, state: str, error: str | None) -> StemlensError:
    if state == "open":
        return StemlensError("live_impossible", f"The job {job!r} was not submitted yet.")
    why = f": {error}" if error and state == "failed" else "."
    return StemlensError(
        "live_impossible", f"The job {job!r} has {state}{why} Submit it again as another job."
    )
