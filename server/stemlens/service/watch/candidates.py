"""Which sessions lie in a tree of folders, by names alone: nothing is opened but `session.json`.

* a folder with a `session.json` is the session that this describes;
* a folder below the watched one that has audio files is a session of stems, or with a single audio
  file a mix;
* audio files in the watched folder itself are told apart by what stands in front of their names
  ("My Song - Bass", "My Song - Pad"): two or more with the same prefix are a session; one that is
  named as the prefix alone is its mix; what is left over is a mix each;
* a zip is whatever lies in it.

Only regular files count. Links to folders are not followed, links to files only where they stay in
the watched folder. Hidden files and folders, and what DAWs and browsers write beside the audio, are
passed over. Names are compared as they are read: macOS writes "ö" as two characters.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stemlens_bridge import jsontext
from stemlens_bridge.errors import StemlensError
from stemlens_bridge.session import FILE_NAME, Session, Stem, from_json
from stemlens_bridge.stemfolder import AUDIO_ENDINGS, sorted_out, stem_ids

ARCHIVE = ".zip"
PARTIAL_ENDINGS = (".part", ".crdownload", ".download", ".partial", ".filepart", ".opdownload")
TEMPORARY = re.compile(r"~.*|.*~|.*\.(tmp|temp|part)\.\w+", re.IGNORECASE)
SEPARATORS = (" - ", "_", "-", " ")  # the strongest first
MAX_DEPTH = 16
MAX_STEMS = 1_000
MAX_DESCRIPTION = 4_000_000  # bytes of a session.json

Stamp = tuple[int, int, int]  # size, time of change in ns, inode


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is one session, if its files are complete.

    `root` is the watched folder, `place` the folder of the session's results, and `prefix` what
    their names begin with ("" in a folder of its own). `kind`: described, folder, drop, mix or
    archive. `stamps` are the files as they are now (None: not there); `partial`: downloads of them
    that are not finished.
    """

    root: Path
    place: Path
    prefix: str
    kind: str
    stamps: tuple[tuple[Path, Stamp | None], ...]
    partial: tuple[tuple[Path, Stamp], ...] = ()

    @property
    def key(self) -> tuple[Path, str, str]:
        """What stays the same while the files change."""
        return (self.place, self.prefix, self.kind)

    @property
    def files(self) -> list[Path]:
        return [path for path, _ in self.stamps]

    @property
    def name(self) -> str:
        return self.prefix or self.place.name


def candidates(
    root: Path, *, songs: bool = True, without: Collection[Path] = ()
) -> Iterator[Candidate]:
    """The sessions in a watched folder as it is now; none where it cannot be read.

    Without `songs` the files in the root are one session, as those of any other folder are.
    `without`: folders, links resolved, that are not looked into.
    """
    real = Path(os.path.realpath(root))
    passed_over = {folder.name.casefold() for folder in without}
    todo = [(root, 0)]
    while todo:
        folder, depth = todo.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:  # gone, or not ours to read
            continue
        files: dict[Path, Stamp] = {}
        partial: dict[Path, Stamp] = {}
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    named = entry.name.casefold() in passed_over
                    if depth < MAX_DEPTH and not (
                        named and Path(os.path.realpath(entry.path)) in without
                    ):
                        todo.append((Path(entry.path), depth + 1))
                    continue
                if os.path.splitext(entry.name)[1].lower() in PARTIAL_ENDINGS:
                    if entry.is_file(follow_symlinks=False):
                        partial[Path(entry.path)] = _stamp(entry.stat())
                elif may_belong(entry.name) and _is_inside(entry, real):
                    files[Path(entry.path)] = _stamp(entry.stat())
            except (OSError, ValueError):  # gone meanwhile, a link in a circle
                continue
        yield from _of_folder(root, folder, files, partial, songs=songs and folder == root)


def session_of(candidate: Candidate) -> Session:
    """The session that a candidate is; raises `session_invalid`, and `path_not_allowed` where its
    `session.json` names a link that leads out of the watched folder."""
    if candidate.kind == "described":
        for path in candidate.files:
            _require_inside(path, candidate.root)
        return from_json(candidate.place / FILE_NAME)
    files = candidate.files
    if candidate.kind == "mix" or len(files) == 1:
        name = candidate.prefix or candidate.place.name
        return Session(project=name, daw="watch", stems=(), mix=files[0])
    own = [path for path in files if _name(path) == candidate.prefix]
    export = sorted_out([path for path in files if path not in own])
    mixes = own if export.mix is None else [*own, export.mix]
    if len(mixes) > 1:
        told = ", ".join(path.name for path in mixes)
        raise StemlensError(
            "session_invalid", f"More than one file is the mix: {told}. Leave one of them."
        )
    if len(export.stems) > MAX_STEMS:
        raise StemlensError("session_invalid", f"A session has up to {MAX_STEMS} stems.")
    stems = tuple(
        Stem(id=track, name=name, path=path)
        for track, name, path in zip(
            stem_ids(export.stems), export.names, export.stems, strict=True
        )
    )
    mix = mixes[0] if mixes else None
    return Session(project=candidate.name, daw="watch", stems=stems, mix=mix)


