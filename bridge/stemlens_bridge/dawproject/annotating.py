"""Writes an analysis into a copy of a DAWproject file, and takes it out again.

DAWproject is an open exchange format (Bitwig Studio, Studio One, Cubase and others): a zip file
with the song as `project.xml`. On a track's `comment` stands what its stem does to the tags, in a
block of our own behind the user's words (`marks`); its colour is changed only when asked for, and
the one before is kept in the block; the markers become cue markers of the arrangement whose names
begin with `marks.MARKER_PREFIX`. All else of `project.xml` stays as it is to the byte
(`xmlsplice`), and so do the other members of the zip file (`zipsplice`). The original is never
written to.

The format has no ids that a stem could know of, so tracks are found by name, as for a folder of
stems (`stemnames`).

Source: Project.xsd and Reference.html of the DAWproject exchange format 1.0, Bitwig, 2020 (MIT).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stemlens_bridge import marks, zipsplice
from stemlens_bridge.dawproject.tempo import times
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings
from stemlens_bridge.stemnames import match, same_name
from stemlens_bridge.writing import require_copy, written
from stemlens_bridge.xmlsplice import MAX_BYTES, Document, Element, escaped

MEMBER = "project.xml"
_WAS_EMPTY = f"{marks.BEGIN}was empty{marks.END}"


@dataclass(frozen=True, slots=True)
class Annotated:
    """What was written: `project.xml`, on how many tracks, how many markers; what was not."""

    xml: bytes
    tracks: int
    markers: int
    problems: tuple[str, ...]


def annotate_file(
    source: Path, findings: Findings, target: Path, *, colour: bool = False, replace: bool = False
) -> Annotated:
    """Writes a copy of the project `source` with the annotations to `target`.

    `colour`: colour the tracks too. `replace`: `target` may exist. Raises `project_invalid`,
    `tracks_unmatched` or `output_failed`.
    """
    require_copy(source, target, replace=replace)
    found = annotate(_project(source), findings, colour=colour)
    _write(source, target, found.xml)
    return found


def remove_from_file(source: Path, target: Path, *, replace: bool = False) -> int:
    """Writes a copy of `source` without our annotations to `target`; returns how many there were.

    Raises `project_invalid` or `output_failed`.
    """
    require_copy(source, target, replace=replace)
    xml, count = without_annotations(_project(source))
    _write(source, target, xml)
    return count


def annotate(xml: bytes, findings: Findings, *, colour: bool = False) -> Annotated:
    """`project.xml` with what was found, in the place of annotations that we made before.

    Raises `project_invalid`, and `tracks_unmatched` where not one of the tracks is found.
    """
    clean, _ = without_annotations(xml)
    document = _parsed(clean)
    places, problems = _located(document, findings)
    for note in findings.notes:
        track = places.get(note.track)
        if track is not None:
            _put_note(document, track, note.text, note.color if colour else None)
    count, more = _put_markers(document, findings, places)
    written_on = sum(note.track in places for note in findings.notes)
    if findings.notes and not written_on:
        names = ", ".join(sorted({name for name, _ in _tracks(document)})[:12]) or "none"
        raise StemlensError(
            "tracks_unmatched",
            "No track of the project has the name of a stem of the result, so nothing was written. "
            f"The project's tracks: {names}.",
        )
    return Annotated(document.edited(), written_on, count, (*problems, *more))


def without_annotations(xml: bytes) -> tuple[bytes, int]:
    """`project.xml` as it was before `annotate`, and how many annotations were in it.

    What the user has changed since stays as it is: words around our block, a colour that is no
    longer ours. Raises `project_invalid`.
    """
    document = _parsed(xml)
    count = 0
    for track in _strips(document):
        comment = track.get("comment")
        ours = None if comment is None else marks.ours(comment)
        if comment is None or ours is None:
            continue
        count += 1
        text = marks.taken_out(comment)
        if text or comment.startswith("\n"):
            document.set_attribute(track, "comment", text)
        else:
            document.remove_attribute(track, "comment")
        _put_colour_back(document, track, ours)
    markers = document.root.child("Arrangement", "Markers")
    if markers is not None:
        count += _take_markers_out(document, markers)
    return document.edited(), count


# ------------------------------------------------------------------------------------- tracks


def _tracks(document: Document) -> list[tuple[str, Element]]:
    """The tracks by name, at whatever depth; and channels that belong to no track (Studio One
    writes buses so) where no track has that name."""
    found = [(name, strip) for strip in _strips(document) if (name := strip.get("name"))]
    names = {name for name, strip in found if strip.name == "Track"}
    return [(name, strip) for name, strip in found if strip.name == "Track" or name not in names]


def _strips(document: Document) -> Iterator[Element]:
    structure = document.root.child("Structure")
    if structure is not None:
        yield from (element for element in structure.walk() if element.name == "Track")
        yield from structure.each("Channel")


def _located(document: Document, findings: Findings) -> tuple[dict[str, Element], list[str]]:
    """The track of each stem that has one, and what to tell of those with words but no track."""
    present = _tracks(document)
    names = [name for name, _ in present]
    # A folder for each, since stems may share a name; a slash in a name is no folder.
    files = {
        Path(str(i), stem.name.replace("/", "_").replace("\\", "_") + ".wav"): stem.id
        for i, stem in enumerate(findings.tracks)
    }
    pairs = match(list(files), names, typed=False).pairs
    places = {files[path]: present[number][1] for path, number in pairs.items()}
    told = {stem.id: stem.name for stem in findings.tracks}
    problems = []
    for note in findings.notes:
        if note.track in places:
            continue
        name = told.get(note.track, note.track)
        if sum(same_name(name, other) for other in names) > 1:
            why = f"Several tracks are called {name!r}; rename all but one"
        else:
            why = f"No track, or not just one, fits the stem {name!r}"
        problems.append(f"{why}; nothing was written for it.")
    return places, problems


def _put_note(document: Document, track: Element, text: str, colour: str | None) -> None:
    before = track.get("color")
    if colour is not None:
        document.set_attribute(track, "color", colour)
        text = marks.with_colour(text, colour, before)
    comment = track.get("comment")
    # An empty comment that was there is told from none by the line before our block.
    lead = "\n" if comment == "" else ""
    document.set_attribute(track, "comment", lead + marks.put(comment or "", text))


def _put_colour_back(document: Document, track: Element, ours: str) -> None:
    present = track.get("color")
    before = marks.colour_before(ours, present)
    if before is None:
        document.remove_attribute(track, "color")
    elif before != present:
        document.set_attribute(track, "color", before)


# ------------------------------------------------------------------------------------ markers


def _put_markers(
    document: Document, findings: Findings, places: dict[str, Element]
) -> tuple[int, list[str]]:
    """Inserts the markers of the mix and of tracks that were found; how many, and what to tell."""
    notes = sorted(
        (note for note in findings.timeline if note.track in places or not note.track),
        key=lambda note: note.start_s,
    )
    early = [note for note in notes if note.start_s < 0]
    problems = [
        f"The marker {note.text!r} lies {-note.start_s:.1f} s before the project's start; "
        "it was not written."
        for note in early
    ]
    notes = notes[len(early) :]
    arrangement = document.root.child("Arrangement")
    if notes and arrangement is None:
        problems.append("The project has no arrangement, so no markers were written.")
    if not notes or arrangement is None:
        return 0, problems
    markers, lanes = arrangement.child("Markers"), arrangement.child("Lanes")
    scope = markers or lanes
    unit = (scope.get("timeUnit") if scope else None) or "beats"
    at = times(document, [note.start_s for note in notes], unit)
    lines = [
        f'<Marker time="{time:.6f}" '
        f'name="{escaped(marks.MARKER_PREFIX + note.text, quote=chr(34))}"/>'.encode()
        for time, note in zip(at, notes, strict=True)
    ]
    if markers is None:
        _insert_markers(document, arrangement, lanes, unit, lines)
    elif markers.children:
        last = markers.children[-1]
        indent = document.space_before(last)
        document.insert(markers, b"".join(indent + line for line in lines), after=last)
    else:
        comment = markers.get("comment") or ""
        document.set_attribute(markers, "comment", comment + _WAS_EMPTY)
        indent = _deeper(document.space_before(markers))
        document.insert(markers, b"".join(indent + line for line in lines), first=True)
    return len(lines), problems


def _insert_markers(
    document: Document, arrangement: Element, lanes: Element | None, unit: str, lines: list[bytes]
) -> None:
    """A new Markers element where the schema has it: behind Lanes, before all else."""
    if lanes is not None:
        indent = document.space_before(lanes)
    else:
        indent = _deeper(document.space_before(arrangement))
    inner = _deeper(indent)
    xml = indent + f'<Markers timeUnit="{unit}">'.encode()
    xml += b"".join(inner + line for line in lines) + indent + b"</Markers>"
    document.insert(arrangement, xml, after=lanes, first=lanes is None)


def _deeper(indent: bytes) -> bytes:
    return indent + b"  " if b"\n" in indent else b""


def _take_markers_out(document: Document, markers: Element) -> int:
    ours = [
        marker
        for marker in markers.each("Marker")
        if (marker.get("name") or "").startswith(marks.MARKER_PREFIX)
    ]
    if not ours:
        return 0
    comment = markers.get("comment") or ""
    was_empty = comment.endswith(_WAS_EMPTY)
    if len(ours) == len(markers.children) and not was_empty:
        document.remove(markers, space_before=True)  # the schema knows no empty Markers
        return len(ours)
    if was_empty:
        if comment == _WAS_EMPTY:
            document.remove_attribute(markers, "comment")
        else:
            document.set_attribute(markers, "comment", comment.removesuffix(_WAS_EMPTY))
    if len(ours) == len(markers.children):
        document.empty(markers)
    else:
        for marker in ours:
            document.remove(marker, space_before=True)
    return len(ours)


# -------------------------------------------------------------------------------------- files


def _project(source: Path) -> bytes:
    return zipsplice.read_member(source, MEMBER, MAX_BYTES)


def _parsed(xml: bytes) -> Document:
    document = Document.parse(xml, MEMBER)
    if document.root.name != "Project":
        raise StemlensError(
            "project_invalid", f"{MEMBER} holds no project but a {document.root.name!r}."
        )
    return document


def _write(source: Path, target: Path, xml: bytes) -> None:
    with written(target) as part, part.open("wb") as file:
        zipsplice.write_with(source, file, MEMBER, xml)
