"""Real Ardour sessions, made without its window, and a real Ardour that has one open.

Ardour's headless program makes the tracks, buses, sends and faders; what it cannot do (put audio
files on tracks) is written into the session file, as Ardour 7.3 itself writes it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mido
import numpy as np
import soundfile
from numpy.typing import NDArray

from stemlens_bridge import luatext
from stemlens_bridge.ardour import osc, session_file
from stemlens_bridge.commands import ardour

PROGRAM = "ardour7-lua"
START_S = 90.0
SYNTH = "https://community.ardour.org/node/7596"  # Reasonable Synth, which comes with Ardour
OSC_ON = (
    '<Protocol name="Open Sound Control (OSC)" active="1" debugmode="0" address-only="0" '
    'remote-port="0" banksize="0" striptypes="31" feedback="0" gainmode="0" send-page-size="0" '
    'plug-page-size="0"/>'
)

MAKE = """
AudioEngine:set_backend("None (Dummy)", "", "")
local session = create_session(job.folder, job.name, job.rate)
local info, alone = ARDOUR.PresentationInfo, PBD.GroupControlDisposition.NoGroup
local function route(name)
  return session:route_by_name(name)
end
for _, made in ipairs(job.routes) do
  if made.name == "Master" then
    goto made_already
  elseif made.bus then
    session:new_audio_route(2, 2, nil, 1, made.name, info.Flag.AudioBus, info.max_order)
  elseif #made.notes > 0 then
    session:new_midi_track(
      ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1), ARDOUR.ChanCount(ARDOUR.DataType("midi"), 1),
      true, ARDOUR.LuaAPI.new_plugin_info(job.synth, ARDOUR.PluginType.LV2), nil, nil, 1, made.name,
      info.max_order, ARDOUR.TrackMode.Normal, true, false)
  else
    session:new_audio_track(
      made.channels, 2, nil, 1, made.name, info.max_order, ARDOUR.TrackMode.Normal, true, false)
  end
  ::made_already::
end
for _, made in ipairs(job.routes) do
  local own = route(made.name)
  own:set_strict_io(not made.flexible)
  if made.output then
    for channel = 0, 1 do
      local port = own:output():audio(channel)
      port:disconnect_all()
      port:connect(made.output .. "/audio_in " .. (channel + 1))
    end
  end
  own:gain_control():set_value(10 ^ (made.fader_db / 20), alone)
  own:pan_azimuth_control():set_value((made.pan + 1) / 2, alone)
  if made.muted then
    own:mute_control():set_value(1, alone)
  end
  if made.comment ~= "" then
    own:set_comment(made.comment, nil)
  end
  for _, uri in ipairs(made.plugins) do
    own:add_processor_by_index(
      ARDOUR.LuaAPI.new_plugin(session, uri, ARDOUR.PluginType.LV2, ""), 0, nil, true)
  end
  if #made.automation > 0 then
    local gain = own:gain_control()
    for _, point in ipairs(made.automation) do
      gain:alist():add(Temporal.timepos_t(math.floor(point[1] * job.rate)), point[2], false, true)
    end
    gain:set_automation_state(ARDOUR.AutoState.Play)
  end
  if made.color then
    own:presentation_info_ptr():set_color(made.color)
  end
  for bus in pairs(made.sends) do
    local feeding = ARDOUR.RouteListPtr()
    feeding:push_back(own)
    session:add_internal_sends(route(bus), ARDOUR.Placement.PostFader, feeding)
  end
end
for name, vca in pairs(job.vcas) do
  session:vca_manager():create_vca(1, name)
  local master = session:vca_manager():vca_by_name(name)
  for _, slave in ipairs(vca.slaves) do
    route(slave):to_slavable():assign(master)
  end
  master:gain_control():set_value(10 ^ (vca.fader_db / 20), alone)
  master:solo_control():set_value(vca.soloed and 1 or 0, alone)
end
ARDOUR.LuaAPI.usleep(300000)  -- mutes are set by Ardour's own thread
session:save_state("", false, false, false, false, false)
close_session()
quit()
"""

RUN = """
AudioEngine:set_backend("None (Dummy)", "", "")
local session = load_session(job.folder, job.name)
repeat
  ARDOUR.LuaAPI.usleep(50000)
  local stop = io.open(job.stop)
