"""What an Ardour session file says: routes, routing, faders, markers, tempo.

A session is a folder with one or more `NAME.ardour` files (snapshots), XML. Routes are tracks,
buses and the master; who feeds whom is in the connections of their ports, written by name on both
sides, and in the internal sends, written by the id of their target. Times are superclocks
(282240000 a second; "a123") or, for what is glued to beats, ticks (1920 a quarter note; "b123").
Faders are written as factors, pan azimuths 0 (left) to 1 (right), colours as 0xRRGGBBAA.

Here levels are dB, pans −1 to 1, times seconds, colours `#RRGGBB`.
Source: sessions written by Ardour 7.3; versions 7000 and later have this form.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stemlens_bridge import moves, routing
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.tempo import TempoChange, TempoMap

ENDING = ".ardour"
SUPERCLOCKS = 282_240_000
TICKS = 1920
OURS = "stemlens "  # how the names of snapshots begin that Stemlens has made
BESIDE = "Stemlens "  # and those of tracks that are there to be listened to
OLDEST = 7000

# Processors that every route has, or that only pass sound on; anything else is an effect.
PLUMBING = frozenset(
    {
        "amp",
        "trim",
        "polarity",
        "meter",
        "main-outs",
        "diskreader",
        "diskwriter",
        "triggerbox",
        "intreturn",
        "intsend",
        "send",
        "listen",
        "capture",
        "beatbox",
    }
)
# Automation that sounds on a bus itself.
AUTOMATED = frozenset({"gain", "trim", "mute", "pan-azimuth", "pan-width", "pan-elevation"})
RAMP_STEPS = 32
# Where recordings may lie outside the session's folder.
SEARCHED = frozenset({"raid-path", "audio-search-path", "midi-search-path"})


@dataclass(frozen=True, slots=True)
class Route:
    """A track or bus: what identifies it, what it does, and where its sound goes.

    outputs: for each port of its main output, the input ports that it feeds ("Master/audio_in 1").
    inputs: the names of its own input ports. fader_db, muted, soloed: with what its VCAs add.
    sounds: something is on it. silent: but nothing within the session's range.
    """

    id: str
    name: str
    flags: frozenset[str]
    order: int
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, tuple[str, ...]], ...]
    fader_db: float
    pan: float
    muted: bool
    soloed: bool
    color: str | None
    comment: str
    effects: tuple[str, ...]
    automated: bool
    sounds: bool
    silent: bool
    sends: tuple[routing.Send, ...]

    @property
    def is_master(self) -> bool:
        """Whether it is the master bus."""
        return "MasterOut" in self.flags

    @property
    def is_beside(self) -> bool:
        """Whether it is a track of ours for listening (`hearing`): no part of the mix."""
        return self.name.startswith(BESIDE)

    @property
    def in_mixer(self) -> bool:
        """Whether it is a track or bus that can be part of the mix (no monitor, no auditioner)."""
        return not self.flags & {"MasterOut", "MonitorOut", "Auditioner", "FoldbackBus"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A marker: its name and time."""

    id: str
    name: str
    start_s: float


