"""Follows the faders of a running Ardour and says how the mix has moved since the bounce.

Faders, mutes and solos of the stems become `moves.Move`; anything else that changes the sound (a
pan, a trim, a fader inside a bus that is one stem, tracks that come, go or get another name) makes
the result stale, which is told once for each reason. Ardour tells when something changes; what it
is, is then asked for, and every `ASK_S` anyway, since any message may be lost. Levels are dB.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from stemlens_bridge import moves
from stemlens_bridge.ardour.osc import (
    BUTTONS,
    CONTROLS,
    TRACKS_AND_BUSES,
    Ardour,
    Exchange,
    Strip,
    fader_db,
)
from stemlens_bridge.ardour.session_file import SessionFile
from stemlens_bridge.session import Session

ASK_S = 2.0
HEAR_S = 0.1
SAME_DB = 0.001  # a fader is told as a 32-bit float of its position
SAME_PAN = 0.001
QUERIES = ("name", "fader", "mute", "solo", "pan_stereo_position", "trimdB")

OnStale = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Position:
    """A strip at one moment: what the live mix takes of it, and what it does not."""

    strip: moves.Strip
    pan: float
    trim_db: float


class Follower:
    """Follows the stems of a bounce in the Ardour that has their session open.

    `saved` is the session's file, `bounced` the session that was analysed.
    """

    def __init__(
        self,
        ardour: Ardour,
        saved: SessionFile,
        bounced: Session,
        on_move: moves.OnMove,
        on_stale: OnStale,
    ) -> None:
        self._ardour = ardour
        self._on_move = on_move
        self._on_stale = on_stale
        self._ids = {route.name: route.id for route in saved.mixed}
        stems = bounced.stems
        self._bounced_db = {stem.id: float(stem.facts.get("fader_db", 0.0)) for stem in stems}
        self._inside = {stem.id: list(stem.facts.get("inside", ())) for stem in stems}
        self._owner = {own: stem.id for stem in stems for own in self._inside[stem.id]}
        self._names = {route.id: route.name for route in saved.mixed}
        self._fed_by: dict[str, list[str]] = {}
        for stem in stems:
            for fed in stem.facts.get("feeds", ()):
                self._fed_by.setdefault(str(fed), []).append(stem.id)
        self._strips: list[Strip] = []
        self._before = {own: moves.Strip(db) for own, db in self._bounced_db.items()}
        self._first: dict[str, Position] = {}
        self._told: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Follows until `stop` is set; raises `daw_unreachable` when Ardour goes away."""
        self._ardour.watch(BUTTONS | CONTROLS)
        try:
            asked = 0.0
            while not stop.is_set():
                came = self._ardour.receive(HEAR_S)
                heard = any(path.startswith("/strip/") for path, _ in came)
                if heard or time.monotonic() - asked > ASK_S:
                    self.look()
                    asked = time.monotonic()
        finally:
            self._ardour.watch(0)

    def look(self) -> None:
        """Asks for the state of the mixer once and tells what has moved since the last look."""
        now = self._positions()
        if now is None:
            return
        for own, position in now.items():
            self._compare(own, self._first.setdefault(own, position), position)
        strips = {own: position.strip for own, position in now.items()}
        heard = {own: self._as_stem(own, strips) for own in self._bounced_db if own in strips}
        # what is soloed elsewhere silences the stems
        heard |= {
            own: strip
            for own, strip in strips.items()
            if strip.soloed and own not in heard and own not in self._owner
        }
        for move in moves.moves(self._before, heard, self._bounced_db):
            self._on_move(move)
        self._before = heard

    def _positions(self) -> dict[str, Position] | None:
        """Every strip's state by route id; None where the tracks are not those of the session."""
        if not self._strips:
            strips = self._ardour.strips()
            self._strips = [strip for strip in strips if strip.kind in TRACKS_AND_BUSES]
        paths = [tuple(f"/strip/{s.ssid}/{what}" for what in QUERIES) for s in self._strips]
        answers = self._ardour.exchange([Exchange(own) for own in paths])
        found = {}
        for strip, own, answer in zip(self._strips, paths, answers, strict=True):
            name, *numbers = (answer[path][:1] for path in own)
            if name != [strip.name] or strip.name not in self._ids:
                self._strips = []
                self._stale("tracks were added, removed, moved or renamed")
                return None
            fader, mute, solo, pan, trim = (
                float(given[0]) if given and not isinstance(given[0], str) else 0.0
                for given in numbers
            )
            found[self._ids[strip.name]] = Position(
                moves.Strip(fader_db(fader), bool(mute), bool(solo)), pan, trim
            )
        return found

    def _compare(self, own: str, first: Position, now: Position) -> None:
        """Tells what no move can say."""
        name = self._names[own]
        if abs(now.pan - first.pan) > SAME_PAN:
            self._stale(f"the pan of {name} was moved")
        if abs(now.trim_db - first.trim_db) > SAME_DB:
            self._stale(f"the trim of {name} was moved")
        if own in self._owner and (
            abs(now.strip.fader_db - first.strip.fader_db) > SAME_DB
            or now.strip.muted != first.strip.muted
            or now.strip.soloed != first.strip.soloed
        ):
            self._stale(f"{name} was changed inside {self._names[self._owner[own]]}")

    def _as_stem(self, own: str, strips: dict[str, moves.Strip]) -> moves.Strip:
        """A stem's strip; it counts as soloed with anything soloed that it lets through."""
        strip = strips[own]
        through = [own, *self._inside[own], *self._fed_by.get(own, ())]
        soloed = any(strips[other].soloed for other in through if other in strips)
        level = strip.fader_db
        for known in (self._bounced_db[own], self._before.get(own, strip).fader_db):
            if abs(level - known) < SAME_DB:
                level = known
                break
        return replace(strip, fader_db=level, soloed=soloed)

    def _stale(self, reason: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            self._on_stale(reason)
