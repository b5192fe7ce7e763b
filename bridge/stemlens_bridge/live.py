"""Plays the live mix of a job: fader moves to the server, what they do to the tags back.

A fader sends fifty moves a second; the server gets the whole mixer at most twenty times a second,
and the last position always. Each state is numbered. Over UDP anything may be lost: a state whose
tags do not come is sent again under a new number, and so is one of which messages are missing at
the end; what has come of the same mix before stays known. Tags of a state that was overtaken are
still shown, or a moving fader would show none.

The live mix is opened when it is needed: at the start, and again with the next move after the
server has closed it, was started again, or lost its worker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from stemlens_bridge.errors import StemlensError
from stemlens_bridge.link import Link, connect
from stemlens_bridge.moves import Move
from stemlens_bridge.protocol import (
    Error,
    LiveClose,
    LiveClosed,
    LiveDone,
    LiveEffect,
    LiveEffects,
    LiveOpen,
    LiveOpened,
    LiveProgress,
    LiveState,
    LiveTags,
    LiveTrack,
    Message,
)

EVERY_S = 0.05  # at most so often a state is sent
LISTEN_S = 0.02
RETRY_S = 1.0  # without an answer for so long, it is asked for again
TRIES = 5
CLOSE_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class View:
    """What is known of the mix at one moment.

    message: why nothing is heard now ("" while the live mix is open).
    start_s, end_s: which part of the session is listened to, project time.
    tags: the scores now, best first; bounced: as the mix was bounced.
    effects: by kind ("decibel", "mute", "share") and tag, what each track that sounds does.
    fresh: the kinds that are of the same moment as the tags; others are of one shortly before.
    done: all is known.
    mixer: where the faders stand that were moved, by track.
    """

    message: str = "opening the live mix"
    start_s: float = 0.0
    end_s: float = 0.0
    tags: Mapping[str, float] = field(default_factory=dict)
    bounced: Mapping[str, float] = field(default_factory=dict)
    effects: Mapping[str, Mapping[str, tuple[LiveEffect, ...]]] = field(default_factory=dict)
    fresh: frozenset[str] = frozenset()
    done: bool = False
    mixer: Mapping[str, LiveTrack] = field(default_factory=dict)

    def change(self, tag: str) -> float:
        """By how much a tag's score has changed since the bounce; 0 where that is not known."""
        return self.tags[tag] - self.bounced.get(tag, self.tags[tag])

    def of_track(self, kind: str, track: str) -> list[tuple[str, LiveEffect]]:
        """What a track does to each of the tags told, the strongest first."""
        found = [
            (tag, effect)
            for tag, effects in self.effects.get(kind, {}).items()
            for effect in effects
            if effect.track == track
        ]
        return sorted(found, key=lambda it: -abs(it[1].value))


OnView = Callable[[View], None]