@dataclass(frozen=True, slots=True)
class SessionFile:
    """A session as its file says: the routes in Ardour's order, the master first or not at all.

    recordings: the files that are heard on its tracks. missing: the names of those that are not
    there. Without a range, start and end are 0.
    """

    path: Path
    version: int
    rate: int
    routes: tuple[Route, ...]
    marks: tuple[Mark, ...]
    start_s: float
    end_s: float
    tempo: TempoMap | None
    recordings: tuple[Path, ...]
    missing: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The session's folder."""
        return self.path.parent

    @property
    def snapshot(self) -> str:
        """The name by which Ardour knows this file of the session."""
        return self.path.name.removesuffix(ENDING)

    @property
    def master(self) -> Route:
        """The master bus; raises `project_invalid` for a session without one."""
        for route in self.routes:
            if route.is_master:
                return route
        raise StemlensError(
            "project_invalid",
            f"The session {self.snapshot} has no master bus; Stemlens needs one to know what the "
            "mix is. Add it in Session > Properties.",
        )

    @property
    def mixed(self) -> tuple[Route, ...]:
        """The routes that can be stems, in Ardour's order."""
        return tuple(route for route in self.routes if route.in_mixer)

    def tracks(self) -> list[routing.Track]:
        """The routes as facts for `routing.cut`."""
        master = self.master
        owner = {port: route.id for route in self.routes for port in route.inputs}
        mixed = {route.id for route in self.mixed}
        found = []
        for route in (route for route in self.mixed if not route.is_beside):
            fed = dict.fromkeys(
                owner[port] for _, ports in route.outputs for port in ports if port in owner
            )
            targets = [own for own in fed if own in mixed]
            output: str | None = None
            if master.id in fed:
                output = routing.MASTER
            elif targets:
                output = targets.pop(0)
            # What feeds several places goes one way by its output and the others as by sends, so
            # that none of those is opened.
            sends = [*route.sends, *(routing.Send(own) for own in targets)]
            found.append(
                routing.Track(
                    id=route.id,
                    name=route.name,
                    output=output,
                    sounds=route.sounds,
                    effects=bool(route.effects) or not self._straight(route),
                    automation=route.automated,
                    fader_db=route.fader_db,
                    pan=route.pan,
                    muted=route.muted,
                    silent=route.silent,
                    sends=tuple(send for send in sends if send.to in mixed and send.to != route.id),
                )
            )
        return found

    @staticmethod
    def _straight(route: Route) -> bool:
        """Whether a bus hands its first input to the first channel of what it feeds, and so on."""
        if len(route.inputs) != len(route.outputs):
            return False
        numbers = [
            {int(found[1]) for port in ports if (found := re.search(r"(\d+)$", port))}
            for _, ports in route.outputs
        ]
        return all(fed <= {at} for at, fed in enumerate(numbers, 1))


def find(place: Path, snapshot: str | None = None) -> Path:
    """The session file at `place`: a `.ardour` file, or the folder of a session.

    In a folder with several snapshots (but for those that we have made) the one that is named like
    the folder is taken, or the `snapshot` that was asked for. Raises `project_invalid`.
    """
    if place.name.endswith(ENDING) and place.is_file():
        return place.absolute()
    if not place.is_dir():
        raise StemlensError("project_invalid", f"There is no Ardour session at {place}.")
    files = {path.name.removesuffix(ENDING): path for path in sorted(place.glob("*" + ENDING))}
    users = [name for name in files if not name.startswith(OURS)]
    wanted = snapshot or (users[0] if len(users) == 1 else place.absolute().name)
    if wanted not in files:
        raise StemlensError(
            "project_invalid",
            f"{place} has no snapshot called {wanted!r}; it has {', '.join(files)}. "
            "Name one with --snapshot."
            if files
            else f"{place} is no Ardour session: it has no {ENDING} file.",
        )
    return files[wanted].absolute()


def read(path: Path) -> SessionFile:
    """The session in a file; raises `project_invalid`."""
    try:
        root = ET.parse(path).getroot()
    except OSError as error:
        raise StemlensError(
            "project_invalid", f"{path} cannot be read: {error.strerror}."
        ) from error
    except ET.ParseError as error:
        raise StemlensError("project_invalid", f"{path} is damaged: it is no XML.") from error
    version = root.get("version", "")
    if root.tag != "Session" or not version.isdigit():
        raise StemlensError("project_invalid", f"{path} is no session of Ardour.")
    if int(version) < OLDEST:
        raise StemlensError(
            "project_invalid",
            f"{path} was last saved by Ardour {int(version) // 1000}. Open and save it once in "
            "Ardour 7 or later.",
        )
    try:
        return _session(path, root)
    except (KeyError, ValueError, TypeError) as error:
        raise StemlensError(
            "project_invalid", f"{path} is not what a session of Ardour 7 should be: {error}."
        ) from error


