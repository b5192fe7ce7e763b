"""What is in the Live set: its tracks, and how they are routed, as far as AbletonOSC tells.

AbletonOSC reaches the tracks and groups of a set, not its returns and not the main track. A track
has no id: it is known by its place (index) and its name together, and either can change while one
looks. So a set is read until two readings agree, and `rows` reads several properties of all tracks
in one message, which is one moment.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from stemlens_bridge import marks, routing
from stemlens_bridge.ableton import addresses, decibels
from stemlens_bridge.ableton.link import LiveLink, Question, Value, Values
from stemlens_bridge.errors import StemlensError

CHUNK = 64  # tracks in one message: macOS sends no datagram of more than 9,216 bytes
READINGS = 5
TO_MASTER = frozenset({"master", "main"})  # Live 11 and 12 call it so
TO_NOTHING = frozenset({"sends only", "no output", "none"})
PROPERTIES = ("name", "is_foldable", "mute", "num_devices", "group_track")
FORMER_NUMBER = re.compile(r"^\d+[- ]")


@dataclass(frozen=True, slots=True)
class LiveTrack:
    """A track or group: `index` counts from 0 and `name` is without our label.

    group: the index of the group it lies in. output: where Live says its sound goes.
    volume: the fader, 0 to 1 (`fader_db` is the same in dB). pan: −1 (left) to 1.
    """

    index: int
    name: str
    group: int | None = None
    foldable: bool = False
    devices: int = 0
    muted: bool = False
    soloed: bool = False
    volume: float = 0.85
    pan: float = 0.0
    output: str = "Main"

    @property
    def id(self) -> str:
        """The id under which the track is analysed: its place, counted from 1 as Live shows it."""
        return str(self.index + 1)

    @property
    def fader_db(self) -> float:
        """The fader in dB, as Live shows it: to two places."""
        return round(decibels.from_volume(self.volume), 2)


@dataclass(frozen=True, slots=True)
class LiveSet:
    """The tracks of a set in their order, its tempo (beats per minute), and Live's version."""

    tracks: tuple[LiveTrack, ...]
    tempo: float
    version: tuple[int, int]

    def routing(self) -> list[routing.Track]:
        """The set as facts for the cut of the routing."""
        plain = Counter(track.name for track in self.tracks)
        by_name = {track.name: track for track in self.tracks if plain[track.name] == 1}
        return [
            routing.Track(
                id=track.id,
                name=track.name,
                output=self._output(track, by_name),
                sounds=not track.foldable,
                effects=track.foldable and track.devices > 0,
                fader_db=track.fader_db,
                pan=track.pan,
                muted=track.muted,
            )
            for track in self.tracks
        ]

    def _output(self, track: LiveTrack, by_name: dict[str, LiveTrack]) -> str | None:
        where = track.output.strip()
        if where.lower() in TO_MASTER:
            return routing.MASTER
        if where.lower() in TO_NOTHING or where.lower().startswith("ext."):
            return None
        if track.group is not None and where.lower() == "group":
            return self.tracks[track.group].id
        # Live writes "3-Bass" for the track Bass where it lists tracks by number
        for name in (where, FORMER_NUMBER.sub("", where)):
            target = by_name.get(marks.without_label(name))
            if target is not None and target != track and target.index != track.group:
                return target.id
        return routing.MASTER if track.group is None else self.tracks[track.group].id


def read(link: LiveLink, version: tuple[int, int]) -> LiveSet:
    """The set that is open now; raises `daw_failed` when it keeps changing meanwhile."""
    for _ in range(READINGS):
        before = rows(link, *PROPERTIES)
        mixer = (addresses.VOLUME, addresses.PANNING, addresses.SOLO, addresses.OUTPUT)
        values = link.ask_all(
            [Question(address, (index,)) for index in range(len(before)) for address in mixer]
        )
        (tempo,) = link.ask(addresses.TEMPO)
        if rows(link, *PROPERTIES) != before:
            continue
        tracks = tuple(
            _track(index, row, [answer[0] for answer in values[4 * index : 4 * index + 4]])
            for index, row in enumerate(before)
        )
        return LiveSet(tracks, _number(tempo), version)
    raise StemlensError(
        "daw_failed", "The set keeps changing while it is read. Try again when it is at rest."
    )


def rows(link: LiveLink, *properties: str, size: int | None = None) -> list[Values]:
    """Properties of all tracks (names of Live's own), a row for each track.

    Up to 64 tracks come in one message and belong to one moment. `size`: how many tracks there were
    when last seen, which saves a tick. Raises `daw_failed` when that number keeps changing.
    """
    names = tuple(f"track.{name}" for name in properties)
    if size is None:
        size = _count(link)
    for _ in range(READINGS):
        try:
            found, count = _rows(link, names, size)
        except StemlensError as error:
            count = _count(link)
            if error.code != "daw_failed" or count == size:
                raise
            found = []
        if count == size == len(found):
            return found
        size = count
    raise StemlensError(
        "daw_failed", "Tracks keep coming and going in the set. Try again when it is at rest."
    )


def _rows(link: LiveLink, names: tuple[str, ...], size: int) -> tuple[list[Values], int]:
    """The rows of the first `size` tracks, and how many tracks there are at the last message."""
    found: list[Values] = []
    count = Question(addresses.NUM_TRACKS)
    if not size:
        return found, _count(link)
    for start in range(0, size, CHUNK):
        data = Question(addresses.TRACK_DATA, (start, min(start + CHUNK, size), *names))
        (number,), values = link.ask_all([count, data])
        width = len(names)
        found += [values[at : at + width] for at in range(0, len(values), width)]
    return found, int(_number(number))


def _count(link: LiveLink) -> int:
    return int(_number(link.ask(addresses.NUM_TRACKS)[0]))


def _track(index: int, row: Values, mixer: list[Value]) -> LiveTrack:
    name, foldable, muted, devices, group = row
    volume, pan, solo, output = mixer
    return LiveTrack(
        index=index,
        name=marks.without_label(str(name)),
        group=None if group is None else int(_number(group)),
        foldable=bool(foldable),
        devices=int(_number(devices)),
        muted=bool(muted),
        soloed=bool(solo),
        volume=_number(volume),
        pan=_number(pan),
        output=str(output),
    )


def _number(value: Value) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise StemlensError(
        "daw_failed", f"AbletonOSC answered {value!r} where a number was expected. Is it current?"
    )