until stop
close_session()
quit()
"""


@dataclass(frozen=True)
class Made:
    """A track with samples `[n]` or `[n, 2]` on it (none without), a synth that plays notes, or a
    bus.

    sends: dB by the bus's name. plugins: URIs of LV2. automation of the fader: (second, factor).
    notes: (MIDI note, beats), one after the other, at 120 beats per minute. flexible: without
    strict I/O, which routes have that are made in Ardour's window. The name Master stands for the
    master bus that every session has.
    """

    name: str
    samples: NDArray[np.float32] | None = None
    bus: bool = False
    fader_db: float = 0.0
    pan: float = 0.0
    muted: bool = False
    output: str | None = None
    sends: Mapping[str, float] = field(default_factory=dict)
    comment: str = ""
    color: int | None = None
    plugins: Sequence[str] = ()
    automation: Sequence[tuple[float, float]] = ()
    notes: Sequence[tuple[int, int]] = ()
    flexible: bool = False

    @property
    def channels(self) -> int:
        return 2 if self.samples is not None and self.samples.ndim == 2 else 1


@dataclass(frozen=True)
class Vca:
    """A VCA fader of some routes, by name."""

    slaves: Sequence[str]
    fader_db: float = 0.0
    soloed: bool = False


def own_name(name: str) -> str:
    """A session's name that no other run of the tests has open on this machine: over OSC a session
    is known by its name."""
    return f"{name}-{os.getpid()}"


def environment(home: Path) -> dict[str, str]:
    """An environment in which Ardour finds no settings and leaves none."""
    for name in ("config", "cache"):
        (home / name).mkdir(parents=True, exist_ok=True)
    return {
        **os.environ,
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
    }


def run_lua(script: str, job: Mapping[str, object], home: Path) -> subprocess.Popen[bytes]:
    """Ardour's headless program with a script that finds `job`; its chatter goes to a log."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"script-{len(list(home.iterdir()))}.lua"
    given = luatext.dumps(job).strip()
    path.write_text(f"local job = (function() {given} end)()\n{script}", encoding="utf-8")
    with path.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            [PROGRAM, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(home),
        )


def make_session(
    folder: Path,
    routes: Sequence[Made],
    home: Path,
    rate: int = 48_000,
    seconds: float = 4.0,
    start_s: float = 0.0,
    vcas: Mapping[str, Vca] | None = None,
) -> Path:
    """Makes a session in `folder`, which is called like it, whose range is from `start_s` to
    `seconds`; returns the session file. `vcas` by name."""
    job = {
        "folder": str(folder),
        "name": folder.name,
        "rate": rate,
        "synth": SYNTH,
        "vcas": {
            name: {"slaves": list(vca.slaves), "fader_db": vca.fader_db, "soloed": vca.soloed}
            for name, vca in (vcas or {}).items()
        },
        "routes": [
            {
                "name": made.name,
                "bus": made.bus,
                "channels": made.channels,
                "fader_db": made.fader_db,
                "pan": made.pan,
                "muted": made.muted,
                "output": made.output,
                "sends": dict(made.sends),
                "comment": made.comment,
                "color": made.color,
                "plugins": list(made.plugins),
                "automation": [list(point) for point in made.automation],
                "notes": [list(note) for note in made.notes],
                "flexible": made.flexible,
            }
            for made in routes
        ],
    }
    assert run_lua(MAKE, job, home).wait(60) == 0
    path = folder / f"{folder.name}.ardour"
    tree = ET.parse(path)
    _fill(tree.getroot(), folder, routes, rate, (start_s, seconds))
    tree.write(path, encoding="UTF-8", xml_declaration=True)
    return path