class LiveMix:
    """The live mix of a job, played from a thread of its own until `close`.

    `on_view` is told from that thread whenever more is known.
    """

    def __init__(self, server: tuple[str, int], transport: str, job: str, on_view: OnView) -> None:
        self.job = job
        self._server, self._transport = server, transport
        self._on_view = on_view
        self._view = View()
        self._lock = threading.Lock()
        self._mixer: dict[str, LiveTrack] = {}
        self._moved = True  # at first it is opened without any move
        self._ended = threading.Event()
        self._link: Link | None = None
        self._opened = False
        self._seq = 0
        self._since = 0  # the first state with the faders as they are
        self._shown = -1  # the state whose tags are shown
        self._came: set[Message] = set()  # of its answer; a network may double some and lose others
        self._incomplete = False
        self._tries = self._again = 0  # unanswered questions; repetitions of a state
        self._sent = self._asked = self._heard = 0.0
        self._thread = threading.Thread(target=self._run, name=f"live {job}", daemon=True)
        self._thread.start()

    def __enter__(self) -> LiveMix:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def view(self) -> View:
        """What is known now."""
        return self._view

    @property
    def settled(self) -> bool:
        """Whether all moves so far are answered whole, or cannot be."""
        with self._lock:
            return not self._moved and (self._view.done or self._link is None)

    def move(self, move: Move) -> None:
        """Takes a move; returns at once."""
        with self._lock:
            known = self._mixer.get(move.track, LiveTrack(move.track, 0.0, 0))
            db = known.db if move.gain_db is None else move.gain_db
            muted = known.muted if move.muted is None else int(move.muted)
            self._mixer[move.track] = LiveTrack(move.track, db, muted)
            self._moved = True

    def close(self) -> None:
        """Ends the live mix, at the server too."""
        self._ended.set()
        self._thread.join(2 * CLOSE_PATIENCE_S)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._turn()
            except StemlensError as error:  # no server: found out again with the next move
                self._gone(error.message)
        if self._opened and self._link is not None:
            self._say_goodbye(self._link)
        if self._link is not None:
            self._link.close()

    def _turn(self) -> None:
        if self._link is None:
            if not self._moved:
                self._ended.wait(LISTEN_S)
                return
            self._link = connect(self._server, self._transport)
            self._tries = 0
            self._asked = 0.0
        now = time.monotonic()
        if not self._opened:
            self._ask_to_open(self._link, now)
        else:
            self._send_state(self._link, now)
        before = self._view
        for message in self._link.receive(LISTEN_S):
            if getattr(message, "job", None) in (self.job, ""):
                self._hear(message)
        if self._view is not before:
            self._show()

    def _ask_to_open(self, link: Link, now: float) -> None:
        if self._moved and now - self._asked >= RETRY_S:
            self._ask(link, now)

    def _send_state(self, link: Link, now: float) -> None:
        quiet = now - max(self._sent, self._heard, self._asked) >= RETRY_S
        lost = quiet and (self._shown < self._seq or self._incomplete)
        if (self._moved or lost) and now - self._sent >= EVERY_S:
            self._again = 0 if self._moved else self._again + 1
            self._seq += 1
            self._since = self._seq if self._moved else self._since
            self._sent, self._incomplete = now, False
            with self._lock:
                self._moved = False
                self._view = replace(self._view, done=False)
                mixer = tuple(self._mixer.values())
            link.send(LiveState(self.job, self._seq, mixer))
        if quiet and not self._view.done:  # it is at work, or the end was lost, or it is gone
            self._ask(link, now)

    def _ask(self, link: Link, now: float) -> None:
        if self._tries >= TRIES:
            refusal = link.unanswered()
            raise refusal if refusal.code == "not_authorised" else _silent(self._server)
        self._tries += 1
        self._asked = now
        link.send(LiveOpen(self.job))

    def _hear(self, message: Message) -> None:
        self._heard, self._tries = time.monotonic(), 0
        if isinstance(message, LiveProgress):
            self._view = replace(
                self._view, message=f"{message.stage}, {100 * message.fraction:.0f} %"
            )
        elif isinstance(message, LiveOpened):
            if not self._opened:
                self._opened, self._shown, self._since = True, -1, 0
                with self._lock:
                    self._moved = bool(self._mixer)
            self._view = replace(
                self._view, message="", start_s=message.start_s, end_s=message.end_s
            )
        elif isinstance(message, LiveTags):
            self._take_tags(message)
        elif isinstance(message, LiveEffects):
            self._take_effects(message)
        elif isinstance(message, LiveDone) and message.seq == self._seq == self._shown:
            self._incomplete = len(self._came) < message.messages and self._again < TRIES
            self._view = replace(self._view, done=not self._incomplete)
        elif isinstance(message, LiveClosed) and self._opened:
            self._gone(f"{message.why}; moving a fader opens it again")
        elif isinstance(message, Error):
            again = self._opened and message.code in ("live_not_open", "worker_died")
            self._gone(message.message, again)

    def _take_tags(self, message: LiveTags) -> None:
        if message.seq < self._shown:
            return
        told = {it.tag: it.score for it in message.tags}
        if message.seq > self._shown:
            again = self._shown >= self._since  # of the same mix
            self._shown, self._came = message.seq, set()
            fresh = self._view.fresh if again else frozenset()
            self._view = replace(self._view, tags=told, fresh=fresh, done=False)
        else:
            self._view = replace(self._view, tags={**self._view.tags, **told})
        if message.seq == 0 or not self._mixer:
            self._view = replace(self._view, bounced=self._view.tags)
        self._came.add(message)

    def _take_effects(self, message: LiveEffects) -> None:
        if message.seq != self._shown:
            return
        self._came.add(message)
        view, kind = self._view, message.kind
        known = dict(view.effects.get(kind, {})) if kind in view.fresh else {}
        earlier = known.get(message.tag, ())
        now = {it.track: it for it in (*earlier, *message.effects)}
        known[message.tag] = tuple(now.values())
        self._view = replace(view, effects={**view.effects, kind: known}, fresh=view.fresh | {kind})

    def _gone(self, why: str, again: bool = False) -> None:
        """The live mix is not open any more; it is opened `again`, or else by the next move."""
        with self._lock:
            self._moved = again
        self._opened, self._seq, self._shown, self._since = False, 0, -1, 0
        self._incomplete = False
        if self._link is not None:
            self._link.close()
            self._link = None
        self._view = replace(self._view, message=why, fresh=frozenset(), done=False)
        self._show()

    def _show(self) -> None:
        with self._lock:
            self._view = replace(self._view, mixer=dict(self._mixer))
        self._on_view(self._view)

    def _say_goodbye(self, link: Link) -> None:
        deadline = time.monotonic() + CLOSE_PATIENCE_S
        while time.monotonic() < deadline:
            link.send(LiveClose(self.job))
            if any(isinstance(message, LiveClosed) for message in link.receive(RETRY_S / 4)):
                return


def _silent(server: tuple[str, int]) -> StemlensError:
    return StemlensError(
        "server_unreachable",
        f"The server at {server[0]}:{server[1]} does not answer; if it was stopped, start it again "
        "('stemlens serve'), then move a fader.",
    )
