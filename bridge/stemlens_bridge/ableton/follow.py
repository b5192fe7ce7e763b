"""Follows the faders of Live: what the user does with volume, mute and solo since the export.

AbletonOSC reports changes of what it was asked to listen to, by the index that the track had when
it was asked. When tracks are moved, added or deleted, those reports go on under old indexes, and
the listeners of a mixer cannot even be taken off again (AbletonOSC, issues 31, 105 and 137). So the
names are read again and again, and once they are others, reports are no longer believed: the faders
are asked for instead, by where the tracks are now. When AbletonOSC was started again, no listener
is left, and all are set anew.

A stem inside a group that was opened is as loud as its own fader and all groups around it make it,
and silent when one of them is muted. What happens inside a group that is one stem cannot be told as
a move of that stem: then the result is stale, which is said once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stemlens_bridge import marks, moves
from stemlens_bridge.ableton import addresses, decibels, live_set
from stemlens_bridge.ableton.link import LiveLink, Push, Question, Value
from stemlens_bridge.ableton.live_set import LiveSet, LiveTrack
from stemlens_bridge.moves import OnMove, Strip

CHECK_S = 1.0  # how often the names are read again
REFRESH_S = 5.0  # how often all faders are, in case that a report was lost
ANYTHING = ""  # stands for what is no stem and yet may be soloed

LISTEN = (addresses.LISTEN_VOLUME, addresses.LISTEN_MUTE, addresses.LISTEN_SOLO)
STOP = (addresses.STOP_VOLUME, addresses.STOP_MUTE, addresses.STOP_SOLO)
GET = (addresses.VOLUME, addresses.MUTE, addresses.SOLO)
PER_TICK = 16


@dataclass(frozen=True, slots=True)
class _Fader:
    """A track's volume (0 to 1) and switches now."""

    volume: float
    muted: bool
    soloed: bool


