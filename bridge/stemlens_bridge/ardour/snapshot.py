"""Private copies of a session, made to be bounced: the user's own is only ever read.

A copy is a folder of the session's name with an edited session file; what the session file refers
to (recordings, plugin states) is linked, not copied, and loses the flags with which Ardour would
rename or remove it. Nothing in a copy listens to the network.

`for_mix` is the session with the master's effects off and its fader at unity. `for_stems` is that
with a master as wide as all stems together: each stem's outputs lead to channels of its own, in
the order given, and nothing else reaches the master. Everything before the master stays as it is,
so buses, sends, sidechains and delays sound as they do in the mix.
"""

from __future__ import annotations

import os
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

from stemlens_bridge.ardour.session_file import ENDING, PLUMBING, SessionFile

# Written by Ardour into these while it plays; links to files would be written through.
COPIED = frozenset({"midifiles"})
LINKED = ("interchange", "externals", "plugins")

Edit = Callable[[ET.Element], None]


def copy(session: SessionFile, folder: Path, edit: Edit) -> Path:
    """Makes a copy of a session in `folder`, edited; returns the copy's session folder.

    Raises OSError.
    """
    own = folder / session.folder.name
    own.mkdir(parents=True)
    for name in LINKED:
        if (session.folder / name).is_dir():
            _link_tree(session.folder / name, own / name)
    tree = ET.parse(session.path)
    _make_private(tree.getroot())
    edit(tree.getroot())
    tree.write(own / f"{session.snapshot}{ENDING}", encoding="UTF-8", xml_declaration=True)
    return own


def for_mix(session: SessionFile) -> Edit:
    """The edit that bypasses the master."""

    def edit(root: ET.Element) -> None:
        _bypass(_route(root, session.master.id))

    return edit


def for_stems(session: SessionFile, stems: Sequence[str]) -> Edit:
    """The edit that gives each of `stems` (ids of routes) channels of its own in the master."""
    master = session.master
    width = len(master.inputs)
    into, out_of = (re.sub(r"\d+$", "", name) for name in (master.inputs[0], master.outputs[0][0]))
    sinks = {port: at for route in session.routes for at, port in enumerate(route.inputs)}
    targets = {track.id: track.output for track in session.tracks()}
    inputs_of = {route.id: set(route.inputs) for route in session.routes}
    wires = []  # (port of a stem, channel of the wide master)
    for place, own in enumerate(stems):
        route = next(route for route in session.routes if route.id == own)
        reached = inputs_of[targets[own] or master.id]
        for port, ends in route.outputs:
            wires += [(port, place * width + sinks[end]) for end in ends if end in reached]

    def edit(root: ET.Element) -> None:
        for port in root.iter("Port"):
            for wire in port.findall("Connection"):
                if wire.get("other", "") in master.inputs:
                    port.remove(wire)
        element = _route(root, master.id)
        _bypass(element, width * len(stems))
        for io in element.findall("IO"):
            for port in io.findall("Port"):
                io.remove(port)
            name = into if io.get("direction") == "Input" else out_of
            for channel in range(width * len(stems)):
                ET.SubElement(io, "Port", {"type": "audio", "name": f"{name}{channel + 1}"})
        ports = {port.get("name"): port for port in root.iter("Port")}
        for source, channel in wires:
            sink = f"{into}{channel + 1}"
            ET.SubElement(ports[source], "Connection", {"other": sink})
            ET.SubElement(ports[sink], "Connection", {"other": source})

    return edit


def _route(root: ET.Element, own: str) -> ET.Element:
    found = root.find(f"Routes/Route[@id='{own}']")
    assert found is not None  # it was read from the same file
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
    for control in root.iterfind("Routes/Route/Controllable"):
        if control.get("name") == "solo":
            for key in ("value", "self-solo", "soloed-by-upstream", "soloed-by-downstream"):
                control.set(key, "0")
        elif control.get("name") == "rec-enable":
            control.set("value", "0")


def _bypass(master: ET.Element, channels: int = 2) -> None:
    """Takes the master's effects out and sets what remains to unity."""
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
