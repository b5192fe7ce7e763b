"""Writes annotations into the file of a session that no Ardour has open.

The file is edited by splicing (`xmlsplice`): comments, markers, colours, and nothing else. Taking
everything out again gives the file as it was, byte by byte, unless Ardour has saved it in between.
Before the first edit the file is kept beside the record.

A session that is open in an Ardour would be overwritten by its next save: `in_use` finds those
that run on this machine (on Linux, by their open files).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

from stemlens_bridge import marks
from stemlens_bridge.ardour import record, session_file
from stemlens_bridge.ardour.record import Color, Record
from stemlens_bridge.ardour.session_file import SessionFile
from stemlens_bridge.ardour.wanted import COLOR, COMMENTS, MARKERS, Wanted, Written
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.writing import written
from stemlens_bridge.xmlsplice import Document, Element, escaped

PROGRAMS = ("ardour", "luasession", "hardour")


def write(session: SessionFile, wanted: Wanted) -> Written:
    """Makes a session's file show what is wanted, and nothing else of ours.

    Raises `project_invalid`, `output_failed`, and `daw_unreachable` where an Ardour has it open.
    """
    if in_use(session.folder):
        raise StemlensError(
            "daw_unreachable",
            f"{session.snapshot} is open in an Ardour that does not answer over OSC. Close it, or "
            "turn on Preferences > Control Surfaces > Open Sound Control there.",
        )
    try:
        data = session.path.read_bytes()
    except OSError as error:
        raise StemlensError(
            "project_invalid", f"{session.path} cannot be read: {error.strerror}."
        ) from error
    document = Document.parse(data, str(session.path))
    before = record.read(session)
    editing = _Editing(session, document, before)
    if COMMENTS in wanted.kinds:
        editing.comments(wanted.comments)
    if COLOR in wanted.kinds:
        editing.colors(wanted.colors)
    if MARKERS in wanted.kinds:
        editing.marks(wanted.marks)
    edited = document.edited()
    if edited != data:
        if not editing.record.empty:
            record.keep_backup(session, data)
            record.write(session, editing.record)
        mode = session.path.stat().st_mode
        with written(session.path) as part:
            part.write_bytes(edited)
            part.chmod(mode)
    record.write(session, editing.record)
    if editing.record.empty:
        record.drop_backup(session)
    return Written(
        "in the session file",
        editing.commented,
        len(editing.record.marks),
        len(editing.record.colors),
        problems=tuple(editing.problems),
    )


class _Editing:
    """One edit of a session file, and what of it is to be remembered."""

    def __init__(self, session: SessionFile, document: Document, before: Record) -> None:
        self.session = session
        self.document = document
        self.record = before
        self.commented = 0
        self.problems: list[str] = []
        routes = document.root.child("Routes")
        self.routes = (
            {}
            if routes is None
            else {element.get("id", "") or "": element for element in routes.each("Route")}
        )

    def comments(self, texts: Mapping[str, str]) -> None:
        """Puts our words behind the users' and takes former ones out."""
        new: set[str] = set()
        for own, element in self.routes.items():
            there = element.child("Comment")
            text = "" if there is None else there.text
            wanted = marks.put(text, texts[own]) if own in texts else marks.taken_out(text)
            self.commented += own in texts
            came_new = there is None or own in self.record.new_comments
            if came_new and own in texts:
                new.add(own)
            if wanted == text:
                continue
            if there is None:
                self._insert_comment(element, wanted)
            elif not wanted and came_new:
                self.document.remove(there, space_before=True)
            else:
                self.document.set_text(there, wanted)
        self.record = replace(self.record, new_comments=tuple(sorted(new)))

    def _insert_comment(self, route: Element, text: str) -> None:
        # where Ardour writes it: behind the route's own automation
        behind = route.child("Automation")
        indent = b"\n      " if behind is None else self.document.space_before(behind)
        xml = indent + b"<Comment>" + escaped(text).encode() + b"</Comment>"
        self.document.insert(route, xml, after=behind)

    def colors(self, wanted: Mapping[str, str]) -> None:
        """Gives tracks our colours and puts back those that they had."""
        remembered = dict(self.record.colors)
        for own, element in self.routes.items():
            info = element.child("PresentationInfo")
            if info is None:
                continue
            now = info.get("color", "0") or "0"
            known = remembered.get(own)
            if known is not None and now != known.ours:  # the user has given it another since
                del remembered[own]
                known = None
            if own in wanted:
                ours = rgba(wanted[own])
                remembered[own] = Color(now if known is None else known.before, ours)
                self.document.set_attribute(info, "color", ours)
            elif known is not None:
                del remembered[own]
                self.document.set_attribute(info, "color", known.before)
        gone = set(remembered) - set(self.routes)
        self.record = replace(
            self.record, colors={own: c for own, c in remembered.items() if own not in gone}
        )

    def marks(self, wanted: tuple[tuple[float, str], ...]) -> None:
        """Takes our former markers out and puts the wanted ones in."""
        root = self.document.root
        locations = root.child("Locations")
        if locations is None:
            self.problems.append("The session has no list of markers; none was written.")
            return
        for location in locations.each("Location"):
            if (location.get("name") or "").startswith(marks.MARKER_PREFIX):
                self.document.remove(location, space_before=True)
        now = root.get("id-counter", "0") or "0"
        former = self.record.counter
        # ids that only our former markers had are free again, unless Ardour has counted on
        first = former[0] if former is not None and former[1] == now else now
        counter = int(first)
        last_child = locations.children[-1] if locations.children else None
        indent = b"\n    " if last_child is None else self.document.space_before(last_child)
        for time_s, name in wanted:
            clock = session_file.superclocks(max(0.0, time_s))
            counter += 1
            xml = (
                f'<Location id="{counter}" name={quoteattr(name)} start="{clock}" end="{clock}" '
                'flags="IsMark" locked="0" timestamp="0" cue="0"/>'
            )
            self.document.insert(locations, indent + xml.encode(), after=last_child)
        after = str(counter + 1) if wanted else first
        if after != now:
            self.document.set_attribute(root, "id-counter", after)
        self.record = replace(
            self.record,
            marks=tuple(name for _, name in wanted),
            counter=(first, after) if wanted else None,
        )


