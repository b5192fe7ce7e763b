"""Private copies of a session, made to be bounced: the user's own is only ever read.

A copy is a folder of the session's name with an edited session file; what the session file refers
to (recordings, plugin states) is linked, not copied, and loses the flags with which Ardour would
rename or remove it. Nothing in a copy listens to the network, nothing is soloed, and the master's
effects are off and its fader at unity: its export is the mix.

For the stems the master of a copy is made as wide as all of them together, once the session is
open, and `wires` says which output of which route then leads to which channel of it. It is not
written into the file so: tracks with strict I/O, which is what Ardour's window makes, take as many
outputs as the master has inputs when a session is opened, and would be panned over all of them.
Everything before the master stays as it is, so buses, sends, sidechains and delays sound as they
do in the mix.
"""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from stemlens_bridge.ardour.session_file import ENDING, PLUMBING, SessionFile

# Written by Ardour into these while it plays; links to files would be written through.
COPIED = frozenset({"midifiles"})
LINKED = ("interchange", "externals", "plugins")

# The id of a route, one of its audio outputs, a channel of the master; both from 0.
Wire = tuple[str, int, int]


def copy(session: SessionFile, folder: Path) -> Path:
    """Makes a copy of a session in `folder`; returns the copy's session folder.

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
    master = root.find(f"Routes/Route[@id='{session.master.id}']")
    assert master is not None  # it was read from the same file
    _bypass(master)
    tree.write(own / f"{session.snapshot}{ENDING}", encoding="UTF-8", xml_declaration=True)
    return own


def wires(session: SessionFile, stems: Sequence[str]) -> list[Wire]:
    """What leads each of `stems` (ids of routes) to channels of its own in a wide master: as many
    as the master has inputs for each, in the order given."""
    master = session.master
    width = len(master.inputs)
    sinks = {port: at for route in session.routes for at, port in enumerate(route.inputs)}
    targets = {track.id: track.output for track in session.tracks()}
    routes = {route.id: route for route in session.routes}
    found = []
    for place, own in enumerate(stems):
        reached = set(routes[targets[own] or master.id].inputs)
        for output, (_, ends) in enumerate(routes[own].outputs):
            found += [(own, output, place * width + sinks[end]) for end in ends if end in reached]
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


def _bypass(master: ET.Element) -> None:
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
            control.set("phase-invert", "0" * len(control.get("phase-invert", "")))
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