def _fill(
    root: ET.Element, folder: Path, routes: Sequence[Made], rate: int, span_s: tuple[float, float]
) -> None:
    """Puts audio on the tracks, and sets what the headless program does not."""
    counter = int(root.attrib["id-counter"])

    def new_id() -> str:
        nonlocal counter
        counter += 1
        return str(counter)

    sources, regions = root.find("Sources"), root.find("Regions")
    locations, playlists = root.find("Locations"), root.find("Playlists")
    assert sources is not None and regions is not None
    assert locations is not None and playlists is not None
    lists = {playlist.get("name"): playlist for playlist in playlists}
    for made in routes:
        if made.notes:
            file = f"{made.name}.mid"
            ticks = _write_notes(folder / "interchange" / folder.name / "midifiles" / file, made)
            source = new_id()
            given = {"name": file, "type": "midi", "flags": "Writable,CanRename", "id": source}
            ET.SubElement(sources, "Source", given)
            for whole in (True, False):
                region = {
                    **_region(made.name, whole),
                    "start": "b0",
                    "length": f"b{ticks}@b0",
                    "id": new_id(),
                    "type": "midi",
                    "source-0": source,
                    "master-source-0": source,
                }
                ET.SubElement(regions if whole else lists[made.name], "Region", region)
        if made.samples is None:
            continue
        file = f"{made.name}.wav"
        audio = folder / "interchange" / folder.name / "audiofiles" / file
        soundfile.write(audio, made.samples, rate, subtype="FLOAT")
        channels = {}
        for channel in range(made.channels):
            channels[channel] = new_id()
            given = {"name": file, "type": "audio", "flags": "", "id": channels[channel]}
            ET.SubElement(sources, "Source", {**given, "channel": str(channel), "gain": "1"})
        for whole in (True, False):
            region = {
                **_region(made.name, whole),
                "start": "a0",
                "length": f"a{len(made.samples) * session_file.SUPERCLOCKS // rate}@a0",
                "channels": str(made.channels),
                "id": new_id(),
                "type": "audio",
                "default-fade-in": "0",
                "default-fade-out": "0",
                "fade-in-active": "0",
                "fade-out-active": "0",
            }
            for channel, source in channels.items():
                region |= {f"source-{channel}": source, f"master-source-{channel}": source}
            ET.SubElement(regions if whole else lists[made.name], "Region", region)
    start, end = map(session_file.superclocks, span_s)
    span = {"id": new_id(), "name": "session", "start": start, "end": end}
    ET.SubElement(locations, "Location", {**span, "flags": "IsSessionRange"})
    by_name = {made.name: made for made in routes}
    ids = {route.get("name"): route.get("id") for route in root.iterfind("Routes/Route")}
    for route in root.iterfind("Routes/Route"):
        for width in route.iterfind("Pannable/Controllable[@name='pan-width']"):
            width.set("value", "1")  # as in a session made in Ardour's window
        for send in route.iterfind("Processor[@type='intsend']"):
            made = by_name[route.get("name", "")]
            (bus,) = (bus for bus in made.sends if ids[bus] == send.get("target"))
            gain = send.find("Controllable[@name='gaincontrol']")
            assert gain is not None
            gain.set("value", str(10 ** (made.sends[bus] / 20)))
    root.set("id-counter", str(counter + 1))


def _region(name: str, whole: bool) -> dict[str, str]:
    """What a region of a whole file, and the one on the track that is made of it, have alike."""
    return {
        "name": name if whole else f"{name}.1",
        "muted": "0",
        "opaque": "1",
        "locked": "0",
        "automatic": str(int(whole)),
        "whole-file": str(int(whole)),
        "sync-position": "a0",
        "layering-index": "0",
        "first-edit": "nothing",
    }


def _write_notes(path: Path, made: Made) -> int:
    """Writes the notes of a track as a Standard MIDI file; returns its length in Ardour's ticks."""
    track = mido.MidiTrack()
    for pitch, beats in made.notes:
        track.append(mido.Message("note_on", note=pitch, velocity=100, time=0))
        track.append(mido.Message("note_off", note=pitch, time=beats * session_file.TICKS))
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(ticks_per_beat=session_file.TICKS, tracks=[track]).save(path)
    return sum(beats for _, beats in made.notes) * session_file.TICKS


def turn_osc_on(path: Path) -> None:
    """Makes the session in a file listen to OSC when it is opened."""
    text = path.read_text(encoding="utf-8")
    pattern = r'<Protocol name="Open Sound Control \(OSC\)"[^>]*/>'
    path.write_text(re.sub(pattern, OSC_ON, text), encoding="utf-8")


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> osc.Ardour:
    """The Ardour of a process, once it has the session open."""
    session = session_file.read(path)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "Ardour ended"
        found = osc.find(session.snapshot, [route.name for route in session.mixed])
        if found is not None:
            return found
    raise AssertionError("Ardour does not answer")


class RunningArdour:
    """A real Ardour without a window that has a session open and listens to OSC."""

    def __init__(self, path: Path, home: Path) -> None:
        turn_osc_on(path)
        self.path = path
        self._stop = home / f"stop-{path.stem}"
        job = {
            "folder": str(path.parent),
            "name": path.name.removesuffix(session_file.ENDING),
            "stop": str(self._stop),
        }
        self.process = run_lua(RUN, job, home)
        self.osc = wait_for(path, self.process)

    def stop(self) -> None:
        """Closes the session without saving."""
        self.osc.__exit__(None, None, None)
        self._stop.touch()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._stop.unlink()

    def __enter__(self) -> RunningArdour:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


