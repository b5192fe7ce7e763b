"""The sounds that explain a tag on tracks of their own, in a snapshot of the session.

Nothing of the user's session changes: beside its file a snapshot of it is written, as it was saved
last, with a muted stereo track for each sound behind all others, where it belongs in time. The
sounds lie with the session's own recordings. Ardour opens the snapshot like any other of the
session; when it is no longer wanted, it is deleted like any other.

Tracks of ours are known by their names (`session_file.BESIDE`), and are never bounced.

Source: routes, playlists, regions and sources as Ardour 7.3 writes them; what is left out here it
adds when it saves.
"""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import count
from pathlib import Path

from stemlens_bridge import wavefile, whysounds
from stemlens_bridge.ardour.session_file import BESIDE, ENDING, OURS, SessionFile, superclocks
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.protocol import Explanation
from stemlens_bridge.trials import Explained
from stemlens_bridge.writing import plain_name, written

CHANNELS = 2


def name(session: SessionFile, explained: Explained) -> str:
    """The snapshot's name: "stemlens Song why rock"."""
    return f"{OURS}{session.snapshot} {plain_name(whysounds.title(explained))}"


def write(session: SessionFile, explained: Explained) -> Path:
    """Writes the snapshot, in the place of a former one of the tag; returns its file.

    Raises `audio_missing`, `disk_full`, `output_failed`, `project_invalid`, and `audio_not_audio`
    for sounds that this session cannot play as they are.
    """
    whysounds.require_readable(explained.sounds)
    lengths = [_frames(session, sound) for sound in explained.sounds]
    files = whysounds.copied(explained, _recordings(session))
    tree = ET.parse(session.path)
    root = tree.getroot()
    numbers = count(int(root.get("id-counter", "0")) + 1)
    order = count(1 + max((route.order for route in session.routes), default=0))
    for sound, file, frames in zip(explained.sounds, files, lengths, strict=True):
        _add(root, session, sound, file.name, frames, next(order), lambda: str(next(numbers)))
    root.set("id-counter", str(next(numbers)))
    path = session.folder / f"{name(session, explained)}{ENDING}"
    with written(path) as part:
        tree.write(part, encoding="UTF-8", xml_declaration=True)
    return path


def _frames(session: SessionFile, sound: Explanation) -> int:
    """How long a sound is, in samples; raises `audio_not_audio` where it does not fit."""
    try:
        with Path(sound.path).open("rb") as file:
            found = wavefile.samples(file)
    except (OSError, struct.error):
        found = None
    if found is None or not found.frames:
        raise StemlensError("audio_not_audio", f"{sound.path} is no WAV file.")
    if (found.channels, len(session.master.inputs)) != (CHANNELS, CHANNELS):
        raise StemlensError(
            "audio_not_audio", "The sounds are stereo, and the master of the session is not."
        )
    if found.rate != session.rate:
        raise StemlensError(
            "audio_not_audio",
            f"The sounds have {found.rate} Hz and the session has {session.rate} Hz.",
        )
    return found.frames


def _recordings(session: SessionFile) -> Path:
    """Where the recordings of a session lie."""
    folders = sorted((session.folder / "interchange").glob("*/audiofiles"))
    own = session.folder / "interchange" / session.folder.name / "audiofiles"
    return own if own in folders or not folders else folders[0]


def _add(
    root: ET.Element,
    session: SessionFile,
    sound: Explanation,
    file: str,
    frames: int,
    order: int,
    new_id: Callable[[], str],
) -> None:
    """Adds a track with one region."""
    parts = {kind: root.find(kind) for kind in ("Sources", "Regions", "Playlists", "Routes")}
    if None in parts.values():
        raise StemlensError(
            "project_invalid", f"{session.path} has no list of tracks or recordings."
        )
    own = f"{BESIDE}{whysounds.name(sound)}"
    ids = [new_id() for _ in range(CHANNELS)]
    for channel, number in enumerate(ids):
        source = {"name": file, "type": "audio", "flags": "", "id": number, "gain": "1"}
        _under(parts["Sources"], "Source", source | {"channel": str(channel)})
    region = {
        "name": own, "muted": "0", "opaque": "1", "locked": "0", "sync-position": "a0",
        "layering-index": "0", "first-edit": "nothing", "start": "a0", "type": "audio",
        "channels": str(CHANNELS), "default-fade-in": "0", "default-fade-out": "0",
        "fade-in-active": "0", "fade-out-active": "0",
        **{f"source-{at}": number for at, number in enumerate(ids)},
        **{f"master-source-{at}": number for at, number in enumerate(ids)},
    }  # fmt: skip
    length = superclocks(frames / session.rate)
    whole = {"automatic": "1", "whole-file": "1", "length": f"{length}@a0", "id": new_id()}
    _under(parts["Regions"], "Region", region | whole)
    place = f"{length}@{superclocks(max(0.0, sound.start_s))}"
    here = {"automatic": "0", "whole-file": "0", "length": place, "id": new_id()}
    track, playlist = new_id(), new_id()
    listed = _under(
        parts["Playlists"],
        "Playlist",
        {"id": playlist, "name": own, "type": "audio", "orig-track-id": track, "frozen": "0"},
    )
    _under(listed, "Region", region | here)
    _add_route(parts["Routes"], session, own, sound.sentence, track, playlist, order, new_id)


def _add_route(
    routes: ET.Element | None,
    session: SessionFile,
    own: str,
    comment: str,
    track: str,
    playlist: str,
    order: int,
    new_id: Callable[[], str],
) -> None:
    """A muted stereo track that plays a playlist straight into the master."""
    route = _under(
        routes,
        "Route",
        {
            "version": str(session.version), "id": track, "name": own, "default-type": "audio",
            "strict-io": "1", "active": "1", "meter-point": "MeterPostFader",
            "disk-io-point": "DiskIOPreFader", "audio-playlist": playlist, "mode": "Normal",
        },
    )  # fmt: skip
    presented = {"order": str(order), "flags": "AudioTrack,OrderSet", "color": "0"}
    _under(route, "PresentationInfo", presented)
    for direction, word in (("Input", "in"), ("Output", "out")):
        io = {"name": own, "id": new_id(), "direction": direction, "default-type": "audio"}
        element = _under(route, "IO", io)
        for channel, sink in enumerate(session.master.inputs, 1):
            port = _under(
                element, "Port", {"type": "audio", "name": f"{own}/audio_{word} {channel}"}
            )
            if direction == "Output":
                _under(port, "Connection", {"other": sink})
    _under(route, "MuteMaster", {"mute-point": "PostFader,Listen,Main", "muted": "1"})
    _under(route, "Controllable", {"name": "mute", "id": new_id(), "flags": "Toggle", "value": "1"})
    _under(route, "Comment", {}).text = comment
    for kind in ("diskwriter", "diskreader", "polarity", "trim", "amp", "meter"):
        processor = {"id": new_id(), "name": kind, "active": "1", "type": kind}
        _under(route, "Processor", processor)
    outs = {"id": new_id(), "name": own, "active": "1", "own-input": "1", "own-output": "0",
            "output": own, "type": "main-outs", "role": "Main"}  # fmt: skip
    shell = {"bypassed": "1", "user-panner": "", "linked-to-route": "1"}
    _under(_under(route, "Processor", outs), "PannerShell", shell)


def _under(parent: ET.Element | None, tag: str, attributes: dict[str, str]) -> ET.Element:
    assert parent is not None  # `_add` has looked
    return ET.SubElement(parent, tag, attributes)
