"""Private copies of a session, made to be bounced: the user's own is only ever read.

A copy is a folder of the session's name with an edited session file; what the session file refers
to (recordings, plugin states) is linked, not copied, and loses the flags with which Ardour would
rename or remove it. Nothing in a copy listens to the network, nothing is soloed, tracks of ours for
listening are muted, and the master's effects are off and its fader at unity: its export is the mix.

For the stems the master of a copy is as wide as all of them together: each stem's outputs lead to
channels of its own, in the order given, and nothing else reaches the master. Everything before the
master stays as it is, so buses, sends, sidechains and delays sound as they do in the mix. Routes
with strict I/O, which is what Ardour's window makes, would take as many outputs as the master has
inputs, and be panned over all of them; in such a copy they keep the outputs that they have, and
their effects the channels that they had when the session was saved. (Making the master wide while
the session is open is no way: Ardour crashes now and then.)
"""

from __future__ import annotations

import os
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from stemlens_bridge.ardour.session_file import ENDING, PLUMBING, SessionFile

# Written by Ardour into these while it plays; links to files would be written through.
COPIED = frozenset({"midifiles"})
LINKED = ("interchange", "externals", "plugins")


def copy(session: SessionFile, folder: Path, stems: Sequence[str] = ()) -> Path:
    """Makes a copy of a session in `folder`, for the mix or for `stems` (ids of routes); returns
    the copy's session folder.

    Raises OSError.
    """
    own = folder / session.folder.name
    own.mkdir(parents=True)
    for name in LINKED:
        if (session.folder / name).is_dir():
            _link_tree(session.folder / name, own / name)
    tree = ET.parse(session.path)
    root = tree.getroot()
    _make_private(root)
    for route in session.routes:
        if route.is_beside:
            mute(root.find(f"Routes/Route[@id='{route.id}']"))
    master = root.find(f"Routes/Route[@id='{session.master.id}']")
    assert master is not None  # it was read from the same file
    _bypass(master, len(session.master.inputs) * max(1, len(stems)))
    if stems:
        _spread(root, master, session, stems)
    tree.write(own / f"{session.snapshot}{ENDING}", encoding="UTF-8", xml_declaration=True)
    return own


def mute(route: ET.Element | None) -> None:
    """Mutes a route."""
    if route is not None:
        for muter in route.iterfind("MuteMaster"):
            muter.set("muted", "1")
        for control in route.iterfind("Controllable[@name='mute']"):
            control.set("value", "1")


def _spread(
    root: ET.Element, master: ET.Element, session: SessionFile, stems: Sequence[str]
) -> None:
    """Gives each of `stems` channels of its own in the master."""
    old = session.master
    width = len(old.inputs)
    into, out_of = (re.sub(r"\d+$", "", name) for name in (old.inputs[0], old.outputs[0][0]))
    for port in root.iter("Port"):
        for wire in port.findall("Connection"):
            if re.fullmatch(re.escape(into) + r"\d+", wire.get("other", "")):
                port.remove(wire)
    for io in master.findall("IO"):
        for port in io.findall("Port"):
            io.remove(port)
        name = into if io.get("direction") == "Input" else out_of
        for channel in range(width * len(stems)):
            ET.SubElement(io, "Port", {"type": "audio", "name": f"{name}{channel + 1}"})
    ports = {port.get("name"): port for port in root.iter("Port")}
    for source, channel in _wires(session, stems):
        sink = f"{into}{channel + 1}"
        ET.SubElement(ports[source], "Connection", {"other": sink})
        ET.SubElement(ports[sink], "Connection", {"other": source})
    for route in root.iterfind("Routes/Route[@strict-io='1']"):
        if route is not master:
            route.set("strict-io", "0")
            for effect in route.iterfind("Processor[ConfiguredOutput]"):
                effect.set("custom", "1")


def _wires(session: SessionFile, stems: Sequence[str]) -> list[tuple[str, int]]:
    """Which port of a stem leads to which channel of the wide master, from 0."""
    width = len(session.master.inputs)
    sinks = {port: at for route in session.routes for at, port in enumerate(route.inputs)}
    targets = {track.id: track.output for track in session.tracks()}
    routes = {route.id: route for route in session.routes}
    found = []
    for place, own in enumerate(stems):
        reached = set(routes[targets[own] or session.master.id].inputs)
        for port, ends in routes[own].outputs:
            found += [(port, place * width + sinks[end]) for end in ends if end in reached]
    return found


def _make_private(root: ET.Element) -> None:
    """No network, no solo, nothing armed, and no leave to rename or remove recordings."""
    for protocol in root.iterfind("ControlProtocols/Protocol"):
        protocol.set("active", "0")
    for source in root.iterfind("Sources/Source"):
        source.set("flags", "")
    for option in root.iterfind("Config/Option"):
        if option.get("name") in ("external-sync", "auto-play", "punch-in", "punch-out"):
            option.set("value", "0")
    for control in root.iter("Controllable"):  # of VCAs too
        if control.get("name") == "solo":
            for key in ("value", "self-solo", "soloed-by-upstream", "soloed-by-downstream"):
                control.set(key, "0")
        elif control.get("name") == "rec-enable":
            control.set("value", "0")


def _bypass(master: ET.Element, channels: int) -> None:
    """Takes the master's effects out and sets what remains to unity, outputs as many as inputs."""
    master.set("strict-io", "1")
    for processor in master.findall("Processor"):
        if processor.get("type") not in PLUMBING:
            master.remove(processor)
    for line in master.iter("AutomationList"):
        line.set("state", "Off")
    for control in master.iter("Controllable"):
        if control.get("name") in ("gaincontrol", "trimcontrol", "mastervolume"):
            control.set("value", "1")
        elif control.get("name") == "phase":
            control.set("phase-invert", "0" * channels)
        elif control.get("name") == "mute":
            control.set("value", "0")
    for muter in master.iter("MuteMaster"):
        muter.set("muted", "0")
    for slavable in master.iter("Slavable"):
        for vca in slavable.findall("Master"):
            slavable.remove(vca)
    for shell in master.iter("PannerShell"):
        shell.set("bypassed", "1")


def _link_tree(source: Path, target: Path) -> None:
    """The folders of `source` anew, with links to its files."""
    target.mkdir()
    for entry in sorted(source.iterdir()):
        if entry.is_dir():
            _link_tree(entry, target / entry.name)
        elif source.name in COPIED:
            shutil.copy2(entry, target / entry.name)
        else:
            _link(entry, target / entry.name)


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source.absolute())
    except OSError:  # Windows without leave to make symbolic links
        try:
            os.link(source, target)
        except OSError:  # another disk
            shutil.copy2(source, target)