class Follower:
    """Follows the faders of a set as it was at the export.

    `stems` are the ids of the tracks that are stems. `on_move` is told moves relative to the
    export, `on_stale` once why the result no longer fits.
    """

    def __init__(
        self,
        link: LiveLink,
        exported: LiveSet,
        stems: Sequence[str],
        on_move: OnMove,
        on_stale: Callable[[str], None],
    ) -> None:
        self._link, self._exported = link, exported
        self._tracks = {track.id: track for track in exported.tracks}
        self._stems = [own for own in stems if own in self._tracks]
        self._on_move, self._on_stale = on_move, on_stale
        self._told_stale: set[str] = set()
        self._places: dict[str, int] = {track.id: track.index for track in exported.tracks}
        self._faders: dict[str, _Fader] = {}
        self._before: dict[str, Strip] = {}
        self._moved = False
        self._startups = link.startups
        self._checked = self._refreshed = 0.0

    def start(self) -> None:
        """Begins: from now on `step` tells moves. What has moved since the export is told first."""
        self._bounced = {own: self._level(self._at_export(), own) for own in self._stems}
        self._before = self._strips(self._at_export())
        self._look()
        self._listen()
        self._tell()

    def step(self, seconds: float) -> None:
        """Waits up to `seconds` for something to happen, and tells what has.

        Raises `daw_unreachable` when Live is gone.
        """
        pushes = self._link.listen(seconds)
        if self._link.startups != self._startups:
            self._startups = self._link.startups
            self._moved = False
            self._look()
            self._listen()
        elif time.monotonic() - self._checked >= CHECK_S:
            self._look()
        if not self._moved:
            for push in pushes:
                self._take(push)
        if self._moved or time.monotonic() - self._refreshed >= REFRESH_S:
            self._ask()
        self._tell()

    def stop(self) -> None:
        """Takes the listeners off again, as far as AbletonOSC lets."""
        stops = [(address, index) for index in self._places.values() for address in STOP]
        for at, (address, index) in enumerate(stops, 1):
            self._link.tell(address, index)
            if at % PER_TICK == 0:
                self._link.pause(1)

    # ------------------------------------------------------------------ what is there

    def _look(self) -> None:
        """Whether the tracks are still the ones of the export, and where."""
        self._checked = time.monotonic()
        names = [marks.without_label(str(row[0])) for row in live_set.rows(self._link, "name")]
        if [self._tracks[own].name for own in self._tracks] == names:
            if self._moved:
                self._places = {own: track.index for own, track in self._tracks.items()}
            return
        self._moved = True
        places = {}
        for own, track in self._tracks.items():
            if names.count(track.name) == 1:
                places[own] = names.index(track.name)
            else:
                self._stale(f"{track.name!r} was renamed or deleted, or is no longer the only one.")
        if len(names) > len(self._tracks):
            self._stale("A track was added.")
        self._places = places

    def _listen(self) -> None:
        if self._moved:
            self._ask()
            return
        self._read(LISTEN)

    def _ask(self) -> None:
        self._read(GET)

    def _read(self, what: Sequence[addresses.Address]) -> None:
        self._refreshed = time.monotonic()
        owns = list(self._places)
        values = self._link.ask_all(
            [Question(address, (self._places[own],)) for own in owns for address in what]
        )
        for at, own in enumerate(owns):
            volume, muted, soloed = (value[0] for value in values[3 * at : 3 * at + 3])
            self._faders[own] = _Fader(_number(volume), bool(muted), bool(soloed))

    def _take(self, push: Push) -> None:
        if len(push.values) != 2 or not isinstance(push.values[0], int):
            return
        index, value = push.values
        own = next((own for own, place in self._places.items() if place == index), None)
        if own is None or own not in self._faders:
            return
        if push.path == addresses.VOLUME.path:
            self._faders[own] = replace(self._faders[own], volume=_number(value))
        elif push.path == addresses.MUTE.path:
            self._faders[own] = replace(self._faders[own], muted=bool(value))
        elif push.path == addresses.SOLO.path:
            self._faders[own] = replace(self._faders[own], soloed=bool(value))

    # ------------------------------------------------------------------ what it means

    def _tell(self) -> None:
        faders = self._at_export() | self._faders
        self._compare_inside(faders)
        now = self._strips(faders)
        for move in moves.moves(self._before, now, self._bounced):
            self._on_move(move)
        self._before = now

    def _at_export(self) -> dict[str, _Fader]:
        return {
            track.id: _Fader(track.volume, track.muted, track.soloed)
            for track in self._exported.tracks
        }

    def _strips(self, faders: dict[str, _Fader]) -> dict[str, Strip]:
        strips = {}
        for own in self._stems:
            around = [own, *self._around(own)]
            inside = self._inside(own)
            strips[own] = Strip(
                self._level(faders, own),
                any(faders[track].muted for track in around),
                any(faders[track].soloed for track in (*around, *inside)),
            )
        strips[ANYTHING] = Strip(0.0, soloed=any(fader.soloed for fader in faders.values()))
        return strips

    def _level(self, faders: dict[str, _Fader], own: str) -> float:
        levels = [_level_db(faders[track].volume) for track in (own, *self._around(own))]
        return max(moves.SILENCE_DB, round(sum(levels), 2))

    def _compare_inside(self, faders: dict[str, _Fader]) -> None:
        exported = self._at_export()
        for own in self._stems:
            for track in self._inside(own):
                was, now = exported[track], faders[track]
                if was != now:
                    self._stale(
                        f"{self._tracks[track].name!r} was changed, which is inside the stem "
                        f"{self._tracks[own].name!r}."
                    )

    def _around(self, own: str) -> list[str]:
        """The groups around a track, from the inside out."""
        found = []
        track: LiveTrack = self._tracks[own]
        while track.group is not None:
            track = self._exported.tracks[track.group]
            found.append(track.id)
        return found

    def _inside(self, own: str) -> list[str]:
        return [track for track in self._tracks if own in self._around(track)]

    def _stale(self, why: str) -> None:
        if why not in self._told_stale:
            self._told_stale.add(why)
            self._on_stale(why)


def _level_db(volume: float) -> float:
    return round(decibels.from_volume(volume), 2)


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
