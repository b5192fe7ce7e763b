"""A stand-in for Ableton Live with AbletonOSC: its addresses, its habits, and its user.

What it answers, and how, follows AbletonOSC's sources (November 2025), the quirks included: replies
go to a fixed port of the sender's machine, messages are read once per tick, an exception ends the
tick, an index "*" answers for the first track only, a listener belongs to an index in its reports
and to a track in Live, and a mixer's listener cannot be taken off another track than its own.

`drops_queue`: whether what has come behind a failing message is lost (as was reported) or waits for
the next tick (as the sources of November 2025 do for single messages).
`loss`: the share of datagrams that are lost, each way.
The methods below "the user" are what a person does in Live meanwhile; `before` runs something at a
given message, so that races can be had for certain.
"""

from __future__ import annotations

import random
import re
import select
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

Params = list[Any]


def free_port() -> int:
    """A UDP port that nobody has right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(eq=False)
class Track:
    """A track or group of the set; without a name of its own Live makes one ("3-Audio")."""

    user_name: str = ""
    sort: str = "Audio"
    color_index: int = 13
    volume: float = 0.85
    panning: float = 0.0
    mute: bool = False
    solo: bool = False
    num_devices: int = 0
    group: Track | None = None
    output: str = "Main"
    broken_listeners: set[str] = field(default_factory=set)
    held: bool = False  # the user, or a controller, has the fader in hand

    @property
    def is_foldable(self) -> bool:
        return self.sort == "Group"


@dataclass(eq=False)
class Cue:
    name: str
    time: float


class LiveStandIn:
    """Live with a set of `tracks`, as a thread; a context manager."""

    def __init__(
        self,
        *tracks: Track,
        tick_s: float = 0.008,
        loss: float = 0.0,
        seed: int = 1,
        drops_queue: bool = True,
        version: tuple[int, int] = (12, 1),
        lacks: Sequence[str] = (),
    ) -> None:
        self.tracks = list(tracks)
        self.tick_s, self.loss, self.drops_queue, self.version = tick_s, loss, drops_queue, version
        self.cues: list[Cue] = []
        self.song_time, self.playing, self.tempo = 0.0, False, 120.0
        self.undo: list[str] = []  # what Live would undo, one entry a step
        self.shown: list[str] = []  # in the status bar
        self.handled: Counter[str] = Counter()
        self.lost = 0
        self.port, self.reply_port = free_port(), free_port()
        self._random = random.Random(seed)
        self._before: dict[str, list[tuple[int, Callable[[], None]]]] = {}
        self._listeners: dict[tuple[str, int], Track] = {}
        self._client = ("127.0.0.1", self.reply_port)
        self._lock = threading.RLock()
        self._busy = False
        self._socket: socket.socket | None = None
        self._handlers = self._addresses()
        for address in lacks:  # an older AbletonOSC
            del self._handlers[address]
        self._ending, self._end = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)

    # ------------------------------------------------------------------ the program

    def __enter__(self) -> LiveStandIn:
        self.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.send(b"x")
        self._thread.join()
        self.quit()
        self._ending.close()
        self._end.close()

    def start(self) -> None:
        """Live starts, or AbletonOSC is chosen again: no listener is left, and it says so."""
        with self._lock:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind(("127.0.0.1", self.port))
            self._socket.setblocking(False)
            self._listeners.clear()
            self._send("/live/startup", ())

    def quit(self) -> None:
        """Live is closed."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = None

    def busy(self, busy: bool = True) -> None:
        """A dialog is open: no ticks."""
        with self._lock:
            self._busy = busy

    def _run(self) -> None:
        while not select.select([self._ending], [], [], self.tick_s)[0]:
            with self._lock:
                if self._socket is not None and not self._busy:
                    self._tick(self._socket)

    def _tick(self, here: socket.socket) -> None:
        try:
            while True:
                packet, sender = here.recvfrom(65_536)
                if self._random.random() < self.loss:
                    self.lost += 1
                    continue
                self._client = (sender[0], self.reply_port)
                message = OscMessage(packet)
                self._process(message.address, list(message.params))
                if self._socket is not here:
                    return
        except BlockingIOError:
            pass
        except Exception as error:
            self._error(f"Error handling OSC message: {error}")
            while self.drops_queue:
                try:
                    here.recvfrom(65_536)
                except BlockingIOError:
                    break

    def _process(self, address: str, params: Params) -> None:
        self.handled[address] += 1
        for at, action in self._before.get(address, []):
            if at == self.handled[address]:
                action()
        if address in self._handlers:
            found = self._handlers[address](params)
            if found is not None:
                self._send(address, found)
        elif "*" in address:
            for own, handler in self._handlers.items():
                if re.match(address.replace("*", "[^/]+"), own):
                    try:
                        found = handler(params)
                    except (ValueError, AttributeError):
                        continue
                    if found is not None:
                        self._send(own, found)
        else:
            self._error(f"Unknown OSC address: {address}")

    def _error(self, text: str) -> None:
        self._send("/live/error", (text,))

    def _send(self, address: str, values: tuple[Any, ...]) -> None:
        builder = OscMessageBuilder(address)
        for value in values:
            builder.add_arg(value, "N" if value is None else None)
        if self._random.random() < self.loss:
            self.lost += 1
        elif self._socket is not None:
            self._socket.sendto(builder.build().dgram, self._client)

    # ------------------------------------------------------------------ its addresses

    def _addresses(self) -> dict[str, Callable[[Params], tuple[Any, ...] | None]]:
        found: dict[str, Callable[[Params], Any]] = {
            "/live/test": lambda _: ("ok",),
            "/live/application/get/version": lambda _: self.version,
            "/live/api/show_message": lambda p: self.shown.append(p[0]),
            "/live/song/get/num_tracks": lambda _: (len(self.tracks),),
            "/live/song/get/track_names": lambda _: tuple(self.names()),
            "/live/song/get/track_data": self._track_data,
            "/live/song/get/tempo": lambda _: (self.tempo,),
            "/live/song/get/is_playing": lambda _: (self.playing,),
            "/live/song/get/current_song_time": lambda _: (self.song_time,),
            "/live/song/set/current_song_time": self._set_song_time,
            "/live/song/get/cue_points": lambda _: tuple(
                value for cue in self.cues for value in (cue.name, cue.time)
            ),
            "/live/song/cue_point/jump": self._cue_jump,
            "/live/song/cue_point/add_or_delete": self._cue_toggle,
            "/live/song/cue_point/set/name": self._cue_name,
            "/live/track/set/name": self._of_track(self._set_name),
            "/live/track/set/color_index": self._of_track(self._set_color),
            "/live/track/set/volume": self._of_track(self._set_volume),
            "/live/track/get/output_routing_type": self._of_track(lambda t, p: (t.output,)),
        }
        for name in ("name", "color_index", "mute", "solo", "is_foldable", "volume", "panning"):
            found[f"/live/track/get/{name}"] = self._of_track(
                lambda track, params, name=name: (self._value(track, name), *params)
            )
        for name in ("mute", "solo", "name", "volume", "panning"):
            found[f"/live/track/start_listen/{name}"] = self._listening(name, self._start_listen)
            found[f"/live/track/stop_listen/{name}"] = self._listening(name, self._stop_listen)
        return found

    def _of_track(self, function: Callable[[Track, Params], Any]) -> Callable[[Params], Any]:
        def handler(params: Params) -> Any:
            everywhere = params[0] == "*"
            for index in range(len(self.tracks)) if everywhere else [int(params[0])]:
                found = function(self.tracks[index], params[1:])
                if found is not None:
                    return (index, *found)  # the quirk: "*" answers for the first track only
            return None

        return handler

    def _listening(
        self, name: str, function: Callable[[str, int, Track], None]
    ) -> Callable[[Params], None]:
        def handler(params: Params) -> None:
            everywhere = params[0] == "*"
            for index in range(len(self.tracks)) if everywhere else [int(params[0])]:
                function(name, index, self.tracks[index])

        return handler

    def _value(self, track: Track, name: str) -> Any:
        if name == "name":
            return track.user_name or f"{self.tracks.index(track) + 1}-{track.sort}"
        if name == "group_track":
            return None if track.group is None else self.tracks.index(track.group)
        return getattr(track, name)

    def _track_data(self, params: Params) -> tuple[Any, ...]:
        start, end, *wanted = params
        found = []
        for index in range(start, end):
            for name in wanted:
                kind, _, prop = name.partition(".")
                assert kind == "track"
                found.append(self._value(self.tracks[index], prop))
        return tuple(found)

    def _set_name(self, track: Track, params: Params) -> None:
        if not isinstance(params[0], str):
            raise TypeError("Python argument types in name did not match C++ signature")
        if self._value(track, "name") != params[0]:
            track.user_name = params[0]
            self.undo.append("Rename Track")
            self._report("name", track)

    def _set_color(self, track: Track, params: Params) -> None:
        if not 0 <= params[0] < 70:
            raise IndexError("Invalid color index")
        if track.color_index != params[0]:
            track.color_index = params[0]
            self.undo.append("Track Color")

    def _set_volume(self, track: Track, params: Params) -> None:
        if not 0 <= params[0] <= 1:
            raise RuntimeError("Invalid value. Check the parameters range with min/max")
        if not track.held:
            track.volume = params[0]
            self._report("volume", track)

    def _set_song_time(self, params: Params) -> None:
        self.song_time = float(params[0])

    def _cue_jump(self, params: Params) -> None:
        self.song_time = self.cues[params[0]].time

    def _cue_toggle(self, params: Params) -> None:
        self.undo.append("Locator")
        for cue in self.cues:
            if cue.time == self.song_time:
                self.cues.remove(cue)
                return
        self.cues.append(Cue(str(len(self.cues) + 1), self.song_time))
        self.cues.sort(key=lambda cue: cue.time)

    def _cue_name(self, params: Params) -> None:
        self.cues[params[0]].name = params[1]
        self.undo.append("Rename Locator")

    def _start_listen(self, name: str, index: int, track: Track) -> None:
        if (name, index) in self._listeners:
            self._stop_listen(name, index, track)
        self._listeners[name, index] = track
        self._send(f"/live/track/get/{name}", (index, self._value(track, name)))

    def _stop_listen(self, name: str, index: int, track: Track) -> None:
        if (name, index) not in self._listeners:
            return
        if name in ("volume", "panning") and self._listeners[name, index] is not track:
            raise RuntimeError("Observer not connected")
        del self._listeners[name, index]

    def _report(self, name: str, track: Track) -> None:
        for (listened, index), own in self._listeners.items():
            if listened == name and own is track and track in self.tracks:
                self._send(f"/live/track/get/{name}", (index, self._value(track, name)))

    # ------------------------------------------------------------------ the user

    def before(self, address: str, action: Callable[[], None], at: int = 1) -> None:
        """Does something right before the next, or a later, message to an address is handled."""
        with self._lock:
            self._before.setdefault(address, []).append((self.handled[address] + at, action))

    def names(self) -> list[str]:
        """The names as Live shows them."""
        with self._lock:
            return [self._value(track, "name") for track in self.tracks]

    def rename(self, index: int, name: str) -> None:
        with self._lock:
            self.tracks[index].user_name = name

    def move(self, index: int, to: int) -> None:
        with self._lock:
            self.tracks.insert(to, self.tracks.pop(index))

    def delete(self, index: int) -> None:
        with self._lock:
            del self.tracks[index]

    def insert(self, index: int, track: Track) -> None:
        with self._lock:
            self.tracks.insert(index, track)

    def turn(self, index: int, **changes: Any) -> None:
        """Moves a fader, presses mute or solo: turn(0, volume=0.7)."""
        with self._lock:
            for name, value in changes.items():
                setattr(self.tracks[index], name, value)
                self._report(name, self.tracks[index])
