"""Ableton Live's sets (`.als`): notes and colours for the tracks of a copy of a set.

A set is XML, compressed with gzip. Its tracks are the elements `AudioTrack`, `MidiTrack`,
`GroupTrack` and `ReturnTrack` in `Ableton/LiveSet/Tracks`; each has a `Name` with `EffectiveName`
(what Live shows), `UserName` (what was typed; empty: Live makes a name) and `Annotation` (the info
text), and beside it its colour: `Color` in Live 11 and 12, `ColorIndex` in Live 10 (see
`ableton.palette`). All values are attributes called `Value`.

Ableton does not document the format; this was read off sets that Live 10.1, 11.3 and 12 have
written, and many programs that read and write sets rely on the same. Live itself cannot run where
Stemlens is tested, so only the original is safe for certain: it is never written to. In the copy
every byte of the XML that is not ours stays as it is (`xmlsplice`), and ours can be told and taken
out again (`marks`). A colour that was there before is remembered in our part of the info text.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemlens_bridge import marks, xmlsplice
from stemlens_bridge.ableton import DAW, RETURN, palette
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.findings import Findings, TrackNote
from stemlens_bridge.stemnames import same_name
from stemlens_bridge.tracks import located
from stemlens_bridge.writing import require_copy, written
from stemlens_bridge.xmlsplice import Document, Element

TRACKS = ("AudioTrack", "MidiTrack", "GroupTrack", "ReturnTrack")
GZIP = b"\x1f\x8b"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class AlsSet:
    """A set as it was read: its XML, and whether it was compressed."""

    path: Path
    xml: bytes
    compressed: bool


@dataclass(frozen=True, slots=True, eq=False)
class AlsTrack:
    """A track of a set: `id` as `stemlens-bridge ableton` gives it, `name` without our label."""

    id: str
    name: str
    annotation: Element
    colour: Element | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A set's XML after a change, how many tracks changed, and what to tell the user."""

    xml: bytes
    tracks: int
    problems: tuple[str, ...] = ()