def rgba(color: str) -> str:
    """`#RRGGBB` as Ardour writes colours: 0xRRGGBBAA, opaque, in decimal."""
    return str((int(color.lstrip("#"), 16) << 8) | 0xFF)


def in_use(folder: Path) -> bool:
    """Whether a program of Ardour's on this machine has files of a session open, as far as can be
    seen (on Linux; elsewhere never)."""
    inside = f"{folder.resolve()}{os.sep}"
    for process in _processes():
        try:
            if any(os.readlink(file).startswith(inside) for file in (process / "fd").iterdir()):
                return True
        except OSError:  # ended meanwhile, or another user's
            continue
    return False


def can_see() -> bool:
    """Whether it can be seen on this system which files a program has open."""
    return sys.platform.startswith("linux")


def running(is_meant: Callable[[Mapping[str, str]], bool]) -> bool:
    """Whether an Ardour with a window runs on this machine in an environment that is meant, as far
    as can be seen."""
    return any(
        _program(process).startswith("ardour-") and is_meant(_environment(process))
        for process in _processes()
    )


def _processes() -> Iterator[Path]:
    """The processes of Ardour's programs, as folders of /proc."""
    if can_see():
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and _program(process).startswith(PROGRAMS):
                yield process


def _environment(process: Path) -> dict[str, str]:
    """What a process found in its environment when it was started; empty where it has ended."""
    try:
        entries = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return {
        os.fsdecode(name): os.fsdecode(value)
        for name, found, value in (entry.partition(b"=") for entry in entries)
        if found
    }


def _program(process: Path) -> str:
    try:
        return Path(os.readlink(process / "exe")).name
    except OSError:
        return ""