def by_prefix(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Files of one folder as songs: those with the same prefix, and each other file by itself."""
    groups: defaultdict[str, list[Path]] = defaultdict(list)
    alone = []
    for path in files:
        if prefix := _prefix(_name(path)):
            groups[prefix].append(path)
        else:
            alone.append(path)
    several: defaultdict[str, list[Path]] = defaultdict(list)
    for prefix, group in groups.items():
        for name, members in _told_apart(prefix, group).items():
            if len(members) > 1:
                several[name] += members
            else:
                alone += members
    songs: dict[str, list[Path]] = dict(several)
    taken = {name.casefold() for name in songs}
    for path in alone:
        if _name(path) in several:  # "Song" is the mix of "Song - Bass" …
            several[_name(path)].append(path)
        else:
            songs[_free_name(path, taken)] = [path]
    return songs


def _name(path: Path) -> str:
    return unicodedata.normalize("NFC", path.stem)


def _free_name(path: Path, taken: set[str]) -> str:
    """A file's name as what its results are called by, with its ending where another has the same;
    adds it to `taken`, as it is without capitals."""
    own = _name(path)
    if own.casefold() in taken:
        own = unicodedata.normalize("NFC", path.name)
    taken.add(own.casefold())
    return own


def _prefix(name: str) -> str:
    """What stands before the strongest separator; numbers count tracks and name no song."""
    for mark in SEPARATORS:
        before, found, after = name.partition(mark)
        if found and before.strip() and after.strip() and not before.strip().isdecimal():
            return before.strip()
    return ""


def _told_apart(prefix: str, group: list[Path]) -> dict[str, list[Path]]:
    """Songs whose names begin alike ("My Song Bass", "My Tune Bass"): where a last word comes
    twice, what stands before it is the song, if that leaves no file alone."""
    parts = {path: _name(path).rpartition(" ") for path in group}
    last = Counter(word.casefold() for _, _, word in parts.values())
    finer: defaultdict[str, list[Path]] = defaultdict(list)
    for path, (before, _, _) in parts.items():
        finer[before.strip(" -_")].append(path)
    blank = all(mark not in path.stem for path in group for mark in SEPARATORS[:2])
    if blank and max(last.values()) > 1 and all(len(each) > 1 for each in finer.values()):
        return finer
    return {prefix: group}


def _of_folder(
    root: Path,
    folder: Path,
    files: Mapping[Path, Stamp],
    partial: Mapping[Path, Stamp],
    *,
    songs: bool,
) -> Iterator[Candidate]:
    def made(kind: str, prefix: str, members: Iterable[Path]) -> Candidate:
        stamps = tuple((path, files[path]) for path in members)
        waits = [one for one in partial.items() if _name(one[0]).startswith(prefix)]
        return Candidate(root, folder, prefix, kind, stamps, tuple(waits))

    taken: set[str] = set()
    audio = sorted(path for path in files if path.suffix.lower() in AUDIO_ENDINGS)
    if folder / FILE_NAME in files:
        named = {path: _stamp_of(path) for path in _described(folder / FILE_NAME)}
        stamps = ((folder / FILE_NAME, files[folder / FILE_NAME]), *named.items())
        yield Candidate(root, folder, "", "described", stamps, tuple(partial.items()))
    elif audio and not songs:
        yield made("folder", "", audio)
    else:
        for prefix, members in by_prefix(audio).items():
            taken.add(prefix.casefold())
            yield made("mix" if len(members) == 1 else "drop", prefix, members)
    for path in files:
        if path.suffix.lower() == ARCHIVE:
            yield made("archive", _free_name(path, taken), [path])


def _described(path: Path) -> list[Path]:
    """The files that a `session.json` names; none where it is not readable (yet)."""
    try:
        if path.stat().st_size > MAX_DESCRIPTION:
            return []
        given = jsontext.read(path.read_text(encoding="utf-8-sig"))
        named = [stem["path"] for stem in given.get("stems", [])]
        named += [given["mix"]] if given.get("mix") else []
        return [path.parent / name for name in named]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []  # what is wrong with it is told when it is complete


def may_belong(name: str) -> bool:
    """Whether a name is one that a session may have."""
    ending = os.path.splitext(name)[1].lower()
    known = ending in AUDIO_ENDINGS or ending == ARCHIVE or name == FILE_NAME
    return known and TEMPORARY.fullmatch(unicodedata.normalize("NFC", name)) is None


def _is_inside(entry: os.DirEntry[str], real: Path) -> bool:
    """Whether an entry is a regular file in the watched folder, also through a link."""
    if not stat.S_ISREG(entry.stat().st_mode):
        return False
    return not entry.is_symlink() or Path(os.path.realpath(entry.path)).is_relative_to(real)


def _require_inside(path: Path, root: Path) -> None:
    """What is named as a file elsewhere is meant; what only a link leads to is not."""
    named = Path(os.path.abspath(path)).is_relative_to(os.path.abspath(root))
    if named and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise StemlensError(
            "path_not_allowed",
            f"{path} is a link that leads out of {root}; let session.json name the file itself.",
        )


def _stamp(status: os.stat_result) -> Stamp:
    return (status.st_size, status.st_mtime_ns, status.st_ino)


def _stamp_of(path: Path) -> Stamp | None:
    try:
        return _stamp(path.stat())
    except (OSError, ValueError):
        return None