def _session(path: Path, root: ET.Element) -> SessionFile:
    tempo = _tempo(root.find("TempoMap"))
    start_s = end_s = 0.0
    marks = []
    for location in root.iterfind("Locations/Location"):
        flags = location.get("flags", "").split(",")
        start = seconds(location.get("start", "a0"), tempo)
        if "IsSessionRange" in flags:
            start_s, end_s = start, seconds(location.get("end", "a0"), tempo)
        elif "IsMark" in flags:
            marks.append(Mark(location.get("id", ""), location.get("name", ""), start))
    elements = root.findall("Routes/Route")
    sinks = {
        **{name: (own, False) for element in elements for name, own in _input_ports(element)},
        **{name: (own, True) for element in elements for name, own in _effect_ports(element)},
    }
    fed = _connections(root)
    spans = {
        playlist.get("id"): list(_spans(playlist, tempo))
        for playlist in root.iterfind("Playlists/Playlist")
    }
    vcas = {vca.get("number"): vca for vca in root.iterfind("VCAManager/VCA")}
    routes = [_route(element, spans, fed, sinks, vcas, start_s, end_s) for element in elements]
    recordings, missing = _recordings(root, path.parent)
    return SessionFile(
        path=path,
        version=int(root.attrib["version"]),
        rate=int(root.attrib["sample-rate"]),
        routes=tuple(sorted(routes, key=lambda route: route.order)),
        marks=tuple(marks),
        start_s=start_s,
        end_s=end_s,
        tempo=tempo,
        recordings=tuple(recordings),
        missing=tuple(missing),
    )


def _recordings(root: ET.Element, folder: Path) -> tuple[list[Path], list[str]]:
    """The files that regions on tracks play, and the names of those that are missing."""
    played = {
        own
        for region in root.iterfind("Playlists/Playlist/Region")
        for key, own in region.items()
        if key.startswith("source-")
    }
    names = dict.fromkeys(
        (source.get("name", ""), f"{source.get('type', 'audio')}files")
        for source in root.iterfind("Sources/Source")
        if source.get("id") in played and source.get("playlist") is None
    )
    elsewhere = any(
        option.get("name") in SEARCHED and option.get("value")
        for option in root.iterfind("Config/Option")
    )
    found: list[Path] = []
    missing = []
    for name, kind in names:
        # an absolute name is a file that was left where it was
        places = [own / kind / name for own in sorted((folder / "interchange").glob("*"))]
        there = [place for place in [*places, folder / name] if place.is_file()]
        found += there[:1]
        if not there and not elsewhere:
            missing.append(name)
    return found, missing


def seconds(time: str, tempo: TempoMap | None) -> float:
    """Seconds from Ardour's way to write a time; raises ValueError."""
    kind, value = time[:1], time[1:]
    if kind == "a":
        return int(value) / SUPERCLOCKS
    if kind == "b" and tempo is not None:
        return tempo.seconds(int(value) / TICKS)
    raise ValueError(f"{time!r} is no time")


def superclocks(time_s: float) -> str:
    """Ardour's way to write a time in seconds."""
    return f"a{round(time_s * SUPERCLOCKS)}"


def _tempo(element: ET.Element | None) -> TempoMap | None:
    if element is None:
        return None
    meters = [
        (int(meter.attrib["sclock"]), int(meter.attrib["divisions-per-bar"]), meter)
        for meter in element.iterfind("Meters/Meter")
    ]
    tempos = element.findall("Tempos/Tempo")
    steps: dict[float, float] = {}
    for at, tempo in enumerate(tempos):
        note = int(tempo.get("note-type", "4"))
        begin, end = (float(tempo.get(key, "120")) * 4 / note for key in ("npm", "enpm"))
        start_s = int(tempo.attrib["sclock"]) / SUPERCLOCKS
        steps[start_s] = begin
        if begin != end and at + 1 < len(tempos):
            span_s = int(tempos[at + 1].attrib["sclock"]) / SUPERCLOCKS - start_s
            for step in range(1, RAMP_STEPS):
                steps[start_s + span_s * step / RAMP_STEPS] = begin + (end - begin) * (
                    (step + 0.5) / RAMP_STEPS
                )
    changes = []
    meter_starts = {clock / SUPERCLOCKS: None for clock, _, _ in meters}
    for start_s in sorted({*steps, *meter_starts}):
        bpm = [value for at, value in sorted(steps.items()) if at <= start_s] or [120.0]
        here = [(beats, m) for clock, beats, m in meters if clock / SUPERCLOCKS <= start_s]
        beats, meter = here[-1] if here else (4, None)
        value = int(meter.get("note-value", "4")) if meter is not None else 4
        changes.append(TempoChange(start_s, bpm[-1], beats, value))
    return TempoMap(tuple(changes)) if changes else None