WINDOW_CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<Ardour>
  <Config>
    <Option name="try-autostart-engine" value="1"/>
    <Option name="hide-dummy-backend" value="0"/>
  </Config>
  <Extra><AudioMIDISetup><EngineStates>
    <State backend="None (Dummy)" driver="Normal Speed" device="Silence" input-device=""
     output-device="" sample-rate="{rate}" buffer-size="1024" n-periods="0" input-latency="0"
     output-latency="0" input-channels="0" output-channels="0" active="1" use-buffered-io="0"
     midi-option="No MIDI I/O" lm-input=""/>
  </EngineStates></AudioMIDISetup></Extra>
</Ardour>
"""
NO_ACTIONS = """<?xml version="1.0" encoding="UTF-8"?>
<UIScripts>
  <ActionScript lua="Lua 5.3">c2NyaXB0cyA9IHt9IA==</ActionScript>
  <ActionHooks/>
</UIScripts>
"""


def window_settings(home: Path, rate: int) -> Path:
    """Settings with which Ardour opens its window and asks nothing; returns their folder."""
    environment(home)
    config = home / "config" / "ardour7"
    config.mkdir(exist_ok=True)
    (config / ".a7").touch()  # it was started before
    (config / "config").write_text(WINDOW_CONFIG.format(rate=rate), encoding="utf-8")
    (config / "ui_scripts").write_text(NO_ACTIONS, encoding="utf-8")
    return config


class ArdourWindow:
    """A real Ardour with its window, on a display that nobody sees, with a session open."""

    def __init__(self, path: Path, home: Path, size: str = "1600x1000") -> None:
        turn_osc_on(path)
        self._display = home / "display"
        told = f'echo "$DISPLAY" "$XAUTHORITY" > "{self._display}"; exec ardour "$@"'
        screen = ["xvfb-run", "-a", "-s", f"-screen 0 {size}x24"]
        with (home / "window.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*screen, "sh", "-c", told, "sh", "--no-splash", "--no-announcements", str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(home),
                start_new_session=True,
            )
        try:
            self.osc = wait_for(path, self.process)
            self._wait_for_window()
        except AssertionError:
            self.stop()
            raise

    def _wait_for_window(self) -> None:
        """Returns when the window does what it is asked to: Ardour answers before it does."""
        deadline = time.monotonic() + START_S
        self.action("Transport/GotoEnd")  # once: what waits for the window happens later
        while not self._playhead():  # at the start, or moved there by the window as it opens
            assert time.monotonic() < deadline, "the window does nothing"

    def _playhead(self) -> int | None:
        self.osc.receive(0)  # what came before can be no answer
        self.osc.send([("/transport_frame", ())])
        heard = dict(self.osc.receive(0.5))
        return int(heard["/transport_frame"][0]) if "/transport_frame" in heard else None

    def action(self, name: str) -> None:
        """Has an action of the menu done, e.g. LuaAction/script-1."""
        self.osc.send([("/access_action", (name,))])

    def display(self) -> dict[str, str]:
        """What another program needs to use the same display."""
        number, authority = self._display.read_text().split()
        return {**os.environ, "DISPLAY": number, "XAUTHORITY": authority}

    def stop(self) -> None:
        """Ends it without saving, and waits for everything that was started with it."""
        started = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() - started < 20:
                patient = time.monotonic() - started < 3
                os.killpg(self.process.pid, signal.SIGTERM if patient else signal.SIGKILL)
                self.process.poll()
                time.sleep(0.1)

    def __enter__(self) -> ArdourWindow:
        return self

    def __exit__(self, *_: object) -> None:
        self.osc.__exit__(None, None, None)
        self.stop()


def bridge(*arguments: object) -> int:
    """`stemlens-bridge ardour …` in this process; returns its exit code, raises its errors."""
    parser = argparse.ArgumentParser()
    ardour.add(parser.add_subparsers())
    given = parser.parse_args(["ardour", *map(str, arguments)])
    return int(given.run(given))


def copied(path: Path, target: Path) -> Path:
    """A copy of a session in the folder `target`; returns its session file."""
    shutil.copytree(path.parent, target)
    if target.name != path.parent.name:
        (target / "interchange" / path.parent.name).rename(target / "interchange" / target.name)
    return target / path.name