def read(path: Path) -> AlsSet:
    """Reads a set; raises `project_invalid` for what is none, and tells damage from absence."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StemlensError(
            "project_invalid", f"{path} cannot be read: {error.strerror}."
        ) from error
    compressed = data.startswith(GZIP)
    return AlsSet(path, _unzipped(path, data) if compressed else data, compressed)


def annotate_file(
    source: Path, findings: Findings, target: Path, *, colour: bool = False, replace: bool = False
) -> Changed:
    """Writes a copy of the set `source` with the notes of `findings` to `target`.

    `colour`: colour the tracks too. `replace`: `target` may exist. Raises `project_invalid`,
    `tracks_unmatched` or `output_failed`.
    """
    require_copy(source, target, replace=replace)
    als = read(source)
    changed = annotate(als, findings, colour=colour)
    _write(als, changed.xml, target)
    return changed


def remove_from_file(source: Path, target: Path, *, replace: bool = False) -> Changed:
    """Writes a copy of the set `source` without our notes to `target`.

    Raises `project_invalid` or `output_failed`.
    """
    require_copy(source, target, replace=replace)
    als = read(source)
    changed = remove(als)
    _write(als, changed.xml, target)
    return changed


def annotate(als: AlsSet, findings: Findings, *, colour: bool = False) -> Changed:
    """The set with the notes of `findings` in the info texts of its tracks.

    With `colour` the tracks get the note's colour too. Notes of an earlier run are replaced, and
    taken out where there is nothing to say any more. Raises `project_invalid`, and
    `tracks_unmatched` where no stem of the result has a track in the set.
    """
    document, tracks = _opened(als)
    places, problems = _located(tracks, findings)
    notes = {note.track: note for note in findings.notes}
    wanted = {track: notes[stem] for stem, track in places.items() if stem in notes}
    if notes and not wanted:
        told = ", ".join(repr(stem.name) for stem in findings.tracks if stem.id in notes)
        raise StemlensError(
            "tracks_unmatched",
            f"No track of {als.path.name} fits a stem of the result. The set has "
            f"{', '.join(repr(track.name) for track in tracks) or 'no tracks'}; the result has "
            f"something to say of {told}.",
        )
    changed = 0
    for track in tracks:
        note = wanted.get(track)
        if note is None:
            changed += _take_out(document, track)
            continue
        put, problem = _put(document, track, note, colour, _offset(document))
        changed += put
        problems += [problem] if problem and problem not in problems else []
    return Changed(document.edited(), changed, tuple(problems))


def remove(als: AlsSet) -> Changed:
    """The set without our notes, and with the colours that tracks had before them."""
    document, tracks = _opened(als)
    changed = sum(_take_out(document, track) for track in tracks)
    return Changed(document.edited(), changed)


def tracks_of(als: AlsSet) -> list[AlsTrack]:
    """The tracks of a set in their order; raises `project_invalid`."""
    return _opened(als)[1]


def _opened(als: AlsSet) -> tuple[Document, list[AlsTrack]]:
    document = Document.parse(als.xml, f"The set {als.path.name}")
    place = document.root.child("LiveSet", "Tracks") if document.root.name == "Ableton" else None
    if place is None:
        raise StemlensError(
            "project_invalid", f"{als.path.name} is no set of Ableton Live: it has no tracks."
        )
    found: list[AlsTrack] = []
    for element in place.children:
        if element.name not in TRACKS:
            continue
        name, annotation = (
            element.child("Name", "EffectiveName"),
            element.child("Name", "Annotation"),
        )
        if name is None or annotation is None:
            raise StemlensError(
                "project_invalid",
                f"{als.path.name} was written by a version of Live whose sets are not known here.",
            )
        plain = marks.without_label(name.get("Value", "") or "")
        number = 1 + sum(not track.id.startswith(RETURN) for track in found)
        own = f"{RETURN}{plain}" if element.name == "ReturnTrack" else str(number)
        colour = element.child("Color") or element.child("ColorIndex")
        found.append(AlsTrack(own, plain, annotation, colour))
    return document, found


def _put(
    document: Document, track: AlsTrack, note: TrackNote, colour: bool, offset: int | None
) -> tuple[bool, str]:
    """Writes a note; returns whether it changed anything, and what to tell."""
    text = track.annotation.get("Value", "") or ""
    ours, problem = note.text, ""
    if colour and offset is None:
        problem = "Colours were left as they are: sets of Live 9 and older have other ones."
    before = _colour_before(track, marks.ours(text))
    if colour and offset is not None and track.colour is not None:
        now = str(offset + palette.nearest(note.color))
        document.set_attribute(track.colour, "Value", now)
        ours = marks.with_colour(ours, now, before)
    elif track.colour is not None:
        document.set_attribute(track.colour, "Value", before)
    put = marks.put(text, ours)
    document.set_attribute(track.annotation, "Value", put)
    return put != text, problem


def _take_out(document: Document, track: AlsTrack) -> bool:
    text = track.annotation.get("Value", "") or ""
    if track.colour is not None:
        document.set_attribute(track.colour, "Value", _colour_before(track, marks.ours(text)))
    document.set_attribute(track.annotation, "Value", marks.taken_out(text))
    return marks.ours(text) is not None


def _colour_before(track: AlsTrack, ours: str | None) -> str:
    """The number of the colour that the track had before us."""
    present = "" if track.colour is None else track.colour.get("Value", "")
    return marks.colour_before(ours, present) or ""


def _offset(document: Document) -> int | None:
    """From which number the set counts the colours of the palette; None: it has an older one."""
    version = re.search(r"Live (\d+)", document.root.get("Creator", "") or "")
    if version is None or int(version[1]) >= 11:
        return 0
    return palette.LIVE_10_OFFSET if int(version[1]) == 10 else None


def _located(
    tracks: Sequence[AlsTrack], findings: Findings
) -> tuple[dict[str, AlsTrack], list[str]]:
    """The track of each stem that has one, and what to tell of those with words but no track."""
    noted = {note.track for note in findings.notes}
    if findings.daw == DAW:
        stems = [(stem.id, stem.name) for stem in findings.tracks]
        found = located(stems, [(track.id, track.name) for track in tracks], stable_ids=False)
        by_id = {track.id: track for track in tracks}
        return {stem: by_id[place] for stem, place in found.places.items()}, list(found.problems)
    # stems of a folder: their names are what file systems made of the tracks' names
    places, problems = {}, []
    for stem in findings.tracks:
        alike = [track for track in tracks if same_name(track.name, stem.name)]
        if len(alike) == 1:
            places[stem.id] = alike[0]
        elif stem.id in noted:
            why = "Several tracks are" if alike else "No track is"
            problems.append(f"{why} called {stem.name!r}; nothing was written for it.")
    return places, problems


def _write(original: AlsSet, xml: bytes, copy: Path) -> None:
    with written(copy) as part:
        # no time and no name in the header: the same set gives the same file
        part.write_bytes(gzip.compress(xml, mtime=0) if original.compressed else xml)


def _unzipped(path: Path, data: bytes) -> bytes:
    """The XML of a compressed set, in steps, so that a small file cannot fill the memory."""
    unzip = zlib.decompressobj(wbits=31)
    parts, size = [], 0
    try:
        while data and not unzip.eof:
            parts.append(unzip.decompress(data, CHUNK))
            size += len(parts[-1])
            data = unzip.unconsumed_tail
            if size > xmlsplice.MAX_BYTES:
                raise StemlensError(
                    "project_invalid",
                    f"{path.name} is larger than {xmlsplice.MAX_BYTES // 2**20} MiB unpacked.",
                )
    except zlib.error as error:
        raise StemlensError("project_invalid", f"{path.name} is damaged ({error}).") from error
    if not unzip.eof:
        raise StemlensError("project_invalid", f"{path.name} is damaged: its end is missing.")
    return b"".join(parts)