def _spans(playlist: ET.Element, tempo: TempoMap | None) -> Iterator[tuple[float, float]]:
    """From when to when each sounding region of a playlist lies, in seconds."""
    for region in playlist.iterfind("Region"):
        if region.get("muted") == "1":
            continue
        length, _, position = region.get("length", "a0@a0").partition("@")
        start_s = seconds(position, tempo)
        if length.startswith("b") and tempo is not None:
            end_s = tempo.seconds(tempo.beats(start_s) + int(length[1:]) / TICKS)
        else:
            end_s = start_s + seconds(length, tempo)
        yield start_s, end_s


def _connections(root: ET.Element) -> dict[str, set[str]]:
    """Which input ports each port feeds, by what either side says."""
    fed: dict[str, set[str]] = {}
    for io in root.iter("IO"):
        for port in io.iterfind("Port"):
            for connection in port.iterfind("Connection"):
                ends = port.get("name", ""), connection.get("other", "")
                source, sink = ends if io.get("direction") == "Output" else ends[::-1]
                fed.setdefault(source, set()).add(sink)
    return fed


def _input_ports(route: ET.Element) -> Iterator[tuple[str, str]]:
    """A route's own inputs, by port name."""
    for port in route.iterfind("IO[@direction='Input']/Port"):
        yield port.get("name", ""), route.get("id", "")


def _effect_ports(route: ET.Element) -> Iterator[tuple[str, str]]:
    """The inputs of a route's effects (sidechains), by port name."""
    for processor in route.iterfind("Processor"):
        for io in processor.iterfind(".//IO"):
            if io.get("direction") == "Input":
                for port in io.iterfind("Port"):
                    yield port.get("name", ""), route.get("id", "")


def _route(
    element: ET.Element,
    spans: dict[str | None, list[tuple[float, float]]],
    fed: dict[str, set[str]],
    sinks: dict[str, tuple[str, bool]],
    vcas: Mapping[str | None, ET.Element],
    start_s: float,
    end_s: float,
) -> Route:
    info = element.find("PresentationInfo")
    if info is None:
        raise ValueError("a route has no PresentationInfo")
    ios = {io.get("direction"): io for io in element.findall("IO")}
    ports = {
        direction: [p.get("name", "") for p in io.iterfind("Port") if p.get("type") == "audio"]
        for direction, io in ios.items()
    }
    outputs = ports.get("Output", [])
    playlists = [element.get(f"{kind}-playlist") for kind in ("audio", "midi")]
    lying = [span for own in playlists if own for span in spans.get(own, [])]
    rgba = int(info.get("color", "0"))
    shell = element.find("Processor[@type='main-outs']/PannerShell")
    controls = {
        control.get("id"): control for vca in vcas.values() for control in vca.iter("Controllable")
    }
    fader = _level(element.find("Processor[@type='amp']/Controllable"), controls)
    pan = (_control(element, "Pannable/Controllable[@name='pan-azimuth']", 0.5) - 0.5) * 2
    muter = element.find("MuteMaster")
    strips = [element, *_masters(element, vcas)]
    stereo = len(ports.get("Input", [])) == 2 and len(outputs) == 2
    bypassed = shell is None or shell.get("bypassed") == "1" or len(outputs) < 2
    return Route(
        id=element.attrib["id"],
        name=element.attrib["name"],
        flags=frozenset(info.get("flags", "").split(",")),
        order=int(info.get("order", "0")),
        inputs=tuple(ports.get("Input", [])),
        outputs=tuple((name, tuple(sorted(fed.get(name, ())))) for name in outputs),
        fader_db=decibels(fader),
        pan=0.0 if bypassed else round(pan, 6),
        muted=element.get("active") == "0"
        or (muter is not None and muter.get("muted") == "1")
        or any(_control(vca, "Controllable[@name='mute']", 0.0) for vca in strips[1:]),
        soloed=any(
            solo.get("self-solo") == "1"
            for strip in strips
            for solo in strip.iterfind("Controllable[@name='solo']")
        ),
        color=f"#{rgba >> 8 & 0xFFFFFF:06X}" if rgba else None,
        comment=element.findtext("Comment") or "",
        effects=tuple(_effects(element, stereo and not bypassed)),
        automated=_automated(element),
        sounds=bool(lying) and bool(outputs),
        silent=not any(start < end_s and end > start_s for start, end in lying),
        sends=tuple(_sends(element, fed, sinks)),
    )


