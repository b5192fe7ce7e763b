"""The addresses of AbletonOSC that Stemlens uses, as data.

AbletonOSC listens on UDP port 11000 and answers to port 11001 of whoever asked. A getter answers at
its own address: those of tracks with the track's index and the value, those of the song with the
values alone. Setters and methods answer nothing, so that what they did has to be read back.
`start_listen` sends the value at once, and from then on each new one, at the address of the getter.

Source: AbletonOSC's README (Daniel Jones, github.com/ideoforms/AbletonOSC, as of November 2025) and
its sources where the README is silent: the type of an answer follows from Live's own (`T` and `F`
for switches), and an answer that stands for no track is `N`.
"""

from __future__ import annotations

from dataclasses import dataclass

PORT, REPLY_PORT = 11000, 11001
TICK_S = 0.1  # how often AbletonOSC looks for messages


@dataclass(frozen=True, slots=True)
class Address:
    """One address.

    types: OSC types of the arguments; a "*" at the end stands for more texts.
    reply: the address of the answer; "" where none comes.
    echo: so many arguments of the request come back in front of the answer.
    """

    path: str
    types: str = ""
    reply: str = ""
    echo: int = 0


def _song_get(name: str, types: str = "") -> Address:
    path = f"/live/song/get/{name}"
    return Address(path, types, path)


def _track_get(name: str) -> Address:
    path = f"/live/track/get/{name}"
    return Address(path, "i", path, 1)


def _listen(name: str) -> Address:
    return Address(f"/live/track/start_listen/{name}", "i", f"/live/track/get/{name}", 1)


TEST = Address("/live/test", "", "/live/test")
VERSION = Address("/live/application/get/version", "", "/live/application/get/version")
SHOW_MESSAGE = Address("/live/api/show_message", "s")

NUM_TRACKS = _song_get("num_tracks")
TRACK_DATA = _song_get("track_data", "iis*")  # from, to (not included), "track.name" …
TEMPO = _song_get("tempo")
IS_PLAYING = _song_get("is_playing")
SONG_TIME = _song_get("current_song_time")  # beats
SET_SONG_TIME = Address("/live/song/set/current_song_time", "f")
CUE_POINTS = _song_get("cue_points")  # name, time in beats, name, time …
CUE_JUMP = Address("/live/song/cue_point/jump", "i")
CUE_TOGGLE = Address("/live/song/cue_point/add_or_delete")  # at the playhead
CUE_SET_NAME = Address("/live/song/cue_point/set/name", "is")

VOLUME = _track_get("volume")
PANNING = _track_get("panning")
MUTE = _track_get("mute")
SOLO = _track_get("solo")
OUTPUT = _track_get("output_routing_type")
SET_NAME = Address("/live/track/set/name", "is")
SET_VOLUME = Address("/live/track/set/volume", "if")
SET_COLOR_INDEX = Address("/live/track/set/color_index", "ii")
LISTEN_VOLUME, LISTEN_MUTE, LISTEN_SOLO = _listen("volume"), _listen("mute"), _listen("solo")
STOP_VOLUME = Address("/live/track/stop_listen/volume", "i")
STOP_MUTE = Address("/live/track/stop_listen/mute", "i")
STOP_SOLO = Address("/live/track/stop_listen/solo", "i")

# what AbletonOSC sends unasked
STARTUP = "/live/startup"  # it has been started, or started again: no listener is left
ERROR = "/live/error"  # a text; it does not say which message was at fault