def decibels(factor: float) -> float:
    """A fader's factor in dB, `moves.SILENCE_DB` at 0."""
    return max(moves.SILENCE_DB, 20 * math.log10(factor)) if factor > 0 else moves.SILENCE_DB


def _control(element: ET.Element, where: str, default: float) -> float:
    found = element.find(where)
    return default if found is None else float(found.get("value", default))


def _masters(element: ET.Element, vcas: Mapping[str | None, ET.Element]) -> list[ET.Element]:
    """The VCAs that a route is slaved to, and those that they are slaved to."""
    found: list[ET.Element] = []
    waiting = [element]
    while waiting:
        for master in waiting.pop().iterfind("Slavable/Master"):
            vca = vcas.get(master.get("number"))
            if vca is not None and vca not in found:
                found.append(vca)
                waiting.append(vca)
    return found


def _level(control: ET.Element | None, controls: Mapping[str | None, ET.Element]) -> float:
    """A fader's factor: its own times what each VCA has moved since it was assigned.

    `controls` are the VCAs' own, by id.
    """
    if control is None:
        return 1.0
    factor = float(control.get("value", "1"))
    for master in control.iterfind("masters/master"):
        then = float(master.get("val-master", "1"))
        if then and master.get("id") in controls:  # VCAs never form a ring
            factor *= _level(controls[master.get("id")], controls) / then
    return factor


def _effects(element: ET.Element, stereo_panner: bool) -> Iterator[str]:
    """What a bus does to its sound beside fader and pan, in words."""
    for processor in element.iterfind("Processor"):
        kind = processor.get("type", "")
        if kind not in PLUMBING and processor.get("active") == "1":
            yield processor.get("name", kind)
    if abs(decibels(_control(element, "Processor[@type='trim']/Controllable", 1.0))) > 1e-4:
        yield "trim"
    phase = element.find("Controllable[@name='phase']")
    if phase is not None and "1" in phase.get("phase-invert", ""):
        yield "polarity"
    width = _control(element, "Pannable/Controllable[@name='pan-width']", 1.0)
    if stereo_panner and abs(width - 1) > 1e-4:
        yield "width"
    if element.find("Slavable/Master") is not None:
        yield "a VCA"


def _automated(element: ET.Element) -> bool:
    return any(
        line.get("state", "Off") != "Off" and line.get("automation-id") in AUTOMATED
        for place in ("Automation", "Pannable/Automation", "Processor/Automation")
        for line in element.iterfind(f"{place}/AutomationList")
    )


def _sends(
    element: ET.Element, fed: dict[str, set[str]], sinks: dict[str, tuple[str, bool]]
) -> Iterator[routing.Send]:
    after_fader = False
    for processor in element.iterfind("Processor"):
        kind = processor.get("type")
        after_fader = after_fader or kind == "amp"
        if kind not in ("intsend", "send") or processor.get("active") != "1":
            continue
        gain = decibels(_control(processor, "Controllable[@name='gaincontrol']", 1.0))
        if kind == "intsend" and processor.get("target"):
            yield routing.Send(processor.attrib["target"], gain, not after_fader)
        for own, sidechain in _reached(processor, fed, sinks):
            yield routing.Send(own, gain, not after_fader, sidechain)
    for own, sidechain in _reached(element, fed, sinks):
        if sidechain:
            yield routing.Send(own, sidechain=True)


def _reached(
    element: ET.Element, fed: dict[str, set[str]], sinks: dict[str, tuple[str, bool]]
) -> list[tuple[str, bool]]:
    """The routes that the output ports of a route or a send feed, and whether as a sidechain."""
    ports = element.iterfind("IO[@direction='Output']/Port")
    ends = [sink for port in ports for sink in sorted(fed.get(port.get("name", ""), ()))]
    return list(dict.fromkeys(sinks[sink] for sink in ends if sink in sinks))
